//! A simulated node: the core, a disk that lags and outlives crashes, and the queue of outputs that wait for the disk.

use super::cast::node_id;
use super::disk::Disk;
use super::ground::LogId;
use super::questions::Counts;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tally_ledger::archive::MemoryArchive;
use tally_ledger::cases::RULESET;
use tally_ledger::replica::{Asking, Batch, Input, Output, Replica};
use tally_schemas::snapshot::SnapshotHead;

/// A node with its disk.
#[derive(Debug)]
pub struct Node {
    /// The core; none while the node is down.
    pub replica: Option<Replica>,
    /// How often the node was started: answers of an earlier life are lost.
    pub life: u64,
    /// How often its process was started.
    pub starts: u64,
    /// Outputs that are not released yet, in order.
    pub outbox: VecDeque<Output>,
    /// The batch that the disk is writing.
    pub writing: Option<Batch>,
    /// Inputs that came in and were not handled yet.
    pub inbox: Vec<Input>,
    /// Whom it asks for what it misses.
    pub asking: Asking,
    /// How often it asked for the same lately.
    pub asked: Counts,
    /// What the disk holds.
    pub disk: Disk,
    /// The logs of later epochs that its disk held when it started last.
    pub expected: BTreeSet<LogId>,
    /// How far the clock of the node is off, in milliseconds.
    pub skew_ms: i64,
    /// What the disk hands back of entries and rows.
    pub archive: Arc<MemoryArchive>,
    /// The head of the newest snapshot on the disk.
    pub snapshot: Option<SnapshotHead>,
    /// The newest ruleset that the software of the node holds.
    pub holds: u32,
    /// Whether the disk failed: the node serves no more writes until it is started again.
    pub disk_failed: bool,
}

impl Node {
    /// Makes one of so many nodes, which was never started.
    pub fn new(place: usize, nodes: usize) -> Self {
        Self {
            replica: None,
            life: 0,
            starts: 0,
            outbox: VecDeque::new(),
            writing: None,
            inbox: Vec::new(),
            asking: asking(place, nodes),
            asked: Counts::new(),
            disk: Disk::default(),
            expected: BTreeSet::new(),
            skew_ms: 0,
            archive: Arc::new(MemoryArchive::default()),
            snapshot: None,
            holds: RULESET,
            disk_failed: false,
        }
    }

    /// Says whether it is up and looks at what it is sent: not after its disk failed, nor while everything is to be derived anew.
    pub fn listens(&self) -> bool {
        let mut waiting = self.outbox.iter();
        let is_stale = waiting.any(|output| matches!(output, Output::Rebuild));
        self.replica.is_some() && !self.disk_failed && !is_stale
    }
}

/// What a node knows of the others when it starts: that they are there.
pub fn asking(place: usize, nodes: usize) -> Asking {
    let others = (0..nodes).filter(|other| *other != place);
    Asking::new(node_id(place), others.map(node_id).collect())
}
