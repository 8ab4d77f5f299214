//! Handing signed notes to the node: `tally submit`, and what drafts, rosters and governance share.

use super::arguments::SubmitArguments;
use super::degree;
use super::error::{Failure, Outcome, file_failure};
use super::output::Output;
use super::session::{Connection, Session};
use crate::draft::assemble::Part;
use crate::node::{NodeClient, NodeError};
use crate::verify::{Proven, Trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tally_ledger::crypto::{commitment, event_id};
use tally_schemas::api::{DegreeBody, PartBody, SubmitAnswer, SubmitBody};
use tally_schemas::entry::Entry;
use tally_schemas::event::Event;
use tally_schemas::event::personal::find_in_event;
use tally_schemas::id::{EventId, Hash, Origin};
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;

/// How long an entry that is said to be recorded may take to be readable.
const READABLE_WITHIN: Duration = Duration::from_secs(10);
/// How often it is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

pub(super) fn run(arguments: &SubmitArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let mut values = Vec::new();
    for path in &arguments.note {
        let bytes = std::fs::read(path).map_err(|error| file_failure(path, &error))?;
        let note = Note::parse(&bytes, EVENT_NOTE_BYTES_MAX).map_err(|error| {
            Failure::invalid("error.no-note")
                .with("path", path.display())
                .detail(error)
        })?;
        let body = SubmitBody {
            note: note.to_string(),
            parts: Vec::new(),
            draft: None,
            personal_override: arguments.allow_personal.clone(),
        };
        let recorded = submit(&connection, &note, &body)?;
        values.push(recorded.value());
        told(&recorded, output);
    }
    output.value(&json!({ "recorded": values }));
    Ok(())
}

/// An event that was recorded, with the proof verified here.
pub(super) struct Recorded {
    /// The event.
    pub(super) event: EventId,
    /// Whether it is an event, which can be asked for by its id.
    is_event: bool,
    /// The log.
    pub(super) origin: Origin,
    /// The position.
    pub(super) index: u64,
    /// Who else has confirmed that it holds it, by the word of the node.
    pub(super) degree: DegreeBody,
}

impl Recorded {
    /// Returns the form for programs.
    pub(super) fn value(&self) -> Value {
        json!({
            "event": self.event.to_string(), "origin": self.origin.to_string(), "index": self.index, "verified": true,
            "degree": self.degree.degree, "hosts": self.degree.hosts,
        })
    }
}

/// Submits a note and verifies the proof that comes back: the node's word alone counts for nothing.
pub(super) fn submit(connection: &Connection, note: &Note, body: &SubmitBody) -> Outcome<Recorded> {
    let answer: SubmitAnswer = connection.node.submit(body)?;
    let event = event_id(&note.text);
    let origin = Origin::parse(&answer.origin)?;
    let entry = entry_of(connection, &origin, answer.index, &event)?;
    let proven = prove_from(
        &connection.node,
        &connection.trust,
        &event,
        &entry,
        answer.proof.as_bytes(),
    )?;
    Ok(Recorded {
        event,
        is_event: Event::parse_text(&note.text).is_ok(),
        origin: proven.entry.header.origin.clone(),
        index: proven.entry.header.index,
        degree: answer.degree,
    })
}

/// Fetches entry 0 of a log of a later epoch, which holds the opening that names its key; other logs have none.
pub(super) fn opening_of(node: &NodeClient, origin: &Origin) -> Outcome<Option<Vec<u8>>> {
    Ok(match origin.epoch {
        0 | 1 => None,
        _ => Some(node.entry(origin, 0)?),
    })
}

/// Verifies a proof that a node gave; of a log of a later epoch it is asked for entry 0 too, which names the key.
pub(super) fn prove_from(
    node: &NodeClient,
    trust: &Trust,
    event: &EventId,
    entry: &[u8],
    proof: &[u8],
) -> Outcome<Proven> {
    let opening = opening_of(node, &Entry::parse(entry)?.header.origin)?;
    Ok(trust.prove(event, entry, proof, opening.as_deref())?)
}

/// Fetches the entry that a proof is about. An entry that was only just recorded may take a moment to be readable.
fn entry_of(connection: &Connection, origin: &Origin, index: u64, event: &EventId) -> Outcome<Vec<u8>> {
    let end = Instant::now() + READABLE_WITHIN;
    loop {
        match connection.node.entry(origin, index) {
            Err(NodeError::Refused { status: 404, .. }) if Instant::now() < end => {
                std::thread::sleep(ASK_EVERY);
            }
            Err(NodeError::Refused { status: 404, .. }) => {
                return Err(Failure::unavailable("error.recorded-unproven")
                    .with("index", index)
                    .with("department", &origin.department)
                    .with("event", event)
                    .hint("hint.recorded-unproven"));
            }
            other => return Ok(other?),
        }
    }
}

/// Says that an event was recorded.
pub(super) fn told(recorded: &Recorded, output: &mut Output) {
    let text = output.texts.fill(
        "ui.recorded",
        &[
            ("event", &recorded.event),
            ("index", &recorded.index),
            ("department", &recorded.origin.department),
        ],
    );
    output.line(&text);
    let text = degree::sentence(output.texts, &recorded.degree);
    output.line(&text);
    if recorded.is_event && recorded.degree.hosts.is_empty() && !output.json {
        let hint = output
            .texts
            .fill("hint.local-only", &[("event", &recorded.event)]);
        output.hint(&hint);
    }
}

/// Puts a part into the form of the API.
pub(super) fn part_body(part: &Part) -> PartBody {
    PartBody {
        commit: part.commitment.commit.to_hex(),
        salt: STANDARD.encode(part.salt),
        media_type: Some(part.commitment.media_type.clone()),
        content: STANDARD.encode(&part.content),
    }
}

/// Opens a part of the API: the content must be what the event commits to.
pub(super) fn open_part(event: &Event, body: &PartBody) -> Outcome<(Hash, Vec<u8>)> {
    let wrong = || Failure::corrupt("error.part-mismatch").with("commit", &body.commit);
    let commit = Hash::parse_hex(&body.commit)?;
    let salt: [u8; 32] = STANDARD
        .decode(&body.salt)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(wrong)?;
    let content = STANDARD.decode(&body.content).map_err(|_| wrong())?;
    let named = event.commitments().into_iter().any(|one| one.commit == commit);
    if named && commitment(&salt, &content) == commit {
        Ok((commit, content))
    } else {
        Err(wrong())
    }
}

/// Stops what can never be erased: numbers of persons in inline texts.
pub(super) fn stop_personal(event: &Event, allowed: Option<&str>, output: &mut Output) -> Outcome {
    let found = find_in_event(event);
    if found.is_empty() {
        return Ok(());
    }
    let texts = output.texts;
    let places: Vec<String> = found
        .iter()
        .map(|find| {
            let kind = texts.name("personal", find.span.kind.as_str());
            let place = find.span.start + 1;
            format!(
                "{} ({kind}, {})",
                find.field,
                texts.fill("ui.character", &[("place", &place)])
            )
        })
        .collect();
    let places = places.join("; ");
    if allowed.is_some() {
        output.warning(&texts.fill("ui.personal-allowed", &[("places", &places)]));
        return Ok(());
    }
    Err(Failure::refusal("error.personal")
        .with("places", places)
        .hint("hint.personal"))
}
