//! What breaks in a run: nodes, disks, clocks and the network; and how a node comes back.

use super::disk::Remains;
use super::engine::{Happening, Sim};
use super::ground::log_id;
use super::node::Node;
use super::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use tally_ledger::replica::{Batch, Input, KeptRange};
use tally_schemas::id::{DepartmentId, Origin};

/// How far clocks are off at most: a node stops by itself when its clock jumps by an hour.
const SKEW_MS_MAX: i64 = 50 * 60_000;

impl Sim {
    /// Something breaks.
    pub(super) fn fault(&mut self) {
        if !self.faulty {
            return;
        }
        match self.chaos.below(16) {
            0..=3 => {
                let node = self.chaos.place(self.nodes.len());
                if self.nodes[node].replica.is_some() {
                    self.crash(node);
                    let down = self.chaos.between(500, 15_000);
                    self.later(down, Happening::Start(node));
                }
            }
            // A scenario that needs its partition is left alone.
            4..=7 if self.now_ms < self.parted_until => {}
            4..=7 => {
                let groups = (0..self.nodes.len()).map(|_| self.chaos.place(2)).collect();
                let long = self.chaos.between(3_000, 30_000);
                self.part(groups, long);
            }
            12..=15 => {
                for _ in 0..=self.chaos.below(6) {
                    super::hostile::forge(self);
                }
            }
            8 | 9 => {
                let node = self.chaos.place(self.nodes.len());
                self.set_clock(node);
            }
            _ => {
                self.network.delay_ms = self.chaos.between(5, 2_500);
                self.network.loss = self.chaos.below(20);
            }
        }
        let wait = self.chaos.between(4_000, 16_000);
        self.later(wait, Happening::Fault);
    }

    /// Sets the clock of a node anew: mostly nearly right, sometimes far off, forward or back.
    fn set_clock(&mut self, node: usize) {
        let most = if self.chaos.chance(30) {
            SKEW_MS_MAX
        } else {
            90_000
        };
        let skew = self.chaos.between(-most, most);
        let state = &mut self.nodes[node];
        if skew < state.skew_ms && state.replica.is_some() {
            self.coverage.hit("clocks set back");
        }
        self.nodes[node].skew_ms = skew;
        self.note("clock", node, &skew.to_be_bytes());
    }

    /// Parts the network for a while.
    pub fn part(&mut self, groups: Vec<usize>, for_ms: i64) {
        self.coverage.hit("partitions");
        self.note("part", 0, format!("{groups:?}").as_bytes());
        self.network.groups = groups;
        self.partition += 1;
        let number = self.partition;
        self.later(for_ms, Happening::Heal(number));
    }

    /// Takes a node down: what its disk did not report as written may be there, in part, or not at all.
    pub fn crash(&mut self, node: usize) {
        self.coverage.hit("crashes");
        self.note("crash", node, &[]);
        let writing = self.nodes[node].writing.take();
        self.forget_all(node);
        if let Some(batch) = writing {
            self.coverage.hit("crashes while writing");
            let remains = Remains::of_crash(&batch, &mut self.chaos);
            self.leave(node, &batch, remains);
        }
        super::checker::check_acknowledged(self, node);
    }

    /// Lets go of everything that a node has in memory.
    fn forget_all(&mut self, node: usize) {
        let state = &mut self.nodes[node];
        state.replica = None;
        state.life += 1;
        state.outbox.clear();
        state.inbox.clear();
        state.disk_failed = false;
        let lost: Vec<u64> = self
            .tickets
            .iter()
            .filter(|(_, ticketed)| ticketed.node == node)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in lost {
            let ticketed = self.tickets.remove(&ticket).expect("just found");
            self.unanswered.push(ticketed);
        }
    }

    /// Makes the replica of a node anew from its disk, without a snapshot.
    pub(super) fn derive_anew(&mut self, node: usize) {
        self.coverage.hit("worlds derived anew");
        self.note("derive-anew", node, &[]);
        self.forget_all(node);
        self.nodes[node].snapshot = None;
        self.bring_up(node);
    }

    /// Puts on the disk what remains of a batch.
    pub(super) fn leave(&mut self, node: usize, batch: &Batch, remains: Remains) {
        let disk = &mut self.nodes[node].disk;
        match remains {
            Remains::Nothing => self.coverage.hit("unsynced writes lost"),
            Remains::Entries(count) => {
                disk.write_some(batch, count);
                self.coverage.hit("writes torn");
            }
            Remains::All => disk.write_some(batch, batch.entries.len()),
            Remains::Locked => {
                disk.write_some(batch, batch.entries.len());
                // The lock shows a size that no signature is known of.
                let size = batch.head.size;
                self.checker.signed(&batch.origin, size, batch.head.root);
                if let Some(log) = self.nodes[node].disk.get_mut(&batch.origin) {
                    log.locked = size;
                }
            }
            Remains::Signed => {
                disk.write(batch);
                self.sign(node, batch);
            }
        }
    }

    /// Starts a node from its disk.
    pub fn start(&mut self, node: usize) {
        self.note("start", node, &[]);
        self.set_clock(node);
        self.nodes[node].starts += 1;
        self.nodes[node].asking = super::node::asking(node, self.nodes.len());
        self.nodes[node].asked.clear();
        if self.faulty && self.nodes[node].life > 0 {
            super::losses::lose(self, node);
            super::rogue::tamper(self, node);
            self.damage(node);
            super::rulesets::maybe_upgrade(self, node);
        }
        self.bring_up(node);
    }

    /// Makes the replica of a node from its disk.
    fn bring_up(&mut self, node: usize) {
        let hosted: BTreeSet<DepartmentId> = self.cast.hosted(node).into_iter().collect();
        super::repair::seal_unlocked(self, node);
        let disk = &self.nodes[node].disk;
        let own: Vec<Origin> = hosted
            .iter()
            .filter_map(|department| disk.newest(department))
            .filter(|origin| !disk.is_sealed(origin))
            .collect();
        let later = disk
            .iter()
            .filter(|(origin, log)| origin.epoch > 1 && !log.entries.is_empty());
        self.nodes[node].expected = later.map(|(origin, _)| log_id(origin)).collect();
        for origin in own {
            let behind = self.nodes[node].disk.get(&origin).is_some_and(|log| {
                let size = log.entries.len() as u64;
                log.locked < size || log.checked < size
            });
            if behind {
                self.sign_tail(node, &origin);
            }
        }
        let sizes = self.open(node, hosted);
        let inputs = restored(&self.nodes[node], &sizes, &mut self.chaos);
        self.checker.forget(node);
        let life = self.nodes[node].life;
        for lot in inputs {
            self.feed(node, lot);
            if self.nodes[node].life != life {
                // An opening that the disk kept sets aside what the snapshot holds: everything was derived anew, and read back then.
                return;
            }
        }
        super::repair::ask_peers(self, node);
        if self.nodes[node].life != life {
            // A peer showed more of an own log, and everything was derived anew.
            return;
        }
        let wait = self.chaos.between(10, 2_000);
        self.later(wait, Happening::Tick(node, life));
    }

    /// Cuts the end of some logs of others off: they are fetched again from peers.
    fn damage(&mut self, node: usize) {
        if !self.chaos.chance(20) {
            return;
        }
        let others: Vec<(Origin, usize)> = self.nodes[node]
            .disk
            .iter()
            .filter(|(origin, _)| {
                let host = self.cast.member(&origin.department).node;
                host != node && !self.turned(host)
            })
            .map(|(origin, log)| (origin.clone(), log.entries.len()))
            .collect();
        for (origin, size) in others {
            if size > 0 && self.chaos.chance(30) {
                let left = self.chaos.place(size);
                self.nodes[node].disk.cut(&origin, left);
                self.coverage.hit("logs of others cut short");
            }
        }
    }
}

/// Reads a disk back from where the replica stands, in lots that are handed in one after the other: first what is known of
/// epochs, then logs in any order, long ones in two parts.
pub fn restored(node: &Node, sizes: &BTreeMap<Origin, u64>, rng: &mut Rng) -> Vec<Vec<Input>> {
    let later = node
        .disk
        .iter()
        .filter(|(origin, log)| origin.epoch > 1 && !log.entries.is_empty());
    let openings = later.map(|(_, log)| Input::Opening(log.entries[0].to_vec()));
    let seals = node.disk.seals().map(|(origin, why)| Input::Seal {
        origin: origin.clone(),
        why: why.clone(),
    });
    let branches = node.disk.branches().cloned().map(Input::Endorsed);
    let first: Vec<Input> = openings.chain(branches).chain(seals).collect();
    let mut logs: Vec<Vec<Input>> = Vec::new();
    for (origin, log) in node.disk.iter() {
        let held = usize::try_from(sizes.get(origin).copied().unwrap_or(0)).expect("small");
        let all = log.entries.iter().skip(held);
        let all: Vec<Vec<u8>> = all.map(|entry| entry.to_vec()).collect();
        let cut = rng.place(all.len() + 1);
        let mut parts = Vec::new();
        if rng.chance(30) {
            parts.push((all[..cut].to_vec(), Vec::new(), None));
            parts.push((all[cut..].to_vec(), log.checkpoint.clone(), log.covering.clone()));
        } else {
            parts.push((all, log.checkpoint.clone(), log.covering.clone()));
        }
        logs.push(
            parts
                .into_iter()
                .map(|(entries, checkpoint, covering)| {
                    Input::Restored(KeptRange {
                        origin: origin.clone(),
                        entries,
                        checkpoint,
                        covering,
                    })
                })
                .collect(),
        );
    }
    rng.shuffle(&mut logs);
    let kept = node.disk.evidence().map(|bytes| Input::Evidence {
        bytes: bytes.clone(),
        is_kept: true,
    });
    let rest = logs.into_iter().flatten().chain(kept).map(|input| vec![input]);
    std::iter::once(first)
        .filter(|first| !first.is_empty())
        .chain(rest)
        .collect()
}
