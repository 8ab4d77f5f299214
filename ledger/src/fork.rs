//! Forks: evidence that a log signed two heads that cannot both be true, made by a node and verified by anyone with the log's key.
//!
//! The evidence names one size and, for each branch, its root there and consistency proofs from it to a checkpoint that the
//! log signed; of a log of a later epoch also the opening that names its key. Two roots at one size are two histories, whoever
//! shows them. Keeps I10. Spec: schemas/spec/fork.md.

use crate::authority::Registry;
use crate::checkpoint::{CheckpointError, LogKey, OtherLines, VerifiedCheckpoint, verify_checkpoint_note};
use crate::crypto::leaf_hash;
use crate::merkle::{ProofError, verify_consistency, verify_inclusion};
use crate::world::{OpeningError, verify_opening};
use tally_schemas::FormatError;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::fork::{ForkBranch, ForkEvidence, ForkStep};
use tally_schemas::id::{Hash, Origin, TreeHead};

/// A fork that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The log.
    pub origin: Origin,
    /// The size at which its branches differ.
    pub size: u64,
    /// The roots there: of the branch that whoever made the evidence held, then of the other.
    pub roots: [Hash; 2],
    /// The heads that the log signed.
    pub signed: [TreeHead; 2],
}

/// Why evidence shows no fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// A checkpoint is not the log's.
    #[error("checkpoint of branch {branch} is not accepted")]
    Checkpoint {
        /// 1 or 2.
        branch: usize,
        /// Why.
        source: CheckpointError,
    },
    /// A proof does not lead on.
    #[error("step {step} of branch {branch} does not lead from size {from} to size {to}")]
    Step {
        /// 1 or 2.
        branch: usize,
        /// From 1.
        step: usize,
        /// The size before.
        from: u64,
        /// The size named.
        to: u64,
        /// Why.
        source: ProofError,
    },
    /// The steps end at another head than the checkpoint's.
    #[error(
        "branch {branch} leads to size {reached} with root {root}, its checkpoint has size {signed} with root {signed_root}"
    )]
    OtherHead {
        /// 1 or 2.
        branch: usize,
        /// The size reached.
        reached: u64,
        /// The root reached.
        root: Hash,
        /// The size signed.
        signed: u64,
        /// The root signed.
        signed_root: Hash,
    },
    /// The text of a checkpoint is none.
    #[error("the first checkpoint names no log")]
    Unnamed(#[source] FormatError),
    /// The registry has no such log.
    #[error("{origin} is no log of a department of the registry learnt so far")]
    Unknown {
        /// The log.
        origin: String,
    },
    /// What names the key of the log is missing.
    #[error("{origin} is of a later epoch, and the evidence shows no opening of it")]
    NoOpening {
        /// The log.
        origin: String,
    },
    /// The opening does not hold.
    #[error("the opening of {origin} does not hold")]
    Opening {
        /// The log.
        origin: String,
        /// Why.
        source: OpeningError,
    },
    /// The opening opens another log.
    #[error("the opening is of {got}, the branches are of {expected}")]
    OtherOpening {
        /// The log opened.
        got: String,
        /// The log of the branches.
        expected: String,
    },
    /// The opening is not entry 0 of the first branch.
    #[error("the opening of {origin} is not entry 0 of branch 1")]
    NotFirst {
        /// The log.
        origin: String,
        /// Why.
        source: ProofError,
    },
    /// The branches agree.
    #[error("both branches have the root {0} at that size: they show no fork")]
    SameRoot(Hash),
}

/// Verifies that evidence shows a fork of the log with this key.
///
/// # Errors
/// What is missing for that; then nothing is shown.
pub fn verify_fork(evidence: &ForkEvidence, key: &LogKey) -> Result<Fork, ForkError> {
    let [held, other] = &evidence.branches;
    let signed = [
        verify_branch(1, evidence.size, held, key)?,
        verify_branch(2, evidence.size, other, key)?,
    ];
    if held.root == other.root {
        return Err(ForkError::SameRoot(held.root));
    }
    Ok(Fork {
        origin: key.origin().clone(),
        size: evidence.size,
        roots: [held.root, other.root],
        signed,
    })
}

/// Verifies that evidence shows a fork of the log that it names, for those who have nothing but a registry.
///
/// The key of an epoch 1 stands in the registry; that of a later epoch in the opening that the evidence shows, which must be
/// entry 0 of the first branch and signed by who may open it.
///
/// # Errors
/// What is missing for that; then nothing is shown.
pub fn verify_fork_under(evidence: &ForkEvidence, registry: &Registry) -> Result<Fork, ForkError> {
    let [held, _] = &evidence.branches;
    let origin = Checkpoint::parse(&held.checkpoint.text)
        .map_err(ForkError::Unnamed)?
        .origin;
    let named = || origin.to_string();
    let first = registry
        .log_key(&origin.department)
        .filter(|_| origin.federation == *registry.federation())
        .ok_or_else(|| ForkError::Unknown { origin: named() })?;
    if *first.origin() == origin {
        return verify_fork(evidence, first);
    }
    let opening = evidence
        .opening
        .as_ref()
        .ok_or_else(|| ForkError::NoOpening { origin: named() })?;
    let entry = opening.entry.as_bytes();
    let (opened, key) = verify_opening(entry, registry).map_err(|source| ForkError::Opening {
        origin: named(),
        source,
    })?;
    if opened.origin != origin {
        return Err(ForkError::OtherOpening {
            got: opened.origin.to_string(),
            expected: named(),
        });
    }
    // The opening is judged under the registry version that its entry names, so the entry itself must stand in the log.
    let head = TreeHead {
        size: evidence.size,
        root: held.root,
    };
    verify_inclusion(&leaf_hash(entry), 0, &head, &opening.proof).map_err(|source| ForkError::NotFirst {
        origin: named(),
        source,
    })?;
    verify_fork(evidence, &key)
}

fn verify_branch(number: usize, size: u64, branch: &ForkBranch, key: &LogKey) -> Result<TreeHead, ForkError> {
    let checkpoint =
        verify_checkpoint_note(branch.checkpoint.clone(), key, OtherLines::Keep).map_err(|source| {
            ForkError::Checkpoint {
                branch: number,
                source,
            }
        })?;
    let mut reached = TreeHead {
        size,
        root: branch.root,
    };
    for (place, step) in branch.steps.iter().enumerate() {
        verify_consistency(&reached, &step.head, &step.proof).map_err(|source| ForkError::Step {
            branch: number,
            step: place + 1,
            from: reached.size,
            to: step.head.size,
            source,
        })?;
        reached = step.head;
    }
    let signed = checkpoint.head();
    if reached != signed {
        return Err(ForkError::OtherHead {
            branch: number,
            reached: reached.size,
            root: reached.root,
            signed: signed.size,
            signed_root: signed.root,
        });
    }
    Ok(signed)
}

/// Makes a branch that leads through these heads to a checkpoint; heads equal to the one before are left out.
pub(crate) fn branch(
    at: TreeHead,
    steps: impl IntoIterator<Item = (TreeHead, Vec<Hash>)>,
    checkpoint: &VerifiedCheckpoint,
) -> ForkBranch {
    let mut reached = at;
    let mut kept = Vec::new();
    for (head, proof) in steps {
        if head != reached {
            kept.push(ForkStep { head, proof });
            reached = head;
        }
    }
    ForkBranch {
        root: at.root,
        steps: kept,
        checkpoint: checkpoint.note().clone(),
    }
}
