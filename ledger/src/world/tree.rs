//! The tree of a log as a world holds it: the right edge in memory, full tiles in the archive.

use super::kept::Kept;
use crate::crypto::node_hash;
use crate::merkle::{
    Frontier, HashReader, ProofError, ReadError, prove_consistency, prove_inclusion, root_at,
};
use std::sync::Arc;
use tally_schemas::id::{Hash, Origin, TreeHead};
use tally_schemas::snapshot::EdgeLevel;
use tally_schemas::tile::{TILE_LEVEL_MAX, TILE_WIDTH};

/// The tree over the entries of a log.
#[derive(Debug, Clone)]
pub struct HeldTree {
    origin: Arc<Origin>,
    kept: Arc<Kept>,
    /// By level, from the leaves up: the index of the first hash held, and the hashes from there on.
    levels: Vec<EdgeLevel>,
}

impl HeldTree {
    /// Makes the empty tree of a log.
    pub(super) fn new(origin: Arc<Origin>, kept: Arc<Kept>) -> Self {
        Self {
            origin,
            kept,
            levels: Vec::new(),
        }
    }

    /// Makes the tree of a log from its edge; none when the edge is not that of a tree of this head.
    pub(super) fn of_edge(
        origin: Arc<Origin>,
        kept: Arc<Kept>,
        levels: &[EdgeLevel],
        head: TreeHead,
    ) -> Option<Self> {
        let tree = Self {
            origin,
            kept,
            levels: levels.to_vec(),
        };
        for (level, held) in (0u32..).zip(&tree.levels) {
            let count = held.first.checked_add(held.hashes.len() as u64)?;
            if count != head.size.checked_shr(level).unwrap_or(0)
                || held.first != first_held(u8::try_from(level).ok()?, head.size)
            {
                return None;
            }
        }
        let levels = u64::BITS - head.size.leading_zeros();
        let fits = tree.levels.len() == usize::try_from(levels).ok()? && tree.head() == head;
        fits.then_some(tree)
    }

    /// Returns the edge that the tree had at a size: every hash that no full tile of that size holds.
    pub(super) fn edge(&self, size: u64) -> Vec<EdgeLevel> {
        let mut edge = Vec::new();
        for (level, held) in (0u8..).zip(&self.levels) {
            let count = size.checked_shr(u32::from(level)).unwrap_or(0);
            if count == 0 {
                break;
            }
            let first = first_held(level, size);
            let skip = usize::try_from(first.saturating_sub(held.first)).unwrap_or(usize::MAX);
            let take = usize::try_from(count.saturating_sub(first)).unwrap_or(usize::MAX);
            edge.push(EdgeLevel {
                first,
                hashes: held.hashes.iter().skip(skip).take(take).copied().collect(),
            });
        }
        edge
    }

    /// Lets go of the hashes that full tiles of a size hold: the archive has them.
    pub(super) fn let_go(&mut self, size: u64) {
        for (level, held) in (0u8..).zip(&mut self.levels) {
            let first = first_held(level, size);
            let gone = usize::try_from(first.saturating_sub(held.first)).unwrap_or(0);
            if gone > 0 && gone <= held.hashes.len() {
                held.hashes.drain(..gone);
                held.hashes.shrink_to_fit();
                held.first = first;
            }
        }
    }

    /// Removes all leaves from `size` on.
    ///
    /// # Errors
    /// A full tile that is in the way cannot be read.
    pub(crate) fn truncate(&mut self, size: u64) -> Result<(), ReadError> {
        let mut levels = Vec::new();
        for (level, held) in (0u8..).zip(&self.levels) {
            let count = size.checked_shr(u32::from(level)).unwrap_or(0);
            if count == 0 {
                break;
            }
            let first = held.first.min(first_held(level, size));
            let hashes = (first..count.min(held.first + held.hashes.len() as u64))
                .map(|index| self.node(level, index))
                .collect::<Result<Vec<Hash>, ReadError>>()?;
            levels.push(EdgeLevel { first, hashes });
        }
        self.levels = levels;
        Ok(())
    }

    /// Appends the hash of a leaf.
    pub(crate) fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(EdgeLevel::default());
            }
            let Some(held) = self.levels.get_mut(level) else {
                return;
            };
            held.hashes.push(hash);
            let count = held.first + held.hashes.len() as u64;
            // An even number of nodes: the last two have just become a complete subtree of the next level.
            match held.hashes.as_slice() {
                [.., left, right] if count.is_multiple_of(2) => hash = node_hash(left, right),
                _ => return,
            }
        }
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        let leaves = self.levels.first();
        leaves.map_or(0, |held| held.first + held.hashes.len() as u64)
    }

    /// Returns the hash of the leaf at an index.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.node(0, index).ok()
    }

    /// Returns size and root.
    pub fn head(&self) -> TreeHead {
        let frontier = self.frontier();
        TreeHead {
            size: frontier.size(),
            root: frontier.root(),
        }
    }

    /// Returns the complete subtrees that the tree consists of: they are never in full tiles.
    pub fn frontier(&self) -> Frontier {
        let size = self.size();
        let peaks = self.levels.iter().enumerate().rev();
        let peaks = peaks.filter(|(level, _)| size >> level & 1 == 1);
        let peaks = peaks
            .filter_map(|(_, held)| held.hashes.last().copied())
            .collect();
        Frontier::from_parts(size, peaks).unwrap_or_default()
    }

    /// Returns the head that the tree had at an earlier size.
    ///
    /// # Errors
    /// A size beyond the tree, or a tile that cannot be read.
    pub fn head_at(&self, size: u64) -> Result<TreeHead, ReadError> {
        let root = root_at(self, size)?;
        Ok(TreeHead { size, root })
    }

    /// Makes the proof that the leaf at an index is in the tree of `size` leaves.
    ///
    /// # Errors
    /// An index not below the size, a size beyond the tree, or a tile that cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
        prove_inclusion(self, index, size)
    }

    /// Makes the proof that the tree of `new` leaves continues that of `old` leaves.
    ///
    /// # Errors
    /// An old size over the new one, a new size beyond the tree, or a tile that cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ProofError> {
        prove_consistency(self, old, new)
    }
}

impl HashReader for HeldTree {
    fn node(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let beyond = || ReadError {
            level,
            index,
            why: format!("beyond a tree of {} entries", self.size()),
        };
        let held = self.levels.get(usize::from(level)).ok_or_else(beyond)?;
        match index.checked_sub(held.first) {
            Some(place) => {
                let place = usize::try_from(place).map_err(|_| beyond())?;
                held.hashes.get(place).copied().ok_or_else(beyond)
            }
            None => self
                .kept
                .archive
                .node(&self.origin, level, index)
                .map_err(|error| {
                    self.kept.note_broken(&error);
                    ReadError {
                        level,
                        index,
                        why: error.to_string(),
                    }
                }),
        }
    }
}

/// Returns the index of the first hash of a level that no full tile of a tree of a size holds.
fn first_held(level: u8, size: u64) -> u64 {
    let (tile_level, height) = (level / 8, level % 8);
    if tile_level > TILE_LEVEL_MAX {
        return 0;
    }
    let full = (size >> (8 * u32::from(tile_level))) / u64::from(TILE_WIDTH);
    full * (u64::from(TILE_WIDTH) >> height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::MemoryArchive;
    use crate::crypto::leaf_hash;
    use crate::merkle::Tree;
    use proptest::prelude::*;

    fn entry(index: u64) -> Arc<[u8]> {
        Arc::from(index.to_be_bytes().as_slice())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn a_tree_that_let_go_proves_the_same(
            size in 1u64..70_000, more in 0u64..600, at in any::<prop::sample::Index>(),
        ) {
            let origin = Arc::new(Origin::parse("xian-0123456789abcdef/housing/1").unwrap());
            let archive = Arc::new(MemoryArchive::default());
            let kept = Arc::new(Kept::new(archive.clone()));
            let mut held = HeldTree::new(origin.clone(), kept.clone());
            let mut whole = Tree::new();
            for index in 0..size {
                held.append(leaf_hash(&entry(index)));
                whole.append(leaf_hash(&entry(index)));
            }
            archive.append(&origin, &(0..size).map(entry).collect::<Vec<_>>());
            let edge = held.edge(size);
            held.let_go(size);
            prop_assert_eq!(&held.levels, &edge);
            let mut again = HeldTree::of_edge(origin, kept, &edge, whole.head()).unwrap();
            for index in size..size + more {
                for tree in [&mut held, &mut again] {
                    tree.append(leaf_hash(&entry(index)));
                }
                whole.append(leaf_hash(&entry(index)));
            }
            let place = at.index(usize::try_from(size + more).unwrap()) as u64;
            for tree in [&held, &again] {
                prop_assert_eq!(tree.head(), whole.head());
                prop_assert_eq!(tree.frontier().root(), whole.root());
                prop_assert_eq!(tree.leaf(place), whole.leaf(place));
                prop_assert_eq!(tree.head_at(place), whole.head_at(place));
                prop_assert_eq!(
                    tree.inclusion(place, size + more).unwrap(),
                    whole.inclusion(place, size + more).unwrap()
                );
                prop_assert_eq!(
                    tree.consistency(place, size + more).unwrap(),
                    whole.consistency(place, size + more).unwrap()
                );
                prop_assert_eq!(tree.edge(size), edge.clone());
                let mut short = tree.clone();
                short.truncate(place).unwrap();
                prop_assert_eq!(Ok(short.head()), whole.head_at(place));
                for index in place..size + more {
                    short.append(leaf_hash(&entry(index)));
                }
                prop_assert_eq!(short.head(), whole.head());
            }
        }
    }
}
