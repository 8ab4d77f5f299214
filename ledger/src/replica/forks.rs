//! Forks: noticing that a log shows two histories, looking for the place, keeping the evidence, and taking that of others.
//!
//! A log that forked stops here: nothing more of it is held, nothing that was applied is taken back, and every own log states it.

use super::{Alarm, Output, Replica};
use crate::cases::fold::LogNo;
use crate::checkpoint::VerifiedCheckpoint;
use crate::crypto::leaf_hash;
use crate::fork::{Fork, branch, verify_fork};
use crate::merkle::verify_consistency;
use tally_schemas::fork::{ForkBranch, ForkEvidence, ForkOpening};
use tally_schemas::frame::Frame;
use tally_schemas::id::{Hash, Origin, TreeHead};
use tally_schemas::time::Timestamp;

/// How often a node asks again about a log that may have forked, in milliseconds.
const ASK_AGAIN_MS: i64 = 5_000;

/// A signed head that covers all that is held of a log, though entries below it are still missing.
#[derive(Debug, Clone)]
pub(super) struct Covering {
    /// The end of what was held when it came.
    pub(super) end: TreeHead,
    /// From there to the checkpoint.
    pub(super) proof: Vec<Hash>,
    /// What the log signed.
    pub(super) checkpoint: VerifiedCheckpoint,
}

impl Covering {
    /// Returns it as a frame without entries.
    pub(super) fn to_frame(&self, origin: &Origin) -> Frame {
        Frame {
            origin: origin.clone(),
            start: self.end.size,
            entries: Vec::new(),
            consistency: self.proof.clone(),
            checkpoint: self.checkpoint.to_bytes(),
        }
    }
}

/// A log of which something was shown that does not fit what is held.
#[derive(Debug, Clone, Default)]
pub(super) struct Suspicion {
    /// How far before the end of what is held the other history was looked for.
    back: u64,
    /// Whether another member stated a fork, so that evidence can be asked for.
    stated: bool,
    /// When it was last asked about.
    asked: Option<Timestamp>,
}

impl Replica {
    /// Says whether a checkpoint that the log signed contradicts what is held under another that it signed.
    pub(super) fn forks(&mut self, number: LogNo, checkpoint: &VerifiedCheckpoint) -> bool {
        let Some(log) = self.world.log_at(number) else {
            return false;
        };
        let head = checkpoint.head();
        if head.size > log.size() {
            return false;
        }
        let Ok(held) = log.tree.head_at(head.size) else {
            return false;
        };
        if held == head {
            return false;
        }
        let other = branch(head, [], checkpoint);
        let evidence = self.held_branch(number, held).map(|held| ForkEvidence {
            size: head.size,
            branches: [held, other],
            opening: self.shown_opening(number, head.size),
        });
        self.found_fork(number, head.size, [held.root, head.root], evidence);
        true
    }

    /// Returns the branch held here, from a head of it to something that the log signed.
    fn held_branch(&self, number: LogNo, at: TreeHead) -> Option<ForkBranch> {
        let tree = &self.world.log_at(number)?.tree;
        let exact = self
            .checkpoints
            .get(&number)
            .filter(|checkpoint| checkpoint.head().size >= at.size);
        if let Some(checkpoint) = exact {
            let head = checkpoint.head();
            let proof = tree.consistency(at.size, head.size).ok()?;
            return Some(branch(at, [(head, proof)], checkpoint));
        }
        let covering = self
            .covering
            .get(&number)
            .filter(|covering| covering.end.size >= at.size)?;
        let proof = tree.consistency(at.size, covering.end.size).ok()?;
        let steps = [
            (covering.end, proof),
            (covering.checkpoint.head(), covering.proof.clone()),
        ];
        Some(branch(at, steps, &covering.checkpoint))
    }

    /// Returns what shows a stranger the key of a log of a later epoch: its entry 0, which stands in the branch held here.
    fn shown_opening(&self, number: LogNo, size: u64) -> Option<ForkOpening> {
        let log = self.world.log_at(number)?;
        Some(ForkOpening {
            entry: log.opening.as_deref()?.to_owned(),
            proof: log.tree.inclusion(0, size).ok()?,
        })
    }

    /// Looks at a frame that does not continue what is held, though the log signed its checkpoint: takes the evidence
    /// if it shows the other history, else asks for an earlier or a later range of it.
    ///
    /// Says whether the frame fits after all.
    pub(super) fn look_for_fork(
        &mut self,
        number: LogNo,
        frame: &Frame,
        checkpoint: &VerifiedCheckpoint,
    ) -> bool {
        let Some(log) = self.world.log_at(number) else {
            return false;
        };
        let (held, signed) = (log.size(), checkpoint.head());
        let mut tree = log.tree.clone();
        if tree.truncate(frame.start).is_err() {
            return false;
        }
        for entry in &frame.entries {
            tree.append(leaf_hash(entry));
        }
        let end = tree.head();
        if let Err(error) = verify_consistency(&end, &signed, &frame.consistency) {
            self.refuse_frame(
                &frame.origin,
                &format!("its entries do not lie under its checkpoint: {error}"),
            );
            self.look_further_back(number, &frame.origin, frame.start);
            return false;
        }
        if self.is_shown_endorsed(number, &tree) {
            self.refetch(frame.origin.clone());
            return false;
        }
        let covered = self
            .checkpoints
            .get(&number)
            .map_or(0, |checkpoint| checkpoint.head().size)
            .max(self.covering.get(&number).map_or(0, |covering| covering.end.size));
        let size = end.size.min(covered).min(held);
        let heads = self
            .world
            .log_at(number)
            .and_then(|log| Some((log.tree.head_at(size).ok()?, tree.head_at(size).ok()?)));
        if let Some((ours, theirs)) = heads.filter(|(ours, theirs)| ours.root != theirs.root) {
            let proof = tree.consistency(size, end.size).unwrap_or_default();
            let steps = [(end, proof), (signed, frame.consistency.clone())];
            let other = branch(theirs, steps, checkpoint);
            let evidence = self.held_branch(number, ours).map(|held| ForkEvidence {
                size,
                branches: [held, other],
                opening: self.shown_opening(number, size),
            });
            self.found_fork(number, size, [ours.root, theirs.root], evidence);
            return false;
        }
        if end.size <= held {
            // The same up to there: the histories part further on.
            self.outputs.push(Output::Want {
                origin: frame.origin.clone(),
                start: end.size,
            });
            return false;
        }
        self.suspicions.remove(&number);
        true
    }

    /// Says whether an earlier range of a log was asked for, to find where its histories part.
    pub(super) fn is_looking_back(&self, number: LogNo) -> bool {
        self.suspicions
            .get(&number)
            .is_some_and(|suspicion| suspicion.back > 0)
    }

    /// Asks for a range that begins earlier: twice as far back each time.
    pub(super) fn look_further_back(&mut self, number: LogNo, origin: &Origin, failed_at: u64) {
        let held = self.world.log_at(number).map_or(0, crate::world::Log::size);
        let suspicion = self.suspicions.entry(number).or_default();
        if failed_at == 0 || held == 0 {
            // Judged from the very beginning: the frame is garbled, whoever sent it.
            suspicion.back = 0;
            return;
        }
        suspicion.back = (suspicion.back * 2).clamp(1, held);
        let start = held - suspicion.back;
        self.outputs.push(Output::Want {
            origin: origin.clone(),
            start,
        });
    }

    /// Notes that another member names a head, or states a fork, that does not fit what is held here.
    pub(super) fn suspect(&mut self, origin: &str, is_stated: bool) {
        let number = Origin::parse(origin)
            .ok()
            .and_then(|origin| self.known_log(&origin));
        let Some(number) = number else { return };
        let is_complete = self
            .world
            .log_at(number)
            .is_some_and(crate::world::Log::is_complete);
        if is_complete || self.is_stopped(number) {
            return;
        }
        let suspicion = self.suspicions.entry(number).or_default();
        suspicion.stated |= is_stated;
        suspicion.asked = None;
    }

    fn is_stopped(&self, number: LogNo) -> bool {
        self.world.log_at(number).is_some_and(|log| log.stopped.is_some())
    }

    /// Asks about every suspected log, now and then until it is cleared up.
    pub(super) fn ask_about_forks(&mut self, now: Timestamp) {
        let numbers: Vec<LogNo> = self.suspicions.keys().copied().collect();
        for number in numbers {
            let Some(log) = self.world.log_at(number) else {
                continue;
            };
            let (origin, held) = (Origin::clone(&log.origin), log.size());
            if self.is_stopped(number) {
                self.suspicions.remove(&number);
                continue;
            }
            let Some(suspicion) = self.suspicions.get_mut(&number) else {
                continue;
            };
            if !super::statements::passed(suspicion.asked, now, ASK_AGAIN_MS) {
                continue;
            }
            suspicion.asked = Some(now);
            suspicion.back = suspicion.back.max(1).min(held);
            let (back, is_stated) = (suspicion.back, suspicion.stated);
            if is_stated {
                self.outputs.push(Output::WantEvidence(origin.clone()));
            }
            self.outputs.push(Output::Want {
                origin,
                start: held - back,
            });
        }
    }

    /// Takes evidence that a peer gave, or that the own disk kept.
    pub(super) fn take_evidence(&mut self, bytes: &[u8], is_kept: bool) {
        let Ok(evidence) = ForkEvidence::parse(bytes) else {
            return;
        };
        let checkpoint = &evidence.branches[0].checkpoint;
        let first_line = checkpoint.text.lines().next().unwrap_or_default();
        let number = Origin::parse(first_line)
            .ok()
            .and_then(|origin| self.known_log(&origin));
        let Some(number) = number.filter(|number| !self.is_stopped(*number)) else {
            return;
        };
        let Some(fork) = self
            .world
            .log_at(number)
            .and_then(|log| verify_fork(&evidence, &log.key).ok())
        else {
            self.refuse_frame_text(first_line, "the evidence of a fork that a peer gave shows none");
            return;
        };
        if is_kept {
            self.evidence.insert(number, evidence);
            self.stop_forked(number, &fork);
        } else {
            self.found_fork(number, fork.size, fork.roots, Some(evidence));
        }
    }

    /// Returns the evidence held of a log.
    pub fn evidence(&self, origin: &Origin) -> Option<&ForkEvidence> {
        self.evidence.get(&self.known_log(origin)?)
    }

    fn found_fork(&mut self, number: LogNo, size: u64, roots: [Hash; 2], evidence: Option<ForkEvidence>) {
        let Some(log) = self.world.log_at(number) else {
            return;
        };
        let origin = Origin::clone(&log.origin);
        if self.evidence.contains_key(&number) && log.stopped.is_some() {
            // It is stated, and whoever shows the other history shows it again and again.
            return;
        }
        let evidence = evidence.filter(|evidence| verify_fork(evidence, &log.key).is_ok());
        self.alarm(Alarm::Fork {
            origin: origin.to_string(),
            size,
        });
        if let Some(evidence) = evidence {
            self.outputs.push(Output::Evidence {
                origin: origin.clone(),
                size,
                bytes: evidence.to_bytes(),
            });
            self.evidence.insert(number, evidence);
        }
        self.suspicions.remove(&number);
        let [held, other] = roots;
        self.state_fork(&origin, size, held, other);
        self.stop_forked_log(number, &format!("two roots were signed for size {size}"));
    }

    fn stop_forked(&mut self, number: LogNo, fork: &Fork) {
        self.stop_forked_log(number, &format!("two roots were signed for size {}", fork.size));
    }
}
