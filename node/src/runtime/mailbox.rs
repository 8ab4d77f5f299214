//! What reaches the task that owns the replica, and how much of it may wait.

use crate::bus::{Answering, OnDone};
use crate::drafts::{BoxAnswer, BoxRequest, DraftError};
use crate::store::Part;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tally_ledger::replica::{CheckResult, Recorded, Refusal};
use tally_schemas::event::Event;
use tally_schemas::id::{DepartmentId, EventId, Hash, NodeId, Origin};
use tally_schemas::note::Note;
use tokio::sync::oneshot;

/// How many messages from outside may wait; further ones are turned away, so that memory stays bounded.
pub const WAITING_MAX: usize = 4_096;

/// The answer to a submission.
pub type SubmitResult = Result<Recorded, Box<Refusal>>;

/// An event note, parsed: once, and not by the owner.
#[derive(Debug, Clone)]
pub struct Named {
    /// The id of the event.
    pub id: EventId,
    /// The note.
    pub note: Arc<Note>,
    /// The event.
    pub event: Arc<Event>,
}

/// A signed note with what belongs to it.
#[derive(Debug)]
pub struct Submission {
    /// The note.
    pub note: Vec<u8>,
    /// The event that it is; none for governance and for bytes that are no event.
    pub event: Option<Named>,
    /// The parts, by commitment.
    pub parts: Vec<(Hash, Part)>,
    /// The draft that it completes.
    pub draft: Option<String>,
    /// Why personal numbers in inline text are let pass.
    pub personal_override: Option<String>,
    /// Takes the answer.
    pub answer: oneshot::Sender<SubmitResult>,
}

/// Why a node asked another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// For entries of a log, from a position on.
    Range(Origin, u64),
    /// For its heads.
    Heads,
    /// Before the first signature: for the own log as the peer knows it.
    OwnHead(NodeId, Origin),
    /// For the evidence that a log forked.
    Evidence,
    /// For a detached part.
    Part(DepartmentId, Hash),
}

/// Where a node stands after it let time pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The digest of its heads.
    pub(crate) heads: Hash,
    /// Whether messages or signatures still wait.
    pub(crate) is_busy: bool,
}

/// A message to the owner.
pub(crate) enum Message {
    Submit(Box<Submission>),
    Drafts {
        request: Box<BoxRequest>,
        answer: oneshot::Sender<Result<BoxAnswer, DraftError>>,
    },
    Frame {
        bytes: Arc<[u8]>,
        /// What the bus waits for until the frame is durable or of no use.
        done: Option<OnDone>,
    },
    Question {
        bytes: Vec<u8>,
        answer: Answering,
    },
    Answered {
        asked: Asked,
        /// None when the peer does not listen.
        bytes: Option<Vec<u8>>,
    },
    /// Something about the bus that the operator must see.
    Trouble(String),
    Verified(Vec<CheckResult>),
    /// A reader may have a part that is not kept here, or not as it was.
    PartMissing(DepartmentId, Hash),
    /// The clock was set.
    Wake,
    /// Let time pass as it is, and say what was reached: for a trial, before its clock is set.
    Settle(Sender<Reached>),
    Stop,
}

/// The sending side.
#[derive(Clone)]
pub(crate) struct Mailbox {
    sender: Sender<Message>,
    waiting: Arc<AtomicUsize>,
    serving: Arc<AtomicBool>,
}

/// The receiving side.
pub(crate) struct Letters {
    receiver: Receiver<Message>,
    waiting: Arc<AtomicUsize>,
}

/// Makes both sides.
pub(crate) fn mailbox() -> (Mailbox, Letters) {
    let (sender, receiver) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let letters = Letters {
        receiver,
        waiting: waiting.clone(),
    };
    let serving = Arc::new(AtomicBool::new(false));
    let mailbox = Mailbox {
        sender,
        waiting,
        serving,
    };
    (mailbox, letters)
}

impl Mailbox {
    /// Delivers a message from outside; says whether there was room for it.
    pub(crate) fn offer(&self, message: Message) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING_MAX && self.push(message)
    }

    /// Says from now on whether frames of others are of use.
    pub(crate) fn set_serving(&self, serving: bool) {
        self.serving.store(serving, Ordering::Relaxed);
    }

    /// Returns whether frames of others are of use: not before what the disk holds is restored.
    pub(crate) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    /// Returns how many messages wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Delivers a message that must not be lost: results of work that the owner itself gave out, and orders to it.
    pub(crate) fn push(&self, message: Message) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(message).is_ok()
    }
}

impl Letters {
    /// Takes the next message; `Err(true)` when time ran out, `Err(false)` when no sender is left.
    pub(crate) fn next(&self, wait: Duration) -> Result<Message, bool> {
        match self.receiver.recv_timeout(wait) {
            Ok(message) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Ok(message)
            }
            Err(error) => Err(error == RecvTimeoutError::Timeout),
        }
    }
}
