//! Inclusion and consistency proofs: made from any reader of subtree hashes, verified against tree heads.

use crate::crypto::{empty_root, node_hash};
use crate::merkle::{HashReader, ReadError, TREE_SIZE_MAX};
use std::collections::BTreeMap;
use tally_schemas::id::{Hash, TreeHead};

/// Why a proof was not made or not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The index lies outside the tree.
    #[error("index {index} is outside a tree of {size} entries")]
    IndexOutside {
        /// The index asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The old tree is larger than the new one.
    #[error("a tree of {new} entries cannot follow one of {old}")]
    Shrinks {
        /// The old size.
        old: u64,
        /// The new size.
        new: u64,
    },
    /// The proof has more or fewer hashes than the sizes ask for.
    #[error("proof has {got} hashes, sizes and index ask for {expected}")]
    Length {
        /// The count found.
        got: usize,
        /// The count expected.
        expected: usize,
    },
    /// The proof leads to another root.
    #[error("proof leads to the root {got} at size {size}, expected {expected}")]
    OtherRoot {
        /// The size of the tree.
        size: u64,
        /// The root that the proof leads to.
        got: Hash,
        /// The root expected.
        expected: Hash,
    },
    /// A hash that the proof needs is not there.
    #[error("a hash that the proof needs is missing")]
    Read(#[from] ReadError),
}

/// Returns the root of the first `size` leaves.
///
/// # Errors
/// A hash that cannot be read.
pub fn root_at(reader: &impl HashReader, size: u64) -> Result<Hash, ReadError> {
    range_root(reader, 0, size)
}

/// Makes the proof that the leaf at `index` is in the tree of `size` leaves; the leaf's sibling comes first.
///
/// # Errors
/// An index outside the tree, or a hash that cannot be read.
pub fn prove_inclusion(reader: &impl HashReader, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
    if index >= size || size > TREE_SIZE_MAX {
        return Err(ProofError::IndexOutside { index, size });
    }
    let ranges = inclusion_ranges(index, size).into_iter();
    let hashes = ranges.map(|(low, high)| range_root(reader, low, high));
    Ok(hashes.collect::<Result<_, _>>()?)
}

/// Makes the same proof where only the first `end` leaves are at hand, with a proof of consistency that was verified from there to
/// `new`: for a log of which less is held than its checkpoint covers.
///
/// # Errors
/// An index that is not at hand, sizes out of order, a proof of another length than the sizes ask for, or a hash that cannot be
/// read.
pub fn prove_inclusion_beyond(
    reader: &impl HashReader,
    index: u64,
    (end, new): (u64, u64),
    beyond: &[Hash],
) -> Result<Vec<Hash>, ProofError> {
    if index >= end {
        return Err(ProofError::IndexOutside { index, size: end });
    }
    let known = ranges_beyond(end, new, beyond)?;
    let ranges = inclusion_ranges(index, new).into_iter();
    let hashes = ranges.map(|range| range_root_beyond(reader, range, end, &known));
    Ok(hashes.collect::<Result<_, _>>()?)
}

/// Makes the proof that the tree of `new` leaves continues the tree of `old` leaves; empty when `old` is 0 or equals `new`.
///
/// # Errors
/// An old size over the new one, or a hash that cannot be read.
pub fn prove_consistency(reader: &impl HashReader, old: u64, new: u64) -> Result<Vec<Hash>, ProofError> {
    if old > new || new > TREE_SIZE_MAX {
        return Err(ProofError::Shrinks { old, new });
    }
    let ranges = consistency_ranges(old, new).into_iter();
    let hashes = ranges.map(|(low, high)| range_root(reader, low, high));
    Ok(hashes.collect::<Result<_, _>>()?)
}

/// Makes the same proof where only the first `end` leaves are at hand, with a proof that was verified from there to `new`: for
/// a log of which less is held than its checkpoint covers.
///
/// # Errors
/// Sizes out of order, a proof of another length than the sizes ask for, or a hash that cannot be read.
pub fn prove_consistency_beyond(
    reader: &impl HashReader,
    old: u64,
    (end, new): (u64, u64),
    beyond: &[Hash],
) -> Result<Vec<Hash>, ProofError> {
    if old > end {
        return Err(ProofError::Shrinks { old, new });
    }
    let known = ranges_beyond(end, new, beyond)?;
    let ranges = consistency_ranges(old, new).into_iter();
    let hashes = ranges.map(|range| range_root_beyond(reader, range, end, &known));
    Ok(hashes.collect::<Result<_, _>>()?)
}

/// Returns the roots that a proof of consistency gives, by the ranges of leaves that they stand for.
fn ranges_beyond(end: u64, new: u64, beyond: &[Hash]) -> Result<BTreeMap<(u64, u64), Hash>, ProofError> {
    if end > new || new > TREE_SIZE_MAX {
        return Err(ProofError::Shrinks { old: end, new });
    }
    let ranges = consistency_ranges(end, new);
    if ranges.len() != beyond.len() {
        return Err(ProofError::Length {
            got: beyond.len(),
            expected: ranges.len(),
        });
    }
    Ok(ranges.into_iter().zip(beyond.iter().copied()).collect())
}

/// As [`range_root`], with the roots of what lies beyond the leaves at hand.
fn range_root_beyond(
    reader: &impl HashReader,
    (low, high): (u64, u64),
    end: u64,
    known: &BTreeMap<(u64, u64), Hash>,
) -> Result<Hash, ReadError> {
    if high <= end {
        return range_root(reader, low, high);
    }
    if let Some(hash) = known.get(&(low, high)) {
        return Ok(*hash);
    }
    if high - low == 1 {
        return Err(ReadError {
            level: 0,
            index: low,
            why: format!("the proof from {end} leaves on does not give it"),
        });
    }
    let middle = low + split(high - low);
    let left = range_root_beyond(reader, (low, middle), end, known)?;
    let right = range_root_beyond(reader, (middle, high), end, known)?;
    Ok(node_hash(&left, &right))
}

/// Verifies that a leaf stands at an index under a tree head.
///
/// # Errors
/// An index outside the tree, a proof of another length, or one that leads to another root.
pub fn verify_inclusion(leaf: &Hash, index: u64, head: &TreeHead, hashes: &[Hash]) -> Result<(), ProofError> {
    let size = head.size;
    if index >= size || size > TREE_SIZE_MAX {
        return Err(ProofError::IndexOutside { index, size });
    }
    let expected = inclusion_length(index, size);
    if hashes.len() != expected {
        return Err(ProofError::Length {
            got: hashes.len(),
            expected,
        });
    }
    // `place` walks up from the leaf; `last` is the place of the right edge on the same level.
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in hashes {
        // A right edge without a sibling is carried up unhashed.
        while place == last && place & 1 == 0 && last > 0 {
            place >>= 1;
            last >>= 1;
        }
        hash = if place & 1 == 1 {
            node_hash(sibling, &hash)
        } else {
            node_hash(&hash, sibling)
        };
        place >>= 1;
        last >>= 1;
    }
    equal_root(size, hash, head.root)
}

/// Verifies that a tree head continues an older one.
///
/// # Errors
/// A new size below the old one, a proof of another length, or one that leads to another old or new root.
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, hashes: &[Hash]) -> Result<(), ProofError> {
    if old.size > new.size || new.size > TREE_SIZE_MAX {
        return Err(ProofError::Shrinks {
            old: old.size,
            new: new.size,
        });
    }
    let expected = consistency_length(old.size, new.size);
    if hashes.len() != expected {
        return Err(ProofError::Length {
            got: hashes.len(),
            expected,
        });
    }
    if old.size == 0 {
        equal_root(0, old.root, empty_root())?;
        return if new.size == 0 {
            equal_root(0, new.root, empty_root())
        } else {
            Ok(())
        };
    }
    if old.size == new.size {
        return equal_root(new.size, new.root, old.root);
    }
    // Start at the largest complete subtree at the right edge of the old tree: its root is the first hash of the proof, or
    // the old root itself when the old tree is one complete subtree.
    let level = old.size.trailing_zeros();
    let (mut place, mut last) = ((old.size - 1) >> level, (new.size - 1) >> level);
    let mut rest = hashes.iter();
    let start = if old.size.is_power_of_two() {
        old.root
    } else {
        *rest.next().unwrap_or(&old.root)
    };
    let (mut old_hash, mut new_hash) = (start, start);
    for sibling in rest {
        while place == last && place & 1 == 0 && last > 0 {
            place >>= 1;
            last >>= 1;
        }
        if place & 1 == 1 {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    equal_root(old.size, old_hash, old.root)?;
    equal_root(new.size, new_hash, new.root)
}

fn equal_root(size: u64, got: Hash, expected: Hash) -> Result<(), ProofError> {
    if got == expected {
        Ok(())
    } else {
        Err(ProofError::OtherRoot { size, got, expected })
    }
}

/// Counts the hashes of an inclusion proof: one per level on which the path has a sibling.
fn inclusion_length(index: u64, size: u64) -> usize {
    let (mut low, mut high, mut count) = (0, size, 0);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            high = middle;
        } else {
            low = middle;
        }
        count += 1;
    }
    count
}

/// Returns the ranges of leaves whose roots an inclusion proof consists of, in its order: the leaf's sibling first.
fn inclusion_ranges(index: u64, size: u64) -> Vec<(u64, u64)> {
    let (mut low, mut high) = (0, size);
    let mut ranges = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// Counts the hashes of a consistency proof.
fn consistency_length(old: u64, new: u64) -> usize {
    consistency_ranges(old, new).len()
}

/// Returns the ranges of leaves whose roots a consistency proof consists of, in its order.
fn consistency_ranges(old: u64, new: u64) -> Vec<(u64, u64)> {
    if old == 0 || old == new {
        return Vec::new();
    }
    let (mut low, mut high) = (0, new);
    let mut ranges = Vec::new();
    while old < high {
        let middle = low + split(high - low);
        if old <= middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
        }
    }
    if low > 0 {
        ranges.push((low, high));
    }
    ranges.reverse();
    ranges
}

/// Returns the largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// Returns the root over the leaves from `low` up to `high`, where `low` is a multiple of the smallest power of two that is
/// not below their number: the ranges that the splits of RFC 6962 make.
fn range_root(reader: &impl HashReader, low: u64, high: u64) -> Result<Hash, ReadError> {
    let mut peaks = Vec::new();
    let mut start = low;
    while start < high {
        let level = u8::try_from((high - start).ilog2()).unwrap_or(u8::MAX);
        peaks.push(reader.node(level, start >> level)?);
        start += 1 << level;
    }
    let mut from_the_right = peaks.iter().rev();
    Ok(match from_the_right.next() {
        None => empty_root(),
        Some(last) => from_the_right.fold(*last, |right, left| node_hash(left, &right)),
    })
}
