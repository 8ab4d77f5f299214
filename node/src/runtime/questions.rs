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

/// After how long without a question the host of a log is asked first again.
const HOST_FIRST_AGAIN: Duration = Duration::from_secs(60);

/// The last question for a range of a log, and how far the questions have come.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedRange {
    start: u64,
    at: Instant,
    /// Which of those who may hold the log was asked: the host is 0, the next 1, and so on, around again.
    attempt: usize,
    /// How many of them were asked one after the other since it was last waited.
    in_round: usize,
    /// Whether an answer came that reaches beyond the start.
    is_answered: bool,
    /// The furthest start that was asked for, and whom.
    furthest: (u64, usize),
}

impl AskedRange {
    /// Chooses whom to ask now; nobody when the same was asked just before.
    ///
    /// Whoever had the last range is asked for the next one; who brought nothing further at the furthest start gives way to the next,
    /// whatever was answered; for what lies further back, where the histories of a log may part, the host is asked first.
    fn next(last: Option<&Self>, start: u64, now: Instant) -> Option<usize> {
        let Some(last) = last else { return Some(0) };
        let waited = now.saturating_duration_since(last.at);
        let (furthest, by) = last.furthest;
        if last.start == start && waited < ASK_AGAIN {
            None
        } else if start > furthest {
            Some(match last.is_answered {
                _ if waited >= HOST_FIRST_AGAIN => 0,
                true => last.attempt,
                false => last.attempt + 1,
            })
        } else if start == furthest {
            Some(by + 1)
        } else if start == last.start {
            Some(last.attempt + 1)
        } else {
            Some(0)
        }
    }

    /// The log is fetched again from its first entry, since what was held is of another branch: not first from who gave that.
    pub(super) fn refetched(&self) -> Self {
        Self {
            start: 0,
            at: self.at.checked_sub(ASK_AGAIN).unwrap_or(self.at),
            is_answered: false,
            furthest: (0, self.attempt),
            ..*self
        }
    }

    fn asked(last: Option<&Self>, start: u64, attempt: usize, in_round: usize, now: Instant) -> Self {
        let furthest = last
            .map(|last| last.furthest)
            .filter(|(furthest, _)| *furthest > start);
        Self {
            start,
            at: now,
            attempt,
            in_round,
            is_answered: false,
            furthest: furthest.unwrap_or((start, attempt)),
        }
    }
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
        let last = self.ranges.get(origin);
        if let Some(attempt) = AskedRange::next(last, start, Instant::now()) {
            self.ask_range(replica, origin, start, attempt, 0);
        }
    }

    /// Notes what came of a question for a range. Frames that do not reach beyond its start are no answer: the node asked holds no
    /// more than this one, and would say so again as often as it is asked.
    fn range_answered(&mut self, origin: &Origin, start: u64, frames: &[Frame]) {
        let reaches = |frame: &Frame| frame.origin == *origin && frame.end() > start;
        if !frames.iter().any(reaches) {
            self.ask_another(&Asked::Range(origin.clone(), start));
        } else if let Some(last) = self.ranges.get_mut(origin).filter(|last| last.start == start) {
            last.is_answered = true;
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

    /// Asks one of those who may hold a range, beginning with that of an attempt; `before` of them were asked in this round.
    fn ask_range(&mut self, replica: &Replica, origin: &Origin, start: u64, attempt: usize, before: usize) {
        let targets = self.holders(replica, origin);
        let question = Question::Range {
            origin: origin.clone(),
            start,
        };
        for turn in 0..targets.len().saturating_sub(before) {
            let attempt = attempt + turn;
            let range = AskedRange::asked(
                self.ranges.get(origin),
                start,
                attempt,
                before + turn + 1,
                Instant::now(),
            );
            self.ranges.insert(origin.clone(), range);
            let target = targets.get(attempt % targets.len());
            if target.is_some_and(|node| self.ask(node, &question, Asked::Range(origin.clone(), start))) {
                return;
            }
        }
    }

    /// Asks the next node for a range when the one asked does not listen or has nothing; each is asked once in a round.
    pub(super) fn ask_another(&mut self, asked: &Asked) {
        let Asked::Range(origin, start) = asked else {
            return;
        };
        let last = self.ranges.get(origin).copied();
        // An answer to an earlier question says nothing about this one.
        let Some(last) = last.filter(|last| last.start == *start && !last.is_answered) else {
            return;
        };
        let shared = self.shared.clone();
        shared.view(|replica| self.ask_range(replica, origin, *start, last.attempt + 1, last.in_round));
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

    /// Answers with entries from a position on: up to the newest checkpoint over exactly what stands below it; and, where that is room
    /// for, with what is held beyond that under a checkpoint of more, which may never be complete.
    fn answer_range(&self, origin: &Origin, start: u64) -> Answer {
        let (shown, exact) = self.shared.view(|replica| {
            let exact = replica.checkpoint_of(origin);
            let exact = exact.map_or(0, |checkpoint| checkpoint.head().size);
            (replica.shown_size(origin), exact)
        });
        let start = start.min(shown);
        let end = if start < exact { exact } else { shown };
        let Some((first, after)) = self.range_frame(origin, start, end) else {
            return Answer::Nothing;
        };
        let beyond = (after == exact && start < exact && exact < shown)
            .then(|| self.range_frame(origin, exact, shown))
            .flatten()
            .filter(|(beyond, _)| first.len() + beyond.len() + 16 <= FRAME_BYTES_MAX);
        let frames = std::iter::once(first).chain(beyond.map(|(beyond, _)| beyond));
        Answer::Frames(frames.collect())
    }

    /// Makes a frame of the entries of a range, as many as go into one; returns where they end.
    fn range_frame(&self, origin: &Origin, start: u64, end: u64) -> Option<(Vec<u8>, u64)> {
        let stores = locked(&self.shared.stores);
        if !stores.has(origin) {
            return None;
        }
        let count = end.saturating_sub(start).min(BATCH_ENTRIES_MAX as u64);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for starts one after the other, with the seconds in between; an answer reached further where it says so.
    fn attempts(steps: &[(u64, u64, bool)]) -> Vec<Option<usize>> {
        let mut now = Instant::now();
        let mut last: Option<AskedRange> = None;
        let mut attempts = Vec::new();
        for (start, wait, is_answered) in steps {
            now += Duration::from_secs(*wait);
            let next = AskedRange::next(last.as_ref(), *start, now);
            attempts.push(next);
            if let Some(attempt) = next {
                let asked = AskedRange::asked(last.as_ref(), *start, attempt, 1, now);
                last = Some(AskedRange {
                    is_answered: *is_answered,
                    ..asked
                });
            }
        }
        attempts
    }

    #[test]
    fn who_had_the_last_range_is_asked_for_the_next_and_who_brings_nothing_gives_way() {
        // Range after range comes from the host.
        assert_eq!(
            attempts(&[(0, 0, true), (40, 0, true), (80, 0, true)]),
            [Some(0), Some(0), Some(0)]
        );
        // The same is not asked again at once, and then another is asked, who goes on.
        assert_eq!(
            attempts(&[(0, 0, false), (0, 1, false), (0, 1, true), (40, 0, true)]),
            [Some(0), None, Some(1), Some(1)]
        );
        // What an answer brought was no good: the next one is asked, also when it was looked further back meanwhile.
        assert_eq!(
            attempts(&[
                (9, 0, true),
                (8, 0, true),
                (6, 0, true),
                (9, 2, true),
                (9, 2, true)
            ]),
            [Some(0), Some(0), Some(0), Some(1), Some(2)]
        );
        // Published frames carried it further while the host did not answer.
        assert_eq!(attempts(&[(0, 0, false), (5, 1, true)]), [Some(0), Some(1)]);
        // What is asked seldom is asked of all in turn.
        assert_eq!(
            attempts(&[(7, 0, true), (7, 600, true), (7, 600, true)]),
            [Some(0), Some(1), Some(2)]
        );
        // After a long time the host again.
        assert_eq!(
            attempts(&[(0, 0, false), (0, 2, true), (40, 90, true)]),
            [Some(0), Some(1), Some(0)]
        );
    }

    #[test]
    fn another_branch_is_not_first_fetched_from_who_gave_the_one_before() {
        let now = Instant::now();
        let held = AskedRange::asked(None, 40, 0, 1, now);
        let again = held.refetched();
        assert_eq!(AskedRange::next(Some(&again), 0, now), Some(1));
        let asked = AskedRange::asked(Some(&again), 0, 1, 1, now);
        assert_eq!(asked.furthest, (0, 1));
    }
}
