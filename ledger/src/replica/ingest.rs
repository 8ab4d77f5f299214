//! Frames of other logs, and the own disk at start: from bytes to held entries.

use super::forks::Covering;
use super::{Alarm, Batch, FRAMES_AHEAD_MAX, KeptRange, Output, Replica};
use crate::cases::fold::LogNo;
use crate::checkpoint::{OtherLines, VerifiedCheckpoint, verify_checkpoint};
use crate::crypto::leaf_hash;
use crate::merkle::{prove_consistency_beyond, verify_consistency};
use std::sync::Arc;
use tally_schemas::frame::Frame;
use tally_schemas::id::{Origin, TreeHead};

impl Replica {
    /// Takes a frame: checks the checkpoint's signature, the place, the chain and the consistency, then holds it.
    pub(super) fn receive(&mut self, frame: Frame) {
        let origin = frame.origin.clone();
        let Some(number) = self.known_log(&origin) else {
            self.receive_opening(&frame);
            return;
        };
        // What lies beyond the end of a log is surplus, unless a quorum counts more of it.
        let is_endorsed = self.is_endorsed_beyond(number);
        if !is_endorsed
            && self
                .world
                .log_at(number)
                .is_some_and(crate::world::Log::is_complete)
        {
            self.notice_left_out(number, &frame);
            return;
        }
        let Some(checkpoint) = self.check_checkpoint(number, &frame) else {
            return;
        };
        if !is_endorsed && self.world.log_at(number).is_some_and(|log| log.stopped.is_some()) {
            return;
        }
        if !is_endorsed && self.forks(number, &checkpoint) {
            return;
        }
        if frame.end() > checkpoint.head().size {
            let (end, size) = (frame.end(), checkpoint.head().size);
            self.refuse_frame(
                &origin,
                &format!("its entries end at {end}, beyond its checkpoint of {size}"),
            );
            return;
        }
        let held = self.world.log_at(number).map_or(0, crate::world::Log::size);
        if is_endorsed && held == 0 {
            self.fetched_again.insert(origin.clone());
        }
        if self.is_signed_here(number) {
            if checkpoint.head().size > held {
                let shown = checkpoint.head().size;
                self.alarm(Alarm::OwnLogAhead {
                    origin: origin.to_string(),
                    held,
                    shown,
                });
                let why = format!(
                    "a peer shows {shown} entries of {origin}, {held} are held here: the log was restored from an old copy"
                );
                self.seal(number, why);
            }
            return;
        }
        if frame.start > held {
            let waiting = self.ahead.entry(number).or_default();
            if waiting.len() < FRAMES_AHEAD_MAX {
                waiting.insert(frame.start, frame);
            }
            self.outputs.push(Output::Want { origin, start: held });
            return;
        }
        self.extend(number, &frame, checkpoint);
        self.drain_ahead(number);
        self.compare_with_endorsed(number);
        self.settle();
    }

    pub(super) fn known_log(&self, origin: &Origin) -> Option<LogNo> {
        self.world.number_of_log(origin)
    }

    pub(super) fn check_checkpoint(&mut self, number: LogNo, frame: &Frame) -> Option<VerifiedCheckpoint> {
        // Announcements and ranges repeat the checkpoint that is held: the same bytes need no second check.
        let held = self.checkpoints.get(&number);
        if let Some(held) = held.filter(|held| held.to_bytes() == frame.checkpoint) {
            return Some(held.clone());
        }
        let key = self.world.log_at(number).map(|log| log.key.clone())?;
        match verify_checkpoint(&frame.checkpoint, &key, OtherLines::Keep) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                self.refuse_frame(&frame.origin, &format!("its checkpoint does not hold: {error}"));
                None
            }
        }
    }

    pub(super) fn extend(&mut self, number: LogNo, frame: &Frame, checkpoint: VerifiedCheckpoint) {
        let Some(log) = self.world.log_at(number) else {
            return;
        };
        let origin = frame.origin.clone();
        let held = log.size();
        let skip = usize::try_from(held.saturating_sub(frame.start)).unwrap_or(usize::MAX);
        let head = checkpoint.head();
        let differs = (frame.start..)
            .zip(frame.entries.iter().take(skip))
            .any(|(index, entry)| log.tree.leaf(index) != Some(leaf_hash(entry)));
        if differs && head.size <= held {
            self.refuse_frame(&origin, "it differs from entries held here");
            return;
        }
        let looks_back = head.size > held && frame.start < held && self.is_looking_back(number);
        if (differs || looks_back) && !self.look_for_fork(number, frame, &checkpoint) {
            return;
        }
        let Some(log) = self.world.log_at(number) else {
            return;
        };
        let fresh: Vec<&Vec<u8>> = frame.entries.iter().skip(skip).collect();
        if fresh.is_empty() {
            let newest = self.checkpoints.get(&number).map_or(0, |held| held.head().size);
            if head.size > held {
                self.outputs.push(Output::Want { origin, start: held });
            } else if head.size > newest {
                self.persist_replica(number, held, Vec::new(), checkpoint);
            }
            return;
        }
        // The entries are tried on a copy of the frontier, so that a frame that does not fit changes nothing.
        let mut frontier = log.frontier.clone();
        for entry in &fresh {
            frontier.append(leaf_hash(entry));
        }
        let end = frontier.head();
        if let Err(error) = verify_consistency(&end, &head, &frame.consistency) {
            self.refuse_frame(
                &origin,
                &format!("its entries do not lie under its checkpoint: {error}"),
            );
            self.look_further_back(number, &origin, held);
            return;
        }
        self.suspicions.remove(&number);
        let mut entries: Vec<Arc<[u8]>> = Vec::new();
        let mut needs = Vec::new();
        for entry in fresh {
            match self.world.hold(number, entry) {
                Ok(more) => {
                    needs.extend(more);
                    entries.push(Arc::from(entry.as_slice()));
                }
                Err(error) => {
                    // The log signed a checkpoint over an entry that cannot stand: it alone stops.
                    self.stop_log(number, &error.to_string());
                    break;
                }
            }
        }
        self.ask(needs);
        self.cover(number, frame, end, &checkpoint);
        if end.size < head.size {
            self.outputs.push(Output::Want {
                origin,
                start: end.size,
            });
        }
        self.persist_replica(number, held, entries, checkpoint);
    }

    /// Remembers how what is held lies under a checkpoint that covers more, so that it can be shown to others: no checkpoint of
    /// exactly that may ever come, where an entry further on cannot stand.
    fn cover(&mut self, number: LogNo, frame: &Frame, end: TreeHead, checkpoint: &VerifiedCheckpoint) {
        let Some(log) = self.world.log_at(number) else {
            return;
        };
        let (held, signed) = (log.tree.head(), checkpoint.head());
        if held.size == 0 || held.size >= signed.size {
            return;
        }
        let proof = if held.size == end.size {
            Ok(frame.consistency.clone())
        } else {
            let mut tree = log.tree.clone();
            let skip = usize::try_from(held.size.saturating_sub(frame.start)).unwrap_or(usize::MAX);
            for entry in frame.entries.iter().skip(skip) {
                tree.append(leaf_hash(entry));
            }
            prove_consistency_beyond(&tree, held.size, (end.size, signed.size), &frame.consistency)
        };
        if let Ok(proof) = proof {
            let covering = Covering {
                end: held,
                proof,
                checkpoint: checkpoint.clone(),
            };
            self.covering.insert(number, covering);
        }
    }

    fn persist_replica(
        &mut self,
        number: LogNo,
        start: u64,
        entries: Vec<Arc<[u8]>>,
        checkpoint: VerifiedCheckpoint,
    ) {
        let Some(log) = self.world.log_at(number) else {
            return;
        };
        let head = log.tree.head();
        // Tiles and entries are kept under a checkpoint of exactly what is held; a later one is only remembered once
        // its entries are here.
        let exact = checkpoint.head() == head;
        let token = self.next_token;
        self.next_token += 1;
        let bytes = exact.then(|| checkpoint.to_bytes());
        let origin = Origin::clone(&log.origin);
        if exact {
            self.covering.remove(&number);
            self.checkpoints.insert(number, checkpoint);
        }
        let covering = self.covering.get(&number);
        let covering = covering
            .filter(|covering| covering.end == head)
            .map(|covering| covering.to_frame(&origin));
        self.outputs.push(Output::Persist(Batch {
            token,
            origin,
            own: false,
            start,
            entries,
            head,
            checkpoint: bytes,
            covering,
        }));
    }

    fn drain_ahead(&mut self, number: LogNo) {
        loop {
            let held = self.world.log_at(number).map_or(0, crate::world::Log::size);
            let Some(waiting) = self.ahead.get_mut(&number) else {
                return;
            };
            let Some(start) = waiting.keys().next().copied().filter(|start| *start <= held) else {
                return;
            };
            let Some(frame) = waiting.remove(&start) else {
                return;
            };
            if let Some(checkpoint) = self.check_checkpoint(number, &frame) {
                if self.forks(number, &checkpoint) {
                    return;
                }
                self.extend(number, &frame, checkpoint);
            }
        }
    }

    /// Takes entries that the own disk kept; their signatures are checked like any others.
    pub(super) fn read_back(&mut self, kept: KeptRange) {
        let origin = &kept.origin;
        let Some(number) = self.known_log(origin) else {
            // Of a log without entries nothing is kept; after entries a range may be of their checkpoint alone.
            if kept.entries.is_empty() && !self.late.contains_key(origin) {
                return;
            }
            // A log of a department that was admitted later, or of a later epoch: its turn comes when what it rests on is
            // resolved.
            self.late.entry(origin.clone()).or_default().push(kept);
            self.settle();
            return;
        };
        let checkpoint = kept.checkpoint.as_slice();
        let mut needs = Vec::new();
        for entry in &kept.entries {
            match self.world.hold(number, entry) {
                Ok(more) => needs.extend(more),
                Err(error) => {
                    self.stop_log(number, &error.to_string());
                    break;
                }
            }
        }
        self.ask(needs);
        if !checkpoint.is_empty() {
            let key = self.world.log_at(number).map(|log| log.key.clone());
            let checked = key.map(|key| verify_checkpoint(checkpoint, &key, OtherLines::Keep));
            match checked {
                Some(Ok(checkpoint)) => {
                    let fits = self.world.log_at(number).is_some_and(|log| {
                        log.tree
                            .head_at(checkpoint.head().size)
                            .is_ok_and(|head| head == checkpoint.head())
                    });
                    if fits {
                        self.checkpoints.insert(number, checkpoint);
                    } else {
                        self.stop_log(
                            number,
                            "the checkpoint kept on disk does not fit the entries kept on disk",
                        );
                    }
                }
                // Its bytes were altered after they were verified. Peers bring another one, of an own log it is signed again.
                Some(Err(error)) => {
                    self.alarm(Alarm::CheckpointDamaged {
                        origin: origin.to_string(),
                        why: error.to_string(),
                    });
                    if !self.is_signed_here(number) {
                        let start = self.world.log_at(number).map_or(0, crate::world::Log::size);
                        self.outputs.push(Output::Want {
                            origin: origin.clone(),
                            start,
                        });
                    }
                }
                None => {}
            }
        }
        if let Some(covering) = &kept.covering {
            self.read_covering(number, covering);
        }
        self.settle();
    }

    /// Takes what the disk kept beside entries that no checkpoint of exactly their size covers; what does not fit any more is not
    /// needed: peers show it again.
    fn read_covering(&mut self, number: LogNo, frame: &Frame) {
        let Some(checkpoint) = self.check_checkpoint(number, frame) else {
            return;
        };
        let held = self.world.log_at(number).map(|log| log.tree.head());
        let Some(end) = held.filter(|held| held.size > 0 && held.size == frame.start) else {
            return;
        };
        if end.size < checkpoint.head().size
            && verify_consistency(&end, &checkpoint.head(), &frame.consistency).is_ok()
        {
            let covering = Covering {
                end,
                proof: frame.consistency.clone(),
                checkpoint,
            };
            self.covering.insert(number, covering);
        }
    }

    /// Takes what the disk kept of logs whose department was not yet admitted when it was read.
    pub(super) fn restore_late(&mut self) {
        self.open_late();
        let known: Vec<Origin> = self
            .late
            .keys()
            .filter(|origin| self.known_log(origin).is_some())
            .cloned()
            .collect();
        for origin in known {
            for kept in self.late.remove(&origin).unwrap_or_default() {
                self.read_back(kept);
            }
        }
    }

    pub(super) fn stop_log(&mut self, number: LogNo, why: &str) {
        if self.note_stopped(number, why) && self.is_signed_here(number) {
            self.stop(format!("an own log stopped: {why}"));
        }
    }

    /// Stops a log that forked; an own one is never signed again in this epoch.
    pub(super) fn stop_forked_log(&mut self, number: LogNo, why: &str) {
        if self.note_stopped(number, why) && self.is_signed_here(number) {
            self.seal(number, format!("the log forked: {why}"));
        }
    }

    /// Stops ingest of a log; says whether it went on before.
    fn note_stopped(&mut self, number: LogNo, why: &str) -> bool {
        let Some(origin) = self.world.stop_log(number, why) else {
            return false;
        };
        self.alarm(Alarm::LogStopped {
            origin: origin.to_string(),
            why: why.to_owned(),
        });
        true
    }

    pub(super) fn refuse_frame(&mut self, origin: &Origin, why: &str) {
        self.refuse_frame_text(&origin.to_string(), why);
    }

    pub(super) fn refuse_frame_text(&mut self, origin: &str, why: &str) {
        self.alarm(Alarm::FrameRefused {
            origin: origin.to_owned(),
            why: why.to_owned(),
        });
    }
}
