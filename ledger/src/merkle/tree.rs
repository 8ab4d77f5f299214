//! A tree in memory: every node by level, 64 bytes per entry.

use crate::crypto::node_hash;
use crate::merkle::{HashReader, ProofError, ReadError, prove_consistency, prove_inclusion, root_at};
use tally_schemas::id::{Hash, TreeHead};

/// The hashes of all complete subtrees of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    /// By level, from the leaves up; a level without a complete subtree is absent.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Makes the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the hash of a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else {
                return;
            };
            nodes.push(hash);
            // An even number of nodes: the last two have just become a complete subtree of the next level.
            match nodes.as_slice() {
                [.., left, right] if nodes.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => return,
            }
        }
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Returns the hash of the leaf at an index.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.node(0, index).ok()
    }

    /// Returns the root over all leaves.
    pub fn root(&self) -> Hash {
        root_at(self, self.size()).expect("a tree holds every complete subtree of itself")
    }

    /// Returns size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size(),
            root: self.root(),
        }
    }

    /// Returns the head that the tree had at an earlier size.
    ///
    /// # Errors
    /// A size beyond the tree.
    pub fn head_at(&self, size: u64) -> Result<TreeHead, ReadError> {
        let root = root_at(self, size)?;
        Ok(TreeHead { size, root })
    }

    /// Makes the proof that the leaf at an index is in the tree of `size` leaves.
    ///
    /// # Errors
    /// An index not below the size, or a size beyond the tree.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
        prove_inclusion(self, index, size)
    }

    /// Makes the proof that the tree of `new` leaves continues that of `old` leaves.
    ///
    /// # Errors
    /// An old size over the new one, or a new size beyond the tree.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ProofError> {
        prove_consistency(self, old, new)
    }

    /// Returns the first `width` hashes of the 256-wide tile `index` of a tile level, or nothing when the tree lacks one.
    pub fn tile_hashes(&self, tile_level: u8, index: u64, width: u16) -> Option<Vec<Hash>> {
        let nodes = self.levels.get(usize::from(tile_level) * 8)?;
        let start = usize::try_from(index.checked_mul(256)?).ok()?;
        let end = start.checked_add(usize::from(width))?;
        nodes.get(start..end).map(<[Hash]>::to_vec)
    }

    /// Removes all leaves from `size` on.
    pub fn truncate(&mut self, size: u64) {
        let mut keep = usize::try_from(size).unwrap_or(usize::MAX);
        for nodes in &mut self.levels {
            nodes.truncate(keep);
            keep >>= 1;
        }
        self.levels.retain(|nodes| !nodes.is_empty());
    }
}

impl FromIterator<Hash> for Tree {
    fn from_iter<T: IntoIterator<Item = Hash>>(leaves: T) -> Self {
        let mut tree = Self::new();
        for leaf in leaves {
            tree.append(leaf);
        }
        tree
    }
}

impl HashReader for Tree {
    fn node(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let nodes = self.levels.get(usize::from(level));
        usize::try_from(index)
            .ok()
            .and_then(|place| nodes.and_then(|nodes| nodes.get(place)))
            .copied()
            .ok_or_else(|| ReadError {
                level,
                index,
                why: format!("beyond a tree of {} entries", self.size()),
            })
    }
}
