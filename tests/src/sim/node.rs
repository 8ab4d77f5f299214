//! A simulated node: the core, a disk that lags and outlives crashes, and the queue of outputs that wait for the disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tally_ledger::replica::{Batch, Input, Output, Replica};
use tally_schemas::id::Origin;

/// A log on a disk.
#[derive(Debug, Clone, Default)]
pub struct DiskLog {
    /// The entries.
    pub entries: Vec<Arc<[u8]>>,
    /// The newest checkpoint kept, if any.
    pub checkpoint: Vec<u8>,
    /// The size that the signing lock shows; for own logs.
    pub locked: u64,
}

/// A node with its disk.
#[derive(Debug)]
pub struct Node {
    /// The core; none while the node is down.
    pub replica: Option<Replica>,
    /// How often the node was started: answers of an earlier life are lost.
    pub life: u64,
    /// Outputs that are not released yet, in order.
    pub outbox: VecDeque<Output>,
    /// The batch that the disk is writing.
    pub writing: Option<Batch>,
    /// Inputs that came in and were not handled yet.
    pub inbox: Vec<Input>,
    /// What the disk holds.
    pub disk: BTreeMap<Origin, DiskLog>,
    /// How far the clock of the node is off, in milliseconds.
    pub skew_ms: i64,
    /// Whether the disk failed: the node serves no more writes until it is started again.
    pub disk_failed: bool,
}

impl Node {
    /// Makes a node that was never started.
    pub fn new() -> Self {
        Self {
            replica: None,
            life: 0,
            outbox: VecDeque::new(),
            writing: None,
            inbox: Vec::new(),
            disk: BTreeMap::new(),
            skew_ms: 0,
            disk_failed: false,
        }
    }

    /// Makes entries durable.
    pub fn write(&mut self, batch: &Batch) {
        let log = self.disk.entry(batch.origin.clone()).or_default();
        assert_eq!(
            log.entries.len() as u64,
            batch.start,
            "I2: a batch of {} does not continue what the disk holds",
            batch.origin
        );
        log.entries.extend(batch.entries.iter().cloned());
        if let Some(checkpoint) = &batch.checkpoint {
            log.checkpoint.clone_from(checkpoint);
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}
