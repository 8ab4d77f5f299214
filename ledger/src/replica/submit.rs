//! Submissions: from a signed note to an entry of an own log, or a refusal.
//!
//! The header is fixed first (registry version, heads that cover everything known of the case), so that the past of the
//! entry is the current state; the note is judged on that. The next submission of a batch is judged after it.

use super::input::Ticket;
use super::{Check, Job, Open, Output, Recorded, Refusal, Replica};
use crate::authority::{Void, check_signers};
use crate::cases::fold::{CaseEntry, LogNo};
use crate::cases::verdict::{Place, next_acts};
use crate::cases::{CaseFold, EntryRef};
use crate::crypto::{event_id, sha256};
use crate::world::{HoldError, Payload, Standing};
use std::sync::Arc;
use tally_schemas::entry::{Entry, EntryHeader};
use tally_schemas::epoch::EPOCH_MAGIC;
use tally_schemas::event::{CaseKind, Event, EventKind, Kind, Source};
use tally_schemas::governance::{GOVERNANCE_MAGIC, Governance};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NamedHead, OfficerId, Origin, TreeHead};
use tally_schemas::limits::{EVENT_NOTE_BYTES_MAX, HEADS_PER_ENTRY_MAX};
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;
use tally_schemas::time::Timestamp;

/// An event note on its way through the signature checks.
#[derive(Debug, Clone)]
pub(super) struct Submission {
    tickets: Vec<Ticket>,
    id: EventId,
    kind: EventKind,
    event: Arc<Event>,
    note: Arc<Note>,
    bytes: Vec<u8>,
    missing: usize,
    bad_line: Option<usize>,
}

impl Submission {
    /// Returns who waits for it.
    pub(super) fn into_tickets(self) -> Vec<Ticket> {
        self.tickets
    }
}

impl Replica {
    pub(super) fn submit(&mut self, now: Timestamp, ticket: Ticket, bytes: &[u8], personal: Option<&str>) {
        if let Err(refusal) = self.try_submit(now, ticket, bytes, personal) {
            self.reply(ticket, Err(refusal));
        }
    }

    pub(super) fn reply(&mut self, ticket: Ticket, result: Result<Recorded, Refusal>) {
        self.outputs.push(Output::Reply {
            ticket,
            result: result.map_err(Box::new),
        });
    }

    fn try_submit(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        bytes: &[u8],
        personal: Option<&str>,
    ) -> Result<(), Refusal> {
        self.check_running()?;
        let invalid = |error: tally_schemas::FormatError| Refusal::invalid("form", error.to_string());
        let note = Note::parse(bytes, EVENT_NOTE_BYTES_MAX).map_err(invalid)?;
        if note.text.starts_with(EPOCH_MAGIC) {
            return self.submit_opening(now, ticket, &note, bytes);
        }
        if note.text.starts_with(GOVERNANCE_MAGIC) {
            return self.submit_governance(now, ticket, &note, bytes);
        }
        let event = Event::parse_text(&note.text).map_err(invalid)?;
        self.check_event(
            now,
            ticket,
            bytes.to_vec(),
            Arc::new(note),
            Arc::new(event),
            personal,
        )
    }

    fn check_running(&self) -> Result<(), Refusal> {
        match &self.failed {
            Some(why) => Err(Refusal::unavailable(
                "writes-stopped",
                format!("this node serves no writes: {why}"),
            )),
            None => Ok(()),
        }
    }

    /// Takes an event that was parsed before.
    pub(super) fn submit_event(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        bytes: Vec<u8>,
        note: Arc<Note>,
        event: Arc<Event>,
        personal: Option<&str>,
    ) {
        let checked = self.check_running();
        if let Err(refusal) =
            checked.and_then(|()| self.check_event(now, ticket, bytes, note, event, personal))
        {
            self.reply(ticket, Err(refusal));
        }
    }

    fn check_event(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        bytes: Vec<u8>,
        note: Arc<Note>,
        event: Arc<Event>,
        personal: Option<&str>,
    ) -> Result<(), Refusal> {
        let Kind::Known(kind) = event.kind else {
            let what = format!(
                "the kind {} is not known here; a newer version of the software may know it",
                event.kind.as_str()
            );
            return Err(Refusal::refused("unknown-kind", what));
        };
        let id = event_id(&note.text);
        if event.federation != *self.world.registry().federation() {
            let what = format!(
                "the event is for federation {}, this is {}",
                event.federation,
                self.world.registry().federation()
            );
            return Err(Refusal::refused("federation", what));
        }
        let number = self.own_log(&event.department)?;
        if let Some(answer) = self.recorded_before(ticket, number, &id) {
            return answer;
        }
        let waiting = self
            .submissions
            .values_mut()
            .find(|submission| submission.id == id && submission.bytes == bytes);
        if let Some(waiting) = waiting {
            waiting.tickets.push(ticket);
            return Ok(());
        }
        if personal.is_none() {
            crate::replica::refusal::stop_personal(&event)?;
        }
        let header = self.header(now, number, &event)?;
        let keys = self.signer_keys(&event, &note, &header)?;
        let submission = self.next_submission;
        self.next_submission += 1;
        let mut jobs = Vec::new();
        for (line, key) in keys.into_iter().enumerate() {
            let job = self.next_job;
            self.next_job += 1;
            self.checks.insert(job, Check::Submission { submission, line });
            jobs.push(Job {
                id: job,
                key: key.key,
                note: note.clone(),
                line,
            });
        }
        self.submissions.insert(
            submission,
            Submission {
                tickets: vec![ticket],
                id,
                kind,
                event,
                note,
                bytes,
                missing: jobs.len(),
                bad_line: None,
            },
        );
        self.outputs.push(Output::Verify(jobs));
        Ok(())
    }

    /// Returns the number of a hosted department's log, if it can be appended to.
    fn own_log(&self, department: &DepartmentId) -> Result<LogNo, Refusal> {
        if !self.hosted.contains(department) {
            let hosted: Vec<&str> = self.hosted.iter().map(DepartmentId::as_str).collect();
            let what = format!(
                "{department} is not hosted here; this node hosts {}",
                hosted.join(", ")
            );
            return Err(Refusal::refused("not-hosted", what));
        }
        let number = self.world.number(department).ok_or_else(|| {
            Refusal::refused(
                "not-member",
                format!("{department} is no department of this federation"),
            )
        })?;
        if let Some(why) = self.sealed_newest(department) {
            let what = format!(
                "the log of {department} must not be signed in this epoch again: {why}; its administrator opens the next epoch"
            );
            return Err(Refusal::unavailable("log-sealed", what));
        }
        match self.world.waits_for(number) {
            Some(why) => Err(Refusal::unavailable(
                "own-log-waits",
                format!("the log of {department} is not resolved: {why}"),
            )),
            None => Ok(number),
        }
    }

    /// Answers a repeated submission with the same proof.
    fn recorded_before(
        &mut self,
        ticket: Ticket,
        number: LogNo,
        id: &EventId,
    ) -> Option<Result<(), Refusal>> {
        let department = self.world.log_at(number)?.origin.department.clone();
        let is_own = |log: LogNo| {
            let log = self.world.log_at(log);
            log.is_some_and(|log| log.origin.department == department)
        };
        let mut places = self.world.places(id).into_iter();
        let (number, index) = places.find(|(log, index)| is_own(*log) && self.stands(*log, *index, id))?;
        match self.covering_checkpoint(number, index).cloned() {
            Some(checkpoint) => {
                let result = self.proven(number, index, *id, &checkpoint);
                self.outputs.push(Output::Reply { ticket, result });
            }
            None => {
                let flying = self.in_flight.iter_mut().find(|batch| {
                    batch.log == number
                        && batch.start <= index
                        && index < batch.start + batch.entries.len() as u64
                });
                match flying {
                    Some(batch) => batch.tickets.push((ticket, index, *id)),
                    None => self.owe(number, index, *id, [ticket]),
                }
            }
        }
        Some(Ok(()))
    }

    /// Says whether an entry's event counts (is not void).
    fn stands(&self, number: LogNo, index: u64, id: &EventId) -> bool {
        let standing = self.world.resolved(number, index).map(|entry| entry.standing);
        match standing {
            Some(Standing::InCase(case)) => self.world.case(&case).is_some_and(|fold| {
                // What was recorded by newer software is recorded, whatever it means.
                let is_beyond = fold.newer_ruleset().is_some();
                is_beyond
                    || fold.entries().iter().any(|(entry, verdict)| {
                        entry.log == number
                            && entry.entry.index == index
                            && entry.entry.event == *id
                            && verdict.is_ok()
                    })
            }),
            Some(Standing::Roster(_)) => true,
            _ => false,
        }
    }

    fn signer_keys(
        &self,
        event: &Event,
        note: &Note,
        header: &EntryHeader,
    ) -> Result<Vec<crate::authority::check::LineKey>, Refusal> {
        let department = &event.department;
        let log = self
            .world
            .log(department)
            .ok_or_else(|| Refusal::from(Void::NoCase))?;
        let registry = self.world.registry();
        let roster = log.roster.at(
            header.origin.epoch,
            header.index,
            header.registry.version,
            registry,
            department,
        );
        check_signers(event, note, header, &roster, registry).map_err(Refusal::from)
    }

    /// Notes a checked line; says whether the submission is ready to be judged.
    pub(super) fn submission_checked(&mut self, submission: u64, line: usize, verified: bool) -> bool {
        let Some(held) = self.submissions.get_mut(&submission) else {
            return false;
        };
        held.missing = held.missing.saturating_sub(1);
        if !verified {
            // The first of them in the note is named, in whatever order they were checked.
            held.bad_line = Some(held.bad_line.map_or(line, |bad| bad.min(line)));
        }
        held.missing == 0
    }

    /// Judges a checked submission and appends it, or refuses it.
    pub(super) fn accept(&mut self, now: Timestamp, submission: u64) {
        let Some(held) = self.submissions.remove(&submission) else {
            return;
        };
        let tickets = held.tickets.clone();
        match self.try_accept(now, held) {
            Ok(()) => {}
            Err(refusal) => {
                for ticket in tickets {
                    self.reply(ticket, Err(refusal.clone()));
                }
            }
        }
    }

    fn try_accept(&mut self, now: Timestamp, held: Submission) -> Result<(), Refusal> {
        let Submission {
            tickets,
            id,
            kind,
            event,
            note,
            bytes,
            bad_line,
            ..
        } = held;
        let number = self.own_log(&event.department)?;
        for (place, ticket) in tickets.iter().enumerate() {
            // The same event may have been appended by a submission that was judged just before.
            match self.recorded_before(*ticket, number, &id) {
                Some(answer) => answer?,
                None if place == 0 => break,
                None => {}
            }
            if place + 1 == tickets.len() {
                return Ok(());
            }
        }
        let header = self.header(now, number, &event)?;
        let keys = self.signer_keys(&event, &note, &header)?;
        if let Some(line) = bad_line {
            let officer = keys
                .get(line)
                .map(|key| key.officer.to_string())
                .unwrap_or_default();
            let what = format!("the signature of {officer} does not verify under the key in force");
            return Err(Refusal::refused("signature", what));
        }
        if kind.case_kind() == CaseKind::Roster {
            let mut roster = self
                .world
                .roster(&event.department)
                .map(|roster| (*roster).clone())
                .unwrap_or_default();
            roster
                .apply(kind, &event)
                .map_err(|error| Refusal::refused("roster", error.to_string()))?;
        } else {
            let officers = keys.iter().map(|key| key.officer.clone()).collect();
            self.judge(kind, id, &event, &header, officers)?;
        }
        let payload =
            String::from_utf8(bytes).map_err(|_| Refusal::invalid("form", "the note is not UTF-8"))?;
        let parsed = Payload::Event {
            id,
            event,
            note: note.clone(),
        };
        let index = self.append(number, header, payload, parsed)?;
        for line in 0..note.lines.len() {
            if let Some(key) = keys.get(line) {
                self.world.record_check(number, index, line, &key.key, true);
            }
        }
        self.settle();
        self.owe(number, index, id, tickets);
        Ok(())
    }

    /// Judges an event of a case on everything resolved here: table, then the law for an own act, then other cases.
    fn judge(
        &self,
        kind: EventKind,
        id: EventId,
        event: &Arc<Event>,
        header: &EntryHeader,
        officers: Vec<OfficerId>,
    ) -> Result<(), Refusal> {
        let case = event.case.unwrap_or(id);
        let registry = self.world.registry();
        let place = Place {
            registry,
            version: header.registry.version,
            origin: &header.origin,
            index: header.index,
        };
        let held = self.world.case(&case);
        let possible = |refusal: Refusal| match held.as_ref().and_then(|fold| fold.state()) {
            Some(state) => refusal.instead(next_acts(state, registry, header.registry.version)),
            None => refusal,
        };
        let beyond = self.world.not_understood(&case);
        if beyond.is_some_and(|beyond| beyond.ruleset.is_none()) {
            return Err(Refusal::refused(
                "not-understood",
                "the case holds events of a newer version of the software",
            ));
        }
        let fold = held
            .clone()
            .unwrap_or_else(|| Arc::new(CaseFold::new(case, self.world.holds())));
        fold.judge_next(kind, event, place)
            .map_err(|void| possible(Refusal::from(void)))?;
        if event.source == Source::Own {
            let fold = Arc::unwrap_or_clone(fold);
            let folded = self.fold_ahead(fold, kind, id, event, header, officers);
            super::refusal::stop_unlawful(&self.world, header.recorded, &folded, id).map_err(possible)?;
        }
        Ok(())
    }

    /// Folds an act that is not recorded yet into a copy of its case, as it would stand.
    fn fold_ahead(
        &self,
        mut fold: CaseFold,
        kind: EventKind,
        id: EventId,
        event: &Arc<Event>,
        header: &EntryHeader,
        officers: Vec<OfficerId>,
    ) -> CaseFold {
        let registry = self.world.registry();
        let Some(log) = self.world.number(&event.department) else {
            return fold;
        };
        let entry = EntryRef {
            origin: Arc::new(header.origin.clone()),
            index: header.index,
            event: id,
        };
        fold.insert(
            CaseEntry {
                entry,
                leaf: Hash::default(),
                log,
                past: Arc::new(self.world.next_past(log)),
                kind,
                event: event.clone(),
                recorded: header.recorded,
                version: header.registry.version,
                signers: Ok(officers),
            },
            registry,
        );
        fold
    }

    /// Fixes the header that the next entry of an own log would have for an event.
    fn header(&mut self, now: Timestamp, number: LogNo, event: &Event) -> Result<EntryHeader, Refusal> {
        let mut wanted: Vec<CaseId> = event.case.into_iter().collect();
        wanted.extend(event.mandate);
        wanted.extend(event.body.event("entry"));
        let mut heads = self.heads_for(number, &wanted);
        if heads.len() > HEADS_PER_ENTRY_MAX {
            let rest = heads.split_off(HEADS_PER_ENTRY_MAX);
            self.append_statement(now, number, &Statement::Heads(rest))?;
        }
        self.plain_header(now, number, heads)
    }

    /// Makes the next header with given heads.
    pub(super) fn plain_header(
        &self,
        now: Timestamp,
        number: LogNo,
        heads: Vec<NamedHead>,
    ) -> Result<EntryHeader, Refusal> {
        let log = self
            .world
            .log_at(number)
            .ok_or_else(|| Refusal::unavailable("no-log", "the log is not held here"))?;
        let registry = self.world.registry();
        Ok(EntryHeader {
            origin: Origin::clone(&log.origin),
            index: log.size(),
            prev: log.next_prev(&registry.genesis_hash()),
            recorded: now.max(log.last_recorded()),
            registry: registry.newest(),
            heads,
        })
    }

    /// Returns the newest resolved heads of other logs that hold entries of these cases and have advanced since this
    /// log last covered them, by origin.
    fn heads_for(&self, number: LogNo, cases: &[CaseId]) -> Vec<NamedHead> {
        let Some(own) = self.world.log_at(number) else {
            return Vec::new();
        };
        let covered = self.world.foreign(number, own.size());
        let mut logs: Vec<LogNo> = Vec::new();
        for case in cases {
            for (log, index) in self.world.places_of_case(case) {
                if log != number && index >= covered.size(log) {
                    logs.push(log);
                }
            }
        }
        logs.sort_unstable();
        logs.dedup();
        self.named_heads(&logs)
    }

    /// Returns the newest resolved heads of logs, by origin.
    pub(super) fn named_heads(&self, logs: &[LogNo]) -> Vec<NamedHead> {
        let mut heads: Vec<NamedHead> = logs
            .iter()
            .filter_map(|number| {
                let log = self.world.log_at(*number)?;
                let head: TreeHead = self.world.resolved_head(*number).filter(|head| head.size > 0)?;
                Some(NamedHead {
                    origin: Origin::clone(&log.origin),
                    head,
                })
            })
            .collect();
        heads.sort_by(|a, b| a.origin.cmp(&b.origin));
        heads
    }

    /// Appends an entry to an own log in memory; it leaves with the next flush.
    pub(super) fn append(
        &mut self,
        number: LogNo,
        header: EntryHeader,
        payload: String,
        parsed: Payload,
    ) -> Result<u64, Refusal> {
        let index = header.index;
        let rests_on = self.rests_on(&header, &parsed);
        let entry = Entry { header, payload };
        let bytes = entry.to_bytes();
        self.world
            .hold_parsed(number, &bytes, Some(parsed))
            .map_err(|error| match error {
                HoldError::Form { source, .. } => Refusal::invalid("form", source.to_string()),
                other => Refusal::unavailable("own-log", other.to_string()),
            })?;
        self.put_in_batch(number, index, Arc::from(bytes), &rests_on);
        Ok(index)
    }

    /// Returns the own logs on whose entries a new entry rests: those whose heads it names, and the registrar's, whose
    /// newest note its header names.
    fn rests_on(&self, header: &EntryHeader, payload: &Payload) -> Vec<LogNo> {
        let stated = match payload {
            Payload::Statement(Statement::Heads(heads)) => heads.as_slice(),
            _ => &[],
        };
        let registrar = &self.world.registry().genesis().registrar;
        header
            .heads
            .iter()
            .chain(stated)
            .filter_map(|head| self.world.number_of_log(&head.origin))
            .chain(self.world.number(registrar))
            .collect()
    }

    /// Puts an entry into the open batch of its log, unless it rests on a batch that was opened later: then it begins
    /// a new one.
    fn put_in_batch(&mut self, log: LogNo, index: u64, entry: Arc<[u8]>, rests_on: &[LogNo]) {
        let newest = self.open.iter().rposition(|open| open.log == log);
        let rested = self
            .open
            .iter()
            .rposition(|open| open.log != log && rests_on.contains(&open.log));
        let fits = newest.filter(|place| rested.is_none_or(|rested| rested < *place));
        match fits.and_then(|place| self.open.get_mut(place)) {
            Some(open) => open.entries.push(entry),
            None => self.open.push(Open {
                log,
                start: index,
                entries: vec![entry],
                tickets: Vec::new(),
            }),
        }
    }

    /// Notes who waits for an entry of an open batch.
    pub(super) fn owe(
        &mut self,
        log: LogNo,
        index: u64,
        id: EventId,
        tickets: impl IntoIterator<Item = Ticket>,
    ) {
        let open = self
            .open
            .iter_mut()
            .find(|open| open.log == log && open.start <= index && index < open.end());
        if let Some(open) = open {
            open.tickets
                .extend(tickets.into_iter().map(|ticket| (ticket, index, id)));
        }
    }

    fn submit_governance(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        note: &Note,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let invalid = |error: tally_schemas::FormatError| Refusal::invalid("form", error.to_string());
        Governance::parse_text(&note.text).map_err(invalid)?;
        let registrar = self.world.registry().genesis().registrar.clone();
        let number = self.own_log(&registrar)?;
        let id = EventId(sha256(&[note.text.as_bytes()]));
        let payload = String::from_utf8(bytes.to_vec())
            .map_err(|_| Refusal::invalid("form", "the note is not UTF-8"))?;
        let past = self.world.next_past(number);
        let own = self.world.log_at(number).map_or(0, crate::world::Log::size);
        self.world
            .takings_reach((number, own), &payload, &past)
            .map_err(|why| Refusal::refused("governance", why))?;
        let mut registry = self.world.registry().clone();
        registry
            .extend(&payload)
            .map_err(|error| Refusal::refused("governance", error.to_string()))?;
        // No way leads back from a ruleset: whoever puts it in force must hold it.
        let (before, after) = (
            self.world.ruleset(),
            registry.ruleset_at(registry.newest().version),
        );
        let holds = self.world.holds();
        if after > before && after > holds {
            let what = format!(
                "the note adopts ruleset {after}, the software of this node holds {holds}; ruleset {before} is in force"
            );
            return Err(Refusal::refused("newer-ruleset", what));
        }
        // The registrar names everything it knows, so that no later taking reaches back below it.
        let others: Vec<LogNo> = self.advanced_logs(number, false);
        let heads = self.named_heads(&others);
        let mut heads = heads;
        if heads.len() > HEADS_PER_ENTRY_MAX {
            let rest = heads.split_off(HEADS_PER_ENTRY_MAX);
            self.append_statement(now, number, &Statement::Heads(rest))?;
        }
        let header = self.plain_header(now, number, heads)?;
        let parsed = Payload::Governance(payload.clone());
        let index = self.append(number, header, payload, parsed)?;
        self.settle();
        self.owe(number, index, id, [ticket]);
        Ok(())
    }
}
