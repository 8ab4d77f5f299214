//! A submission before it reaches the owner: its event is named, and its detached parts are opened and compared.

use super::mailbox::{Named, Submission, SubmitResult};
use super::shared::Shared;
use crate::store::Part;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use tally_ledger::crypto::event_id;
use tally_ledger::replica::Refusal;
use tally_schemas::api::{PartBody, SubmitBody};
use tally_schemas::event::Event;
use tally_schemas::id::Hash;
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tokio::sync::oneshot;

/// A note with its parts opened.
#[derive(Debug)]
struct Opened {
    event: Option<Named>,
    parts: Vec<(Hash, Part)>,
}

impl Shared {
    /// Records a signed note with its parts: durable when it returns without refusal.
    ///
    /// # Errors
    /// Why it is not recorded; nothing of it is kept then.
    pub async fn record(&self, body: SubmitBody) -> SubmitResult {
        let SubmitBody {
            note,
            parts,
            draft,
            personal_override,
        } = body;
        let opened = self.open_parts(note.as_bytes(), &parts).map_err(Box::new)?;
        let (answer, receiver) = oneshot::channel();
        let submission = Submission {
            note: note.into_bytes(),
            event: opened.event,
            parts: opened.parts,
            draft,
            personal_override,
            answer,
        };
        if !self.submit(submission) {
            return Err(Box::new(Refusal::unavailable(
                "busy",
                "too many submissions wait; try again in a moment",
            )));
        }
        receiver.await.unwrap_or_else(|_| Err(Box::new(stopping())))
    }

    /// Names the event and opens its parts. What is no event passes: the replica says what is wrong with it.
    fn open_parts(&self, note: &[u8], given: &[PartBody]) -> Result<Opened, Refusal> {
        let unnamed = Opened {
            event: None,
            parts: Vec::new(),
        };
        let Ok(note) = Note::parse(note, EVENT_NOTE_BYTES_MAX) else {
            return Ok(unnamed);
        };
        let Ok(event) = Event::parse_text(&note.text) else {
            return Ok(unnamed);
        };
        let id = event_id(&note.text);
        let commitments = event.commitments();
        let named = Named {
            id,
            note: Arc::new(note),
            event: Arc::new(event),
        };
        let department = named.event.department.clone();
        let named = Some(named);
        // Without parts there is nothing to open, whatever is known of the event.
        let is_plain = commitments.is_empty() && given.is_empty();
        let is_settled =
            || self.view(|replica| replica.proof(&id).is_some() || !replica.hosted().contains(&department));
        if is_plain || is_settled() {
            return Ok(Opened {
                event: named,
                parts: Vec::new(),
            });
        }
        let mut parts = Vec::new();
        for body in given {
            let (commit, part) = open_part(body)?;
            let fits = commitments
                .iter()
                .any(|stated| stated.commit == commit && stated.length == part.content.len() as u64);
            if !fits {
                let what = format!(
                    "the event does not commit to part {} of {} bytes",
                    commit.short(),
                    part.content.len()
                );
                return Err(Refusal::invalid("part-not-named", what));
            }
            parts.push((commit, part));
        }
        for stated in &commitments {
            let given = parts.iter().any(|(commit, _)| *commit == stated.commit);
            let kept = || {
                let found = self.parts.open(&department, &stated.commit);
                matches!(found, Ok(Some(_)))
            };
            if !given && !kept() {
                let what = format!(
                    "the event commits to part {}, which neither comes with it nor is kept here",
                    stated.commit.short()
                );
                return Err(Refusal::refused("part-missing", what));
            }
        }
        Ok(Opened { event: named, parts })
    }
}

/// Opens a part as it travels, and compares it with its commitment.
pub(crate) fn open_part(body: &PartBody) -> Result<(Hash, Part), Refusal> {
    let bad = |what: String| Refusal::invalid("part", what);
    let commit = Hash::parse_hex(&body.commit).map_err(|error| bad(error.to_string()))?;
    let salt = STANDARD
        .decode(&body.salt)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .ok_or_else(|| {
            bad(format!(
                "the salt of part {} is no base64 of 32 bytes",
                commit.short()
            ))
        })?;
    let content = STANDARD
        .decode(&body.content)
        .map_err(|_| bad(format!("the content of part {} is no base64", commit.short())))?;
    let part = Part { salt, content };
    let got = part.commitment();
    if got != commit {
        let what = format!(
            "a part has the commitment {}, its name says {}",
            got.short(),
            commit.short()
        );
        return Err(Refusal::invalid("part-mismatch", what));
    }
    Ok((commit, part))
}

/// The answer to those who wait when the node stops.
pub(crate) fn stopping() -> Refusal {
    Refusal::unavailable(
        "stopping",
        "the node is stopping; submit the same note again when it is back, it is never recorded twice",
    )
}
