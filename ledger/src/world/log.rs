//! One log as held here: its tree, what waits to be resolved, its roster, what it has named.

use super::kept::Kept;
use super::tree::HeldTree;
use crate::authority::RosterHistory;
use crate::cases::fold::{LogNo, Vector};
use crate::checkpoint::LogKey;
use crate::crypto::{VerifyingKey, event_id, leaf_hash};
use crate::merkle::Frontier;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::FormatError;
use tally_schemas::entry::{Entry, EntryHeader, PayloadKind};
use tally_schemas::epoch::Opening;
use tally_schemas::event::{CaseKind, Event, Kind};
use tally_schemas::id::{EventId, Hash, OfficerId, Origin};
use tally_schemas::limits::{EPOCH_NOTE_BYTES_MAX, EVENT_NOTE_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;
use tally_schemas::time::Timestamp;

/// Why an entry cannot stand at the end of a log. Only this stops a log (I4: held).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// The bytes are no entry.
    #[error("entry {index} of {origin} is not readable: {source}")]
    Form {
        /// The log.
        origin: String,
        /// The position where it was to stand.
        index: u64,
        /// Why.
        source: FormatError,
    },
    /// It names another log.
    #[error("entry {index} of {origin} names the origin {got}")]
    Origin {
        /// The log.
        origin: String,
        /// The position.
        index: u64,
        /// Named in the header.
        got: String,
    },
    /// It names another position.
    #[error("entry {index} of {origin} says it is entry {got}")]
    Index {
        /// The log.
        origin: String,
        /// The position.
        index: u64,
        /// Named in the header.
        got: u64,
    },
    /// It does not follow the entry before.
    #[error("prev of entry {index} in {origin} is {got}, expected {expected}")]
    Prev {
        /// The log.
        origin: String,
        /// The position.
        index: u64,
        /// Named in the header.
        got: String,
        /// The leaf hash of the entry before.
        expected: String,
    },
    /// Its recorded time falls.
    #[error("recorded time of entry {index} in {origin} falls from {before} to {got}")]
    Recorded {
        /// The log.
        origin: String,
        /// The position.
        index: u64,
        /// Of the entry before.
        before: Timestamp,
        /// Named in the header.
        got: Timestamp,
    },
    /// Its registry version falls.
    #[error("registry version of entry {index} in {origin} falls from {before} to {got}")]
    Registry {
        /// The log.
        origin: String,
        /// The position.
        index: u64,
        /// Of the entry before.
        before: u64,
        /// Named in the header.
        got: u64,
    },
    /// It names a smaller head of a log than was named before.
    #[error("entry {index} in {origin} names size {got} of {named} after size {before}")]
    Head {
        /// The log.
        origin: String,
        /// The position.
        index: u64,
        /// The log named.
        named: String,
        /// The size named before.
        before: u64,
        /// The size named now.
        got: u64,
    },
}

/// What an entry carries, parsed; what is wrong inside makes it void, never the log.
#[derive(Debug, Clone)]
pub enum Payload {
    /// An event.
    Event {
        /// Its id.
        id: EventId,
        /// The event.
        event: Arc<Event>,
        /// The note with its signature lines.
        note: Arc<Note>,
    },
    /// A statement.
    Statement(Statement),
    /// A governance note, verbatim.
    Governance(String),
    /// The opening of an epoch.
    Opening(Arc<Opening>),
    /// Something that is not of its format, with the reason.
    Bad(String),
}

impl Payload {
    /// Parses a payload.
    pub fn parse(payload: &str) -> Self {
        let parsed = match PayloadKind::of(payload) {
            PayloadKind::Event => parse_event(payload),
            PayloadKind::Statement => Statement::parse_text(payload).map(Self::Statement),
            PayloadKind::Governance => Ok(Self::Governance(payload.to_owned())),
            PayloadKind::Epoch => parse_opening(payload).map(|(opening, _)| Self::Opening(Arc::new(opening))),
            PayloadKind::Unknown => Err(FormatError::malformed(
                "payload",
                "its first line is of no known format",
            )),
        };
        parsed.unwrap_or_else(|error| Self::Bad(error.to_string()))
    }

    /// Says whether the payload is an act (an event or governance), not a node's own statement.
    pub fn is_act(&self) -> bool {
        !matches!(self, Self::Statement(_))
    }
}

/// Reads the payload of an entry 0 that opens an epoch.
pub(crate) fn parse_opening(payload: &str) -> Result<(Opening, Note), FormatError> {
    let note = Note::parse(payload.as_bytes(), EPOCH_NOTE_BYTES_MAX)?;
    Ok((Opening::parse_text(&note.text)?, note))
}

fn parse_event(payload: &str) -> Result<Payload, FormatError> {
    let note = Note::parse(payload.as_bytes(), EVENT_NOTE_BYTES_MAX)?;
    let event = Event::parse_text(&note.text)?;
    Ok(Payload::Event {
        id: event_id(&note.text),
        event: Arc::new(event),
        note: Arc::new(note),
    })
}

/// Whether a line of a waiting entry verified under a key.
#[derive(Debug, Clone)]
pub struct LineResult {
    /// The line, from 0.
    pub line: usize,
    /// The key.
    pub key: VerifyingKey,
    /// The outcome.
    pub verified: bool,
}

/// An entry that is held but not yet resolved.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its header.
    pub header: EntryHeader,
    /// Its leaf hash.
    pub leaf: Hash,
    /// What it carries.
    pub payload: Payload,
    /// Results of signature checks so far.
    pub results: Vec<LineResult>,
}

/// What is kept of a resolved entry.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What lies below it in other logs; what it says of its own log does not count.
    pub foreign: Arc<Vector>,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The event it carries, if any.
    pub event: Option<EventId>,
    /// Whether the event is addressed to other departments.
    pub addressed: bool,
    /// What it counts as.
    pub standing: super::Standing,
}

/// What follows from the entries of a log up to some position.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    /// Leaf hash, time and registry version of the last entry.
    pub(super) last: Option<(Hash, Timestamp, u64)>,
    /// The size of other logs that it named last.
    pub(super) named: BTreeMap<Origin, u64>,
    /// The size at the end of the newest act (no statement).
    pub(super) acts_upto: u64,
}

impl End {
    pub(super) fn advance(&mut self, leaf: Hash, header: &EntryHeader, payload: &Payload) {
        self.last = Some((leaf, header.recorded, header.registry.version));
        let stated = match payload {
            Payload::Statement(Statement::Heads(list)) => list.as_slice(),
            _ => &[],
        };
        for head in header.heads.iter().chain(stated) {
            match self.named.get_mut(&head.origin) {
                Some(size) => *size = head.head.size,
                None => drop(self.named.insert(head.origin.clone(), head.head.size)),
            }
        }
        if payload.is_act() {
            self.acts_upto = header.index + 1;
        }
    }
}

/// What a log of a later epoch continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continues {
    /// The log before it.
    pub old: LogNo,
    /// How many entries of that log count.
    pub size: u64,
    /// The leaf hash of the last of them; of the genesis when there is none.
    pub prev: Hash,
    /// The id of the opening: the hash of its text.
    pub opening: EventId,
}

/// A log as held here.
#[derive(Debug, Clone)]
pub struct Log {
    /// The identity.
    pub origin: Arc<Origin>,
    /// The key that signs its checkpoints.
    pub key: LogKey,
    /// Every leaf held.
    pub tree: HeldTree,
    /// The same head in little memory, to try entries on before they are held.
    pub frontier: Frontier,
    /// The resolved entries in memory, from a position on; those before it are in the archive.
    pub(super) resolved: Vec<Resolved>,
    pub(super) base: u64,
    /// What waits, in order.
    pub waiting: std::collections::VecDeque<Waiting>,
    /// The department's roster.
    pub roster: RosterHistory,
    /// Keys that roster events held here name, for checking signatures ahead of resolution.
    pub keys_seen: BTreeMap<OfficerId, Vec<VerifyingKey>>,
    /// What it continues, if it is of a later epoch.
    pub continues: Option<Continues>,
    /// Its entry 0 with the opening that names its key, if it is of a later epoch.
    pub opening: Option<Arc<str>>,
    /// How many of its entries count, once a later epoch was opened; the rest is set aside.
    pub end: Option<u64>,
    /// Why ingest of the log stopped, if it did.
    pub stopped: Option<String>,
    /// After all that is held.
    pub(super) held: End,
    /// After all that is resolved.
    pub(super) settled: End,
}

impl Log {
    /// Makes an empty log.
    pub(super) fn new(origin: Origin, key: LogKey, kept: &Arc<Kept>) -> Self {
        let origin = Arc::new(origin);
        Self {
            tree: HeldTree::new(origin.clone(), kept.clone()),
            origin,
            key,
            frontier: Frontier::new(),
            resolved: Vec::new(),
            base: 0,
            waiting: std::collections::VecDeque::new(),
            roster: RosterHistory::default(),
            keys_seen: BTreeMap::new(),
            continues: None,
            opening: None,
            end: None,
            stopped: None,
            held: End::default(),
            settled: End::default(),
        }
    }

    /// Returns how many entries the newest resolved act (no statement) ends at: statements never cause statements.
    pub fn acts_upto(&self) -> u64 {
        self.settled.acts_upto
    }

    /// Returns how many entries are held.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Returns how many entries are resolved.
    pub fn cursor(&self) -> u64 {
        self.base + self.resolved.len() as u64
    }

    /// Returns the leaf hash that the next entry must name as `prev`.
    pub fn next_prev(&self, genesis: &Hash) -> Hash {
        let first = self.continues.map_or(*genesis, |continues| continues.prev);
        self.held.last.map_or(first, |(leaf, ..)| leaf)
    }

    /// Says whether an entry is set aside: it lies beyond the end of the log.
    pub fn is_set_aside(&self, index: u64) -> bool {
        self.end.is_some_and(|end| index >= end)
    }

    /// Says whether all that counts of the log is held, and no more will be.
    pub fn is_complete(&self) -> bool {
        self.end.is_some_and(|end| self.size() >= end)
    }

    /// Returns the recorded time of the last entry.
    pub fn last_recorded(&self) -> Timestamp {
        self.held
            .last
            .map_or(Timestamp::default(), |(_, recorded, _)| recorded)
    }

    /// Returns the size of another log that this one named last.
    pub fn named(&self, origin: &Origin) -> u64 {
        self.held.named.get(origin).copied().unwrap_or(0)
    }

    /// Checks that bytes can stand next, and returns the leaf hash with the parsed entry.
    ///
    /// # Errors
    /// What stops the log.
    pub fn check_next(&self, bytes: &[u8], genesis: &Hash) -> Result<(Hash, Entry), HoldError> {
        let origin = self.origin.to_string();
        let index = self.size();
        let entry = Entry::parse(bytes).map_err(|source| HoldError::Form {
            origin: origin.clone(),
            index,
            source,
        })?;
        let header = &entry.header;
        if header.origin != *self.origin {
            return Err(HoldError::Origin {
                origin,
                index,
                got: header.origin.to_string(),
            });
        }
        if header.index != index {
            return Err(HoldError::Index {
                origin,
                index,
                got: header.index,
            });
        }
        let expected = self.next_prev(genesis);
        if header.prev != expected {
            return Err(HoldError::Prev {
                origin,
                index,
                got: header.prev.short(),
                expected: expected.short(),
            });
        }
        if let Some((_, before, version)) = self.held.last {
            if header.recorded < before {
                return Err(HoldError::Recorded {
                    origin,
                    index,
                    before,
                    got: header.recorded,
                });
            }
            if header.registry.version < version {
                return Err(HoldError::Registry {
                    origin,
                    index,
                    before: version,
                    got: header.registry.version,
                });
            }
        }
        for head in &header.heads {
            self.check_named(&origin, index, head)?;
        }
        if let Ok(Statement::Heads(heads)) = Statement::parse_text(&entry.payload) {
            for head in &heads {
                self.check_named(&origin, index, head)?;
            }
        }
        Ok((leaf_hash(bytes), entry))
    }

    fn check_named(
        &self,
        origin: &str,
        index: u64,
        head: &tally_schemas::id::NamedHead,
    ) -> Result<(), HoldError> {
        let before = self.named(&head.origin);
        if head.head.size < before {
            return Err(HoldError::Head {
                origin: origin.to_owned(),
                index,
                named: head.origin.to_string(),
                before,
                got: head.head.size,
            });
        }
        Ok(())
    }

    /// Keeps entry 0 of a log of a later epoch, to show whose opening names the key.
    pub(super) fn keep_opening(&mut self, entry: &[u8]) {
        self.opening = std::str::from_utf8(entry).ok().map(Arc::from);
    }

    /// Appends an entry that [`Log::check_next`] let pass, with its payload parsed.
    pub fn hold(&mut self, leaf: Hash, header: EntryHeader, payload: Payload) {
        self.tree.append(leaf);
        self.frontier.append(leaf);
        self.held.advance(leaf, &header, &payload);
        if let Payload::Event { event, .. } = &payload {
            self.remember_keys(event);
        }
        self.waiting.push_back(Waiting {
            header,
            leaf,
            payload,
            results: Vec::new(),
        });
    }

    pub(super) fn remember_keys(&mut self, event: &Event) {
        let Kind::Known(kind) = event.kind else { return };
        if kind.case_kind() != CaseKind::Roster {
            return;
        }
        let Some(officer) = event
            .body
            .word("officer")
            .and_then(|text| OfficerId::parse(text).ok())
        else {
            return;
        };
        for field in ["key", "replacement"] {
            let bytes = event
                .body
                .word(field)
                .and_then(|text| Hash::parse_base64(text).ok());
            if let Some(key) = bytes.and_then(|hash| crate::crypto::PublicKey::admit(&hash.0).ok()) {
                self.keys_seen
                    .entry(officer.clone())
                    .or_default()
                    .push(VerifyingKey::new(&key));
            }
        }
    }
}

/// Names a log by the order in which it was first seen.
pub fn log_no(place: usize) -> LogNo {
    LogNo::try_from(place).unwrap_or(LogNo::MAX)
}
