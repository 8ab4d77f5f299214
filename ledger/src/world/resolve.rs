//! From held to resolved: one cursor per log, moved when everything that the next entry's past names is held and resolved.

use super::log::{HoldError, LineResult, Payload, Resolved, Waiting};
use super::{Addressed, Standing, World, WorldAlarm};
use crate::authority::check::administrator_right;
use crate::authority::{RosterFact, Void, check_signers};
use crate::cases::fold::{CaseEntry, CaseFold, LogNo, Vector};
use crate::cases::source::Arrival;
use crate::cases::{EntryRef, table_of};
use crate::crypto::VerifyingKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use tally_schemas::entry::EntryHeader;
use tally_schemas::event::{CaseKind, Event, Kind};
use tally_schemas::governance::{Change, Governance};
use tally_schemas::id::{DepartmentId, EventId, Hash, NamedHead, NodeId, OfficerId};
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;
use tally_schemas::time::Timestamp;

/// A signature that must be checked before an entry can be resolved.
#[derive(Debug, Clone)]
pub struct Need {
    /// The log.
    pub log: LogNo,
    /// The entry.
    pub index: u64,
    /// The line of its note, from 0.
    pub line: usize,
    /// The key under which it must verify.
    pub key: VerifyingKey,
    /// The note.
    pub note: Arc<Note>,
}

/// What became of one attempt to resolve.
#[derive(Debug, Clone)]
pub enum Step {
    /// The entry is resolved.
    Resolved,
    /// It waits for signatures to be checked.
    Needs(Vec<Need>),
    /// It waits for a head or a registry version that is not resolved here.
    Waits(String),
    /// Nothing waits in the log.
    Empty,
}

impl World {
    /// Checks and holds the next entry of a log; returns the signatures that can be checked ahead of resolution.
    ///
    /// # Errors
    /// What stops the log.
    pub fn hold(&mut self, number: LogNo, bytes: &[u8]) -> Result<Vec<Need>, HoldError> {
        let genesis = self.registry.genesis_hash();
        let Some(log) = self.log_mut(number) else {
            return Ok(Vec::new());
        };
        let (leaf, entry) = log.check_next(bytes, &genesis)?;
        let index = log.size();
        log.hold(leaf, entry);
        Ok(self.likely_needs(number, index))
    }

    /// Guesses by key id which keys the newest held entry's lines need, so that checking need not wait for resolution.
    fn likely_needs(&self, number: LogNo, index: u64) -> Vec<Need> {
        let Some(log) = self.log_at(number) else {
            return Vec::new();
        };
        let Some(Waiting {
            payload: Payload::Event { event, note, .. },
            ..
        }) = log.waiting.back()
        else {
            return Vec::new();
        };
        let mut needs = Vec::new();
        for (line, signature) in note.lines.iter().enumerate() {
            let Some((department, officer)) = self.registry.split_name(&signature.name) else {
                continue;
            };
            if department != event.department {
                continue;
            }
            let of_roster = OfficerId::parse(officer)
                .ok()
                .and_then(|officer| log.keys_seen.get(&officer));
            let mut keys = of_roster
                .into_iter()
                .flatten()
                .chain(self.registry.administrator_keys(&department, officer));
            if let Some(key) = keys.find(|key| key.claims(signature)) {
                needs.push(Need {
                    log: number,
                    index,
                    line,
                    key: key.clone(),
                    note: note.clone(),
                });
            }
        }
        needs
    }

    /// Records the outcome of a signature check.
    pub fn record_check(
        &mut self,
        number: LogNo,
        index: u64,
        line: usize,
        key: &VerifyingKey,
        verified: bool,
    ) {
        let Some(log) = self.log_mut(number) else { return };
        let Some(place) = index
            .checked_sub(log.cursor())
            .and_then(|place| usize::try_from(place).ok())
        else {
            return;
        };
        if let Some(waiting) = log.waiting.get_mut(place) {
            waiting.results.push(LineResult {
                line,
                key: key.clone(),
                verified,
            });
        }
    }

    /// Resolves all that can be resolved; returns the signatures that must be checked before more can.
    pub fn resolve(&mut self) -> Vec<Need> {
        let numbers: Vec<LogNo> = self.numbers.values().copied().collect();
        let mut needs: Vec<Need> = Vec::new();
        loop {
            let mut moved = false;
            needs.clear();
            for number in numbers.iter().copied() {
                loop {
                    match self.resolve_next(number) {
                        Step::Resolved => moved = true,
                        Step::Needs(more) => {
                            needs.extend(more);
                            break;
                        }
                        Step::Waits(_) | Step::Empty => break,
                    }
                }
            }
            if !moved {
                return needs;
            }
        }
    }

    /// Says why the next entry of a log waits, if one does.
    pub fn waits_for(&self, number: LogNo) -> Option<String> {
        let log = self.log_at(number)?;
        let waiting = log.waiting.front()?;
        self.obstacle(number, waiting)
            .or_else(|| Some("signatures are being checked".to_owned()))
    }

    /// Returns the logs of which more is needed than is held here before what waits can be resolved.
    pub fn wanted(&self) -> BTreeSet<LogNo> {
        let newest = self.registry.newest().version;
        let registrar = self.number(&self.registry.genesis().registrar);
        let mut wanted = BTreeSet::new();
        for waiting in self.logs.iter().filter_map(|log| log.waiting.front()) {
            if waiting.header.registry.version > newest {
                wanted.extend(registrar);
            }
            for head in named_heads(waiting) {
                let other = self.number(&head.origin.department);
                wanted.extend(other.filter(|other| {
                    self.log_at(*other)
                        .is_some_and(|log| *log.origin == head.origin && log.size() < head.head.size)
                }));
            }
        }
        wanted
    }

    fn obstacle(&self, number: LogNo, waiting: &Waiting) -> Option<String> {
        let named = waiting.header.registry;
        if named.version > self.registry.newest().version {
            return Some(format!("registry version {} is not held", named.version));
        }
        for head in named_heads(waiting) {
            let Some(other) = self
                .number(&head.origin.department)
                .filter(|other| *other != number)
            else {
                return Some(format!("log {} is not known", head.origin));
            };
            let log = self.log_at(other)?;
            if *log.origin != head.origin {
                return Some(format!("log {} is not known", head.origin));
            }
            if log.cursor() < head.head.size {
                return Some(format!(
                    "{} is resolved to {}, needed {}",
                    head.origin,
                    log.cursor(),
                    head.head.size
                ));
            }
        }
        None
    }

    fn resolve_next(&mut self, number: LogNo) -> Step {
        let Some(waiting) = self.log_at(number).and_then(|log| log.waiting.front()) else {
            return Step::Empty;
        };
        if let Some(obstacle) = self.obstacle(number, waiting) {
            return Step::Waits(obstacle);
        }
        let index = waiting.header.index;
        let signers = match &waiting.payload {
            Payload::Event { event, note, .. } => match self.check_event(number, index, waiting, event, note)
            {
                Ok(signers) => Some(signers),
                Err(needs) => return Step::Needs(needs),
            },
            _ => None,
        };
        let Some(waiting) = self.log_mut(number).and_then(|log| log.waiting.pop_front()) else {
            return Step::Empty;
        };
        let upto = self.advance_vector(number, index, &waiting);
        let standing = self.stand(number, &waiting, &upto, signers);
        if let Standing::Void(void) = &standing {
            tracing::debug!(index, code = void.code(), "entry is void");
        }
        let event = match &waiting.payload {
            Payload::Event { id, event, .. } => {
                self.places.entry(*id).or_default().push((number, index));
                // Only in its own department's log is an event sent: a copy elsewhere says nothing about when.
                if self
                    .log_at(number)
                    .is_some_and(|log| log.origin.department == event.department)
                {
                    self.note_addressed(number, index, *id, event, waiting.header.recorded);
                }
                Some(*id)
            }
            _ => None,
        };
        let recorded = waiting.header.recorded;
        if let Some(log) = self.log_mut(number) {
            log.resolved.push(Resolved {
                upto: upto.clone(),
                recorded,
                event,
                standing,
            });
        }
        self.note_received(number, &waiting, &upto, recorded);
        Step::Resolved
    }

    /// Returns who signed, or why it is void; or the checks that are still needed.
    fn check_event(
        &self,
        number: LogNo,
        index: u64,
        waiting: &Waiting,
        event: &Event,
        note: &Arc<Note>,
    ) -> Result<Result<Vec<OfficerId>, Void>, Vec<Need>> {
        let named = waiting.header.registry;
        if self.registry.hash_of(named.version) != Some(named.hash) {
            return Ok(Err(Void::RegistryHash(named.version)));
        }
        let Some(log) = self.log_at(number) else {
            return Ok(Err(Void::Lines));
        };
        let department = &log.origin.department;
        let roster = log.roster.at(index, named.version, &self.registry, department);
        let keys = match check_signers(event, note, &waiting.header, &roster, &self.registry) {
            Ok(keys) => keys,
            Err(void) => return Ok(Err(void)),
        };
        let mut needs = Vec::new();
        for (line, expected) in keys.iter().enumerate() {
            let result = waiting
                .results
                .iter()
                .find(|result| result.line == line && result.key.public_key() == expected.key.public_key());
            match result {
                Some(result) if result.verified => {}
                Some(_) => return Ok(Err(Void::Signature(expected.officer.clone()))),
                None => needs.push(Need {
                    log: number,
                    index,
                    line,
                    key: expected.key.clone(),
                    note: note.clone(),
                }),
            }
        }
        if needs.is_empty() {
            Ok(Ok(keys.into_iter().map(|key| key.officer).collect()))
        } else {
            Err(needs)
        }
    }

    /// Computes what lies at and below an entry, from the entry before and the heads that it names.
    fn advance_vector(&mut self, number: LogNo, index: u64, waiting: &Waiting) -> Arc<Vector> {
        let before = self
            .log_at(number)
            .and_then(|log| log.upto(index))
            .cloned()
            .unwrap_or_default();
        let mut vector = Vector::clone(&before);
        vector.raise(number, index + 1);
        for head in named_heads(waiting) {
            let Some(other) = self.number(&head.origin.department) else {
                continue;
            };
            let Some(log) = self.log_at(other) else { continue };
            let held = log.tree.head_at(head.head.size).ok();
            if held != Some(head.head) {
                self.alarms.push(WorldAlarm::ForeignRoot {
                    by: waiting.header.origin.to_string(),
                    index,
                    named: head.origin.to_string(),
                    size: head.head.size,
                });
                continue;
            }
            if let Some(upto) = log.upto(head.head.size).cloned() {
                vector.merge(&upto);
            }
        }
        Arc::new(vector)
    }

    fn stand(
        &mut self,
        number: LogNo,
        waiting: &Waiting,
        upto: &Arc<Vector>,
        signers: Option<Result<Vec<OfficerId>, Void>>,
    ) -> Standing {
        let header = &waiting.header;
        match &waiting.payload {
            Payload::Bad(why) => Standing::Void(Void::Form(why.clone())),
            Payload::Statement(statement) => {
                if let Statement::Fork { origin, .. } = statement {
                    let origin = origin.to_string();
                    self.alarms.push(WorldAlarm::ForkStated { origin });
                }
                Standing::Statement
            }
            Payload::Governance(text) => self.stand_governance(number, text, upto),
            Payload::Event { id, event, .. } => {
                let signers = signers.unwrap_or(Err(Void::Lines));
                match &event.kind {
                    // What nobody with authority signed must not keep a case from being understood.
                    Kind::Unknown(_) => match signers {
                        Err(void) => Standing::Void(void),
                        Ok(_) => {
                            if let Some(case) = event.case {
                                self.not_understood.insert(case);
                            }
                            Standing::NotUnderstood(event.case)
                        }
                    },
                    Kind::Known(kind) if kind.case_kind() == CaseKind::Roster => {
                        match signers
                            .and_then(|officers| self.stand_roster(number, waiting, *id, event, &officers))
                        {
                            Ok(()) => Standing::Roster(*kind),
                            Err(void) => Standing::Void(void),
                        }
                    }
                    Kind::Known(kind) => {
                        let case = event.case.unwrap_or(*id);
                        if kind.opens_case() {
                            self.count_opening(number, header, kind.case_kind(), case);
                        }
                        let Some(log) = self.log_at(number) else {
                            return Standing::Void(Void::NoCase);
                        };
                        debug_assert!(
                            table_of(kind.case_kind()).is_some(),
                            "every case kind has a table"
                        );
                        let entry = CaseEntry {
                            entry: EntryRef {
                                origin: log.origin.clone(),
                                index: header.index,
                                event: *id,
                            },
                            leaf: waiting.leaf,
                            log: number,
                            past: upto.clone(),
                            kind: *kind,
                            event: event.clone(),
                            recorded: header.recorded,
                            version: header.registry.version,
                            signers,
                        };
                        self.fold_in(case, entry);
                        Standing::InCase(case)
                    }
                }
            }
        }
    }

    fn count_opening(&mut self, number: LogNo, header: &EntryHeader, kind: CaseKind, case: EventId) {
        let Some(origin) = self.log_at(number).map(|log| log.origin.clone()) else {
            return;
        };
        let zone = self
            .registry
            .profile_of(&origin.department)
            .map_or(0, |profile| profile.zone.offset_minutes);
        let recorded = header.recorded.date_at(zone);
        self.numbers_given
            .count(&origin, header.index, kind, recorded, case);
    }

    fn fold_in(&mut self, case: EventId, entry: CaseEntry) {
        let fold = self.cases.entry(case).or_insert_with(|| CaseFold::new(case));
        let before = fold.reversals(&self.registry).len();
        fold.insert(entry, &self.registry);
        let count = fold.reversals(&self.registry).len();
        if count > before {
            self.alarms.push(WorldAlarm::Reversed { case, count });
        }
        self.touched.insert(case);
    }

    fn stand_roster(
        &mut self,
        number: LogNo,
        waiting: &Waiting,
        id: EventId,
        event: &Arc<Event>,
        officers: &[OfficerId],
    ) -> Result<(), Void> {
        let Kind::Known(kind) = event.kind else {
            return Err(Void::OtherCase);
        };
        let department = event.department.clone();
        let Payload::Event { note, .. } = &waiting.payload else {
            return Err(Void::Lines);
        };
        let (Some(officer), Some(line)) = (officers.first(), note.lines.first()) else {
            return Err(Void::Lines);
        };
        // The right of the very key that signed: an officer may have had several.
        let right = self
            .registry
            .administrator_keys(&department, officer.as_str())
            .iter()
            .find(|key| key.claims(line))
            .map(|key| administrator_right(&department, officer, key))
            .ok_or_else(|| Void::NoKey(officer.to_string()))?;
        let fact = RosterFact {
            index: waiting.header.index,
            version: waiting.header.registry.version,
            id,
            kind,
            event: event.clone(),
            right,
        };
        let place = usize::try_from(number).ok();
        let log = place.and_then(|place| self.logs.get_mut(place));
        log.ok_or(Void::Lines)?
            .roster
            .add(fact, &self.registry, &department)
    }

    fn stand_governance(&mut self, number: LogNo, text: &str, upto: &Arc<Vector>) -> Standing {
        let registrar = self.registry.genesis().registrar.clone();
        if self.number(&registrar) != Some(number) {
            return Standing::Void(Void::NotRegistrar);
        }
        if let Err(why) = self.takings_reach(text, upto) {
            return Standing::Void(Void::Governance(why));
        }
        match self.registry.extend(text) {
            Ok(version) => {
                self.open_logs();
                if self.registry.took_between(version.saturating_sub(1), version) {
                    self.refold_all();
                }
                Standing::Governance(version)
            }
            Err(error) => Standing::Void(Void::Governance(error.to_string())),
        }
    }

    /// A taking must not reach back below the newest head of that log named in the registrar's log before it.
    pub(crate) fn takings_reach(&self, text: &str, upto: &Vector) -> Result<(), String> {
        let note = Note::parse(text.as_bytes(), tally_schemas::limits::GOVERNANCE_NOTE_BYTES_MAX)
            .map_err(|error| error.to_string())?;
        let governance = Governance::parse_text(&note.text).map_err(|error| error.to_string())?;
        for change in &governance.changes {
            let Change::RightTaken { at, .. } = change else {
                continue;
            };
            let Some(number) = self.number(&at.origin.department) else {
                return Err(format!("log {} is not known", at.origin));
            };
            let known = upto.size(number);
            if at.head.size < known {
                return Err(format!(
                    "taking at size {} of {} reaches back below {known}, which the registrar's log had named",
                    at.head.size, at.origin
                ));
            }
        }
        Ok(())
    }

    fn refold_all(&mut self) {
        for (id, fold) in &mut self.cases {
            let before = fold.reversals(&self.registry).len();
            fold.refold(&self.registry);
            let count = fold.reversals(&self.registry).len();
            if count > before {
                self.alarms.push(WorldAlarm::Reversed { case: *id, count });
            }
            self.touched.insert(*id);
        }
    }

    fn note_addressed(&mut self, number: LogNo, index: u64, id: EventId, event: &Event, recorded: Timestamp) {
        let to: Vec<DepartmentId> = event
            .to
            .iter()
            .filter(|to| **to != event.department)
            .cloned()
            .collect();
        if to.is_empty() {
            return;
        }
        if !self.arrivals.contains_key(&id) {
            for department in &to {
                self.unreceived.entry(department.clone()).or_default().insert(id);
            }
            let arrival = Arrival {
                sent: recorded,
                ..Arrival::default()
            };
            self.arrivals.insert(id, arrival);
        }
        self.addressed
            .entry(number)
            .or_default()
            .push(Addressed { index, event: id });
    }

    /// Marks what an entry shows as received by its department and as available on its host.
    fn note_received(&mut self, number: LogNo, waiting: &Waiting, upto: &Vector, recorded: Timestamp) {
        let Some(log) = self.log_at(number) else { return };
        let department = log.origin.department.clone();
        let before = log.upto(waiting.header.index).cloned().unwrap_or_default();
        let host = self.host(&department);
        let mut covered: Vec<EventId> = Vec::new();
        for (other, list) in &self.addressed {
            if *other == number {
                continue;
            }
            let elsewhere = self
                .log_at(*other)
                .is_some_and(|log| self.host(&log.origin.department) != host);
            let (from, to) = (before.size(*other), upto.size(*other));
            let start = list.partition_point(|addressed| addressed.index < from);
            let fresh = list
                .iter()
                .skip(start)
                .take_while(|addressed| addressed.index < to);
            for addressed in fresh {
                covered.push(addressed.event);
                // Available means: held by another host than the author's.
                if let Some(arrival) = self.arrivals.get_mut(&addressed.event).filter(|_| elsewhere)
                    && arrival.available.is_none_or(|available| recorded < available)
                {
                    arrival.available = Some(recorded);
                }
            }
        }
        if let Payload::Statement(Statement::Arrivals(ids)) = &waiting.payload {
            // What lies outside the past of the statement may be known here or not yet: it says nothing (I5).
            covered.extend(ids.iter().filter(|id| {
                self.places(id).iter().any(|(other, index)| {
                    *index < upto.size(*other)
                        && self.addressed.get(other).is_some_and(|list| {
                            list.binary_search_by_key(index, |addressed| addressed.index)
                                .is_ok()
                        })
                })
            }));
        }
        for event in covered {
            let addressed = self
                .unreceived
                .get_mut(&department)
                .is_some_and(|open| open.remove(&event));
            if let Some(arrival) = self.arrivals.get_mut(&event).filter(|_| addressed) {
                arrival.received.insert(department.clone(), recorded);
            }
        }
    }

    fn host(&self, department: &DepartmentId) -> Option<NodeId> {
        let version = self.registry.newest().version;
        self.registry
            .department(department, version)
            .map(|record| record.node.clone())
    }

    /// Returns the past that the next entry of a log would have if it named the newest resolved head of every other log.
    pub(crate) fn next_past(&self, number: LogNo) -> Vector {
        let mut vector = Vector::default();
        for (place, log) in self.logs.iter().enumerate() {
            let other = super::log::log_no(place);
            if other == number {
                vector.raise(other, log.size());
            } else if let Some(upto) = log.upto(log.cursor()) {
                vector.merge(&upto.clone());
            }
        }
        vector
    }

    /// Returns the leaf hash of an entry.
    pub fn leaf(&self, number: LogNo, index: u64) -> Option<Hash> {
        self.log_at(number).and_then(|log| log.tree.leaf(index))
    }
}

fn named_heads(waiting: &Waiting) -> impl Iterator<Item = &NamedHead> {
    let stated = match &waiting.payload {
        Payload::Statement(Statement::Heads(list)) => list.as_slice(),
        _ => &[],
    };
    waiting.header.heads.iter().chain(stated)
}
