//! A node without I/O: inputs in, outputs out. The daemon and the simulator are two drivers of this same core.
//!
//! The contract: outputs that follow a `Persist` in the list are released only when `Persisted` for it came back; after
//! `PersistFailed` the node serves no more writes. Signatures are verified outside (`Verify` out, `Verified` in), then
//! the core checks that the key was the one in force at that index. `now` is an argument; nothing here reads a clock.

mod asking;
mod branches;
mod confirm;
mod degree;
mod epochs;
mod forks;
mod ingest;
mod input;
mod openings;
mod refusal;
mod statements;
mod submit;

pub use asking::{ASK_AGAIN, Asking};
pub use confirm::ReadEntry;
pub use degree::{Recording, SignedPasts};
pub use input::{Alarm, Batch, CheckResult, Input, Job, KeptRange, Output, Recorded, Ticket};
pub use openings::Contest;
pub use refusal::{Family, Refusal};

use crate::archive::Archive;
use crate::authority::RegistryError;
use crate::cases::fold::LogNo;
use crate::checkpoint::{OtherLines, VerifiedCheckpoint, verify_checkpoint};
use crate::crypto::VerifyingKey;
use crate::merkle::prove_consistency_beyond;
use crate::proof::{prove_recorded, prove_recorded_beyond};
use crate::world::{Need, RestoreError, Snapshot, World, WorldAlarm};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tally_schemas::epoch::Opening;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, EventId, Origin};
use tally_schemas::limits::{CHECKPOINT_BYTES_MAX, FRAME_BYTES_MAX};
use tally_schemas::snapshot::SnapshotHead;
use tally_schemas::statement::Statement;
use tally_schemas::time::Timestamp;

/// The most frames kept ahead of a gap, per log.
pub const FRAMES_AHEAD_MAX: usize = 32;
/// How many bytes of entries go into one frame: what its other members leave of the limit.
pub const FRAME_ENTRIES_BYTES_MAX: usize = FRAME_BYTES_MAX - CHECKPOINT_BYTES_MAX - 4_096;
/// How often a node states the heads of logs that advanced, in milliseconds.
pub const HEADS_EVERY_MS: i64 = 60_000;
/// How often a node announces the heads of its own logs on the bus, in milliseconds.
pub const ANNOUNCE_EVERY_MS: i64 = 5_000;

/// What a check that was asked for belongs to.
#[derive(Debug, Clone)]
enum Check {
    /// A line of a held entry.
    Entry {
        log: LogNo,
        index: u64,
        line: usize,
        key: VerifyingKey,
    },
    /// A line of a submission.
    Submission { submission: u64, line: usize },
}

/// A batch of an own log that waits for the disk.
#[derive(Debug, Clone)]
struct InFlight {
    token: u64,
    log: LogNo,
    start: u64,
    entries: Vec<Arc<[u8]>>,
    tickets: Vec<(Ticket, u64, EventId)>,
}

/// A batch of an own log that is being filled.
#[derive(Debug, Clone)]
struct Open {
    log: LogNo,
    start: u64,
    entries: Vec<Arc<[u8]>>,
    tickets: Vec<(Ticket, u64, EventId)>,
}

impl Open {
    fn end(&self) -> u64 {
        self.start + self.entries.len() as u64
    }
}

/// A check that was asked for: log, entry, line, key.
type Asked = (LogNo, u64, usize, [u8; 32]);

/// A node of a federation, as a pure state machine.
#[derive(Debug)]
pub struct Replica {
    world: World,
    hosted: BTreeSet<DepartmentId>,
    checkpoints: BTreeMap<LogNo, VerifiedCheckpoint>,
    covering: BTreeMap<LogNo, forks::Covering>,
    suspicions: BTreeMap<LogNo, forks::Suspicion>,
    unstated: Vec<(LogNo, Statement)>,
    evidence: BTreeMap<LogNo, ForkEvidence>,
    ahead: BTreeMap<LogNo, BTreeMap<u64, Frame>>,
    checks: BTreeMap<u64, Check>,
    asked: BTreeSet<Asked>,
    next_job: u64,
    submissions: BTreeMap<u64, submit::Submission>,
    next_submission: u64,
    open: Vec<Open>,
    in_flight: VecDeque<InFlight>,
    next_token: u64,
    late: BTreeMap<Origin, Vec<KeptRange>>,
    /// Own logs that must not be signed any more, and why.
    sealed: BTreeMap<Origin, String>,
    /// Openings that are not held, since more of the log before is known here.
    contested: BTreeMap<Origin, Contest>,
    /// By the log that an administrator opened, what is known of the entries that it leaves out.
    left_out: BTreeMap<Origin, epochs::LeftOut>,
    /// By log, the opening that names a head of it which counts: it is taken up to there, whatever else was known of it.
    endorsed: BTreeMap<Origin, Opening>,
    /// Logs of which everything that is held came after a quorum had named a head of theirs.
    fetched_again: BTreeSet<Origin>,
    /// Whether everything is derived anew, so that nothing of this counts any more.
    is_stale: bool,
    stated: BTreeMap<LogNo, Timestamp>,
    announced: Option<Timestamp>,
    failed: Option<String>,
    outputs: Vec<Output>,
}

impl Replica {
    /// Founds a replica that hosts departments of a federation.
    ///
    /// # Errors
    /// A genesis that founds nothing.
    pub fn found(genesis: &[u8], hosted: BTreeSet<DepartmentId>) -> Result<Self, RegistryError> {
        Ok(Self::of_world(World::found(genesis)?, hosted))
    }

    /// As [`Self::found`], for software that holds rulesets up to a number; what the replica lets go of after a snapshot is in
    /// the archive.
    ///
    /// # Errors
    /// A genesis that founds nothing.
    pub fn found_with(
        genesis: &[u8],
        hosted: BTreeSet<DepartmentId>,
        archive: Arc<dyn Archive>,
        holds: u32,
    ) -> Result<Self, RegistryError> {
        Ok(Self::of_world(
            World::found_with(genesis, archive, holds)?,
            hosted,
        ))
    }

    /// Makes the replica that a snapshot was taken of. The caller has found that its logs have the heads that the snapshot
    /// names, and hands in the entries after them as [`Input::Restored`].
    ///
    /// # Errors
    /// Why the snapshot cannot be used; then everything is derived from the logs.
    pub fn restore(
        genesis: &[u8],
        hosted: BTreeSet<DepartmentId>,
        archive: Arc<dyn Archive>,
        head: &SnapshotHead,
        holds: u32,
    ) -> Result<Self, RestoreError> {
        let world = World::restore(genesis, archive, head, holds)?;
        Ok(Self::of_world(world, hosted))
    }

    /// Returns what is to be kept of everything resolved here, since the last snapshot; none while something is not durable
    /// yet, or nothing counts any more. When it is in the archive, [`Self::let_go`] follows.
    ///
    /// # Errors
    /// Something cannot be written, or cannot be read any more.
    pub fn snapshot(&self) -> Result<Option<Snapshot>, RestoreError> {
        let busy = !self.open.is_empty()
            || !self.in_flight.is_empty()
            || !self.late.is_empty()
            || self.world.is_opening();
        if busy || self.is_stale || self.failed.is_some() || !self.outputs.is_empty() {
            return Ok(None);
        }
        self.world.snapshot().map(Some)
    }

    /// Lets go of what a snapshot keeps, once it is in the archive; says whether it did.
    pub fn let_go(&mut self, snapshot: &Snapshot) -> bool {
        self.world.let_go(snapshot)
    }

    fn of_world(world: World, hosted: BTreeSet<DepartmentId>) -> Self {
        Self {
            world,
            hosted,
            checkpoints: BTreeMap::new(),
            covering: BTreeMap::new(),
            suspicions: BTreeMap::new(),
            unstated: Vec::new(),
            evidence: BTreeMap::new(),
            ahead: BTreeMap::new(),
            checks: BTreeMap::new(),
            asked: BTreeSet::new(),
            next_job: 0,
            submissions: BTreeMap::new(),
            next_submission: 0,
            open: Vec::new(),
            in_flight: VecDeque::new(),
            next_token: 0,
            late: BTreeMap::new(),
            sealed: BTreeMap::new(),
            contested: BTreeMap::new(),
            left_out: BTreeMap::new(),
            endorsed: BTreeMap::new(),
            fetched_again: BTreeSet::new(),
            is_stale: false,
            stated: BTreeMap::new(),
            announced: None,
            failed: None,
            outputs: Vec::new(),
        }
    }

    /// Returns everything held, resolved and folded here.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Returns the departments hosted here.
    pub fn hosted(&self) -> &BTreeSet<DepartmentId> {
        &self.hosted
    }

    /// Returns the newest checkpoint held of a department's newest log.
    pub fn checkpoint(&self, department: &DepartmentId) -> Option<&VerifiedCheckpoint> {
        self.checkpoints.get(&self.world.number(department)?)
    }

    /// Returns the newest checkpoint held of a log.
    pub fn checkpoint_of(&self, origin: &Origin) -> Option<&VerifiedCheckpoint> {
        self.checkpoints.get(&self.world.number_of_log(origin)?)
    }

    /// Says why the node serves no more writes, if it does not.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Handles inputs in order, and returns the outputs in order.
    pub fn handle(&mut self, now: Timestamp, inputs: Vec<Input>) -> Vec<Output> {
        for input in inputs {
            if self.is_stale {
                self.refuse_while_stale(&input);
                continue;
            }
            match input {
                Input::Submit {
                    ticket,
                    note,
                    personal_override,
                } => {
                    self.submit(now, ticket, &note, personal_override.as_deref());
                }
                Input::SubmitEvent {
                    ticket,
                    bytes,
                    note,
                    event,
                    personal_override,
                } => self.submit_event(now, ticket, bytes, note, event, personal_override.as_deref()),
                Input::Frame(frame) => self.receive(frame),
                Input::Restored(kept) => self.read_back(kept),
                Input::Opening(entry) => self.expect_opening(&entry),
                Input::Endorsed(text) => self.read_endorsement(&text),
                Input::Seal { origin, why } => drop(self.sealed.insert(origin, why)),
                Input::Evidence { bytes, is_kept } => self.take_evidence(&bytes, is_kept),
                Input::Verified(results) => self.verified(now, &results),
                Input::Persisted { token, checkpoint } => self.persisted(token, checkpoint.as_deref()),
                Input::PersistFailed { why, .. } => self.stop(why),
                Input::Tick => self.tick(now),
            }
        }
        self.flush();
        if let Some(why) = self.world.broken().filter(|_| self.failed.is_none()) {
            // What was derived meanwhile may rest on what could not be read: nothing of it leaves.
            self.outputs.clear();
            self.stop(format!(
                "what a snapshot rests on is damaged: {why}; a restart derives it anew"
            ));
        }
        std::mem::take(&mut self.outputs)
    }

    /// Cuts a frame for a range of a log that is held here, from entries that the caller read from its store.
    pub fn frame(&self, origin: &Origin, start: u64, entries: Vec<Vec<u8>>) -> Option<Frame> {
        let number = self.world.number_of_log(origin)?;
        let tree = &self.world.log_at(number)?.tree;
        let end = start.checked_add(entries.len() as u64)?;
        let exact = self.checkpoints.get(&number);
        let (consistency, checkpoint) = match exact.filter(|checkpoint| end <= checkpoint.head().size) {
            Some(checkpoint) => (tree.consistency(end, checkpoint.head().size).ok()?, checkpoint),
            None => {
                let covering = self.covering.get(&number)?;
                let sizes = (covering.end.size, covering.checkpoint.head().size);
                let proof = prove_consistency_beyond(tree, end, sizes, &covering.proof);
                (proof.ok()?, &covering.checkpoint)
            }
        };
        Some(Frame {
            origin: origin.clone(),
            start,
            entries,
            consistency,
            checkpoint: checkpoint.to_bytes(),
        })
    }

    /// Returns how many entries of a log can be shown to others: those that lie under a checkpoint held here, of exactly their
    /// size or of more.
    pub fn shown_size(&self, origin: &Origin) -> u64 {
        let Some(number) = self.world.number_of_log(origin) else {
            return 0;
        };
        let exact = self
            .checkpoints
            .get(&number)
            .map(|checkpoint| checkpoint.head().size);
        let covering = self.covering.get(&number).map(|covering| covering.end.size);
        exact.max(covering).unwrap_or(0)
    }

    /// Returns how many entries a log signed as far as the checkpoints held here show, and the evidence that it forked.
    pub fn signed_size(&self, origin: &Origin) -> u64 {
        let number = self.world.number_of_log(origin);
        number.map_or(0, |number| self.signed_size_of(number))
    }

    fn signed_size_of(&self, number: LogNo) -> u64 {
        let exact = self.checkpoints.get(&number);
        let covering = self.covering.get(&number);
        let checkpoints = exact
            .into_iter()
            .chain(covering.map(|covering| &covering.checkpoint));
        let sizes = checkpoints.map(|checkpoint| checkpoint.head().size);
        let evidence = self.evidence.get(&number).map(|evidence| evidence.size);
        sizes.chain(evidence).max().unwrap_or(0)
    }

    /// Returns a checkpoint under which the entry at an index can be proven: of exactly what is held, or of more.
    fn covering_checkpoint(&self, number: LogNo, index: u64) -> Option<&VerifiedCheckpoint> {
        let exact = self.checkpoints.get(&number);
        let exact = exact.filter(|checkpoint| checkpoint.head().size > index);
        let covering = self.covering.get(&number);
        let covering = covering.filter(|covering| covering.end.size > index);
        exact.or(covering.map(|covering| &covering.checkpoint))
    }

    /// Releases what waited for a batch: proofs to those who submitted, frames to all others.
    fn persisted(&mut self, token: u64, checkpoint: Option<&[u8]>) {
        let Some(place) = self.in_flight.iter().position(|batch| batch.token == token) else {
            return;
        };
        let Some(batch) = self.in_flight.remove(place) else {
            return;
        };
        let Some(log) = self.world.log_at(batch.log) else {
            return;
        };
        let origin = Origin::clone(&log.origin);
        let checked = verify_checkpoint(checkpoint.unwrap_or_default(), &log.key, OtherLines::Keep);
        let checkpoint = match checked {
            Ok(checkpoint)
                if log
                    .tree
                    .head_at(checkpoint.head().size)
                    .is_ok_and(|head| head == checkpoint.head()) =>
            {
                checkpoint
            }
            Ok(checkpoint) => {
                self.stop(format!(
                    "the checkpoint of {origin} at size {} is not over what is held",
                    checkpoint.head().size
                ));
                return;
            }
            Err(error) => {
                self.stop(format!(
                    "the checkpoint signed for {origin} does not hold: {error}"
                ));
                return;
            }
        };
        for (ticket, index, event) in &batch.tickets {
            // Nobody has heard of it yet: it leaves after this.
            let recording = Recording::default();
            let result = self.recorded(batch.log, *index, *event, &checkpoint, recording);
            self.outputs.push(Output::Reply {
                ticket: *ticket,
                result,
            });
        }
        self.checkpoints.insert(batch.log, checkpoint);
        let mut start = batch.start;
        let mut cut: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        for entry in &batch.entries {
            if bytes + entry.len() > FRAME_ENTRIES_BYTES_MAX && !cut.is_empty() {
                let count = cut.len() as u64;
                self.publish(&origin, start, std::mem::take(&mut cut));
                start += count;
                bytes = 0;
            }
            bytes += entry.len() + 8;
            cut.push(entry.to_vec());
        }
        self.publish(&origin, start, cut);
    }

    fn publish(&mut self, origin: &Origin, start: u64, entries: Vec<Vec<u8>>) {
        if let Some(frame) = self.frame(origin, start, entries) {
            self.outputs.push(Output::Publish(frame));
        }
    }

    /// Makes the proof of an entry under a checkpoint.
    fn recorded(
        &self,
        number: LogNo,
        index: u64,
        event: EventId,
        checkpoint: &VerifiedCheckpoint,
        recording: Recording,
    ) -> Result<Recorded, Box<Refusal>> {
        let failed = |why: String| Box::new(Refusal::unavailable("proof", why));
        let log = self
            .world
            .log_at(number)
            .ok_or_else(|| failed("the log is not held".to_owned()))?;
        let covering = self.covering.get(&number);
        let proof = match covering.filter(|covering| covering.checkpoint.head() == checkpoint.head()) {
            Some(covering) => {
                let beyond = (covering.end.size, covering.proof.as_slice());
                prove_recorded_beyond(&log.tree, index, beyond, checkpoint)
            }
            None => prove_recorded(&log.tree, index, checkpoint),
        };
        let proof = proof.map_err(|error| failed(error.to_string()))?;
        Ok(Recorded {
            event,
            origin: Origin::clone(&log.origin),
            index,
            proof: proof.to_string().into_bytes(),
            recording,
        })
    }

    /// Returns the proof of an event that is recorded and covered by a checkpoint held here.
    pub fn proof(&self, event: &EventId) -> Option<Recorded> {
        self.world.places(event).into_iter().find_map(|(number, index)| {
            let checkpoint = self.covering_checkpoint(number, index)?;
            self.proven(number, index, *event, checkpoint).ok()
        })
    }

    /// As [`Self::recorded`], of an entry that others may know of.
    fn proven(
        &self,
        number: LogNo,
        index: u64,
        event: EventId,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<Recorded, Box<Refusal>> {
        let recording = self.signed_pasts().recording(checkpoint.origin(), index);
        self.recorded(number, index, event, checkpoint, recording)
    }

    fn stop(&mut self, why: String) {
        self.outputs
            .push(Output::Alarm(Alarm::WritesStopped { why: why.clone() }));
        self.failed.get_or_insert(why);
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.outputs.push(Output::Alarm(alarm));
    }

    /// Resolves what can be resolved, asks for the checks that are needed, and reports what changed.
    fn settle(&mut self) {
        if self.is_stale {
            return;
        }
        let needs = self.world.resolve();
        self.ask(needs);
        if !self.late.is_empty() {
            self.restore_late();
        }
        for alarm in self.world.take_alarms() {
            match &alarm {
                WorldAlarm::ForeignRoot { named, .. } => self.suspect(named, false),
                WorldAlarm::ForkStated { origin } => {
                    self.suspect(origin, true);
                    continue;
                }
                WorldAlarm::NewerRuleset { .. } | WorldAlarm::Reversed { .. } => {}
            }
            let alarm = match alarm {
                WorldAlarm::ForkStated { .. } => continue,
                WorldAlarm::ForeignRoot {
                    by,
                    index,
                    named,
                    size,
                } => Alarm::ForeignRoot {
                    by,
                    index,
                    named,
                    size,
                },
                WorldAlarm::NewerRuleset { ruleset, holds } => Alarm::NewerRuleset { ruleset, holds },
                WorldAlarm::Reversed { case, count } => Alarm::Reversed { case, count },
            };
            self.alarm(alarm);
        }
        let touched = self.world.take_touched();
        if !touched.is_empty() {
            self.outputs.push(Output::Changed(touched));
        }
    }

    /// Asks for checks that were not asked for yet.
    fn ask(&mut self, needs: Vec<Need>) {
        let mut jobs = Vec::new();
        for need in needs {
            let mark = (need.log, need.index, need.line, *need.key.public_key().as_bytes());
            if !self.asked.insert(mark) {
                continue;
            }
            let id = self.next_job;
            self.next_job += 1;
            jobs.push(Job {
                id,
                key: need.key.clone(),
                note: need.note,
                line: need.line,
            });
            let check = Check::Entry {
                log: need.log,
                index: need.index,
                line: need.line,
                key: need.key,
            };
            self.checks.insert(id, check);
        }
        if !jobs.is_empty() {
            self.outputs.push(Output::Verify(jobs));
        }
    }

    fn verified(&mut self, now: Timestamp, results: &[CheckResult]) {
        let mut ready = Vec::new();
        for result in results {
            match self.checks.remove(&result.id) {
                Some(Check::Entry {
                    log,
                    index,
                    line,
                    key,
                }) => {
                    self.asked
                        .remove(&(log, index, line, *key.public_key().as_bytes()));
                    self.world.record_check(log, index, line, &key, result.verified);
                }
                Some(Check::Submission { submission, line }) => {
                    let complete = self.submission_checked(submission, line, result.verified);
                    ready.extend(complete.then_some(submission));
                }
                None => {}
            }
        }
        self.settle();
        for submission in ready {
            self.accept(now, submission);
        }
    }

    /// Hands every open batch to the disk, in an order in which nothing rests on what comes later: an entry may name
    /// the head of another own log, or a registry version, that is not durable yet.
    fn flush(&mut self) {
        let open = std::mem::take(&mut self.open);
        for batch in open {
            let Some(held) = self.world.log_at(batch.log) else {
                continue;
            };
            let Ok(head) = held.tree.head_at(batch.end()) else {
                continue;
            };
            let token = self.next_token;
            self.next_token += 1;
            self.outputs.push(Output::Persist(Batch {
                token,
                origin: Origin::clone(&held.origin),
                own: true,
                start: batch.start,
                entries: batch.entries.clone(),
                head,
                checkpoint: None,
                covering: None,
            }));
            self.in_flight.push_back(InFlight {
                token,
                log: batch.log,
                start: batch.start,
                entries: batch.entries,
                tickets: batch.tickets,
            });
        }
    }
}
