//! What a node asks others, and what it answers them: heads, ranges of entries, evidence, parts.
//!
//! Whom to ask next is decided here, so that a node that does not answer, or has no more, keeps nobody from what others hold.

use super::mailbox::{Asked, Message};
use super::owner::Owner;
use super::shared::locked;
use crate::bus::{Answering, OnAnswer};
use crate::runtime::describe;
use crate::store::BATCH_ENTRIES_MAX;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tally_ledger::replica::{Input, Replica};
use tally_schemas::frame::Frame;
use tally_schemas::id::{NodeId, Origin};
use tally_schemas::limits::FRAME_BYTES_MAX;
use tally_schemas::question::{Answer, Question};

/// After how long the same question may be asked again.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How many bytes of entries go into the answer to a question for a range.
const RANGE_BYTES_MAX: usize = FRAME_BYTES_MAX - 48 * 1024;

/// The last question for a range of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedRange {
    start: u64,
    at: Instant,
    /// Which of those who may hold the log was asked.
    attempt: usize,
    /// Whether the answer reached beyond the start.
    is_answered: bool,
}

impl Owner {
    pub(super) fn ask(&self, node: &NodeId, question: &Question, asked: Asked) -> bool {
        let Ok(bytes) = question.encode() else {
            return false;
        };
        let mailbox = self.shared.mailbox.clone();
        let answer: OnAnswer = Box::new(move |bytes| {
            // An answer that finds no room is lost, as the bus may lose it; it is asked for again.
            let _lost = mailbox.offer(Message::Answered { asked, bytes });
        });
        self.bus.ask(node, bytes, answer)
    }

    /// Asks a peer for entries: the host of the log first, then the others in turn.
    pub(super) fn want(&mut self, replica: &Replica, origin: &Origin, start: u64) {
        let attempt = match self.ranges.get(origin) {
            Some(last) if last.start == start && last.at.elapsed() < ASK_AGAIN => return,
            // It goes on from what the last answer brought.
            Some(last) if last.start != start && last.is_answered => 0,
            Some(last) => last.attempt + 1,
            None => 0,
        };
        self.ask_range(replica, origin, start, attempt);
    }

    /// Notes what came of a question for a range. Frames that do not reach beyond its start are no answer: the node asked holds no
    /// more than this one, and would say so again as often as it is asked.
    fn range_answered(&mut self, origin: &Origin, frames: &[Frame]) {
        let Some(last) = self.ranges.get_mut(origin) else {
            return;
        };
        let start = last.start;
        if frames
            .iter()
            .any(|frame| frame.origin == *origin && frame.end() > start)
        {
            last.is_answered = true;
        } else {
            self.ask_another(&Asked::Range(origin.clone()));
        }
    }

    /// Lists the nodes that may hold a log: its host, then the others.
    fn holders(&self, replica: &Replica, origin: &Origin) -> Vec<NodeId> {
        let registry = replica.world().registry();
        let host = registry
            .department(&origin.department, registry.newest().version)
            .map(|record| record.node.clone());
        let mut holders: Vec<NodeId> = host
            .into_iter()
            .chain(self.peers.iter().cloned())
            .filter(|node| *node != self.shared.node)
            .collect();
        let mut seen = BTreeSet::new();
        holders.retain(|node| seen.insert(node.clone()));
        holders
    }

    fn ask_range(&mut self, replica: &Replica, origin: &Origin, start: u64, attempt: usize) {
        let targets = self.holders(replica, origin);
        if targets.is_empty() {
            return;
        }
        let question = Question::Range {
            origin: origin.clone(),
            start,
        };
        let range = AskedRange {
            start,
            at: Instant::now(),
            attempt,
            is_answered: false,
        };
        self.ranges.insert(origin.clone(), range);
        for turn in 0..targets.len() {
            let target = targets.get((attempt + turn) % targets.len());
            if target.is_some_and(|node| self.ask(node, &question, Asked::Range(origin.clone()))) {
                return;
            }
        }
    }

    /// Asks the next node for a range when the one asked does not listen or has nothing; each is asked once in a round.
    pub(super) fn ask_another(&mut self, asked: &Asked) {
        let Asked::Range(origin) = asked else { return };
        let Some(AskedRange { start, attempt, .. }) = self.ranges.get(origin).copied() else {
            return;
        };
        let shared = self.shared.clone();
        shared.view(|replica| {
            let count = self.holders(replica, origin).len().max(1);
            if (attempt + 1) % count != 0 {
                self.ask_range(replica, origin, start, attempt + 1);
            }
        });
    }

    pub(super) fn ask_for_heads_of_all(&self) {
        for node in &self.peers {
            self.ask(node, &Question::Heads, Asked::Heads);
        }
    }

    pub(super) fn ask_next_peer_for_heads(&mut self) {
        if self.peers.is_empty() {
            return;
        }
        self.next_peer = (self.next_peer + 1) % self.peers.len();
        if let Some(node) = self.peers.get(self.next_peer) {
            self.ask(node, &Question::Heads, Asked::Heads);
        }
    }

    pub(super) fn take_answer(&mut self, asked: &Asked, bytes: &[u8], inputs: &mut Vec<Input>) {
        if let Asked::OwnHead(node, origin) = asked {
            self.own_heads_missing.remove(&(node.clone(), origin.clone()));
        }
        let answer = match Answer::decode(bytes) {
            Ok(answer) => answer,
            Err(error) => {
                self.shared
                    .alarm(&format!("an answer from the bus is malformed: {error}"));
                return;
            }
        };
        match (asked, answer) {
            (Asked::Range(_), Answer::Nothing) => self.ask_another(asked),
            (Asked::Range(_) | Asked::Heads | Asked::OwnHead(..), Answer::Frames(frames)) => {
                let frames: Vec<Frame> = frames.iter().filter_map(|bytes| self.read_frame(bytes)).collect();
                if let Asked::Range(origin) = asked {
                    self.range_answered(origin, &frames);
                }
                for frame in frames {
                    self.take_frame(frame, inputs);
                }
            }
            (Asked::Part(department, commit), answer) => self.take_slice(department, commit, answer),
            (Asked::Evidence, Answer::Evidence(bytes)) => {
                inputs.push(Input::Evidence {
                    bytes,
                    is_kept: false,
                });
            }
            _ => {}
        }
    }

    pub(super) fn read_frame(&self, bytes: &[u8]) -> Option<Frame> {
        let decoded = Frame::decode(bytes).inspect_err(|error| {
            self.shared
                .alarm(&format!("a frame from the bus is malformed: {error}"));
        });
        decoded.ok()
    }

    pub(super) fn take_frame(&self, frame: Frame, inputs: &mut Vec<Input>) {
        // Before the first signature only what peers know of the own logs counts; the rest comes again.
        if self.is_ready || self.keyring.logs.contains_key(&frame.origin.department) {
            inputs.push(Input::Frame(frame));
        }
    }

    /// Answers a question of another node.
    pub(super) fn answer(&self, bytes: &[u8], answer: Answering) {
        let reply = match Question::decode(bytes) {
            Ok(Question::Range { origin, start }) => self.answer_range(&origin, start),
            Ok(Question::Heads) => self.answer_heads(),
            Ok(Question::Fork { origin }) => self.answer_fork(&origin),
            Ok(Question::Part { request, offset }) => self.answer_part(&request, offset),
            Err(error) => {
                self.shared
                    .alarm(&format!("a question from the bus is malformed: {error}"));
                Answer::Nothing
            }
        };
        match reply.encode() {
            Ok(bytes) => answer(bytes),
            Err(error) => self
                .shared
                .alarm(&format!("an answer could not be written: {error}")),
        }
    }

    fn answer_range(&self, origin: &Origin, start: u64) -> Answer {
        // Up to a checkpoint of exactly what stands below it first: under a later one alone, what may never be complete could be held
        // and not be exported.
        let (size, exact) = self
            .shared
            .view(|replica| (replica.shown_size(origin), replica.checkpoint_of(origin).cloned()));
        let exact = exact.map_or(0, |checkpoint| checkpoint.head().size);
        let size = if start < exact { exact } else { size };
        let stores = locked(&self.shared.stores);
        if !stores.has(origin) {
            return Answer::Nothing;
        }
        let start = start.min(size);
        let count = (size - start).min(BATCH_ENTRIES_MAX as u64);
        let entries = match stores.range(origin, start, count, RANGE_BYTES_MAX) {
            Ok(entries) => entries,
            Err(error) => {
                let why = describe(&error);
                self.shared
                    .alarm(&format!("a range of {origin} cannot be read: {why}"));
                return Answer::Nothing;
            }
        };
        drop(stores);
        let entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.to_vec()).collect();
        let frame = self.shared.view(|replica| replica.frame(origin, start, entries));
        match frame.map(|frame| frame.encode()) {
            Some(Ok(bytes)) => Answer::Frames(vec![bytes]),
            _ => Answer::Nothing,
        }
    }

    fn answer_heads(&self) -> Answer {
        let frames = self.shared.view(|replica| {
            let logs = replica.world().logs();
            let heads = logs.filter_map(|log| {
                let frame = replica.frame(&log.origin, replica.shown_size(&log.origin), Vec::new())?;
                frame.encode().ok()
            });
            let mut room = FRAME_BYTES_MAX;
            heads
                .take_while(|frame| {
                    let fits = frame.len() + 8 <= room;
                    room = room.saturating_sub(frame.len() + 8);
                    fits
                })
                .collect()
        });
        Answer::Frames(frames)
    }
}
