//! Snapshots of simulated nodes: taken now and then, used at most starts, never believed over what the disk holds.

use super::disk::Disk;
use super::engine::Sim;
use super::node::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tally_ledger::archive::MemoryArchive;
use tally_ledger::crypto::{DomainTag, leaf_hash, tagged_hash};
use tally_ledger::merkle::Tree;
use tally_ledger::replica::Replica;
use tally_schemas::id::{DepartmentId, Hash, Origin};
use tally_schemas::snapshot::SnapshotHead;

impl Node {
    /// Brings the archive up to what the disk holds.
    fn fill_archive(&self) {
        for (origin, log) in self.disk.iter() {
            let held = usize::try_from(self.archive.len(origin)).expect("small");
            self.archive.append(origin, log.entries.iter().skip(held));
        }
    }

    /// Takes a snapshot onto the disk when everything handed out is durable, and lets the core forget what it keeps.
    fn take_snapshot(&mut self) -> bool {
        let quiet = self.writing.is_none() && self.outbox.is_empty() && !self.disk_failed;
        let Some(replica) = self.replica.as_ref().filter(|_| quiet) else {
            return false;
        };
        let Some(snapshot) = replica.snapshot().expect("a snapshot can be made at any time") else {
            return false;
        };
        self.fill_archive();
        self.archive.put(&snapshot.rows);
        let head = snapshot.head.encode(checksum).expect("it is within its limits");
        self.snapshot = Some(SnapshotHead::decode(&head, checksum).expect("it was just written"));
        let replica = self.replica.as_mut().expect("looked at above");
        assert!(replica.let_go(&snapshot), "nothing happened in between");
        true
    }
}

impl Sim {
    /// Lets a node take a snapshot now and then.
    pub(super) fn maybe_snapshot(&mut self, node: usize) {
        if self.snapshots.chance(30) && self.nodes[node].take_snapshot() {
            self.coverage.hit("snapshots taken");
        }
    }

    /// Founds the replica of a node, or makes it from the snapshot on its disk; returns where each log stands then.
    pub(super) fn open(&mut self, node: usize, hosted: BTreeSet<DepartmentId>) -> BTreeMap<Origin, u64> {
        let genesis = &self.cast.genesis;
        let state = &mut self.nodes[node];
        let wanted = self.snapshots.chance(80);
        let kept = state.snapshot.take().filter(|_| wanted);
        if kept.as_ref().is_some_and(|head| !fits(head, &state.disk)) {
            self.coverage.hit("snapshots set aside");
        }
        let kept = kept.filter(|head| fits(head, &state.disk));
        let holds = state.holds;
        let other = kept.as_ref().filter(|head| head.holds != holds);
        if let Some(head) = other {
            let archive = Arc::new(state.archive.of_same_rows());
            let refused = Replica::restore(genesis, hosted.clone(), archive, head, holds);
            assert!(refused.is_err(), "a snapshot of other software is used");
            self.coverage.hit("snapshots of older software set aside");
        }
        let kept = kept.filter(|head| head.holds == holds);
        state.archive = Arc::new(match kept {
            Some(_) => state.archive.of_same_rows(),
            None => MemoryArchive::default(),
        });
        state.fill_archive();
        let mut sizes = BTreeMap::new();
        let replica = match &kept {
            Some(head) => {
                self.coverage.hit("starts from a snapshot");
                for log in &head.logs {
                    let origin = Origin::parse(&log.origin).expect("it was made from one");
                    sizes.insert(origin, log.size);
                }
                Replica::restore(genesis, hosted, state.archive.clone(), head, holds)
                    .expect("the disk is whole")
            }
            None => Replica::found_with(genesis, hosted, state.archive.clone(), holds)
                .expect("the genesis founds a federation"),
        };
        state.snapshot = kept;
        state.replica = Some(replica);
        sizes
    }
}

/// Says whether the logs of a disk have every head that a snapshot names.
fn fits(head: &SnapshotHead, disk: &Disk) -> bool {
    head.logs.iter().all(|kept| {
        let origin = Origin::parse(&kept.origin).expect("it was made from one");
        let entries = disk.get(&origin).map_or(&[][..], |log| log.entries.as_slice());
        let size = usize::try_from(kept.size).expect("small");
        let leaves = entries.iter().take(size).map(|entry| leaf_hash(entry));
        let tree: Tree = leaves.collect();
        tree.size() == kept.size && tree.root() == kept.root
    })
}

fn checksum(bytes: &[u8]) -> Hash {
    tagged_hash(DomainTag::SNAPSHOT, &[bytes])
}
