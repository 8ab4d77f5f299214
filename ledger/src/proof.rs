//! Proofs of recording: made by the node that holds the log, verified by anyone with the entry, the file and the log's key.
//!
//! Cosignatures in the file are kept, not judged. Keeps I12. Spec: schemas/spec/proof.md.

use crate::checkpoint::{CheckpointError, LogKey, OtherLines, VerifiedCheckpoint, verify_checkpoint_note};
use crate::crypto::leaf_hash;
use crate::merkle::{HashReader, ProofError, prove_inclusion, prove_inclusion_beyond, verify_inclusion};
use tally_schemas::id::Hash;
use tally_schemas::proof::TlogProof;

/// Makes the proof that the entry at an index is recorded under a checkpoint.
///
/// # Errors
/// An index outside the checkpoint, a hash that cannot be read, or hashes that do not lead to the checkpoint's root: the caller's tree is
/// not the one that was signed.
pub fn prove_recorded(
    reader: &impl HashReader,
    index: u64,
    checkpoint: &VerifiedCheckpoint,
) -> Result<TlogProof, ProofError> {
    let hashes = prove_inclusion(reader, index, checkpoint.head().size)?;
    made(reader, index, hashes, checkpoint)
}

/// Makes the same proof where only the first `end` entries are held, with the proof of consistency that leads from there to the
/// checkpoint.
///
/// # Errors
/// As of [`prove_recorded`], with an index outside of what is held.
pub fn prove_recorded_beyond(
    reader: &impl HashReader,
    index: u64,
    (end, beyond): (u64, &[Hash]),
    checkpoint: &VerifiedCheckpoint,
) -> Result<TlogProof, ProofError> {
    let hashes = prove_inclusion_beyond(reader, index, (end, checkpoint.head().size), beyond)?;
    made(reader, index, hashes, checkpoint)
}

fn made(
    reader: &impl HashReader,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: &VerifiedCheckpoint,
) -> Result<TlogProof, ProofError> {
    let leaf = reader.node(0, index)?;
    verify_inclusion(&leaf, index, &checkpoint.head(), &hashes)?;
    Ok(TlogProof {
        index,
        hashes,
        checkpoint: checkpoint.note().clone(),
    })
}

/// Why a proof of recording was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The checkpoint in the proof is not accepted.
    #[error("checkpoint in the proof is not accepted")]
    Checkpoint(#[from] CheckpointError),
    /// The hashes do not lead from this entry to the checkpoint.
    #[error("entry is not shown to be at index {index} of {size}")]
    NotIncluded {
        /// The index that the proof states.
        index: u64,
        /// The size of the checkpoint.
        size: u64,
        /// What is wrong.
        source: ProofError,
    },
}

/// Verifies that these entry bytes are recorded where the proof says, under a checkpoint that the log signed.
///
/// # Errors
/// A checkpoint of another log or without the log's signature, or hashes that do not lead from the entry to its root.
pub fn verify_recorded(
    entry: &[u8],
    proof: &TlogProof,
    key: &LogKey,
) -> Result<VerifiedCheckpoint, RecordedError> {
    let checkpoint = verify_checkpoint_note(proof.checkpoint.clone(), key, OtherLines::Keep)?;
    verify_inclusion(&leaf_hash(entry), proof.index, &checkpoint.head(), &proof.hashes).map_err(
        |source| RecordedError::NotIncluded {
            index: proof.index,
            size: checkpoint.head().size,
            source,
        },
    )?;
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::sign_checkpoint;
    use crate::crypto::SigningKey;
    use crate::merkle::Tree;
    use assert_matches::assert_matches;
    use tally_schemas::id::Origin;

    fn entry(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    #[test]
    fn a_stranger_verifies_every_entry_from_the_file_alone() {
        let origin = Origin::parse("xian-0123456789abcdef/housing/1").unwrap();
        let key = SigningKey::from_seed(&[1; 32]);
        let log = LogKey::new(&origin, &key.public_key());
        let tree: Tree = (0..300).map(|index| leaf_hash(&entry(index))).collect();
        let checkpoint = sign_checkpoint(&origin, tree.head_at(290).unwrap(), &key);
        for index in [0, 1, 255, 256, 289] {
            let file = prove_recorded(&tree, index, &checkpoint).unwrap().to_string();
            let proof = TlogProof::parse(file.as_bytes()).unwrap();
            assert_eq!(
                verify_recorded(&entry(index), &proof, &log),
                Ok(checkpoint.clone())
            );
            assert_matches!(
                verify_recorded(&entry(index + 1), &proof, &log),
                Err(RecordedError::NotIncluded {
                    source: ProofError::OtherRoot { .. },
                    ..
                })
            );
            let moved = TlogProof {
                index: index ^ 1,
                ..proof.clone()
            };
            assert_matches!(
                verify_recorded(&entry(index), &moved, &log),
                Err(RecordedError::NotIncluded { .. })
            );
            let stranger = LogKey::new(&origin, &SigningKey::from_seed(&[2; 32]).public_key());
            assert_matches!(
                verify_recorded(&entry(index), &proof, &stranger),
                Err(RecordedError::Checkpoint(_))
            );
        }
        assert_matches!(
            prove_recorded(&tree, 290, &checkpoint),
            Err(ProofError::IndexOutside { .. })
        );
    }

    #[test]
    fn will_not_hand_out_a_proof_that_does_not_hold() {
        let origin = Origin::parse("xian-0123456789abcdef/housing/1").unwrap();
        let key = SigningKey::from_seed(&[1; 32]);
        let signed: Tree = (0..9).map(|index| leaf_hash(&entry(index))).collect();
        let held: Tree = (1..10).map(|index| leaf_hash(&entry(index))).collect();
        let checkpoint = sign_checkpoint(&origin, signed.head(), &key);
        assert_matches!(
            prove_recorded(&held, 3, &checkpoint),
            Err(ProofError::OtherRoot { .. })
        );
    }
}
