//! From held to resolved: one cursor per log, moved when everything that the next entry's past names is held and resolved.

use super::log::{HoldError, LineResult, Payload, Resolved, Waiting};
use super::row::Place;
use super::{Log, Reach, Standing, World, WorldAlarm};
use crate::authority::check::LineKey;
use crate::authority::check::administrator_right;
use crate::authority::{RosterFact, Void, check_signers};
use crate::cases::CaseFold;
use crate::cases::fold::{CaseEntry, LogNo, Vector};
use crate::cases::source::Arrival;
use crate::cases::{EntryRef, table_of};
use crate::crypto::VerifyingKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use tally_schemas::entry::EntryHeader;
use tally_schemas::event::{CaseKind, Event, Kind};
use tally_schemas::governance::{Change, Governance};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NamedHead, NodeId, OfficerId, Origin};
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

/// What the signature lines of an event gave.
struct Signed {
    /// Who signed, in line order; or why the signatures give it no authority.
    signers: Result<Vec<OfficerId>, Void>,
    /// The line that did not verify.
    bad_line: Option<u8>,
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
        self.hold_parsed(number, bytes, None)
    }

    /// As [`Self::hold`]; the payload need not be parsed again where it was before.
    pub(crate) fn hold_parsed(
        &mut self,
        number: LogNo,
        bytes: &[u8],
        parsed: Option<Payload>,
    ) -> Result<Vec<Need>, HoldError> {
        let genesis = self.registry.genesis_hash();
        let Some(log) = self.log_mut(number) else {
            return Ok(Vec::new());
        };
        let (leaf, entry) = log.check_next(bytes, &genesis)?;
        let index = log.size();
        let payload = parsed.unwrap_or_else(|| Payload::parse(&entry.payload));
        log.hold(leaf, entry.header, payload);
        if index == 0 && log.continues.is_some() {
            log.keep_opening(bytes);
        }
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
        let numbers: Vec<LogNo> = self.by_origin.values().copied().collect();
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
        let next = |log: &'_ &Log| !log.is_set_aside(log.cursor());
        let waiting = self.logs.iter().filter(next);
        for waiting in waiting.filter_map(|log| log.waiting.front()) {
            if waiting.header.registry.version > newest {
                wanted.extend(registrar);
            }
            for head in named_heads(waiting) {
                if let Reach::Entries { log, size, .. } = self.reach(head)
                    && self.log_at(log).is_some_and(|log| log.size() < size)
                {
                    wanted.insert(log);
                }
            }
        }
        wanted
    }

    /// Returns the logs of later epochs that are not known here, and of which what waits names a head.
    pub fn wanted_unknown(&self) -> BTreeSet<Origin> {
        let next = |log: &'_ &Log| !log.is_set_aside(log.cursor());
        let waiting = self.logs.iter().filter(next);
        let named = waiting
            .filter_map(|log| log.waiting.front())
            .flat_map(named_heads);
        named
            .filter(|head| {
                self.number(&head.origin.department).is_some() && self.reach(head) == Reach::Unknown
            })
            .map(|head| head.origin.clone())
            .collect()
    }

    fn obstacle(&self, number: LogNo, waiting: &Waiting) -> Option<String> {
        let own = self.log_at(number)?;
        if own.is_set_aside(waiting.header.index) {
            return Some(format!(
                "the log ended at {}; what lies beyond is set aside",
                own.end.unwrap_or_default()
            ));
        }
        if let Some(before) = own.continues.filter(|_| waiting.header.index == 0) {
            let old = self.log_at(before.old)?;
            if old.cursor() < before.size {
                return Some(format!(
                    "{} is resolved to {}, needed {}",
                    old.origin,
                    old.cursor(),
                    before.size
                ));
            }
        }
        let named = waiting.header.registry;
        if named.version > self.registry.newest().version {
            return Some(format!("registry version {} is not held", named.version));
        }
        for head in named_heads(waiting) {
            let (other, size) = match self.reach(head) {
                Reach::Nothing => continue,
                Reach::Entries { log, size, .. } if log != number => (log, size),
                Reach::Entries { .. } | Reach::Unknown => {
                    return Some(format!("log {} is not known", head.origin));
                }
            };
            let log = self.log_at(other)?;
            if log.cursor() < size {
                let stopped = log.stopped.as_deref().filter(|_| log.size() < size);
                let stopped = stopped.map_or_else(String::new, |why| format!("; its ingest stopped: {why}"));
                return Some(format!(
                    "{} is resolved to {}, needed {size}{stopped}",
                    head.origin,
                    log.cursor(),
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
        let signed = match &waiting.payload {
            Payload::Event { event, note, .. } => match self.check_event(number, index, waiting, event, note)
            {
                Ok(signed) => Some(signed),
                Err(needs) => return Step::Needs(needs),
            },
            _ => None,
        };
        let Some(waiting) = self.log_mut(number).and_then(|log| log.waiting.pop_front()) else {
            return Step::Empty;
        };
        if index == 0 {
            self.take_over(number);
        }
        let before = self.foreign(number, index);
        let foreign = self.advance_vector(number, index, &waiting, &before);
        let standing = self.stand(number, &waiting, &foreign, signed);
        if let Standing::Void(void) = &standing {
            tracing::debug!(index, code = void.code(), "entry is void");
        }
        let recorded = waiting.header.recorded;
        let mut addressed = false;
        let event = match &waiting.payload {
            Payload::Event { id, event, .. } => {
                self.placed.entry(*id).or_default().push((number, index));
                // Only in its own department's log is an event sent: a copy elsewhere says nothing about when.
                if self
                    .log_at(number)
                    .is_some_and(|log| log.origin.department == event.department)
                {
                    addressed = self.note_addressed(&standing, *id, event, recorded);
                    for stated in event.commitments() {
                        let places = self.committed.entry(stated.commit).or_default();
                        places.push((number, index));
                    }
                }
                Some(*id)
            }
            _ => None,
        };
        if let Some(log) = self.log_mut(number) {
            log.settled
                .advance(waiting.leaf, &waiting.header, &waiting.payload);
            log.resolved.push(Resolved {
                foreign: foreign.clone(),
                recorded,
                event,
                addressed,
                standing,
            });
        }
        self.note_received(number, &waiting, &before, &foreign, recorded);
        Step::Resolved
    }

    /// Lets the roster of a department go on in the log of its next epoch.
    pub(super) fn take_over(&mut self, number: LogNo) {
        let continues = self.log_at(number).and_then(|log| log.continues);
        let before = continues.and_then(|continues| self.log_at(continues.old));
        if let Some(roster) = before.map(|before| before.roster.clone())
            && let Some(log) = self.log_mut(number)
        {
            log.roster = roster;
        }
    }

    /// Returns who signed, or why it is void; or the checks that are still needed.
    fn check_event(
        &self,
        number: LogNo,
        index: u64,
        waiting: &Waiting,
        event: &Event,
        note: &Arc<Note>,
    ) -> Result<Signed, Vec<Need>> {
        let void = |void: Void| Signed {
            signers: Err(void),
            bad_line: None,
        };
        let Some(log) = self.log_at(number) else {
            return Ok(void(Void::Lines));
        };
        let keys = match self.keys_of(log, &waiting.header, event, note) {
            Ok(keys) => keys,
            Err(reason) => return Ok(void(reason)),
        };
        let mut needs = Vec::new();
        for (line, expected) in keys.iter().enumerate() {
            let result = waiting
                .results
                .iter()
                .find(|result| result.line == line && result.key.public_key() == expected.key.public_key());
            match result {
                Some(result) if result.verified => {}
                // Nodes check lines in different orders: the first bad line counts, so those before it must be known.
                Some(_) if !needs.is_empty() => {}
                Some(_) => {
                    return Ok(Signed {
                        signers: Err(Void::Signature(expected.officer.clone())),
                        bad_line: u8::try_from(line).ok(),
                    });
                }
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
            Ok(Signed {
                signers: Ok(keys.into_iter().map(|key| key.officer).collect()),
                bad_line: None,
            })
        } else {
            Err(needs)
        }
    }

    /// Returns the officer and key of each signature line, or why the event has no authority whatever they give.
    fn keys_of(
        &self,
        log: &Log,
        header: &EntryHeader,
        event: &Event,
        note: &Note,
    ) -> Result<Vec<LineKey>, Void> {
        let named = header.registry;
        if self.registry.hash_of(named.version) != Some(named.hash) {
            return Err(Void::RegistryHash(named.version));
        }
        let department = &log.origin.department;
        let roster = log.roster.at(
            header.origin.epoch,
            header.index,
            named.version,
            &self.registry,
            department,
        );
        check_signers(event, note, header, &roster, &self.registry)
    }

    /// Returns who signed an event that was resolved before, by the line that did not verify.
    pub(super) fn signers_again(
        &self,
        log: &Log,
        header: &EntryHeader,
        event: &Event,
        note: &Note,
        bad_line: Option<u8>,
    ) -> Result<Vec<OfficerId>, Void> {
        let keys = self.keys_of(log, header, event, note)?;
        match bad_line.and_then(|line| keys.get(usize::from(line))) {
            Some(bad) => Err(Void::Signature(bad.officer.clone())),
            None => Ok(keys.into_iter().map(|key| key.officer).collect()),
        }
    }

    /// Computes what lies below an entry in other logs, from the entry before and the heads that it names.
    fn advance_vector(
        &mut self,
        number: LogNo,
        index: u64,
        waiting: &Waiting,
        before: &Arc<Vector>,
    ) -> Arc<Vector> {
        let mut vector = before.clone();
        for head in named_heads(waiting) {
            let Reach::Entries {
                log: other,
                size,
                is_cut,
            } = self.reach(head)
            else {
                continue;
            };
            let Some(log) = self.log_at(other) else { continue };
            // Beyond the end of a log nothing is known to everybody: its end stands for whatever was named there.
            let held = match log.tree.size() {
                _ if is_cut => Some(head.head),
                held if held == size => Some(log.tree.head()),
                _ => log.tree.head_at(size).ok(),
            };
            if held != Some(head.head) {
                self.alarms.push(WorldAlarm::ForeignRoot {
                    by: waiting.header.origin.to_string(),
                    index,
                    named: head.origin.to_string(),
                    size: head.head.size,
                });
                continue;
            }
            let below = self.foreign(other, size);
            if other == number || (vector.size(other) >= size && vector.covers(&below)) {
                continue;
            }
            let vector = Arc::make_mut(&mut vector);
            vector.merge(&below);
            vector.raise(other, size);
        }
        vector
    }

    fn stand(
        &mut self,
        number: LogNo,
        waiting: &Waiting,
        foreign: &Arc<Vector>,
        signed: Option<Signed>,
    ) -> Standing {
        let header = &waiting.header;
        match &waiting.payload {
            // What a newer ruleset lets an event say cannot be read here.
            Payload::Bad(_) if self.is_beyond(header) => Standing::NotUnderstood(None),
            Payload::Bad(why) => Standing::Void(Void::Form(why.clone())),
            Payload::Statement(statement) => {
                if let Statement::Fork { origin, .. } = statement {
                    let origin = origin.to_string();
                    self.alarms.push(WorldAlarm::ForkStated { origin });
                }
                Standing::Statement
            }
            Payload::Governance(text) => self.stand_governance(number, text, foreign),
            Payload::Opening(opening) => {
                if header.index == 0 && opening.origin == header.origin {
                    Standing::Opening
                } else {
                    Standing::Void(Void::NotOpening)
                }
            }
            Payload::Event { id, event, .. } => {
                let (signers, bad_line) = match signed {
                    Some(signed) => (signed.signers, signed.bad_line),
                    None => (Err(Void::Lines), None),
                };
                match &event.kind {
                    // What nobody with authority signed must not keep a case from being understood.
                    Kind::Unknown(kind) => match signers {
                        Err(void) => Standing::Void(void),
                        Ok(_) => {
                            let case = event.case.unwrap_or(*id);
                            self.not_understood.entry(case).or_default().note_kind(kind);
                            Standing::NotUnderstood(event.case)
                        }
                    },
                    Kind::Known(kind) if kind.case_kind() == CaseKind::Roster => {
                        let Payload::Event { note, .. } = &waiting.payload else {
                            return Standing::Void(Void::Lines);
                        };
                        match signers.and_then(|officers| {
                            self.stand_roster(number, header, note, *id, event, &officers)
                        }) {
                            Ok(()) => Standing::Roster(*kind),
                            Err(void) => Standing::Void(void),
                        }
                    }
                    Kind::Known(kind) => {
                        let case = event.case.unwrap_or(*id);
                        let given = kind
                            .opens_case()
                            .then(|| self.count_opening(number, header, kind.case_kind(), case))
                            .flatten();
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
                            past: foreign.clone(),
                            kind: *kind,
                            event: event.clone(),
                            recorded: header.recorded,
                            version: header.registry.version,
                            signers,
                        };
                        let place = Place {
                            log: number,
                            index: header.index,
                            bad_line,
                            number: given,
                        };
                        self.fold_in(case, entry, place);
                        Standing::InCase(case)
                    }
                }
            }
        }
    }

    /// Says whether an entry names a registry version under a ruleset newer than those that are held.
    fn is_beyond(&self, header: &EntryHeader) -> bool {
        let named = header.registry;
        self.registry.hash_of(named.version) == Some(named.hash)
            && self.registry.ruleset_at(named.version) > self.holds
    }

    fn count_opening(
        &mut self,
        number: LogNo,
        header: &EntryHeader,
        kind: CaseKind,
        case: EventId,
    ) -> Option<(u16, u32)> {
        let origin = self.log_at(number)?.origin.clone();
        let zone = self
            .registry
            .profile_of(&origin.department)
            .map_or(0, |profile| profile.zone.offset_minutes);
        let recorded = header.recorded.date_at(zone);
        let given = self.running.next(&origin.department, kind, recorded);
        let place = (given.year, given.running);
        self.numbered.insert(given, case);
        Some(place)
    }

    fn fold_in(&mut self, id: EventId, entry: CaseEntry, place: Place) {
        let case = self.case_mut(id);
        let held = case.fold.take();
        let mut fold = match held {
            Some(fold) => fold,
            None => {
                let case = case.clone();
                Arc::new(self.refold(&case))
            }
        };
        let before = fold.reversals(&self.registry).len();
        let next: &mut CaseFold = Arc::make_mut(&mut fold);
        next.insert(entry, &self.registry);
        if let Some(Void::NewerRuleset { ruleset, .. }) = fold.newer_ruleset() {
            self.not_understood.entry(id).or_default().ruleset = Some(ruleset);
        }
        let count = fold.reversals(&self.registry).len();
        if count > before {
            self.alarms.push(WorldAlarm::Reversed { case: id, count });
        }
        let case = self.case_mut(id);
        case.places.push(place);
        case.touch();
        let _empty = case.fold.set(fold);
        self.touched.insert(id);
    }

    pub(super) fn stand_roster(
        &mut self,
        number: LogNo,
        header: &EntryHeader,
        note: &Note,
        id: EventId,
        event: &Arc<Event>,
        officers: &[OfficerId],
    ) -> Result<(), Void> {
        let Kind::Known(kind) = event.kind else {
            return Err(Void::OtherCase);
        };
        let department = event.department.clone();
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
            epoch: header.origin.epoch,
            index: header.index,
            version: header.registry.version,
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

    fn stand_governance(&mut self, number: LogNo, text: &str, foreign: &Vector) -> Standing {
        let registrar = &self.registry.genesis().registrar;
        let is_registrar = |log: &Log| log.origin.department == *registrar;
        if !self.log_at(number).is_some_and(is_registrar) {
            return Standing::Void(Void::NotRegistrar);
        }
        if let Err(why) = self.takings_reach(
            (number, self.log_at(number).map_or(0, Log::cursor)),
            text,
            foreign,
        ) {
            return Standing::Void(Void::Governance(why));
        }
        let before = self.ruleset();
        match self.registry.extend(text) {
            Ok(version) => {
                if self.ruleset() > before {
                    self.note_ruleset();
                }
                self.governance.push(text.to_owned());
                self.calendars.take();
                for case in self.cases.values_mut() {
                    case.brief.take();
                }
                self.open_logs();
                self.refold_taken(text);
                Standing::Governance(version)
            }
            Err(error) => Standing::Void(Void::Governance(error.to_string())),
        }
    }

    /// A taking must not reach back below the newest head of that log named in the registrar's log before it.
    ///
    /// Of the registrar's own log what counts is its size before the note.
    pub(crate) fn takings_reach(
        &self,
        own: (LogNo, u64),
        text: &str,
        foreign: &Vector,
    ) -> Result<(), String> {
        for change in &changes_in(text)? {
            let Change::RightTaken { at, .. } = change else {
                continue;
            };
            let number = self.number_of_log(&at.origin);
            let known = number.map(|number| match number == own.0 {
                true => (number, own.1),
                false => (number, foreign.size(number)),
            });
            // A log of a later epoch is known to everybody only if it lies in the past of the note.
            let Some((_, known)) = known.filter(|(_, known)| at.origin.epoch == 1 || *known > 0) else {
                return Err(format!("log {} is not known", at.origin));
            };
            if at.head.size < known {
                return Err(format!(
                    "taking at size {} of {} reaches back below {known}, which the registrar's log had named",
                    at.head.size, at.origin
                ));
            }
        }
        Ok(())
    }

    /// Folds the cases again in which an entry stands at or after the place of a taking: no other state can change.
    fn refold_taken(&mut self, text: &str) {
        let mut affected: BTreeSet<CaseId> = BTreeSet::new();
        for change in changes_in(text).unwrap_or_default() {
            let Change::RightTaken { at, .. } = change else {
                continue;
            };
            for (origin, number) in &self.by_origin {
                if origin.department != at.origin.department || origin.epoch < at.origin.epoch {
                    continue;
                }
                let to = self.log_at(*number).map_or(0, Log::cursor);
                let from = if origin.epoch == at.origin.epoch {
                    at.head.size
                } else {
                    0
                };
                for index in from..to {
                    let standing = self.resolved(*number, index).map(|entry| entry.standing);
                    if let Some(Standing::InCase(case)) = standing {
                        affected.insert(case);
                    }
                }
            }
        }
        for id in affected {
            let case = self.case_mut(id).clone();
            let mut fold = self.fold_of(&case);
            drop(case);
            self.case_mut(id).fold.take();
            let before = fold.reversals(&self.registry).len();
            let next: &mut CaseFold = Arc::make_mut(&mut fold);
            next.refold(&self.registry);
            let count = fold.reversals(&self.registry).len();
            if count > before {
                self.alarms.push(WorldAlarm::Reversed { case: id, count });
            }
            let case = self.case_mut(id);
            case.touch();
            let _empty = case.fold.set(fold);
            self.touched.insert(id);
        }
    }

    /// Notes an event as sent, if it is addressed to others; says whether it is.
    fn note_addressed(
        &mut self,
        standing: &Standing,
        id: EventId,
        event: &Event,
        recorded: Timestamp,
    ) -> bool {
        let mut to = event.to.iter().filter(|to| **to != event.department).peekable();
        if to.peek().is_none() {
            return false;
        }
        let sent = Arrival {
            sent: recorded,
            ..Arrival::default()
        };
        let arrivals = match standing {
            Standing::InCase(case) => {
                let case = self.case_mut(*case);
                case.is_dirty = true;
                &mut case.arrivals
            }
            _ => &mut self.loose,
        };
        if arrivals.contains_key(&id) {
            return true;
        }
        arrivals.insert(id, sent);
        for department in to {
            self.unreceived.entry(department.clone()).or_default().insert(id);
        }
        true
    }

    /// Marks what an entry shows as received by its department and as available on its host.
    fn note_received(
        &mut self,
        number: LogNo,
        waiting: &Waiting,
        before: &Vector,
        foreign: &Vector,
        recorded: Timestamp,
    ) {
        let Some(log) = self.log_at(number) else { return };
        let department = log.origin.department.clone();
        let host = self.host(&department);
        let mut covered: Vec<(EventId, Option<CaseId>)> = Vec::new();
        for place in 0..self.logs.len() {
            let other = super::log::log_no(place);
            let (from, to) = (before.size(other), foreign.size(other));
            if other == number || from >= to {
                continue;
            }
            let elsewhere = self
                .log_at(other)
                .is_some_and(|log| self.host(&log.origin.department) != host);
            for index in from..to {
                let Some((event, case)) = self.addressed(other, index) else {
                    continue;
                };
                covered.push((event, case));
                // Available means: held by another host than the author's.
                let earlier = |arrival: &Arrival| arrival.available.is_none_or(|at| recorded < at);
                if elsewhere && self.has_arrival(event, case, earlier) {
                    self.change_arrival(event, case, |arrival| arrival.available = Some(recorded));
                }
            }
        }
        if let Payload::Statement(Statement::Arrivals(ids)) = &waiting.payload {
            // What lies outside the past of the statement may be known here or not yet: it says nothing (I5).
            for id in ids {
                let mut places = self.places(id).into_iter();
                let found = places.find_map(|(other, index)| {
                    let within = if other == number {
                        index <= waiting.header.index
                    } else {
                        index < foreign.size(other)
                    };
                    self.addressed(other, index).filter(|_| within)
                });
                covered.extend(found);
            }
        }
        for (event, case) in covered {
            let addressed = self
                .unreceived
                .get_mut(&department)
                .is_some_and(|open| open.remove(&event));
            if addressed {
                let by = department.clone();
                self.change_arrival(event, case, |arrival| {
                    arrival.received.insert(by, recorded);
                });
            }
        }
    }

    /// Returns the event that a resolved entry carries, with its case, if it is addressed to other departments.
    fn addressed(&self, number: LogNo, index: u64) -> Option<(EventId, Option<CaseId>)> {
        let entry = self.resolved(number, index).filter(|entry| entry.addressed)?;
        let case = match entry.standing {
            Standing::InCase(case) => Some(case),
            _ => None,
        };
        Some((entry.event?, case))
    }

    fn has_arrival(&self, event: EventId, case: Option<CaseId>, is: impl Fn(&Arrival) -> bool) -> bool {
        let found = case.and_then(|case| self.with_case(&case, |case| case.arrivals.get(&event).map(&is)));
        match found {
            Some(Some(is)) => is,
            _ => self.loose.get(&event).is_some_and(is),
        }
    }

    fn change_arrival(&mut self, event: EventId, case: Option<CaseId>, change: impl FnOnce(&mut Arrival)) {
        if let Some(arrival) = self.loose.get_mut(&event) {
            change(arrival);
        } else if let Some(id) = case {
            let case = self.case_mut(id);
            if let Some(arrival) = case.arrivals.get_mut(&event) {
                change(arrival);
                case.is_dirty = true;
            }
        }
    }

    fn host(&self, department: &DepartmentId) -> Option<NodeId> {
        let version = self.registry.newest().version;
        self.registry
            .department(department, version)
            .map(|record| record.node.clone())
    }

    /// Returns what would lie below the next entry of a log if it named the newest resolved head of every other log.
    pub(crate) fn next_past(&self, number: LogNo) -> Vector {
        let own = self.log_at(number).map_or(0, Log::cursor);
        let mut vector = Vector::clone(&self.foreign(number, own));
        for place in 0..self.logs.len() {
            let other = super::log::log_no(place);
            let cursor = self.log_at(other).map_or(0, Log::cursor);
            if other != number && cursor > vector.size(other) {
                vector.merge(&self.foreign(other, cursor));
                vector.raise(other, cursor);
            }
        }
        vector
    }

    /// Returns the leaf hash of an entry.
    pub fn leaf(&self, number: LogNo, index: u64) -> Option<Hash> {
        self.log_at(number).and_then(|log| log.tree.leaf(index))
    }
}

/// Returns the changes of a governance note.
fn changes_in(text: &str) -> Result<Vec<Change>, String> {
    let note = Note::parse(text.as_bytes(), tally_schemas::limits::GOVERNANCE_NOTE_BYTES_MAX)
        .map_err(|error| error.to_string())?;
    let governance = Governance::parse_text(&note.text).map_err(|error| error.to_string())?;
    Ok(governance.changes)
}

fn named_heads(waiting: &Waiting) -> impl Iterator<Item = &NamedHead> {
    let stated = match &waiting.payload {
        Payload::Statement(Statement::Heads(list)) => list.as_slice(),
        _ => &[],
    };
    waiting.header.heads.iter().chain(stated)
}
