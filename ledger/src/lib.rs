//! The pure core: Merkle logs, authority, folding, rules and the node's decisions, without clock, randomness or I/O.

pub mod archive;
pub mod authority;
pub mod cases;
pub mod checkpoint;
pub mod confirmation;
pub mod crypto;
pub mod export;
pub mod fork;
pub mod merkle;
pub mod projection;
pub mod proof;
pub mod replica;
pub mod rules;
pub mod world;

#[cfg(test)]
pub(crate) mod fixture;
