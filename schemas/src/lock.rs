//! The signing lock: the last head that a node promised to sign, in two slots overwritten in turn.
//!
//! Written and synced before a signature leaves, kept out of every backup, so that a restored node cannot sign a second root for
//! a size (I3). Bytes only: the checksum is computed by the caller (the hash lives in `tally-ledger`), files are the node's.
//! Spec: schemas/spec/lock.md. Keeps I11.

use crate::error::FormatError;
use crate::id::{Hash, TreeHead};

/// The length of a slot in bytes.
pub const LOCK_SLOT_BYTES: usize = 128;
/// Where the two slots stand in the file: apart by a page, so that one torn write cannot reach both.
pub const LOCK_SLOT_OFFSETS: [usize; 2] = [0, 4_096];
/// The length of the file in bytes.
pub const LOCK_FILE_BYTES: usize = 8_192;

/// One record of the signing lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockSlot {
    /// The number of the write, from 0; even ones stand in the first slot, odd ones in the second.
    pub sequence: u64,
    /// The hash of the log's origin text: a lock of another log is not taken for this one's.
    pub origin: Hash,
    /// The head that may be signed.
    pub head: TreeHead,
}

impl LockSlot {
    /// Returns the number of the slot that this record belongs in, 0 or 1.
    pub fn place(&self) -> usize {
        usize::from(!self.sequence.is_multiple_of(2))
    }

    /// Returns where in the file this record belongs.
    pub fn offset(&self) -> u64 {
        if self.sequence.is_multiple_of(2) { 0 } else { 4_096 }
    }

    /// Writes the record; `checksum` hashes the bytes before it.
    pub fn to_bytes(&self, checksum: impl Fn(&[u8]) -> Hash) -> [u8; LOCK_SLOT_BYTES] {
        let mut bytes = [0; LOCK_SLOT_BYTES];
        let mut content = Vec::with_capacity(LOCK_SLOT_BYTES);
        content.extend_from_slice(MAGIC);
        content.extend_from_slice(&self.sequence.to_be_bytes());
        content.extend_from_slice(&self.origin.0);
        content.extend_from_slice(&self.head.size.to_be_bytes());
        content.extend_from_slice(&self.head.root.0);
        content.extend_from_slice(&[0; 8]);
        let sum = checksum(&content);
        content.extend_from_slice(&sum.0);
        bytes.copy_from_slice(&content);
        bytes
    }

    /// Reads a record; `checksum` hashes the bytes before it.
    ///
    /// # Errors
    /// Any bytes that [`LockSlot::to_bytes`] does not write.
    pub fn parse(bytes: &[u8], checksum: impl Fn(&[u8]) -> Hash) -> Result<Self, FormatError> {
        let bad = |why: &str| FormatError::malformed(WHAT, why);
        let (content, sum) = bytes
            .split_last_chunk::<32>()
            .filter(|_| bytes.len() == LOCK_SLOT_BYTES)
            .ok_or_else(|| bad("expected 128 bytes"))?;
        let mut reader = Reader(content);
        let magic: [u8; 8] = reader.take()?;
        if magic != *MAGIC {
            return Err(FormatError::UnknownVersion {
                what: WHAT,
                got: magic.escape_ascii().to_string(),
            });
        }
        if checksum(content).0 != *sum {
            return Err(bad(
                "the checksum does not fit; the write was torn or the disk damaged it",
            ));
        }
        let slot = Self {
            sequence: u64::from_be_bytes(reader.take()?),
            origin: Hash(reader.take()?),
            head: TreeHead {
                size: u64::from_be_bytes(reader.take()?),
                root: Hash(reader.take()?),
            },
        };
        let reserved: [u8; 8] = reader.take()?;
        if reserved != [0; 8] {
            return Err(bad("reserved bytes are not zero"));
        }
        Ok(slot)
    }
}

/// What the two slots of a lock say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LockFile {
    /// The newest intact record.
    pub newest: LockSlot,
    /// Why the other slot gives no record; nothing when it holds the record before, or was never written.
    ///
    /// The damaged record may have been the newer one. When its write was torn its head was never signed; when the disk
    /// damaged it later it may have been. The caller compares `newest` with the log's tail before it signs.
    pub other_damaged: Option<FormatError>,
}

impl LockFile {
    /// Reads a lock file.
    ///
    /// # Errors
    /// A file of another length, without an intact record, or whose two records do not follow one another.
    pub fn parse(bytes: &[u8], checksum: impl Fn(&[u8]) -> Hash) -> Result<Self, FormatError> {
        if bytes.len() != LOCK_FILE_BYTES {
            return Err(FormatError::malformed(
                WHAT,
                format!("file is {} bytes, expected {LOCK_FILE_BYTES}", bytes.len()),
            ));
        }
        let read = |place: usize| {
            let offset = LOCK_SLOT_OFFSETS.get(place).copied().unwrap_or_default();
            let record = bytes.get(offset..offset + LOCK_SLOT_BYTES).unwrap_or_default();
            let slot = LockSlot::parse(record, &checksum)?;
            if slot.place() == place {
                Ok(slot)
            } else {
                Err(FormatError::malformed(
                    WHAT,
                    format!("record {} stands in slot {place}", slot.sequence),
                ))
            }
        };
        let untouched = bytes
            .get(LOCK_SLOT_OFFSETS[1]..)
            .is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
        match (read(0), read(1)) {
            (Ok(first), Ok(second)) => {
                let (newest, before) = if first.sequence > second.sequence {
                    (first, second)
                } else {
                    (second, first)
                };
                let follows = before.sequence.checked_add(1) == Some(newest.sequence)
                    && before.origin == newest.origin
                    && before.head.size <= newest.head.size;
                if !follows {
                    return Err(FormatError::malformed(
                        WHAT,
                        format!(
                            "record {} at size {} does not follow record {} at size {}",
                            newest.sequence, newest.head.size, before.sequence, before.head.size
                        ),
                    ));
                }
                Ok(Self {
                    newest,
                    other_damaged: None,
                })
            }
            (Ok(newest), Err(_)) if newest.sequence == 0 && untouched => Ok(Self {
                newest,
                other_damaged: None,
            }),
            (Ok(newest), Err(error)) | (Err(error), Ok(newest)) => Ok(Self {
                newest,
                other_damaged: Some(error),
            }),
            (Err(error), Err(_)) => Err(error),
        }
    }
}

/// Takes arrays off the front of a record of known length.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| FormatError::malformed(WHAT, "ends early"))?;
        self.0 = rest;
        Ok(*head)
    }
}

const WHAT: &str = "signing lock";
/// Name and version of the format.
const MAGIC: &[u8; 8] = b"tallyLK1";

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    /// No hash lives in this crate: any function of all bytes shows that the checksum is asked for and compared.
    fn checksum(bytes: &[u8]) -> Hash {
        let mut out = [0u8; 32];
        for (place, byte) in bytes.iter().enumerate() {
            let slot = &mut out[place % 32];
            *slot = slot.wrapping_mul(31).wrapping_add(*byte).wrapping_add(1);
        }
        Hash(out)
    }

    fn slot(sequence: u64) -> LockSlot {
        LockSlot {
            sequence,
            origin: Hash([9; 32]),
            head: TreeHead {
                size: 40 + sequence,
                root: Hash([sequence.to_be_bytes()[7]; 32]),
            },
        }
    }

    fn file(slots: &[LockSlot]) -> Vec<u8> {
        let mut bytes = vec![0; LOCK_FILE_BYTES];
        for slot in slots {
            let offset = usize::try_from(slot.offset()).unwrap();
            bytes[offset..offset + LOCK_SLOT_BYTES].copy_from_slice(&slot.to_bytes(checksum));
        }
        bytes
    }

    #[test]
    fn takes_the_newer_of_two_records() {
        for newest in 1..5 {
            let read = LockFile::parse(&file(&[slot(newest - 1), slot(newest)]), checksum).unwrap();
            assert_eq!(
                read,
                LockFile {
                    newest: slot(newest),
                    other_damaged: None
                }
            );
        }
        let fresh = LockFile::parse(&file(&[slot(0)]), checksum).unwrap();
        assert_eq!(
            fresh,
            LockFile {
                newest: slot(0),
                other_damaged: None
            }
        );
    }

    #[test]
    fn says_when_one_record_is_damaged_and_refuses_when_both_are() {
        let mut bytes = file(&[slot(6), slot(7)]);
        bytes[LOCK_SLOT_OFFSETS[1] + 20] ^= 1;
        let read = LockFile::parse(&bytes, checksum).unwrap();
        assert_eq!(read.newest, slot(6));
        assert_matches!(read.other_damaged, Some(FormatError::Malformed { .. }));
        bytes[20] ^= 1;
        assert_matches!(LockFile::parse(&bytes, checksum), Err(_));
        assert_matches!(LockFile::parse(&vec![0; LOCK_FILE_BYTES], checksum), Err(_));
        let lone = LockFile::parse(&file(&[slot(2)]), checksum).unwrap();
        assert_matches!(
            lone.other_damaged,
            Some(_),
            "a second slot that was written before has been lost"
        );
    }

    #[test]
    fn refuses_records_that_do_not_follow_one_another() {
        let other_log = LockSlot {
            origin: Hash([1; 32]),
            ..slot(5)
        };
        let shrunk = LockSlot {
            head: TreeHead {
                size: 3,
                ..slot(5).head
            },
            ..slot(5)
        };
        for slots in [[slot(4), slot(7)], [slot(4), other_log], [slot(4), shrunk]] {
            assert_matches!(
                LockFile::parse(&file(&slots), checksum),
                Err(FormatError::Malformed { .. })
            );
        }
        let mut swapped = vec![0; LOCK_FILE_BYTES];
        swapped[..LOCK_SLOT_BYTES].copy_from_slice(&slot(1).to_bytes(checksum));
        assert_matches!(LockFile::parse(&swapped, checksum), Err(_));
        assert_matches!(
            LockFile::parse(&file(&[slot(0)])[..LOCK_FILE_BYTES - 1], checksum),
            Err(_)
        );
    }

    #[test]
    fn the_offset_is_that_of_the_slot() {
        for sequence in 0..4 {
            let offset = LOCK_SLOT_OFFSETS[slot(sequence).place()];
            assert_eq!(slot(sequence).offset(), offset as u64);
        }
    }

    proptest! {
        #[test]
        fn a_changed_record_is_refused(sequence in any::<u64>(), size in any::<u64>(), bit in 0..LOCK_SLOT_BYTES * 8) {
            let slot = LockSlot { sequence, origin: Hash([4; 32]), head: TreeHead { size, root: Hash([5; 32]) } };
            let mut bytes = slot.to_bytes(checksum);
            prop_assert_eq!(LockSlot::parse(&bytes, checksum), Ok(slot));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(LockSlot::parse(&bytes, checksum).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(LockSlot::parse(&bytes, checksum).is_err());
            prop_assert!(LockFile::parse(&bytes, checksum).is_err());
        }
    }
}
