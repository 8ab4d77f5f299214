//! The replication frame: a run of entries of one log, with a signed head and the way from the run's end to it.
//!
//! A frame vouches for nothing: a receiver checks the entries against the head and the head against the key (I10). The entries
//! are the received bytes, never re-encoded. Spec: schemas/spec/frame.md. Keeps I11.

use crate::codec;
use crate::error::FormatError;
use crate::id::{Hash, Origin};
use crate::limits::{BATCH_MAX, CHECKPOINT_BYTES_MAX, ENTRY_BYTES_MAX, FRAME_BYTES_MAX, PROOF_HASHES_MAX};

/// A run of entries of one log and the head that commits to them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The log.
    pub origin: Origin,
    /// The index of the first entry, or the size of the log when there is none.
    pub start: u64,
    /// The entries, in order.
    pub entries: Vec<Vec<u8>>,
    /// The consistency proof from the size at the end of the entries to the size of the checkpoint.
    pub consistency: Vec<Hash>,
    /// The checkpoint note with the log's own line.
    pub checkpoint: Vec<u8>,
}

/// The fields as they are written: the origin as the text that its parser checks.
#[derive(bincode::Encode, bincode::Decode)]
struct Wire {
    origin: String,
    start: u64,
    entries: Vec<Vec<u8>>,
    consistency: Vec<Hash>,
    checkpoint: Vec<u8>,
}

/// The same fields, borrowed: a frame is written without a copy of its entries.
#[derive(bincode::Encode)]
struct WireRef<'a> {
    origin: &'a str,
    start: u64,
    entries: &'a [Vec<u8>],
    consistency: &'a [Hash],
    checkpoint: &'a [u8],
}

impl Frame {
    /// Returns the size of the log at the end of the entries.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.entries.len() as u64)
    }

    /// Writes the bytes of the frame.
    ///
    /// # Errors
    /// A frame over one of its limits: bytes, entries, bytes of an entry, hashes, bytes of the checkpoint.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        check(self.start, &self.entries, &self.consistency, &self.checkpoint)?;
        let wire = WireRef {
            origin: &self.origin.to_string(),
            start: self.start,
            entries: &self.entries,
            consistency: &self.consistency,
            checkpoint: &self.checkpoint,
        };
        let entries: usize = self
            .entries
            .iter()
            .map(|entry| entry.len() + LENGTH_BYTES_MAX)
            .sum();
        let beside = 256 + self.consistency.len() * 32 + self.checkpoint.len();
        let bytes = codec::encode_about(entries + beside, WHAT, FRAME_VERSION, &wire)?;
        FormatError::at_most(WHAT, bytes.len(), FRAME_BYTES_MAX)?;
        Ok(bytes)
    }

    /// Reads the bytes of a frame.
    ///
    /// # Errors
    /// Any bytes but the one form of a frame within its limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        FormatError::at_most(WHAT, bytes.len(), FRAME_BYTES_MAX)?;
        let wire: Wire = codec::decode::<Wire, DECODED_BYTES_MAX>(WHAT, FRAME_VERSION, bytes)?;
        check(wire.start, &wire.entries, &wire.consistency, &wire.checkpoint)?;
        Ok(Self {
            origin: Origin::parse(&wire.origin)?,
            start: wire.start,
            entries: wire.entries,
            consistency: wire.consistency,
            checkpoint: wire.checkpoint,
        })
    }
}

fn check(
    start: u64,
    entries: &[Vec<u8>],
    consistency: &[Hash],
    checkpoint: &[u8],
) -> Result<(), FormatError> {
    if entries.len() > BATCH_MAX {
        return Err(FormatError::TooMany {
            what: "entries of a frame",
            got: entries.len() as u64,
            limit: BATCH_MAX as u64,
        });
    }
    for entry in entries {
        FormatError::at_most("entry of a frame", entry.len(), ENTRY_BYTES_MAX)?;
    }
    if consistency.len() > PROOF_HASHES_MAX {
        return Err(FormatError::TooMany {
            what: "hashes of a frame",
            got: consistency.len() as u64,
            limit: PROOF_HASHES_MAX as u64,
        });
    }
    FormatError::at_most("checkpoint of a frame", checkpoint.len(), CHECKPOINT_BYTES_MAX)?;
    let end = start.checked_add(entries.len() as u64);
    if end.is_none_or(|end| end > i64::MAX.unsigned_abs()) {
        return Err(FormatError::malformed(WHAT, "its entries end beyond 2^63 - 1"));
    }
    Ok(())
}

const WHAT: &str = "frame";
/// The most bytes that the length of an entry takes.
const LENGTH_BYTES_MAX: usize = 5;
/// The version byte of frames.
pub const FRAME_VERSION: u8 = 1;
/// What the elements of a frame may take in memory while it is read: its bytes, and a list header per entry.
const DECODED_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    fn frame() -> Frame {
        Frame {
            origin: Origin::parse("xian-0123456789abcdef/housing/1").unwrap(),
            start: 300,
            entries: vec![b"one".to_vec(), Vec::new(), vec![7; 300]],
            consistency: vec![Hash([3; 32])],
            checkpoint: b"checkpoint".to_vec(),
        }
    }

    fn wire(frame: &Frame) -> Wire {
        Wire {
            origin: frame.origin.to_string(),
            start: frame.start,
            entries: frame.entries.clone(),
            consistency: frame.consistency.clone(),
            checkpoint: frame.checkpoint.clone(),
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes = frame().encode().unwrap();
        assert_eq!(Frame::decode(&bytes), Ok(frame()));
        assert_eq!(frame().end(), 303);
        let full = Frame {
            entries: vec![vec![1; 60]; BATCH_MAX],
            ..frame()
        };
        assert_eq!(Frame::decode(&full.encode().unwrap()), Ok(full.clone()));
        let hollow = Frame {
            entries: vec![Vec::new(); BATCH_MAX],
            ..frame()
        };
        assert_eq!(Frame::decode(&hollow.encode().unwrap()), Ok(hollow));
    }

    #[test]
    fn refuses_over_each_limit_when_writing_and_reading() {
        let many = Frame {
            entries: vec![Vec::new(); BATCH_MAX + 1],
            ..frame()
        };
        let long = Frame {
            entries: vec![vec![0; ENTRY_BYTES_MAX + 1]],
            ..frame()
        };
        let hashes = Frame {
            consistency: vec![Hash([0; 32]); PROOF_HASHES_MAX + 1],
            ..frame()
        };
        let checkpoint = Frame {
            checkpoint: vec![0; CHECKPOINT_BYTES_MAX + 1],
            ..frame()
        };
        let beyond = Frame {
            start: i64::MAX.unsigned_abs(),
            ..frame()
        };
        let wrapping = Frame {
            start: u64::MAX,
            ..frame()
        };
        for bad in [many, long, hashes, checkpoint, beyond, wrapping] {
            assert_matches!(bad.encode(), Err(_));
            let bytes = codec::encode(WHAT, FRAME_VERSION, &wire(&bad)).unwrap();
            assert_matches!(Frame::decode(&bytes), Err(_));
        }
        let large = Frame {
            entries: vec![vec![0; 65_000]; 4],
            ..frame()
        };
        assert_matches!(large.encode(), Err(FormatError::TooLong { .. }));
        assert_matches!(
            Frame::decode(&vec![FRAME_VERSION; FRAME_BYTES_MAX + 1]),
            Err(FormatError::TooLong { .. })
        );
    }

    #[test]
    fn refuses_a_false_length_a_false_origin_and_another_version() {
        let good = frame().encode().unwrap();
        let mut other = good.clone();
        other[0] = 2;
        assert_matches!(Frame::decode(&other), Err(FormatError::UnknownVersion { .. }));
        let mut origin = wire(&frame());
        origin.origin = "xian/housing/1".to_owned();
        let bytes = codec::encode(WHAT, FRAME_VERSION, &origin).unwrap();
        assert_matches!(Frame::decode(&bytes), Err(FormatError::Malformed { .. }));
        // The count of entries stands after version, origin (length and text) and start (251 and two bytes).
        let at = 1 + 1 + frame().origin.to_string().len() + 3;
        assert_eq!(good[at], 3);
        for count in [2u8, 4, 250] {
            let mut bytes = good.clone();
            bytes[at] = count;
            assert_matches!(Frame::decode(&bytes), Err(_));
        }
        let mut huge = good[..at].to_vec();
        huge.push(253);
        huge.extend_from_slice(&(1u64 << 50).to_le_bytes());
        huge.extend_from_slice(&good[at + 1..]);
        assert_matches!(Frame::decode(&huge), Err(FormatError::Malformed { .. }));
        let trailing = [good, vec![0]].concat();
        assert_matches!(Frame::decode(&trailing), Err(FormatError::NotCanonical { .. }));
    }

    proptest! {
        #[test]
        fn changed_bytes_are_refused_or_encode_back(
            place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let good = frame().encode().unwrap();
            prop_assert!(Frame::decode(&good[..cut.index(good.len())]).is_err());
            let mut bytes = good;
            let at = place.index(bytes.len());
            bytes[at] = byte;
            // A length that was changed and a cut that fits it are another frame.
            for end in [bytes.len(), cut.index(bytes.len())] {
                if let Ok(read) = Frame::decode(&bytes[..end]) {
                    prop_assert_eq!(read.encode().unwrap(), &bytes[..end]);
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [vec![FRAME_VERSION], tail].concat();
            if let Ok(read) = Frame::decode(&bytes) {
                prop_assert_eq!(read.encode().unwrap(), bytes);
            }
        }
    }
}
