//! What the nodes ask each other and answer, under the rules of the daemon: whom to ask and what to show says the core.

use super::engine::{Happening, Sim};
use std::collections::BTreeMap;
use std::time::Duration;
use tally_ledger::replica::{ASK_AGAIN, Input};
use tally_schemas::frame::Frame;
use tally_schemas::id::{NodeId, Origin};
use tally_schemas::question::{Answer, Question};

/// How many entries a node gives at once.
const RANGE_MAX: i64 = 40;
/// How long a node waits for an answer that is lost, in milliseconds.
const ANSWER_WAIT_MS: (i64, i64) = (2_000, 10_000);

/// A question on its way.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Whom.
    pub peer: usize,
    /// Who asks.
    pub by: usize,
    /// Since which of its starts: an answer outlives that everything is derived anew.
    pub start: u64,
    /// What.
    pub question: Question,
    /// Whether another node is asked when this one brings nothing.
    pub goes_on: bool,
}

/// The questions of a node for the same, by log and start: since when, and how many.
pub type Counts = BTreeMap<(Origin, u64), (i64, usize)>;

impl Sim {
    /// Entries of a log are missed: asks whom the core says.
    pub(super) fn want(&mut self, node: usize, origin: &Origin, start: u64) {
        let now = self.uptime();
        let state = &mut self.nodes[node];
        let Some(replica) = &state.replica else { return };
        let registry = replica.world().registry();
        let first = state.asking.want(registry, origin, start, now);
        self.ask_range(node, origin, start, first);
    }

    fn ask_range(&mut self, node: usize, origin: &Origin, start: u64, target: Option<NodeId>) {
        let Some(target) = target else { return };
        let peer = super::cast::place_of(&target);
        self.count_question(node, origin, start);
        self.coverage.hit("ranges asked for");
        let origin = origin.clone();
        self.ask(node, peer, Question::Range { origin, start }, true);
    }

    /// Each of the others may be asked for the same in turn, and once more where messages about the log send the node back and forth
    /// between two questions; never without end.
    fn count_question(&mut self, node: usize, origin: &Origin, start: u64) {
        let (now_ms, most) = (self.now_ms, 2 * (self.nodes.len() - 1));
        let within = i64::try_from(ASK_AGAIN.as_millis()).expect("small");
        let counts = &mut self.nodes[node].asked;
        let (since, count) = counts.entry((origin.clone(), start)).or_insert((now_ms, 0));
        if now_ms - *since >= within {
            (*since, *count) = (now_ms, 0);
        }
        *count += 1;
        assert!(
            *count <= most,
            "node-{node} asks for {origin} from {start} again and again: {count} times in {} ms",
            now_ms - *since
        );
    }

    /// Sends a question.
    pub(super) fn ask(&mut self, by: usize, peer: usize, question: Question, goes_on: bool) {
        let start = self.nodes[by].starts;
        let wait = self.chaos.between(1, self.network.delay_ms);
        let asked = Asked {
            peer,
            by,
            start,
            question,
            goes_on,
        };
        self.later(wait, Happening::Asked(asked));
    }

    /// Asks every other node.
    pub(super) fn ask_all(&mut self, by: usize, question: &Question) {
        for peer in (0..self.nodes.len()).filter(|peer| *peer != by) {
            self.ask(by, peer, question.clone(), false);
        }
    }

    /// Asks another node for the heads that it holds.
    pub(super) fn ask_for_heads(&mut self, by: usize) {
        let step = self.chaos.place(self.nodes.len() - 1) + 1;
        let peer = (by + step) % self.nodes.len();
        self.ask(by, peer, Question::Heads, false);
    }

    /// A question arrives, or is lost on the way.
    pub(super) fn take_question(&mut self, asked: Asked) {
        let is_lost = self.chaos.chance(self.network.loss) || !self.network.connects(asked.peer, asked.by);
        if is_lost {
            let wait = self.chaos.between(ANSWER_WAIT_MS.0, ANSWER_WAIT_MS.1);
            self.later(wait, Happening::Answered(asked, None));
            return;
        }
        let answer = if self.turned(asked.peer) {
            self.lie(&asked)
        } else {
            self.answer(asked.peer, &asked.question)
        };
        let Some(answer) = answer else {
            // The bus says at once that nobody listens.
            let wait = self.chaos.between(1, self.network.delay_ms);
            self.later(wait, Happening::Answered(asked, None));
            return;
        };
        let bytes = answer.encode().expect("answers of runs are within their limits");
        let delays = self.network.copies(&mut self.chaos);
        if delays.is_empty() {
            self.coverage.hit("messages lost");
            let wait = self.chaos.between(ANSWER_WAIT_MS.0, ANSWER_WAIT_MS.1);
            self.later(wait, Happening::Answered(asked.clone(), None));
        }
        for delay in delays {
            let passed = self.network.pass(bytes.clone(), &mut self.chaos);
            self.later(delay, Happening::Answered(asked.clone(), Some(passed)));
        }
    }

    /// What a node that is up answers from its replica and its disk.
    fn answer(&mut self, peer: usize, question: &Question) -> Option<Answer> {
        let most = u64::try_from(self.chaos.between(1, RANGE_MAX)).expect("small");
        let node = &self.nodes[peer];
        let replica = node.replica.as_ref()?;
        let answer = match question {
            Question::Range { origin, start } => {
                let Some(log) = node.disk.get(origin) else {
                    return Some(Answer::Nothing);
                };
                let held = log.entries.len() as u64;
                let mut room = most;
                let mut frames = Vec::new();
                for range in replica.shown_from(origin, *start) {
                    let end = range.end.min(held).min(range.start + room);
                    let place = |index: u64| usize::try_from(index).expect("small");
                    let entries = log
                        .entries
                        .get(place(range.start)..place(end))
                        .unwrap_or_default();
                    room -= entries.len() as u64;
                    let entries = entries.iter().map(|entry| entry.to_vec()).collect();
                    let frame = replica.frame(origin, range.start, entries);
                    frames.extend(
                        frame.map(|frame| frame.encode().expect("frames of runs are within their limits")),
                    );
                    if end < range.end {
                        break;
                    }
                }
                if frames.is_empty() {
                    Answer::Nothing
                } else {
                    Answer::Frames(frames)
                }
            }
            Question::Heads => {
                let heads = replica.world().logs().filter_map(|log| {
                    let frame = replica.frame(&log.origin, replica.shown_size(&log.origin), Vec::new())?;
                    Some(frame.encode().expect("frames of runs are within their limits"))
                });
                Answer::Frames(heads.collect())
            }
            Question::Fork { origin } => match replica.evidence(origin) {
                Some(evidence) => Answer::Evidence(evidence.to_bytes()),
                None => Answer::Nothing,
            },
            Question::Part { .. } => Answer::Nothing,
        };
        Some(answer)
    }

    /// What a node that turned answers: one continuation of the log that it forked; what another node would, but for a byte; or nothing;
    /// or it is silent.
    fn lie(&mut self, asked: &Asked) -> Option<Answer> {
        let branch = self.chaos.place(2);
        let most = u64::try_from(self.chaos.between(1, RANGE_MAX)).expect("small");
        if let Question::Range { origin, start } = &asked.question
            && let Some(hostile) = &self.hostile
            && let Some(frame) = hostile.answer(origin, *start, branch, most)
        {
            self.coverage.hit("answers of another branch");
            return Some(Answer::Frames(vec![frame]));
        }
        let honest = (0..self.nodes.len()).find(|node| !self.turned(*node) && *node != asked.by)?;
        let answer = self.answer(honest, &asked.question)?;
        let mut lie = match (self.chaos.below(4), answer) {
            (0, _) => return None,
            (1, _) => Answer::Nothing,
            (_, answer) => answer,
        };
        if let Answer::Frames(frames) = &mut lie {
            for bytes in frames.iter_mut() {
                let mut frame = Frame::decode(bytes).expect("it was just written");
                let place = self.chaos.place(frame.entries.len().max(1));
                if let Some(byte) = frame.entries.get_mut(place).and_then(|entry| entry.last_mut()) {
                    *byte ^= 1;
                    self.coverage.hit("answers that lie");
                    *bytes = frame.encode().expect("frames of runs are within their limits");
                }
            }
        }
        Some(lie)
    }

    /// An answer arrives, or the word that none will.
    pub(super) fn take_answer(&mut self, asked: &Asked, bytes: Option<&[u8]>) {
        let node = asked.by;
        if self.nodes[node].starts != asked.start || self.nodes[node].replica.is_none() {
            return;
        }
        let answer = match bytes.map(Answer::decode) {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => {
                self.coverage.hit("answers unreadable");
                Answer::Nothing
            }
            None => Answer::Nothing,
        };
        match answer {
            Answer::Frames(frames) => {
                let frames: Vec<Frame> = frames
                    .iter()
                    .filter_map(|bytes| Frame::decode(bytes).ok())
                    .collect();
                self.follow(asked, &frames);
                for frame in frames {
                    self.coverage.hit("frames in answers");
                    self.hand(node, Input::Frame(frame));
                }
            }
            Answer::Evidence(bytes) => {
                self.coverage.hit("evidence of forks given");
                self.hand(
                    node,
                    Input::Evidence {
                        bytes,
                        is_kept: false,
                    },
                );
            }
            Answer::Nothing | Answer::Part { .. } => self.follow(asked, &[]),
        }
    }

    /// Asks another node where the answer was none.
    fn follow(&mut self, asked: &Asked, frames: &[Frame]) {
        let Question::Range { origin, start } = &asked.question else {
            return;
        };
        if !asked.goes_on {
            return;
        }
        let now = self.uptime();
        let state = &mut self.nodes[asked.by];
        let Some(replica) = &state.replica else { return };
        let registry = replica.world().registry();
        let next = state.asking.answered(registry, origin, *start, frames, now);
        if next.is_some() {
            self.coverage.hit("ranges asked of another");
        }
        self.ask_range(asked.by, origin, *start, next);
    }

    pub(super) fn uptime(&self) -> Duration {
        let ms = u64::try_from(self.now_ms - super::cast::START_MS).expect("time goes forward");
        Duration::from_millis(ms)
    }
}
