//! The disk of a simulated node: what is durable, and what a crash or a failure leaves of what was being written.
//!
//! Only what was reported as written is certain (I1). What was being written may be there, in part, or not at all; the lock of
//! an own log advances before the signature leaves, and the signed checkpoint is put down last (I3).

use super::rng::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_ledger::replica::Batch;
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, Origin};

/// A log on a disk.
#[derive(Debug, Clone, Default)]
pub struct DiskLog {
    /// The entries.
    pub entries: Vec<Arc<[u8]>>,
    /// The newest checkpoint kept, if any.
    pub checkpoint: Vec<u8>,
    /// What was kept beside the last entries, where no checkpoint is of exactly their size.
    pub covering: Option<Frame>,
    /// The size that this checkpoint is of.
    pub checked: u64,
    /// The size that the signing lock shows; for own logs.
    pub locked: u64,
    /// Whether the node wrote it itself.
    pub own: bool,
}

/// What a crash or a failure leaves of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// Nothing.
    Nothing,
    /// So many of its entries; one that was cut in the middle is dropped when the log is opened.
    Entries(usize),
    /// All entries; for an own log without the lock.
    All,
    /// All entries and the lock; the signature never left.
    Locked,
    /// All entries, the lock and the checkpoint; only the report is lost.
    Signed,
}

impl Remains {
    /// Draws what remains of a batch after a crash.
    pub fn of_crash(batch: &Batch, rng: &mut Rng) -> Self {
        match rng.below(5) {
            3 if batch.own => Self::Locked,
            4 if batch.own => Self::Signed,
            choice => Self::unsigned(choice, batch, rng),
        }
    }

    /// Draws what remains of a batch whose write was reported as failed: nothing was signed over it.
    pub fn of_failure(batch: &Batch, rng: &mut Rng) -> Self {
        let choice = rng.below(3);
        Self::unsigned(choice, batch, rng)
    }

    fn unsigned(choice: u64, batch: &Batch, rng: &mut Rng) -> Self {
        match choice {
            0 => Self::Nothing,
            1 if batch.entries.len() > 1 => Self::Entries(1 + rng.place(batch.entries.len() - 1)),
            _ => Self::All,
        }
    }
}

/// Everything that a node keeps over a crash.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    logs: BTreeMap<Origin, DiskLog>,
    evidence: BTreeMap<Origin, Vec<u8>>,
    /// By log, the opening that names which branch stands.
    branches: BTreeMap<Origin, Vec<u8>>,
    /// Own logs that are never signed again, and why.
    seals: BTreeMap<Origin, String>,
}

impl Disk {
    /// Returns a log.
    pub fn get(&self, origin: &Origin) -> Option<&DiskLog> {
        self.logs.get(origin)
    }

    /// Returns a log to change it.
    pub fn get_mut(&mut self, origin: &Origin) -> Option<&mut DiskLog> {
        self.logs.get_mut(origin)
    }

    /// Returns every log.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, &DiskLog)> {
        self.logs.iter()
    }

    /// Returns the newest log of a department.
    pub fn newest(&self, department: &DepartmentId) -> Option<Origin> {
        let logs = self.logs.iter().filter(|(_, log)| !log.entries.is_empty());
        let mut of = logs.filter(|(origin, _)| origin.department == *department);
        of.next_back().map(|(origin, _)| origin.clone())
    }

    /// Ends the signing of an own log: what no checkpoint covers is not read any more.
    pub fn seal(&mut self, origin: &Origin, why: String) {
        if let Some(log) = self.logs.get_mut(origin) {
            log.entries.truncate(usize::try_from(log.checked).expect("small"));
        }
        self.seals.insert(origin.clone(), why);
    }

    /// Returns the own logs that are never signed again.
    pub fn seals(&self) -> impl Iterator<Item = (&Origin, &String)> {
        self.seals.iter()
    }

    /// Says whether an own log must not be signed.
    pub fn is_sealed(&self, origin: &Origin) -> bool {
        self.seals.contains_key(origin)
    }

    /// Brings an own log back as it was at a size, with the checkpoint of that time.
    pub fn restore(&mut self, origin: &Origin, size: u64, checkpoint: Vec<u8>) {
        if let Some(log) = self.logs.get_mut(origin) {
            log.entries.truncate(usize::try_from(size).expect("small"));
            log.checkpoint = checkpoint;
            log.checked = size;
            log.locked = size;
        }
    }

    /// Loses a log.
    pub fn remove(&mut self, origin: &Origin) {
        self.logs.remove(origin);
    }

    /// Keeps the evidence that a log forked.
    pub fn keep_evidence(&mut self, origin: &Origin, bytes: Vec<u8>) {
        self.evidence.insert(origin.clone(), bytes);
    }

    /// Keeps the opening that names which branch of a log stands.
    pub fn keep_branch(&mut self, origin: &Origin, opening: Vec<u8>) {
        self.branches.insert(origin.clone(), opening);
    }

    /// Returns the openings kept that name which branch stands.
    pub fn branches(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.branches.values()
    }

    /// Returns the evidence kept.
    pub fn evidence(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.evidence.values()
    }

    /// Makes a batch durable.
    pub fn write(&mut self, batch: &Batch) {
        self.write_some(batch, batch.entries.len());
        if let (Some(checkpoint), Some(log)) = (&batch.checkpoint, self.logs.get_mut(&batch.origin)) {
            log.checkpoint.clone_from(checkpoint);
            log.checked = batch.head.size;
        }
        if let Some(log) = self.logs.get_mut(&batch.origin) {
            log.covering.clone_from(&batch.covering);
        }
    }

    /// Makes the first entries of a batch durable, without its checkpoint.
    pub fn write_some(&mut self, batch: &Batch, count: usize) {
        let log = self.logs.entry(batch.origin.clone()).or_default();
        assert_eq!(
            log.entries.len() as u64,
            batch.start,
            "I2: a batch of {} does not continue what the disk holds",
            batch.origin
        );
        log.own |= batch.own;
        log.entries.extend(batch.entries.iter().take(count).cloned());
    }

    /// Loses the end of a log: damage that was found at opening and cut away.
    pub fn cut(&mut self, origin: &Origin, size: usize) {
        if let Some(log) = self.logs.get_mut(origin) {
            log.entries.truncate(size);
            if log.checked > size as u64 {
                log.checkpoint.clear();
                log.checked = 0;
            }
        }
    }
}
