//! Whom a node asks for the entries that it misses, so that one that does not answer, or holds no more, keeps nobody from what others
//! hold; and what it shows to those who ask it.
//!
//! A driver asks whom it is told here, and tells what came of it. Time is how long the driver runs: no clock that is set moves it.

use super::Replica;
use crate::authority::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;
use tally_schemas::frame::Frame;
use tally_schemas::id::{NodeId, Origin};

/// After how long the same question may be asked again.
pub const ASK_AGAIN: Duration = Duration::from_secs(2);
/// After how long without a question the host of a log is asked first again.
const HOST_FIRST_AGAIN: Duration = Duration::from_secs(60);

/// How long a log is left alone that was fetched again from everybody and still is of another branch than the one that stands; twice as
/// long each time, up to [`REFETCH_PAUSE_MAX`].
const REFETCH_PAUSE: Duration = Duration::from_secs(10);
const REFETCH_PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// How many logs are remembered at least: beyond that those are forgotten of which nothing was asked for as long as [`HOST_FIRST_AGAIN`].
const LOGS_REMEMBERED: usize = 1_024;

/// The questions for ranges of all logs that a node misses entries of. Those who may hold a log are its host, then the other nodes.
#[derive(Debug, Clone)]
pub struct Asking {
    node: NodeId,
    peers: Vec<NodeId>,
    logs: BTreeMap<Origin, AskedRange>,
    refetched: BTreeMap<Origin, Refetched>,
}

/// How often a log was fetched again, and until when it is left alone.
#[derive(Debug, Clone, Copy, Default)]
struct Refetched {
    times: usize,
    until: Duration,
}

impl Asking {
    /// Of a node, with all others in the order in which they are asked.
    pub fn new(node: NodeId, peers: Vec<NodeId>) -> Self {
        Self {
            node,
            peers,
            logs: BTreeMap::new(),
            refetched: BTreeMap::new(),
        }
    }

    /// Entries of a log are missed from a position on ([`Output::Want`](super::Output::Want)): returns whom to ask now; nobody when the
    /// same was asked just before, or the log is left alone for a while.
    pub fn want(
        &mut self,
        registry: &Registry,
        origin: &Origin,
        start: u64,
        now: Duration,
    ) -> Option<NodeId> {
        if self.refetched.get(origin).is_some_and(|of| now < of.until) {
            return None;
        }
        let attempt = AskedRange::next(self.logs.get(origin), start, now)?;
        self.asked(registry, origin, start, (attempt, 1), now)
    }

    /// The node asked does not listen, or holds nothing of it: returns whom to ask instead. Each is asked once in a round.
    pub fn not_answered(
        &mut self,
        registry: &Registry,
        origin: &Origin,
        start: u64,
        now: Duration,
    ) -> Option<NodeId> {
        // An answer to an earlier question says nothing about this one.
        let last = self.logs.get(origin)?;
        if last.start != Some(start) || last.is_answered {
            return None;
        }
        let (attempt, in_round) = (last.attempt + 1, last.in_round + 1);
        self.asked(registry, origin, start, (attempt, in_round), now)
    }

    /// Frames came as the answer: returns whom to ask instead when none of them reaches beyond the start. Such frames are no answer:
    /// the node asked holds no more than this one, and would say so again as often as it is asked.
    pub fn answered(
        &mut self,
        registry: &Registry,
        origin: &Origin,
        start: u64,
        frames: &[Frame],
        now: Duration,
    ) -> Option<NodeId> {
        let reaches = |frame: &Frame| frame.origin == *origin && frame.end() > start;
        if !frames.iter().any(reaches) {
            return self.not_answered(registry, origin, start, now);
        }
        let last = self.logs.get_mut(origin);
        if let Some(last) = last.filter(|last| last.start == Some(start)) {
            last.is_answered = true;
        }
        None
    }

    /// The log is fetched again from its first entry, since what was held is of another branch: not first from who gave that. Once as many
    /// tries failed as there are others, nobody may hold the branch that stands any more: the log is left alone for a while then, since
    /// each try derives everything anew and leaves a copy on disk.
    pub fn refetched(&mut self, origin: &Origin, now: Duration) {
        if let Some(last) = self.logs.get_mut(origin) {
            last.start = None;
            last.is_answered = false;
            last.furthest = (0, last.attempt, last.at);
        }
        let of = self.refetched.entry(origin.clone()).or_default();
        of.times += 1;
        if let Some(beyond) = of.times.checked_sub(self.peers.len() + 1) {
            let doubled = u32::try_from(beyond).map_or(u32::MAX, |beyond| 2u32.saturating_pow(beyond));
            of.until = now + REFETCH_PAUSE.saturating_mul(doubled).min(REFETCH_PAUSE_MAX);
        }
    }

    /// Notes a question, and returns whom it goes to; nobody when all were asked in this round.
    fn asked(
        &mut self,
        registry: &Registry,
        origin: &Origin,
        start: u64,
        (attempt, in_round): (usize, usize),
        now: Duration,
    ) -> Option<NodeId> {
        let holders = self.holders(registry, origin);
        if in_round > holders.len() {
            return None;
        }
        if self.logs.len() >= LOGS_REMEMBERED {
            self.logs
                .retain(|_, last| now.saturating_sub(last.at) < HOST_FIRST_AGAIN);
        }
        let last = self.logs.get(origin);
        let asked = AskedRange::asked(last, start, (attempt, in_round), now);
        self.logs.insert(origin.clone(), asked);
        let place = attempt.checked_rem(holders.len())?;
        holders.into_iter().nth(place)
    }

    /// Lists the nodes that may hold a log: its host, then the others.
    fn holders(&self, registry: &Registry, origin: &Origin) -> Vec<NodeId> {
        let host = registry
            .department(&origin.department, registry.newest().version)
            .map(|record| record.node.clone());
        let others = self.peers.iter().cloned();
        let mut holders: Vec<NodeId> = host
            .into_iter()
            .chain(others)
            .filter(|node| *node != self.node)
            .collect();
        let mut seen = BTreeSet::new();
        holders.retain(|node| seen.insert(node.clone()));
        holders
    }
}

/// The last question for a range of a log, and how far the questions have come.
#[derive(Debug, Clone, Copy)]
struct AskedRange {
    /// From where on; none when what was asked before counts no more.
    start: Option<u64>,
    at: Duration,
    /// Which of those who may hold the log was asked: the host is 0, the next 1, and so on, around again.
    attempt: usize,
    /// How many of them were asked one after the other since it was last waited.
    in_round: usize,
    /// Whether an answer came that reaches beyond the start.
    is_answered: bool,
    /// The furthest start that was asked for, whom, and when.
    furthest: (u64, usize, Duration),
}

impl AskedRange {
    /// Chooses whom to ask now; nobody when the same was asked just before.
    ///
    /// Whoever had the last range is asked for the next one; who brought nothing further at the furthest start gives way to the next,
    /// whatever was answered; for what lies further back, where the histories of a log may part, the host is asked first.
    fn next(last: Option<&Self>, start: u64, now: Duration) -> Option<usize> {
        let Some(last) = last else { return Some(0) };
        let waited = now.saturating_sub(last.at);
        let (furthest, by, at) = last.furthest;
        let is_same = last.start == Some(start);
        // Also where something further back was asked for in between.
        let is_furthest = last.start.is_some() && start == furthest && now.saturating_sub(at) < ASK_AGAIN;
        if is_same && waited < ASK_AGAIN || is_furthest {
            None
        } else if start > furthest {
            Some(match last.is_answered {
                _ if waited >= HOST_FIRST_AGAIN => 0,
                true => last.attempt,
                false => last.attempt + 1,
            })
        } else if start == furthest {
            Some(by + 1)
        } else if is_same {
            Some(last.attempt + 1)
        } else {
            Some(0)
        }
    }

    fn asked(last: Option<&Self>, start: u64, (attempt, in_round): (usize, usize), now: Duration) -> Self {
        let furthest = last
            .map(|last| last.furthest)
            .filter(|(furthest, ..)| *furthest > start);
        Self {
            start: Some(start),
            at: now,
            attempt,
            in_round,
            is_answered: false,
            furthest: furthest.unwrap_or((start, attempt, now)),
        }
    }
}

impl Replica {
    /// Returns what is shown of a log to those who ask for its entries from a position on, each range as one frame: up to the newest
    /// checkpoint over exactly what stands below it; and what is held beyond that under a checkpoint of more, which may never be
    /// complete. A range without entries shows how far the log is held here.
    pub fn shown_from(&self, origin: &Origin, start: u64) -> Vec<Range<u64>> {
        let exact = self.checkpoint_of(origin);
        let exact = exact.map_or(0, |checkpoint| checkpoint.head().size);
        let shown = self.shown_size(origin);
        let start = start.min(shown);
        let parts = start < exact && exact < shown;
        let first = start..if parts { exact } else { shown };
        let beyond = parts.then_some(exact..shown);
        std::iter::once(first).chain(beyond).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for starts one after the other, with the seconds in between; an answer reached further where it says so.
    fn attempts(steps: &[(u64, u64, bool)]) -> Vec<Option<usize>> {
        let mut now = Duration::ZERO;
        let mut last: Option<AskedRange> = None;
        let mut attempts = Vec::new();
        for (start, wait, is_answered) in steps {
            now += Duration::from_secs(*wait);
            let next = AskedRange::next(last.as_ref(), *start, now);
            attempts.push(next);
            if let Some(attempt) = next {
                let asked = AskedRange::asked(last.as_ref(), *start, (attempt, 1), now);
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
        // What lies further back does not let the same be asked again at once.
        assert_eq!(
            attempts(&[(9, 0, true), (8, 0, true), (9, 1, true), (9, 1, true)]),
            [Some(0), Some(0), None, Some(1)]
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
}
