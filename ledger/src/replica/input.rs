//! What goes into a replica and what comes out.

use super::{Recording, Refusal};
use crate::crypto::VerifyingKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use tally_schemas::event::Event;
use tally_schemas::frame::Frame;
use tally_schemas::id::{CaseId, EventId, Origin, TreeHead};
use tally_schemas::note::Note;

/// Names a submission towards the driver; the answer carries it back.
pub type Ticket = u64;

/// What a driver tells the replica.
#[derive(Debug, Clone)]
pub enum Input {
    /// An officer or administrator submits a signed note.
    Submit {
        /// Comes back with the answer.
        ticket: Ticket,
        /// An event note or a governance note.
        note: Vec<u8>,
        /// The reason for which personal numbers in inline text are let pass, if one was given.
        personal_override: Option<String>,
    },
    /// As [`Input::Submit`], of an event note that the driver parsed before: what `note` and `event` are of the bytes.
    SubmitEvent {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The bytes of the note.
        bytes: Vec<u8>,
        /// The note.
        note: Arc<Note>,
        /// The event.
        event: Arc<Event>,
        /// The reason for which personal numbers in inline text are let pass, if one was given.
        personal_override: Option<String>,
    },
    /// Entries of a log arrived from the bus or a peer; nothing of them is believed yet.
    Frame(Frame),
    /// Entries of a log were read back from the own disk at start.
    Restored(KeptRange),
    /// An entry 0 that opens an epoch, as the own disk kept it: handed in before anything of the logs is read back, so that nothing
    /// beyond the end of a log is resolved on the way.
    Opening(Vec<u8>),
    /// The text of an opening as the own disk kept it when it set aside what is not of the branch that it names.
    Endorsed(Vec<u8>),
    /// An own log must not be signed in this epoch again: its signing lock is lost or older than what was signed.
    Seal {
        /// The log.
        origin: Origin,
        /// Why, for the operator.
        why: String,
    },
    /// Evidence that a log forked: a peer gave it, or the own disk kept it.
    Evidence {
        /// The file.
        bytes: Vec<u8>,
        /// Whether the own disk kept it, so that it was stated before.
        is_kept: bool,
    },
    /// Signatures were checked.
    Verified(Vec<CheckResult>),
    /// A batch is durable.
    Persisted {
        /// Of the batch.
        token: u64,
        /// For an own log: the checkpoint that was signed over it.
        checkpoint: Option<Vec<u8>>,
    },
    /// A batch could not be made durable.
    PersistFailed {
        /// Of the batch.
        token: u64,
        /// Why.
        why: String,
    },
    /// Time passed.
    Tick,
}

/// One signature to check.
#[derive(Debug, Clone)]
pub struct Job {
    /// Comes back with the result.
    pub id: u64,
    /// The key.
    pub key: VerifyingKey,
    /// The note.
    pub note: Arc<Note>,
    /// The line, from 0.
    pub line: usize,
}

impl Job {
    /// Checks the signature; what the worker threads of a driver call.
    pub fn run(&self) -> CheckResult {
        let verified = self.note.lines.get(self.line).is_some_and(|line| {
            self.key.claims(line)
                && line.signature.as_slice().len() == 64
                && self
                    .key
                    .verify(self.note.text.as_bytes(), &line.signature)
                    .is_ok()
        });
        CheckResult {
            id: self.id,
            verified,
        }
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckResult {
    /// Of the job.
    pub id: u64,
    /// Whether the signature verified strictly.
    pub verified: bool,
}

/// Entries of a log that the own disk kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRange {
    /// The log.
    pub origin: Origin,
    /// The entries, from where the replica stands.
    pub entries: Vec<Vec<u8>>,
    /// The newest checkpoint kept with them; empty when there is none.
    pub checkpoint: Vec<u8>,
    /// The newest [`Batch::covering`] kept with them.
    pub covering: Option<Frame>,
}

/// Entries to make durable, in one step.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Comes back with `Persisted`.
    pub token: u64,
    /// The log.
    pub origin: Origin,
    /// Whether it is an own log, whose checkpoint the driver signs after the lock advanced.
    pub own: bool,
    /// The position of the first entry.
    pub start: u64,
    /// The entries.
    pub entries: Vec<Arc<[u8]>>,
    /// The head after them.
    pub head: TreeHead,
    /// For a replica: the checkpoint over exactly the head.
    pub checkpoint: Option<Vec<u8>>,
    /// For a replica without such a checkpoint: a frame without entries that leads from the head to a checkpoint of more.
    pub covering: Option<Frame>,
}

/// An event that is durable in its log, with the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The event; for a governance note, the hash of its text.
    pub event: EventId,
    /// The log.
    pub origin: Origin,
    /// The position.
    pub index: u64,
    /// The bytes of the tlog-proof file.
    pub proof: Vec<u8>,
    /// How surely it is recorded by now.
    pub recording: Recording,
}

/// Something the operator must see; never state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// Ingest of a log stopped.
    LogStopped {
        /// The log.
        origin: String,
        /// Why.
        why: String,
    },
    /// A frame was refused; the log goes on.
    FrameRefused {
        /// The log it claims.
        origin: String,
        /// Why.
        why: String,
    },
    /// The ruleset in force is newer than those that the software holds.
    NewerRuleset {
        /// The one in force.
        ruleset: u32,
        /// The newest that the software holds.
        holds: u32,
    },
    /// Two roots of one log at one size, both signed by it.
    Fork {
        /// The log.
        origin: String,
        /// The size.
        size: u64,
    },
    /// An entry names a head with another root than the log held here.
    ForeignRoot {
        /// The log that names it.
        by: String,
        /// The entry.
        index: u64,
        /// The log named.
        named: String,
        /// The size named.
        size: u64,
    },
    /// An event that was effective in its own past is void or overtaken now.
    Reversed {
        /// The case.
        case: CaseId,
        /// How many reversals it has now.
        count: usize,
    },
    /// A peer shows more of an own log than is held here: the log was restored from an old copy.
    OwnLogAhead {
        /// The log.
        origin: String,
        /// The size held here.
        held: u64,
        /// The size shown.
        shown: u64,
    },
    /// The checkpoint of a log that the disk kept does not hold; another one is asked for, or signed again.
    CheckpointDamaged {
        /// The log.
        origin: String,
        /// Why it does not hold.
        why: String,
    },
    /// An own log must not be signed in this epoch again.
    LogSealed {
        /// The log.
        origin: String,
        /// Why.
        why: String,
    },
    /// The administrator of a department opened an epoch after a head below one that is held here: the new log is not held
    /// until a quorum opens a later one.
    EpochContested {
        /// The log that was opened.
        origin: String,
        /// The log before it.
        old: String,
        /// How many of its entries the opening lets count.
        named: u64,
        /// How many it signed, as far as is known here.
        shown: u64,
    },
    /// An epoch was opened by the administrator of a department after fewer entries than are shown now: what follows them is set aside
    /// here, and only a quorum can let it count.
    EpochLeavesOut {
        /// The log that was opened, and is held.
        origin: String,
        /// The log before it.
        old: String,
        /// How many of its entries count.
        named: u64,
        /// How many it signed, as a peer shows.
        shown: u64,
    },
    /// The node serves no more writes.
    WritesStopped {
        /// Why.
        why: String,
    },
}

/// What a replica asks its driver to do, in order.
#[derive(Debug, Clone)]
pub enum Output {
    /// Check signatures and answer with `Verified`.
    Verify(Vec<Job>),
    /// Make entries durable and answer with `Persisted` or `PersistFailed`; what follows waits for that.
    Persist(Batch),
    /// Send to all others.
    Publish(Frame),
    /// Ask another node for entries of a log from a position on: [`Asking`](super::Asking) says whom.
    Want {
        /// The log.
        origin: Origin,
        /// The first entry wanted.
        start: u64,
    },
    /// Answer a submission.
    Reply {
        /// Of the submission.
        ticket: Ticket,
        /// The proof, or why not.
        result: Result<Recorded, Box<Refusal>>,
    },
    /// Keep the evidence that a log forked, for good.
    Evidence {
        /// The log.
        origin: Origin,
        /// The size at which its branches differ.
        size: u64,
        /// The file (`schemas/spec/fork.md`).
        bytes: Vec<u8>,
    },
    /// Ask any peer for the evidence that a log forked.
    WantEvidence(Origin),
    /// Never sign an own log in this epoch again, also after a restart: keep what is under its newest checkpoint like a log of
    /// others, and the rest as evidence. [`Output::Rebuild`] follows.
    Sealed {
        /// The log.
        origin: Origin,
        /// Why.
        why: String,
    },
    /// Set aside what the disk has of a log of others: it is of another branch than the one that stands, and is fetched again.
    /// [`Output::Rebuild`] follows.
    Refetch {
        /// The log.
        origin: Origin,
        /// The text of the opening that says so. It is kept first, and handed in as [`Input::Endorsed`] from then on: what it rests on
        /// may itself rest on what is set aside.
        opening: Vec<u8>,
    },
    /// Make the replica anew from what the disk holds, as at a start without a snapshot: what was derived rests on entries that
    /// are set aside by now. This one hands out nothing more.
    Rebuild,
    /// The state of these cases may have changed.
    Changed(BTreeSet<CaseId>),
    /// Show the operator.
    Alarm(Alarm),
}
