//! Signed heads: signs and verifies checkpoints, and decides which head may follow which.
//!
//! Knows keys and proofs, not where the key comes from (authority) nor what to do about a fork (replica). Keeps I3 for own heads
//! and finds others' breaches of it. Spec: schemas/spec/checkpoint.md.

use crate::crypto::{KeyError, LineError, NoteKey, PublicKey, SigningKey, empty_root, sign_note};
use crate::merkle::{ProofError, verify_consistency};
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::error::FormatError;
use tally_schemas::id::{Hash, Origin, TreeHead};
use tally_schemas::limits::CHECKPOINT_BYTES_MAX;
use tally_schemas::note::{KEY_TYPE_ED25519, Note, VerifierKeyText};

/// The key of a log: named as its origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogKey {
    origin: Origin,
    key: NoteKey,
}

impl LogKey {
    /// Binds an admitted key to the log that it signs.
    pub fn new(origin: &Origin, key: &PublicKey) -> Self {
        Self {
            origin: origin.clone(),
            key: NoteKey::new(&origin.to_string(), key).expect("every origin is a key name"),
        }
    }

    /// Reads a verifier key text whose name is an origin.
    ///
    /// # Errors
    /// A text that is no such key, or a key that is not admitted.
    pub fn parse_vkey(text: &str) -> Result<Self, KeyError> {
        let key = NoteKey::parse_vkey(text)?;
        let origin = Origin::parse(key.name())?;
        Ok(Self { origin, key })
    }

    /// Returns the verifier key text.
    pub fn to_vkey(&self) -> VerifierKeyText {
        self.key.public_key().to_vkey(self.key.name(), KEY_TYPE_ED25519)
    }

    /// Returns the log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }
}

/// A checkpoint whose log signature holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl VerifiedCheckpoint {
    /// Returns the log.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    /// Returns size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// Returns the note with all its lines; only the log's own was verified.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Returns the bytes of the note.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }
}

/// Signs a head under the key of its log.
///
/// The caller has made the head durable in the signing lock (I3): this function cannot know what was signed before.
pub fn sign_checkpoint(origin: &Origin, head: TreeHead, key: &SigningKey) -> VerifiedCheckpoint {
    let checkpoint = Checkpoint {
        origin: origin.clone(),
        head,
    };
    let text = checkpoint.to_string();
    let line = sign_note(&text, &origin.to_string(), key)
        .expect("every origin is a key name and every checkpoint a note text");
    VerifiedCheckpoint {
        checkpoint,
        note: Note {
            text,
            lines: vec![line],
        },
    }
}

/// What to do with lines that are not the log's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OtherLines {
    /// Refuse the note: an export and a frame have the log's line only.
    Refuse,
    /// Keep them unverified: cosignatures, judged elsewhere.
    Keep,
}

/// Why a checkpoint was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes are no checkpoint note.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The checkpoint is of another log.
    #[error("checkpoint is of {got}, expected {expected}")]
    OtherOrigin {
        /// The log found.
        got: Origin,
        /// The log expected.
        expected: Origin,
    },
    /// The log's line is missing or does not hold.
    #[error("checkpoint of {origin} is not signed by the log")]
    NotSigned {
        /// The log.
        origin: Origin,
        /// What is wrong with the line.
        source: LineError,
    },
    /// The note has lines that are not the log's.
    #[error("checkpoint of {origin} has a signature line of {name}, only the log's own is accepted here")]
    UnknownLine {
        /// The log.
        origin: Origin,
        /// The name in the line.
        name: String,
    },
    /// The checkpoint states size 0 with another root than the empty one.
    #[error("checkpoint of {origin} states size 0 with the root {root}, which is not the empty one")]
    EmptyRoot {
        /// The log.
        origin: Origin,
        /// The root stated.
        root: Hash,
    },
}

/// Verifies the bytes of a checkpoint note under the key of its log.
///
/// # Errors
/// Bytes that are no checkpoint, another origin, a missing or failing line of the log, other lines where none are accepted.
pub fn verify_checkpoint(
    bytes: &[u8],
    key: &LogKey,
    others: OtherLines,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    verify_checkpoint_note(Note::parse(bytes, CHECKPOINT_BYTES_MAX)?, key, others)
}

/// Verifies a parsed checkpoint note under the key of its log.
///
/// # Errors
/// As [`verify_checkpoint`].
pub fn verify_checkpoint_note(
    note: Note,
    key: &LogKey,
    others: OtherLines,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    let checkpoint = Checkpoint::parse(&note.text)?;
    let origin = &checkpoint.origin;
    if *origin != key.origin {
        return Err(CheckpointError::OtherOrigin {
            got: origin.clone(),
            expected: key.origin.clone(),
        });
    }
    let unknown = note.lines.iter().find(|line| !key.key.claims(line));
    if let (Some(line), OtherLines::Refuse) = (unknown, others) {
        return Err(CheckpointError::UnknownLine {
            origin: origin.clone(),
            name: line.name.clone(),
        });
    }
    key.key
        .verify_note(&note)
        .map_err(|source| CheckpointError::NotSigned {
            origin: origin.clone(),
            source,
        })?;
    if checkpoint.head.size == 0 && checkpoint.head.root != empty_root() {
        return Err(CheckpointError::EmptyRoot {
            origin: origin.clone(),
            root: checkpoint.head.root,
        });
    }
    Ok(VerifiedCheckpoint { checkpoint, note })
}

/// Follows the heads of one log and refuses one that does not continue the head held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckpointTracker {
    origin: Origin,
    head: TreeHead,
}

/// What a new head means to a tracker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advance {
    /// It is the head held.
    Same,
    /// It continues the head held, which had this size.
    Grown {
        /// The size before.
        from: u64,
    },
}

/// Why a head was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// The head is of another log.
    #[error("head is of {got}, this tracker follows {expected}")]
    OtherOrigin {
        /// The log found.
        got: Box<Origin>,
        /// The log followed.
        expected: Box<Origin>,
    },
    /// The head is smaller than the one held.
    #[error("log {origin} shrinks from {held} to {got} entries; keep both checkpoints as evidence")]
    Shrinks {
        /// The log.
        origin: Box<Origin>,
        /// The size held.
        held: u64,
        /// The size of the new head.
        got: u64,
    },
    /// The log signed two roots for one size.
    #[error(
        "log {origin} signed the roots {held} and {got} for size {size}; keep both checkpoints as evidence"
    )]
    Forks {
        /// The log.
        origin: Box<Origin>,
        /// The size.
        size: u64,
        /// The root held.
        held: Hash,
        /// The root of the new head.
        got: Hash,
    },
    /// The consistency proof does not lead from the head held to the new one.
    #[error("nothing shows that the head of {origin} at size {got} continues the one held at size {held}")]
    NotShown {
        /// The log.
        origin: Box<Origin>,
        /// The size held.
        held: u64,
        /// The size of the new head.
        got: u64,
        /// What is wrong with the proof.
        source: Box<ProofError>,
    },
}

impl CheckpointTracker {
    /// Follows a log from its beginning.
    pub fn new(origin: Origin) -> Self {
        let head = TreeHead {
            size: 0,
            root: empty_root(),
        };
        Self { origin, head }
    }

    /// Follows a log on from a head that was verified before.
    pub fn resume(origin: Origin, head: TreeHead) -> Self {
        Self { origin, head }
    }

    /// Returns the head held.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// Judges a head without taking it.
    ///
    /// # Errors
    /// Another log, a smaller size, another root at the size held, or a proof that does not lead from the head held.
    pub fn judge(&self, new: &VerifiedCheckpoint, consistency: &[Hash]) -> Result<Advance, TrackError> {
        if *new.origin() != self.origin {
            return Err(TrackError::OtherOrigin {
                got: Box::new(new.origin().clone()),
                expected: Box::new(self.origin.clone()),
            });
        }
        let (held, got) = (self.head, new.head());
        if got.size < held.size {
            return Err(TrackError::Shrinks {
                origin: Box::new(self.origin.clone()),
                held: held.size,
                got: got.size,
            });
        }
        if got.size == held.size && got.root != held.root {
            return Err(TrackError::Forks {
                origin: Box::new(self.origin.clone()),
                size: got.size,
                held: held.root,
                got: got.root,
            });
        }
        verify_consistency(&held, &got, consistency).map_err(|source| TrackError::NotShown {
            origin: Box::new(self.origin.clone()),
            held: held.size,
            got: got.size,
            source: Box::new(source),
        })?;
        Ok(if got.size == held.size {
            Advance::Same
        } else {
            Advance::Grown { from: held.size }
        })
    }

    /// Takes a head; a refused one changes nothing.
    ///
    /// # Errors
    /// As [`CheckpointTracker::judge`].
    pub fn advance(&mut self, new: &VerifiedCheckpoint, consistency: &[Hash]) -> Result<Advance, TrackError> {
        let advance = self.judge(new, consistency)?;
        self.head = new.head();
        Ok(advance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::leaf_hash;
    use crate::merkle::Tree;
    use assert_matches::assert_matches;

    fn origin(epoch: u32) -> Origin {
        Origin::parse(&format!("xian-0123456789abcdef/housing/{epoch}")).unwrap()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn tree(size: u64, mark: u8) -> Tree {
        (0..size)
            .map(|index| leaf_hash(&[&index.to_be_bytes()[..], &[mark]].concat()))
            .collect()
    }

    fn signed(tree: &Tree, size: u64) -> VerifiedCheckpoint {
        sign_checkpoint(&origin(1), tree.head_at(size).unwrap(), &key(1))
    }

    #[test]
    fn verifies_what_it_signs_and_nothing_beside() {
        let log = LogKey::new(&origin(1), &key(1).public_key());
        let made = signed(&tree(5, 0), 5);
        let bytes = made.to_bytes();
        assert_eq!(
            verify_checkpoint(&bytes, &log, OtherLines::Refuse),
            Ok(made.clone())
        );
        assert_eq!(LogKey::parse_vkey(&log.to_vkey().to_string()), Ok(log.clone()));

        let other_epoch = LogKey::new(&origin(2), &key(1).public_key());
        assert_matches!(
            verify_checkpoint(&bytes, &other_epoch, OtherLines::Keep),
            Err(CheckpointError::OtherOrigin { .. })
        );
        let other_key = LogKey::new(&origin(1), &key(2).public_key());
        assert_matches!(
            verify_checkpoint(&bytes, &other_key, OtherLines::Keep),
            Err(CheckpointError::NotSigned { .. })
        );
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_matches!(
                verify_checkpoint(&changed, &log, OtherLines::Refuse),
                Err(_),
                "byte {place}"
            );
        }
    }

    #[test]
    fn keeps_or_refuses_lines_of_others_but_never_a_failing_one_of_the_log() {
        let log = LogKey::new(&origin(1), &key(1).public_key());
        let mut note = signed(&tree(5, 0), 5).note().clone();
        note.lines
            .push(sign_note(&note.text, "witness.example", &key(9)).unwrap());
        let bytes = note.to_bytes();
        assert_matches!(verify_checkpoint(&bytes, &log, OtherLines::Keep), Ok(_));
        assert_matches!(
            verify_checkpoint(&bytes, &log, OtherLines::Refuse),
            Err(CheckpointError::UnknownLine { name, .. }) if name == "witness.example"
        );
        note.lines[0].signature[5] ^= 1;
        assert_matches!(
            verify_checkpoint(&note.to_bytes(), &log, OtherLines::Keep),
            Err(CheckpointError::NotSigned {
                source: LineError::Signature { .. },
                ..
            })
        );
    }

    #[test]
    fn a_log_cannot_claim_a_root_over_nothing() {
        let log = LogKey::new(&origin(1), &key(1).public_key());
        let false_head = TreeHead {
            size: 0,
            root: Hash([1; 32]),
        };
        let note = sign_checkpoint(&origin(1), false_head, &key(1)).to_bytes();
        assert_matches!(
            verify_checkpoint(&note, &log, OtherLines::Refuse),
            Err(CheckpointError::EmptyRoot { .. })
        );
        let empty = signed(&Tree::new(), 0).to_bytes();
        assert_matches!(verify_checkpoint(&empty, &log, OtherLines::Refuse), Ok(_));
    }

    #[test]
    fn follows_growth_and_refuses_shrinking_forks_and_gaps() {
        let (ours, theirs) = (tree(20, 0), tree(20, 1));
        let mut tracker = CheckpointTracker::new(origin(1));
        assert_eq!(
            tracker.advance(&signed(&ours, 7), &[]),
            Ok(Advance::Grown { from: 0 })
        );
        assert_eq!(tracker.advance(&signed(&ours, 7), &[]), Ok(Advance::Same));
        let proof = ours.consistency(7, 12).unwrap();
        assert_eq!(
            tracker.advance(&signed(&ours, 12), &proof),
            Ok(Advance::Grown { from: 7 })
        );

        let before = tracker.clone();
        assert_matches!(
            tracker.advance(&signed(&ours, 11), &[]),
            Err(TrackError::Shrinks {
                held: 12,
                got: 11,
                ..
            })
        );
        assert_matches!(
            tracker.advance(&signed(&theirs, 12), &[]),
            Err(TrackError::Forks { size: 12, .. })
        );
        assert_matches!(
            tracker.advance(&signed(&ours, 13), &[]),
            Err(TrackError::NotShown { .. })
        );
        let proof = theirs.consistency(12, 20).unwrap();
        assert_matches!(
            tracker.advance(&signed(&theirs, 20), &proof),
            Err(TrackError::NotShown { source, .. }) if matches!(*source, ProofError::OtherRoot { .. })
        );
        let elsewhere = sign_checkpoint(&origin(2), ours.head(), &key(1));
        assert_matches!(
            tracker.advance(&elsewhere, &[]),
            Err(TrackError::OtherOrigin { .. })
        );
        assert_eq!(tracker, before, "a refused head changes nothing");
        let resumed = CheckpointTracker::resume(origin(1), before.head());
        assert_eq!(resumed, before);
    }
}
