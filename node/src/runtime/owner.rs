//! The thread that owns the replica: takes messages, hands inputs in, executes outputs in order.

use super::mailbox::{Letters, Message, Reached, Submission, SubmitResult};
use super::parts::PartsWatch;
use super::shared::{Shared, locked};
use super::submission::stopping;
use super::verify::Workers;
use crate::bus::{Bus, OnDone};
use crate::drafts::{Around, BoxAnswer, BoxRequest, DraftError, DraftsBox};
use crate::keyring::Keyring;
use crate::store::{DataDir, Part, entry_key};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tally_ledger::replica::{Alarm, Asking, Family, Input, Refusal, Ticket};
use tally_ledger::world::Log;
use tally_schemas::api::{PossibleAct, RefusalBody, remedy};
use tally_schemas::id::{DepartmentId, EventId, Hash, NodeId, Origin};
use tally_schemas::snapshot::Row;
use tally_schemas::time::Timestamp;
use tokio::sync::oneshot;

/// How many messages go into one cycle.
const CYCLE_MESSAGES_MAX: usize = 256;
/// How often time passes for the replica.
const TICK: Duration = Duration::from_secs(1);
/// How often a peer is asked for its heads.
const HEADS_EVERY: Duration = Duration::from_secs(2);
/// After how many resolved entries a snapshot is taken: what a start after a crash derives again.
const SNAPSHOT_EVERY: u64 = 4_096;
/// As many entries while they come so fast that snapshots would take more than their share of the time.
const SNAPSHOT_EVERY_MAX: u64 = 2 * SNAPSHOT_EVERY;
/// How many times as long as it took a snapshot stays the newest.
const SNAPSHOT_SHARE: u32 = 16;

/// Someone who waits for the answer to a submission.
pub(super) struct Waiting {
    event: Option<(EventId, DepartmentId)>,
    pub(super) parts: Vec<(Hash, Part)>,
    draft: Option<String>,
    pub(super) answer: oneshot::Sender<SubmitResult>,
}

/// The owner of a replica and of everything that belongs to it.
pub(super) struct Owner {
    pub(super) shared: Arc<Shared>,
    pub(super) letters: Letters,
    pub(super) bus: Box<dyn Bus>,
    pub(super) keyring: Keyring,
    pub(super) data: DataDir,
    pub(super) workers: Workers,
    pub(super) boxes: BTreeMap<DepartmentId, DraftsBox>,
    pub(super) parts: PartsWatch,
    pub(super) peers: Vec<NodeId>,
    pub(super) is_ready: bool,
    /// Whether everything that the disk holds was handed to the replica: before that an own log looks shorter than it is.
    pub(super) has_read_back: bool,
    /// Own logs that must not be signed again, and why.
    pub(super) seals: BTreeMap<Origin, String>,
    /// Whether the replica has to be made anew from what the disk holds.
    pub(super) is_rebuild_due: bool,
    pub(super) unchecked_jobs: usize,
    pub(super) waiting: BTreeMap<Ticket, Waiting>,
    pub(super) by_event: BTreeMap<EventId, BTreeSet<Ticket>>,
    next_ticket: Ticket,
    /// Whom it asks for ranges of logs.
    pub(super) asking: Asking,
    /// Since when it runs.
    pub(super) started: Instant,
    pub(super) next_peer: usize,
    last_tick: Instant,
    last_heads: Instant,
    pub(super) store_failure: Option<String>,
    done: Vec<OnDone>,
    pub(super) is_snapshot_given_up: bool,
    snapshot_ended: Instant,
    snapshot_took: Duration,
    /// How many entries the newest snapshot covers.
    pub(super) snapshot_at: u64,
    /// Peers that did not yet say what they know of an own log.
    pub(super) own_heads_missing: BTreeSet<(NodeId, Origin)>,
}

/// What the owner does after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Stop,
}

impl Owner {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once; a struct of the same fields would say nothing more"
    )]
    pub(super) fn new(
        shared: Arc<Shared>,
        letters: Letters,
        bus: Box<dyn Bus>,
        keyring: Keyring,
        data: DataDir,
        workers: Workers,
        boxes: BTreeMap<DepartmentId, DraftsBox>,
        peers: Vec<NodeId>,
    ) -> Self {
        let now = Instant::now();
        let asking = Asking::new(shared.node.clone(), peers.clone());
        Self {
            shared,
            letters,
            bus,
            keyring,
            data,
            workers,
            boxes,
            parts: PartsWatch::default(),
            peers,
            is_ready: false,
            seals: BTreeMap::new(),
            is_rebuild_due: false,
            unchecked_jobs: 0,
            waiting: BTreeMap::new(),
            by_event: BTreeMap::new(),
            next_ticket: 0,
            asking,
            started: now,
            next_peer: 0,
            last_tick: now,
            last_heads: now,
            store_failure: None,
            done: Vec::new(),
            is_snapshot_given_up: false,
            snapshot_ended: now,
            snapshot_took: Duration::ZERO,
            snapshot_at: 0,
            has_read_back: false,
            own_heads_missing: BTreeSet::new(),
        }
    }

    /// Serves until told to stop. The node has been started, its tails are signed.
    pub(super) fn serve(&mut self) {
        self.is_ready = true;
        self.shared.mailbox.set_serving(true);
        self.report_health();
        self.ask_for_heads_of_all();
        let mut stop = Next::Go;
        while stop == Next::Go {
            stop = self.turn();
            if stop == Next::Go && self.is_rebuild_due {
                stop = self.rebuild();
            }
        }
    }

    /// Answers everyone who still waits, and closes the stores.
    pub(super) fn close(mut self) {
        self.shared.set_reasons(vec!["stopping".to_owned()]);
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            // Who went away needs no answer.
            let _gone = waiting.answer.send(Err(Box::new(stopping())));
        }
        self.keep_snapshot(1);
        drop(self.bus);
        drop(self.workers);
        let mut stores = locked(&self.shared.stores);
        if let Err(error) = stores.settle_all() {
            tracing::error!(
                error = describe(&error),
                "the files of the logs were not completed; the next start does it"
            );
        }
        for (department, store) in std::mem::take(&mut stores.own) {
            if let Err(error) = store.log.close() {
                tracing::error!(%department, %error, "the log could not be closed cleanly; nothing acknowledged is lost");
            }
        }
        stores.replicas.clear();
    }

    /// Takes what waits, at most for one tick, and runs one cycle.
    pub(super) fn turn(&mut self) -> Next {
        self.turn_within(TICK)
    }

    /// As [`Owner::turn`], but waits no longer than that.
    pub(super) fn turn_within(&mut self, most: Duration) -> Next {
        let until_tick = TICK.saturating_sub(self.last_tick.elapsed());
        let mut next = Next::Go;
        let mut inputs = Vec::new();
        let mut wake = until_tick.is_zero();
        let mut wait = until_tick.min(most);
        let mut taken = 0;
        let mut settling = Vec::new();
        while taken < CYCLE_MESSAGES_MAX {
            let message = match self.letters.next(wait) {
                Ok(message) => message,
                Err(true) => break,
                Err(false) => {
                    next = Next::Stop;
                    break;
                }
            };
            taken += 1;
            match message {
                Message::Stop => {
                    next = Next::Stop;
                    break;
                }
                Message::Wake => wake = true,
                Message::Settle(answer) => {
                    wake = true;
                    settling.push(answer);
                    break;
                }
                other => self.take(other, &mut inputs),
            }
            // Only what is there already: further ones gather while this cycle is made durable, and share the next sync.
            wait = Duration::ZERO;
        }
        let ticks = wake || self.last_tick.elapsed() >= TICK;
        let reading = self.shared.clock.read();
        if ticks {
            self.last_tick = Instant::now();
            if self.is_ready && reading.doubt.is_none() {
                inputs.push(Input::Tick);
            }
        }
        if !inputs.is_empty() {
            self.cycle(reading.now, inputs);
            let rest = self.snapshot_took.saturating_mul(SNAPSHOT_SHARE);
            let is_rested = self.snapshot_ended.elapsed() >= rest;
            self.keep_snapshot(if is_rested {
                SNAPSHOT_EVERY
            } else {
                SNAPSHOT_EVERY_MAX
            });
        }
        // What a frame brought is durable now; after a failure of the store the bus keeps it for the next start.
        for done in std::mem::take(&mut self.done) {
            if self.store_failure.is_none() {
                done();
            }
        }
        for answer in settling {
            let heads = self
                .shared
                .view(|replica| self.shared.heads_digest(replica.world()));
            let is_busy = self.unchecked_jobs > 0 || self.shared.mailbox.waiting() > 0;
            let _gone = answer.send(Reached { heads, is_busy });
        }
        if ticks && self.is_ready {
            if taken == 0 {
                self.settle_files();
            }
            self.report_health();
            self.fetch_parts();
            if self.last_heads.elapsed() >= HEADS_EVERY {
                self.last_heads = Instant::now();
                self.ask_next_peer_for_heads();
            }
        }
        next
    }

    /// Keeps a snapshot if at least so many entries were resolved since the last one.
    pub(super) fn keep_snapshot(&mut self, least: u64) {
        let resolved = self
            .shared
            .view(|replica| replica.world().logs().map(Log::cursor).sum::<u64>());
        if resolved.saturating_sub(self.snapshot_at) < least {
            return;
        }
        let began = Instant::now();
        let outcome = self.try_keep_snapshot();
        self.snapshot_ended = Instant::now();
        self.snapshot_took = self.snapshot_ended.duration_since(began);
        match outcome {
            Ok(true) => self.snapshot_at = resolved,
            Ok(false) => {}
            Err(why) => {
                // Nothing is lost: it is tried again when as much has come once more.
                self.snapshot_at = resolved;
                self.shared.alarm(&format!("no snapshot was taken: {why}"));
            }
        }
    }

    /// Keeps a snapshot when everything that it rests on is durable and in the files of the logs, or kept with it; says whether it did.
    fn try_keep_snapshot(&mut self) -> Result<bool, String> {
        if self.is_rebuild_due {
            return Ok(false);
        }
        let shared = self.shared.clone();
        let Some(rest) = self.rest_of_logs()? else {
            return Ok(false);
        };
        let mut replica = shared.replica.write().unwrap_or_else(PoisonError::into_inner);
        let Some(mut snapshot) = replica.snapshot().map_err(|error| describe(&error))? else {
            return Ok(false);
        };
        snapshot.head.unfetched = self.parts.unfetched();
        if !rest.is_empty() {
            snapshot.rows.extend(rest);
            snapshot
                .rows
                .sort_unstable_by(|one, other| one.key.cmp(&other.key));
        }
        let rows = &shared.archive.rows;
        rows.write(&snapshot.head, &snapshot.rows)
            .map_err(|error| describe(&error))?;
        Ok(replica.let_go(&snapshot))
    }

    /// Brings the files of the logs up to date, and returns rows for the resolved entries that no export may ever have: of a log that
    /// stopped or ended under a checkpoint of more. None where an export is still to come.
    fn rest_of_logs(&self) -> Result<Option<Vec<Row>>, String> {
        let shared = &self.shared;
        let mut stores = locked(&shared.stores);
        stores.settle_all().map_err(|error| describe(&error))?;
        let exported = stores.exported_sizes();
        drop(stores);
        let behind: Vec<(Origin, Range<u64>, bool)> = shared.view(|replica| {
            let logs = replica.world().logs().map(|log| {
                let size = exported.get(&log.origin).copied().unwrap_or(0);
                let is_final = log.stopped.is_some() || log.end.is_some();
                (Origin::clone(&log.origin), size..log.cursor(), is_final)
            });
            logs.filter(|(_, rest, _)| !rest.is_empty()).collect()
        });
        for (origin, rest, is_final) in &behind {
            // That a log stopped is not known after a start, before somebody shows again what cannot stand; the rows are there.
            let key = entry_key(origin, rest.end - 1);
            let kept = shared.archive.rows.row(&key).map_err(|error| describe(&error))?;
            if !is_final && kept.is_none() {
                return Ok(None);
            }
        }
        let mut rows = Vec::new();
        for (origin, rest, _) in behind {
            for index in rest {
                let key = entry_key(&origin, index);
                let kept = shared.archive.rows.row(&key).map_err(|error| describe(&error))?;
                if kept.is_some() {
                    continue;
                }
                let read = locked(&shared.stores).range(&origin, index, 1, 0);
                let entry = read.map_err(|error| describe(&error))?.pop();
                let entry = entry.ok_or_else(|| format!("entry {index} of {origin} is not in its store"))?;
                rows.push(Row {
                    key,
                    value: Some(entry.to_vec()),
                });
            }
        }
        Ok(Some(rows))
    }

    /// Completes the files of the logs while nobody waits.
    fn settle_files(&mut self) {
        let outcome = locked(&self.shared.stores).settle_all();
        if let Err(error) = outcome {
            let why = describe(&error);
            self.shared
                .alarm(&format!("the files of the logs could not be completed: {why}"));
            self.store_failure.get_or_insert(why);
        }
    }

    /// Turns a message into inputs, or handles it here.
    fn take(&mut self, message: Message, inputs: &mut Vec<Input>) {
        match message {
            Message::Submit(submission) => self.take_submission(*submission, inputs),
            Message::Drafts { request, answer } => {
                let result = self.handle_drafts(*request);
                let _gone = answer.send(result);
            }
            Message::Frame { bytes, done } => {
                if let Some(frame) = self.read_frame(&bytes) {
                    self.take_frame(frame, inputs);
                }
                self.done.extend(done);
            }
            Message::Question { bytes, answer } => self.answer(&bytes, answer),
            Message::Answered {
                asked,
                bytes: Some(bytes),
            } => self.take_answer(&asked, &bytes, inputs),
            Message::Answered { asked, bytes: None } => self.ask_another(&asked),
            Message::Trouble(text) => self.shared.alarm(&text),
            Message::Verified(results) => {
                self.unchecked_jobs = self.unchecked_jobs.saturating_sub(results.len());
                inputs.push(Input::Verified(results));
            }
            Message::PartMissing(department, commit) => {
                let shared = self.shared.clone();
                shared.view(|replica| self.parts.want(&shared, replica, &department, &commit));
            }
            Message::Wake | Message::Settle(_) | Message::Stop => {}
        }
    }

    /// Says how many signatures are being checked.
    pub(super) fn unchecked_jobs(&self) -> usize {
        self.unchecked_jobs
    }

    fn take_submission(&mut self, submission: Submission, inputs: &mut Vec<Input>) {
        let Submission {
            note,
            event,
            parts,
            draft,
            personal_override,
            answer,
        } = submission;
        let named = event
            .as_ref()
            .map(|named| (named.id, named.event.department.clone()));
        let admitted = self
            .admit(named.as_ref(), draft.as_deref())
            .and_then(|()| self.admit_opening(&note));
        if let Err(refusal) = admitted {
            let _gone = answer.send(Err(Box::new(refusal)));
            return;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if let Some((id, _)) = &named {
            self.by_event.entry(*id).or_default().insert(ticket);
        }
        let waiting = Waiting {
            event: named,
            parts,
            draft,
            answer,
        };
        self.waiting.insert(ticket, waiting);
        inputs.push(match event {
            Some(named) => Input::SubmitEvent {
                ticket,
                bytes: note,
                note: named.note,
                event: named.event,
                personal_override,
            },
            None => Input::Submit {
                ticket,
                note,
                personal_override,
            },
        });
    }

    /// Turns away what the shell knows cannot be recorded now.
    fn admit(&self, event: Option<&(EventId, DepartmentId)>, draft: Option<&str>) -> Result<(), Refusal> {
        if !self.is_ready {
            return Err(Refusal::unavailable("starting", "the node is starting"));
        }
        if let Some(doubt) = self.shared.clock.read().doubt {
            return Err(Refusal::unavailable("clock", doubt));
        }
        let Some((id, department)) = event else {
            return match draft {
                Some(_) => Err(Refusal::invalid("draft", "only an event can complete a draft")),
                None => Ok(()),
            };
        };
        let Some(drafts) = self.boxes.get(department) else {
            return Ok(());
        };
        if let Some(why) = drafts.closed(id) {
            let what = format!("this event can no longer be recorded here: {why}");
            return Err(Refusal::refused("draft-closed", what));
        }
        draft.map_or(Ok(()), |draft| drafts.check_completes(draft, id))
    }

    pub(super) fn reply(&mut self, now: Timestamp, ticket: Ticket, result: SubmitResult) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return;
        };
        if let Some((id, department)) = &waiting.event {
            if let Some(tickets) = self.by_event.get_mut(id) {
                tickets.remove(&ticket);
                if tickets.is_empty() {
                    self.by_event.remove(id);
                }
            }
            if let (Err(refusal), Some(draft)) = (&result, &waiting.draft) {
                self.keep_refusal(now, department, draft, refusal);
            }
        }
        let _gone = waiting.answer.send(result);
    }

    fn keep_refusal(&mut self, now: Timestamp, department: &DepartmentId, draft: &str, refusal: &Refusal) {
        let mut stores = locked(&self.shared.stores);
        let (Some(store), Some(drafts)) = (stores.own.get_mut(department), self.boxes.get_mut(department))
        else {
            return;
        };
        if let Err(error) = drafts.refused(store.log.as_mut(), draft, refusal_body(refusal), now) {
            tracing::error!(%department, draft, %error, "the reason of a refusal was not kept with its draft");
        }
    }

    fn handle_drafts(&mut self, request: BoxRequest) -> Result<BoxAnswer, DraftError> {
        let shared = self.shared.clone();
        let BoxRequest {
            department,
            caller,
            op,
        } = request;
        let mut stores = locked(&shared.stores);
        let (Some(store), Some(drafts)) = (stores.own.get_mut(&department), self.boxes.get_mut(&department))
        else {
            let sealed = shared.view(|replica| replica.sealed_newest(&department).map(str::to_owned));
            return Err(match sealed {
                Some(why) => DraftError::Sealed { department, why },
                None => DraftError::NotHosted(department),
            });
        };
        shared.view(|replica| {
            let around = Around {
                department: &department,
                world: replica.world(),
                parts: &shared.parts,
                now: shared.clock.now(),
            };
            drafts.handle(store.log.as_mut(), &around, &caller, op)
        })
    }

    pub(super) fn report_health(&self) {
        let mut reasons: Vec<String> = self.store_failure.iter().cloned().collect();
        self.shared.view(|replica| {
            if let Some(why) = replica.failure()
                && self.store_failure.is_none()
            {
                reasons.push(why.to_owned());
            }
            for department in replica.hosted() {
                if let Some(why) = replica.sealed_newest(department) {
                    let log = replica.world().log(department);
                    let is_forked = log.is_some_and(|log| replica.evidence(&log.origin).is_some());
                    reasons.push(sealed_text(department, why, is_forked));
                    continue;
                }
                let number = replica.world().number(department);
                if let Some(why) = number.and_then(|number| replica.world().waits_for(number)) {
                    reasons.push(format!("the log of {department} waits: {why}"));
                }
            }
        });
        reasons.extend(self.shared.clock.read().doubt);
        self.shared.set_reasons(reasons);
        self.shared.set_bus_troubles(self.bus.troubles());
    }
}

/// Says what the operator and the administrators do about a log that must not be signed again.
pub(super) fn sealed_text(department: &DepartmentId, why: &str, is_forked: bool) -> String {
    let next = if is_forked {
        format!(
            "it forked, so a quorum of administrators opens the next epoch: tally epoch draft --department {department} --reason .. --save FILE, \
             each tally epoch sign FILE, then tally submit FILE"
        )
    } else {
        "its administrator opens the next epoch: tally epoch open --reason ..".to_owned()
    };
    format!("the log of {department} must not be signed in this epoch again: {why}; {next}")
}

/// Prints an error with its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Returns the form of a refusal that the API gives.
pub(crate) fn refusal_body(refusal: &Refusal) -> RefusalBody {
    let family = match refusal.family {
        Family::Invalid => "invalid",
        Family::Refused => "refused",
        Family::Unavailable => "unavailable",
    };
    let possible = refusal.possible.iter().map(|act| PossibleAct {
        kind: act.kind.as_str().to_owned(),
        by: act.by.iter().map(ToString::to_string).collect(),
        items: act.items.clone(),
        to: BTreeMap::new(),
    });
    RefusalBody {
        family: family.to_owned(),
        code: refusal.code.clone(),
        what: refusal.what.clone(),
        hint: remedy(&refusal.code).to_owned(),
        article: refusal.article.clone(),
        possible: possible.collect(),
    }
}

pub(super) fn alarm_text(alarm: &Alarm) -> String {
    match alarm {
        Alarm::LogStopped { origin, why } => format!("ingest of {origin} stopped: {why}"),
        Alarm::FrameRefused { origin, why } => format!("a frame of {origin} was refused: {why}"),
        Alarm::Fork { origin, size } => {
            format!(
                "{origin} forked: it signed two roots for size {size}; its ingest stops here until a quorum of administrators names the branch \
                 that counts (tally epoch draft, sign, submit)"
            )
        }
        Alarm::ForeignRoot {
            by,
            index,
            named,
            size,
        } => {
            format!("entry {index} of {by} names {named} at size {size} with another root than is held here")
        }
        Alarm::NewerRuleset { ruleset, holds } => format!(
            "ruleset {ruleset} is in force, this software holds {holds}: cases opened from now on are kept and passed on, not understood; update the software of this node"
        ),
        Alarm::Reversed { case, count } => format!("case {case} has {count} reversals now"),
        Alarm::OwnLogAhead { origin, held, shown } => {
            format!("a peer shows {shown} entries of the own log {origin}, {held} are held here")
        }
        Alarm::CheckpointDamaged { origin, why } => {
            format!("the checkpoint kept of {origin} does not hold and is replaced: {why}")
        }
        Alarm::LogSealed { origin, why } => {
            format!("{origin} must not be signed in this epoch again: {why}")
        }
        Alarm::EpochContested {
            origin,
            old,
            named,
            shown,
        } => format!(
            "the administrator opened {origin} after {named} entries of {old}, which signed {shown} as this node can show: \
             it is not held here until a quorum of administrators opens a later epoch"
        ),
        Alarm::EpochLeavesOut {
            origin,
            old,
            named,
            shown,
        } => format!(
            "the administrator opened {origin} after {named} entries of {old}, which signed {shown} as a peer shows now: the others are set \
             aside; if they must count, a quorum of administrators opens a later epoch that names them"
        ),
        Alarm::WritesStopped { why } => format!(
            "the node serves no more writes: {why}; mend that (make room on a full disk), then restart the node: nothing acknowledged is lost"
        ),
    }
}
