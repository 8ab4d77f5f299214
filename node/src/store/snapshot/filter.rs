//! What a table certainly has no row of: bits that are set for every id in its keys.
//!
//! Most ids that are looked up are new, and no table has them; without this each of them would be looked for in a block of every table. It
//! is a file beside the table, bound to it by a checksum; where it is missing or damaged every block is looked at.

use super::checksum_of;
use tally_schemas::id::Hash;

/// How many bits there are for each id, and how many of them are set: about one in a hundred is looked for in vain.
const BITS_PER_ID: u64 = 10;
const BITS_SET: u64 = 7;
/// Cases, events and parts: the kinds of keys that are looked up one by one, by an id that is a hash.
const PREFIXES: [u8; 3] = *b"cep";

/// The id in a key, as two numbers from which all its bits follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u64, u64);

impl Mark {
    /// Returns the mark of a key, or of a prefix that has the whole id; none for keys of other kinds.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        let (prefix, id) = key.split_first()?;
        let id: &[u8; 32] = id.first_chunk()?;
        let [a, b, c, d, e, f, g, h, rest @ ..] = id;
        let [i, j, k, l, m, n, o, p, ..] = rest;
        let kind = u64::from(*prefix).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) ^ kind;
        let step = u64::from_be_bytes([*i, *j, *k, *l, *m, *n, *o, *p]) | 1;
        PREFIXES.contains(prefix).then_some(Self(first, step))
    }

    fn bits(self, count: u64) -> impl Iterator<Item = u64> {
        (0..BITS_SET).map(move |turn| self.0.wrapping_add(turn.wrapping_mul(self.1)) % count)
    }
}

/// The bits of one table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter(Vec<u8>);

impl Filter {
    /// Sets the bits of marks, of which some may be the same.
    pub(super) fn new(mut marks: Vec<Mark>) -> Self {
        marks.sort_unstable();
        marks.dedup();
        let bytes = (marks.len() as u64).saturating_mul(BITS_PER_ID).div_ceil(8);
        let mut bits = vec![0; usize::try_from(bytes).unwrap_or(0)];
        for bit in marks.into_iter().flat_map(|mark| mark.bits(bytes * 8)) {
            if let Some((byte, mask)) = place(&mut bits, bit) {
                *byte |= mask;
            }
        }
        Self(bits)
    }

    /// Says whether a table may have a row of an id; when it says no, there is none.
    pub(super) fn may_have(&self, mark: Mark) -> bool {
        let count = self.0.len() as u64 * 8;
        let is_set = |bit: u64| {
            let byte = usize::try_from(bit / 8).ok().and_then(|byte| self.0.get(byte));
            byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
        };
        count > 0 && mark.bits(count).all(is_set)
    }

    /// Returns the bytes of the file beside a table.
    pub(super) fn to_bytes(&self, table: &Hash) -> Vec<u8> {
        let sum = checksum_of(&[&table.0, &self.0]);
        [sum.0.as_slice(), &self.0].concat()
    }

    /// Reads the file; none when it is not that of the table.
    pub(super) fn parse(bytes: &[u8], table: &Hash) -> Option<Self> {
        let (sum, bits) = bytes.split_first_chunk::<32>()?;
        (checksum_of(&[&table.0, bits]).0 == *sum).then(|| Self(bits.to_vec()))
    }
}

fn place(bits: &mut [u8], bit: u64) -> Option<(&mut u8, u8)> {
    let byte = bits.get_mut(usize::try_from(bit / 8).ok()?)?;
    Some((byte, 1 << (bit % 8)))
}
