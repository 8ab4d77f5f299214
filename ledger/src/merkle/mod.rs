//! The RFC 6962 Merkle tree over the entries of a log, with SHA-256.
//!
//! [`Frontier`] follows a log in logarithmic memory, [`Tree`] keeps every node and makes proofs and tiles, the functions of
//! [`proof`] make proofs from any [`HashReader`] (a tree, tile files) and verify them. Knows leaf hashes only, never entries,
//! signatures or files. Spec: schemas/spec/checkpoint.md, schemas/spec/tiles.md. Keeps I2 and I3 checkable.

pub mod frontier;
pub mod proof;
pub mod tiles;
pub mod tree;

#[cfg(test)]
mod tests;

pub use frontier::Frontier;
pub use proof::{
    ProofError, prove_consistency, prove_consistency_beyond, prove_inclusion, prove_inclusion_beyond,
    root_at, verify_consistency, verify_inclusion,
};
pub use tiles::{TileHashes, TileReader};
pub use tree::Tree;

use tally_schemas::id::Hash;

/// The largest tree size: what a decimal of the formats can state.
pub const TREE_SIZE_MAX: u64 = i64::MAX.unsigned_abs();

/// Reads the hashes of complete subtrees.
pub trait HashReader {
    /// Returns the hash of the complete subtree over the leaves `index * 2^level` up to `(index + 1) * 2^level`.
    ///
    /// # Errors
    /// A subtree that is not held, or cannot be read.
    fn node(&self, level: u8, index: u64) -> Result<Hash, ReadError>;
}

/// Why the hash of a subtree could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("subtree {index} of level {level} cannot be read: {why}")]
pub struct ReadError {
    /// The level: 0 for leaves.
    pub level: u8,
    /// The index within the level.
    pub index: u64,
    /// What happened.
    pub why: String,
}
