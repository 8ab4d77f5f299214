//! What a node asks others, and what it answers them: heads, ranges of entries, evidence, parts.
//!
//! Whom it asks for a range, and what of a log it shows, is decided by the core ([`tally_ledger::replica::Asking`]).

use super::mailbox::{Asked, Message};
use super::owner::Owner;
use super::shared::locked;
use crate::bus::{Answering, OnAnswer};
use crate::runtime::describe;
use crate::store::BATCH_ENTRIES_MAX;
use std::ops::Range;
use std::time::Duration;
use tally_ledger::replica::{Input, Replica};
use tally_schemas::frame::Frame;
use tally_schemas::id::{NodeId, Origin};
use tally_schemas::limits::FRAME_BYTES_MAX;
use tally_schemas::question::{Answer, Question};

/// How many bytes of entries go into the answer to a question for a range.
const RANGE_BYTES_MAX: usize = FRAME_BYTES_MAX - 48 * 1024;

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

    /// Asks for entries of a log that are missed, unless that was asked just before.
    pub(super) fn want(&mut self, replica: &Replica, origin: &Origin, start: u64) {
        let (registry, now) = (replica.world().registry(), self.uptime());
        let first = self.asking.want(registry, origin, start, now);
        self.ask_range(replica, origin, start, first);
    }

    /// Asks the next node for a range when the one asked does not listen or has nothing.
    pub(super) fn ask_another(&mut self, asked: &Asked) {
        let Asked::Range(origin, start) = asked else {
            return;
        };
        let shared = self.shared.clone();
        shared.view(|replica| {
            let (registry, now) = (replica.world().registry(), self.uptime());
            let next = self.asking.not_answered(registry, origin, *start, now);
            self.ask_range(replica, origin, *start, next);
        });
    }

    /// Asks a node for a range; another one when the bus knows that it does not listen.
    fn ask_range(&mut self, replica: &Replica, origin: &Origin, start: u64, mut target: Option<NodeId>) {
        let question = Question::Range {
            origin: origin.clone(),
            start,
        };
        while let Some(node) = target {
            if self.ask(&node, &question, Asked::Range(origin.clone(), start)) {
                return;
            }
            let (registry, now) = (replica.world().registry(), self.uptime());
            target = self.asking.not_answered(registry, origin, start, now);
        }
    }

    /// Notes what came of a question for a range, and asks another node where that was nothing.
    fn range_answered(&mut self, origin: &Origin, start: u64, frames: &[Frame]) {
        let shared = self.shared.clone();
        shared.view(|replica| {
            let (registry, now) = (replica.world().registry(), self.uptime());
            let next = self.asking.answered(registry, origin, start, frames, now);
            self.ask_range(replica, origin, start, next);
        });
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
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
                self.ask_another(asked);
                return;
            }
        };
        match (asked, answer) {
            (Asked::Range(..), Answer::Nothing) => self.ask_another(asked),
            (Asked::Range(..) | Asked::Heads | Asked::OwnHead(..), Answer::Frames(frames)) => {
                let frames: Vec<Frame> = frames.iter().filter_map(|bytes| self.read_frame(bytes)).collect();
                if let Asked::Range(origin, start) = asked {
                    self.range_answered(origin, *start, &frames);
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
        // Before the first signature only what peers know of the own logs counts, and not before these were read back; the rest comes again.
        let is_own = self.keyring.logs.contains_key(&frame.origin.department);
        // What could not be read back is no sign of an old copy either: it is for `refill`.
        let is_short = || self.shared.view(|replica| replica.failure().is_some());
        if is_own && (!self.has_read_back || is_short()) {
            return;
        }
        if self.is_ready || is_own {
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

    /// Answers with entries from a position on, as many as there is room for.
    fn answer_range(&self, origin: &Origin, start: u64) -> Answer {
        let ranges = self.shared.view(|replica| replica.shown_from(origin, start));
        let mut frames = Vec::new();
        let mut room = FRAME_BYTES_MAX;
        for range in ranges {
            let Some((frame, after)) = self.range_frame(origin, &range) else {
                break;
            };
            // Another one only where it fits, and after all that comes before it.
            let needs = frame.len() + if frames.is_empty() { 0 } else { 16 };
            if needs > room {
                break;
            }
            room -= needs;
            frames.push(frame);
            if after < range.end {
                break;
            }
        }
        if frames.is_empty() {
            Answer::Nothing
        } else {
            Answer::Frames(frames)
        }
    }

    /// Makes a frame of the entries of a range, as many as go into one; returns where they end.
    fn range_frame(&self, origin: &Origin, range: &Range<u64>) -> Option<(Vec<u8>, u64)> {
        let stores = locked(&self.shared.stores);
        if !stores.has(origin) {
            return None;
        }
        let start = range.start;
        let count = range.end.saturating_sub(start).min(BATCH_ENTRIES_MAX as u64);
        let read = stores
            .range(origin, start, count, RANGE_BYTES_MAX)
            .inspect_err(|error| {
                let why = describe(error);
                self.shared
                    .alarm(&format!("a range of {origin} cannot be read: {why}"));
            });
        drop(stores);
        let entries: Vec<Vec<u8>> = read.ok()?.iter().map(|entry| entry.to_vec()).collect();
        let after = start + entries.len() as u64;
        let frame = self
            .shared
            .view(|replica| replica.frame(origin, start, entries))?;
        Some((frame.encode().ok()?, after))
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
