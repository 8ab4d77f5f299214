//! Epochs: which logs of a department stand, where each of them ends, and what lies beyond.
//!
//! What counts of a log follows from the openings held (I5): the newest names the log before it and where that ends, and so on.
//! Spec: `schemas/spec/epoch.md`.

use super::log::{Continues, Payload, parse_opening};
use super::{Log, Standing, World};
use crate::authority::{GovernanceError, OpenedBy, Registry};
use crate::cases::fold::LogNo;
use crate::checkpoint::LogKey;
use crate::crypto::{KeyError, PublicKey, event_id};
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::FormatError;
use tally_schemas::entry::Entry;
use tally_schemas::epoch::Opening;
use tally_schemas::event::Event;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NamedHead, Origin};
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

/// What a head that an entry names stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// So many entries of a log that is known here.
    Entries {
        /// The log.
        log: LogNo,
        /// How many, at most up to its end.
        size: u64,
        /// Whether the head named lies beyond the end.
        is_cut: bool,
    },
    /// Nothing that counts: the log is set aside whole.
    Nothing,
    /// A log that is not known here.
    Unknown,
}

/// An entry beyond the end of its log that carries an event: kept, and without any effect.
#[derive(Debug, Clone)]
pub struct SetAside {
    /// The log.
    pub origin: Origin,
    /// The position.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The event's id.
    pub id: EventId,
    /// The event.
    pub event: Arc<Event>,
    /// The log whose opening set it aside.
    pub by: Origin,
}

/// What openings continue: by the log that begins, the log before it and how many entries of that count.
#[derive(Debug, Clone, Default)]
pub struct Openings(BTreeMap<Origin, (Origin, u64)>);

impl Openings {
    /// Takes an opening that was found good, or is believed for what it leaves out.
    pub fn note(&mut self, opening: &Opening) {
        let old = (opening.old.origin.clone(), opening.old.head.size);
        self.0.insert(opening.origin.clone(), old);
    }

    /// Returns how many entries of a log count, if a later epoch says so; 0 for one that is set aside whole.
    pub fn end_of(&self, origin: &Origin) -> Option<u64> {
        let mut standing = Origin {
            epoch: u32::MAX,
            ..origin.clone()
        };
        let newest = self.0.range(..=standing.clone()).next_back();
        standing = newest
            .map(|(newest, _)| newest)
            .filter(|newest| newest.department == origin.department)?
            .clone();
        while origin.epoch < standing.epoch {
            let (old, size) = self.0.get(&standing)?;
            if old.epoch < origin.epoch {
                return Some(0);
            }
            if old.epoch == origin.epoch {
                return Some(*size);
            }
            standing = old.clone();
        }
        None
    }

    /// Returns the log whose opening gave a log its end.
    fn opened_after(&self, origin: &Origin) -> Option<Origin> {
        let later = self
            .0
            .iter()
            .filter(|(later, _)| later.department == origin.department && later.epoch > origin.epoch);
        let mut later: Vec<&Origin> = later
            .filter(|(_, (old, _))| old.epoch <= origin.epoch)
            .map(|(later, _)| later)
            .collect();
        later.sort();
        let stands = |later: &&&Origin| self.end_of(later) != Some(0);
        later.iter().find(stands).map(|later| Origin::clone(later))
    }
}

impl World {
    /// Tells of an opening that the own disk kept, before the entries are read back: nothing beyond the end that it gives
    /// is resolved then.
    ///
    /// # Errors
    /// The bytes are no entry 0 with an opening.
    pub fn expect_opening(&mut self, entry: &[u8]) -> Result<(), FormatError> {
        let entry = Entry::parse(entry)?;
        let (opening, _) = parse_opening(&entry.payload)?;
        self.note_opening(&opening);
        Ok(())
    }

    /// Lets an opening say where the log before ends, though the log that it opens cannot be begun yet; says whether that is new. Not
    /// where something that was resolved rests on more of it, or on less.
    pub(crate) fn believe_opening(&mut self, opening: &Opening) -> bool {
        let old = &opening.old;
        let of_it = self
            .logs
            .iter()
            .filter(|log| log.origin.department == old.origin.department);
        let mut later = of_it.filter(|log| log.origin.epoch >= old.origin.epoch);
        let fits = later.all(|log| *log.origin == old.origin && log.cursor() <= old.head.size)
            && self.end_of(&old.origin).is_none()
            && !self.openings.0.contains_key(&opening.origin);
        if fits {
            self.note_opening(opening);
        }
        fits
    }

    /// Returns the logs of later epochs of which an opening is known here, begun or not.
    pub fn known_openings(&self) -> impl Iterator<Item = &Origin> {
        self.openings.0.keys()
    }

    fn note_opening(&mut self, opening: &Opening) {
        self.openings.note(opening);
        let ends: Vec<Option<u64>> = self.logs.iter().map(|log| self.end_of(&log.origin)).collect();
        for (log, end) in self.logs.iter_mut().zip(ends) {
            log.end = end;
        }
    }

    /// Begins the log that an opening opens; the caller has found the opening good, and the log before it held so far.
    pub(crate) fn open_epoch(&mut self, opening: &Opening, key: LogKey, prev: Hash) -> Option<LogNo> {
        let old = self.number_of_log(&opening.old.origin)?;
        let before: Vec<Option<u64>> = self.logs.iter().map(|log| log.end).collect();
        self.note_opening(opening);
        let mut ends = before.into_iter().zip(&self.logs);
        // Some of what names such a log may have been resolved with less of it in its past.
        self.is_more_counted |=
            ends.any(|(before, log)| before.is_some_and(|before| log.end.is_none_or(|end| end > before)));
        let number = self.add_log(opening.origin.clone(), key);
        let keys = self.log_at(old).map(|log| log.keys_seen.clone());
        if let Some(log) = self.log_mut(number) {
            log.continues = Some(Continues {
                old,
                size: opening.old.head.size,
                prev,
                opening: event_id(&opening.to_text()),
            });
            log.keys_seen = keys.unwrap_or_default();
        }
        Some(number)
    }

    /// Returns how many entries of a log count, if a later epoch says so; 0 for one that is set aside whole.
    pub fn end_of(&self, origin: &Origin) -> Option<u64> {
        self.openings.end_of(origin)
    }

    /// Says what a head that an entry names stands for.
    pub fn reach(&self, named: &NamedHead) -> Reach {
        let end = self.end_of(&named.origin);
        if end == Some(0) {
            return Reach::Nothing;
        }
        let size = named.head.size;
        let upto = end.map_or(size, |end| size.min(end));
        match self.number_of_log(&named.origin) {
            Some(log) => Reach::Entries {
                log,
                size: upto,
                is_cut: upto < size,
            },
            None => Reach::Unknown,
        }
    }

    /// Returns the newest log of a department of which anything is resolved; its first one if none is.
    pub(crate) fn log_begun(&self, department: &DepartmentId) -> Option<&Log> {
        let mut log = self.log(department)?;
        while let Some(continues) = log.continues.filter(|_| log.cursor() == 0) {
            log = self.log_at(continues.old)?;
        }
        Some(log)
    }

    /// Says whether anything that was resolved here is set aside by now, or may rest on less than counts by now: then everything is
    /// derived again.
    pub fn is_overtaken(&self) -> bool {
        let is_less_counted = self.logs.iter().any(|log| {
            let is_left_out = |end: u64| end == 0 && log.continues.is_some();
            log.end.is_some_and(|end| log.cursor() > end || is_left_out(end))
        });
        is_less_counted || self.is_more_counted
    }

    /// Says whether a log was opened whose entry 0 is not resolved yet, or is believed to be opened.
    pub(crate) fn is_opening(&self) -> bool {
        let mut logs = self.logs.iter();
        let mut known = self.openings.0.keys();
        let is_unbegun =
            |origin: &Origin| self.number_of_log(origin).is_none() && self.end_of(origin) != Some(0);
        logs.any(|log| log.continues.is_some() && log.cursor() == 0) || known.any(is_unbegun)
    }

    /// Returns the events of a case that stand beyond the end of their logs, as far as they are held here; which those are
    /// is no state.
    pub fn set_aside(&self, case: &CaseId) -> Vec<SetAside> {
        let mut found = Vec::new();
        for log in self.logs() {
            let Some(by) = self.opened_after(&log.origin).filter(|_| log.end.is_some()) else {
                continue;
            };
            for waiting in &log.waiting {
                let Payload::Event { id, event, .. } = &waiting.payload else {
                    continue;
                };
                let index = waiting.header.index;
                if log.is_set_aside(index) && event.case.unwrap_or(*id) == *case {
                    found.push(SetAside {
                        origin: Origin::clone(&log.origin),
                        index,
                        recorded: waiting.header.recorded,
                        id: *id,
                        event: event.clone(),
                        by: by.clone(),
                    });
                }
            }
        }
        found
    }

    /// Returns the log whose opening gave a log its end.
    pub fn opened_after(&self, origin: &Origin) -> Option<Origin> {
        self.openings.opened_after(origin)
    }
}

impl World {
    /// Returns the registry as the entries of the registrar's newest log lead to it, those included that are held and wait to be resolved.
    ///
    /// Every version in it was signed by a quorum of the one before; whether the notes stand is known when their entries are resolved.
    pub(crate) fn registry_ahead(&self) -> Registry {
        let mut registry = self.registry.clone();
        let Some(log) = self.log(&registry.genesis().registrar) else {
            return registry;
        };
        for waiting in log
            .waiting
            .iter()
            .filter(|waiting| !log.is_set_aside(waiting.header.index))
        {
            if let Payload::Governance(note) = &waiting.payload {
                // A note that does not follow has no effect, as when it is resolved.
                let _outcome = registry.extend(note);
            }
        }
        registry
    }

    /// Returns the registry version that the first entries of a log of the registrar lead to; none while they are not resolved.
    pub(crate) fn version_at(&self, number: LogNo, size: u64) -> Option<u64> {
        let log = self.log_at(number).filter(|log| log.cursor() >= size)?;
        let notes = (0..size)
            .rev()
            .filter_map(|index| match self.resolved(number, index)?.standing {
                Standing::Governance(version) => Some(version),
                _ => None,
            });
        let found = notes.take(1).next();
        match (found, log.continues) {
            (Some(version), _) => Some(version),
            (None, Some(before)) => self.version_at(before.old, before.size),
            (None, None) => Some(0),
        }
    }
}

/// Why an entry opens no epoch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The bytes are no entry 0 with an opening.
    #[error("entry 0 is no opening: {0}")]
    Format(#[from] FormatError),
    /// The registry does not have the version that it names.
    #[error("entry 0 names registry version {0}, which the registry learnt so far does not have")]
    Registry(u64),
    /// Nobody signed it who may.
    #[error("the opening is signed neither by the administrator nor by a quorum: {0}")]
    Signature(#[from] GovernanceError),
    /// Epochs are left out by somebody who may not do that alone.
    #[error("{origin} is opened by an administrator alone, who may only open the next epoch")]
    Skips {
        /// The log.
        origin: String,
    },
    /// The log key is not admissible.
    #[error("the log key of the opening is not admissible: {0}")]
    Key(#[from] KeyError),
}

/// Verifies entry 0 of a log of a later epoch for those who hold no world: what it opens, and the key of the log.
///
/// # Errors
/// What is wrong with it.
pub fn verify_opening(bytes: &[u8], registry: &Registry) -> Result<(Opening, LogKey), OpeningError> {
    let (entry, opening, note) = read_opening(bytes)?;
    let named = entry.header.registry;
    if registry.hash_of(named.version) != Some(named.hash) || opening.federation != *registry.federation() {
        return Err(OpeningError::Registry(named.version));
    }
    let by = registry.opened_by(&note, &opening.origin, named.version)?;
    if by == OpenedBy::Administrator && opening.origin.epoch != opening.old.origin.epoch + 1 {
        return Err(OpeningError::Skips {
            origin: opening.origin.to_string(),
        });
    }
    let key = LogKey::new(&opening.origin, &PublicKey::admit(&opening.log_key)?);
    Ok((opening, key))
}

/// Reads the opening in entry 0 of a log of a later epoch, without judging who signed it.
///
/// # Errors
/// The bytes are no such entry.
pub fn opening_in(bytes: &[u8]) -> Result<Opening, FormatError> {
    let (_, opening, _) = read_opening(bytes)?;
    Ok(opening)
}

/// Reads entry 0 of a log of a later epoch.
pub(crate) fn read_opening(bytes: &[u8]) -> Result<(Entry, Opening, Note), FormatError> {
    let entry = Entry::parse(bytes)?;
    let (opening, note) = parse_opening(&entry.payload)?;
    if opening.origin != entry.header.origin || entry.header.index != 0 {
        return Err(FormatError::malformed(
            "opening",
            "is not entry 0 of the log that it opens",
        ));
    }
    Ok((entry, opening, note))
}
