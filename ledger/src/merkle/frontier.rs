//! The right edge of a tree: enough to append and to know the root, in logarithmic memory.

use crate::crypto::{empty_root, node_hash};
use crate::merkle::TREE_SIZE_MAX;
use tally_schemas::id::{Hash, TreeHead};

/// The complete subtrees that a tree of some size consists of, largest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Makes the frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a frontier of a size and the roots of its complete subtrees, largest first.
    ///
    /// Returns nothing when their number is not the number of one-bits of the size.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let fits = size <= TREE_SIZE_MAX && usize::try_from(size.count_ones()) == Ok(peaks.len());
        fits.then_some(Self { size, peaks })
    }

    /// Appends the hash of a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the roots of the complete subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Returns the root.
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.peaks.iter().rev();
        match from_the_right.next() {
            None => empty_root(),
            Some(last) => from_the_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// Returns size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size,
            root: self.root(),
        }
    }
}
