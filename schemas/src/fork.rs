//! Evidence that a log forked: two checkpoints that it signed, and what shows that they cannot both be true.
//!
//! One line of canonical JSON. Text only: `tally-ledger` makes and verifies it. Spec: `schemas/spec/fork.md`. Keeps I10 and I12.

use crate::error::FormatError;
use crate::id::{Hash, TreeHead};
use crate::json::Json;
use crate::limits::{
    CHECKPOINT_BYTES_MAX, FORK_BYTES_MAX, FORK_STEPS_MAX, JSON_INTEGER_MAX, PROOF_HASHES_MAX,
};
use crate::note::Note;

/// What the member `format` says.
pub const FORK_FORMAT: &str = "tally/fork/v1";

/// The evidence: two branches of one log that have another root at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkEvidence {
    /// The size at which the branches differ.
    pub size: u64,
    /// The branch that whoever made the file holds, then the other.
    pub branches: [ForkBranch; 2],
    /// What names the key of the log; only of a log of a later epoch.
    pub opening: Option<ForkOpening>,
}

/// One branch: its root at the size, and the way from there to a checkpoint that the log signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkBranch {
    /// The root at the size.
    pub root: Hash,
    /// Each leads from the head before to a larger one; none when the checkpoint is of the size itself.
    pub steps: Vec<ForkStep>,
    /// The checkpoint with its signature lines, of the head that the last step leads to.
    pub checkpoint: Note,
}

/// Entry 0 of a log of a later epoch, whose opening names the log's key, and the proof that it stands in the first branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkOpening {
    /// The bytes of the entry, which are text.
    pub entry: String,
    /// The hashes (RFC 6962, section 2.1.1) from the entry to the root of the first branch at the size.
    pub proof: Vec<Hash>,
}

/// A consistency proof to a larger head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkStep {
    /// The head.
    pub head: TreeHead,
    /// The hashes (RFC 6962, section 2.1.2).
    pub proof: Vec<Hash>,
}

impl ForkEvidence {
    /// Parses a file; accepts exactly what [`ForkEvidence::to_bytes`] gives.
    ///
    /// # Errors
    /// Every other input.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        FormatError::at_most(WHAT, bytes.len(), FORK_BYTES_MAX)?;
        let Some(text) = bytes.strip_suffix(b"\n") else {
            return Err(FormatError::malformed(WHAT, "does not end with a line feed"));
        };
        let json = Json::parse(text)?;
        let format = json.member("format").and_then(Json::as_text).unwrap_or_default();
        if format != FORK_FORMAT {
            let shown: String = format.chars().take(40).collect();
            return Err(FormatError::UnknownVersion {
                what: WHAT,
                got: format!("{shown:?}"),
            });
        }
        exactly(&json, &["branches", "format", "opening", "size"])?;
        let Some([held, other]) = json.member("branches").and_then(Json::as_array) else {
            return Err(FormatError::field(WHAT, "branches", "expected two"));
        };
        Ok(Self {
            size: size_of(&json)?,
            branches: [branch(held)?, branch(other)?],
            opening: json.member("opening").map(opening).transpose()?,
        })
    }

    /// Returns the bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let branch = |branch: &ForkBranch| {
            let steps: Vec<Json> = branch
                .steps
                .iter()
                .map(|step| {
                    Json::object([
                        ("proof", hashes(&step.proof)),
                        ("root", step.head.root.to_base64().into()),
                        ("size", int(step.head.size)),
                    ])
                })
                .collect();
            Json::object([
                ("checkpoint", branch.checkpoint.to_string().into()),
                ("root", branch.root.to_base64().into()),
                ("steps", steps.into()),
            ])
        };
        let branches: Vec<Json> = self.branches.iter().map(branch).collect();
        let opening = self.opening.as_ref().map(|opening| {
            let members = [
                ("entry", opening.entry.as_str().into()),
                ("proof", hashes(&opening.proof)),
            ];
            ("opening", Json::object(members))
        });
        let members = [
            ("branches", branches.into()),
            ("format", FORK_FORMAT.into()),
            ("size", int(self.size)),
        ];
        let mut text = Json::object(members.into_iter().chain(opening)).to_canonical();
        text.push('\n');
        text.into_bytes()
    }
}

const WHAT: &str = "evidence of a fork";

fn int(size: u64) -> Json {
    // Sizes beyond what JSON keeps exactly are refused when the file is read.
    i64::try_from(size).unwrap_or(JSON_INTEGER_MAX).into()
}

fn hashes(hashes: &[Hash]) -> Json {
    let hashes: Vec<Json> = hashes.iter().map(|hash| hash.to_base64().into()).collect();
    hashes.into()
}

fn proof_of(json: &Json) -> Result<Vec<Hash>, FormatError> {
    let proof = json.member("proof").and_then(Json::as_array);
    let proof = proof
        .filter(|proof| proof.len() <= PROOF_HASHES_MAX)
        .ok_or_else(|| FormatError::field(WHAT, "proof", format!("expected at most {PROOF_HASHES_MAX}")))?;
    proof.iter().map(|hash| hash_of(Some(hash), "proof")).collect()
}

fn exactly(json: &Json, names: &[&str]) -> Result<(), FormatError> {
    let members = json
        .as_object()
        .ok_or_else(|| FormatError::malformed(WHAT, "expected an object"))?;
    if let Some(name) = members.keys().find(|name| !names.contains(&name.as_str())) {
        let known = format!("unknown member; known are {}", names.join(", "));
        return Err(FormatError::field(WHAT, name, known));
    }
    Ok(())
}

fn size_of(json: &Json) -> Result<u64, FormatError> {
    json.member("size")
        .and_then(Json::as_int)
        .and_then(|size| u64::try_from(size).ok())
        .filter(|size| *size > 0)
        .ok_or_else(|| FormatError::field(WHAT, "size", "expected 1 or more"))
}

fn hash_of(json: Option<&Json>, name: &str) -> Result<Hash, FormatError> {
    json.and_then(Json::as_text)
        .ok_or_else(|| FormatError::field(WHAT, name, "expected text"))
        .and_then(Hash::parse_base64)
}

fn branch(json: &Json) -> Result<ForkBranch, FormatError> {
    exactly(json, &["checkpoint", "root", "steps"])?;
    let checkpoint = json.member("checkpoint").and_then(Json::as_text);
    let checkpoint = checkpoint.ok_or_else(|| FormatError::field(WHAT, "checkpoint", "expected text"))?;
    let steps = json.member("steps").and_then(Json::as_array);
    let steps = steps
        .filter(|steps| steps.len() <= FORK_STEPS_MAX)
        .ok_or_else(|| FormatError::field(WHAT, "steps", format!("expected at most {FORK_STEPS_MAX}")))?;
    Ok(ForkBranch {
        root: hash_of(json.member("root"), "root")?,
        steps: steps.iter().map(step).collect::<Result<_, _>>()?,
        checkpoint: Note::parse(checkpoint.as_bytes(), CHECKPOINT_BYTES_MAX)?,
    })
}

fn opening(json: &Json) -> Result<ForkOpening, FormatError> {
    exactly(json, &["entry", "proof"])?;
    let entry = json.member("entry").and_then(Json::as_text);
    Ok(ForkOpening {
        entry: entry
            .ok_or_else(|| FormatError::field(WHAT, "entry", "expected text"))?
            .to_owned(),
        proof: proof_of(json)?,
    })
}

fn step(json: &Json) -> Result<ForkStep, FormatError> {
    exactly(json, &["proof", "root", "size"])?;
    Ok(ForkStep {
        head: TreeHead {
            size: size_of(json)?,
            root: hash_of(json.member("root"), "root")?,
        },
        proof: proof_of(json)?,
    })
}
