//! What the owner of the replica shares with those who read: the replica between two cycles, stores, parts, health, changes.
//!
//! The owner holds the replica for writing from the moment it hands inputs in until everything that came out is durable, so a
//! reader never sees what a crash could take back.

use super::mailbox::{Mailbox, Message, Reached, Submission};
use crate::clock::Clock;
use crate::drafts::{BoxAnswer, BoxRequest, DraftError};
use crate::store::{DiskArchive, LogFiles, OwnStore, Part, Parts, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tally_ledger::cases::fold::LogNo;
use tally_ledger::crypto::{DomainTag, tagged_hash};
use tally_ledger::replica::Replica;
use tally_ledger::world::World;
use tally_schemas::api::HeadOf;
use tally_schemas::event::Audience;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NodeId, Origin, TreeHead};
use tally_schemas::tile::ExportPath;
use tokio::sync::{broadcast, oneshot};

/// How long a node is given to answer where it stands.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// How many alarms are remembered for the operator.
const ALARMS_MAX: usize = 50;
/// How many lists of heads are remembered by their digest.
const HEADS_MAX: usize = 256;
/// How many changes a slow watcher may lag behind.
const CHANGES_MAX: usize = 256;

/// The stores of a node.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    /// The newest log of each department hosted here, if it may be signed.
    pub(crate) own: BTreeMap<DepartmentId, OwnStore>,
    /// All other logs: of others, of earlier epochs, and those that must not be signed again.
    pub(crate) replicas: BTreeMap<Origin, LogFiles>,
}

impl Stores {
    /// Returns the store of an own log that may be signed.
    fn own(&self, origin: &Origin) -> Option<&OwnStore> {
        let store = self.own.get(&origin.department);
        store.filter(|store| store.files.origin() == origin)
    }

    /// Says whether a log is kept here.
    pub(crate) fn has(&self, origin: &Origin) -> bool {
        self.own(origin).is_some() || self.replicas.contains_key(origin)
    }

    /// Says whether a log kept here has a head.
    pub(crate) fn bears_out(&self, origin: &Origin, head: TreeHead) -> Result<bool, StoreError> {
        match (self.own(origin), self.replicas.get(origin)) {
            (Some(own), _) => own.bears_out(head),
            (None, Some(files)) => files.bears_out(head),
            (None, None) => Ok(head.size == 0),
        }
    }

    /// Returns up to where the files of each log are an export.
    pub(crate) fn exported_sizes(&self) -> BTreeMap<Origin, u64> {
        let own = self.own.values().map(|own| &own.files);
        let all = own.chain(self.replicas.values());
        all.map(|files| (files.origin().clone(), files.exported().size))
            .collect()
    }

    /// Returns entries of a log; the caller knows up to where a checkpoint covers them.
    pub(crate) fn range(
        &self,
        origin: &Origin,
        start: u64,
        count: u64,
        bytes_max: usize,
    ) -> Result<Vec<Arc<[u8]>>, StoreError> {
        match (self.own(origin), self.replicas.get(origin)) {
            (Some(own), _) => own.log.range(start, count, bytes_max),
            (None, Some(files)) => files.range(start, count, bytes_max),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// Returns a file of the export of a log, brought up to its newest checkpoint first.
    fn export_file(&mut self, origin: &Origin, path: &ExportPath) -> Result<Option<Vec<u8>>, StoreError> {
        self.settle(origin)?;
        let files = match self.own(origin) {
            Some(own) => Some(&own.files),
            None => self.replicas.get(origin),
        };
        files.map_or(Ok(None), |files| files.read(path))
    }

    /// Brings the files of a log up to its newest checkpoint.
    fn settle(&mut self, origin: &Origin) -> Result<(), StoreError> {
        let own = self.own.get_mut(&origin.department);
        if let Some(own) = own.filter(|own| own.files.origin() == origin) {
            if own.checkpoint() != own.files.checkpoint() {
                own.settle()?;
            }
        } else if let Some(files) = self.replicas.get_mut(origin) {
            files.settle()?;
        }
        Ok(())
    }

    /// Brings the files of all logs up to their newest checkpoints: when there is time, and at the end.
    pub(crate) fn settle_all(&mut self) -> Result<(), StoreError> {
        let own = self.own.values().map(|own| own.files.origin());
        let origins: Vec<Origin> = own.chain(self.replicas.keys()).cloned().collect();
        for origin in &origins {
            self.settle(origin)?;
        }
        Ok(())
    }
}

/// What is known of a detached part from the events that commit to it.
#[derive(Debug, Clone)]
pub(crate) struct PartInfo {
    pub(crate) event: EventId,
    pub(crate) audience: Audience,
    pub(crate) media_type: String,
    pub(crate) length: u64,
}

/// Returns what the events say that commit to a part in a department's log.
pub(crate) fn part_infos(world: &World, department: &DepartmentId, commit: &Hash) -> Vec<PartInfo> {
    let is_own = |log: LogNo| {
        world
            .log_at(log)
            .is_some_and(|log| log.origin.department == *department)
    };
    let places = world.places_of_part(commit).into_iter();
    let events = places
        .filter(|(log, _)| is_own(*log))
        .filter_map(|(log, index)| world.event_at(log, index));
    let infos = events.flat_map(|(id, event)| {
        let stated = event.commitments().into_iter();
        let stated = stated.filter(|stated| stated.commit == *commit);
        let infos: Vec<PartInfo> = stated
            .map(|stated| PartInfo {
                event: id,
                audience: event.audience.clone(),
                media_type: stated.media_type.clone(),
                length: stated.length,
            })
            .collect();
        infos
    });
    infos.collect()
}

/// Something that watchers are told.
#[derive(Debug, Clone)]
pub enum Change {
    /// The state of these cases may have changed.
    Cases(Vec<CaseId>, Hash),
    /// The operator should look.
    Alarm(String),
}

/// Whether the node takes writes.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Why not; empty when it does.
    pub reasons: Vec<String>,
    /// What keeps the bus from its work; own acts are recorded all the same.
    pub bus: Vec<String>,
    /// What the operator must see besides, newest last.
    pub alarms: VecDeque<String>,
}

/// The shared side of a running node.
pub struct Shared {
    /// The node.
    pub node: NodeId,
    /// Its clock.
    pub clock: Clock,
    /// The bytes of the genesis note.
    pub genesis: Vec<u8>,
    /// Detached parts.
    pub parts: Parts,
    pub(crate) replica: RwLock<Replica>,
    pub(crate) stores: Mutex<Stores>,
    pub(crate) archive: Arc<DiskArchive>,
    health: Mutex<Health>,
    heads: Mutex<VecDeque<(Hash, Vec<HeadOf>)>>,
    changes: broadcast::Sender<Change>,
    pub(crate) mailbox: Mailbox,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Shared({})", self.node)
    }
}

/// Locks, also after a panic elsewhere: the owner that panicked has ended, and what it left is only read.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that a node consists of, put together at one place"
    )]
    pub(crate) fn new(
        node: NodeId,
        clock: Clock,
        genesis: Vec<u8>,
        parts: Parts,
        replica: Replica,
        stores: Stores,
        archive: Arc<DiskArchive>,
        mailbox: Mailbox,
    ) -> Self {
        let health = Health {
            reasons: vec!["starting".to_owned()],
            bus: Vec::new(),
            alarms: VecDeque::new(),
        };
        Self {
            node,
            clock,
            genesis,
            parts,
            replica: RwLock::new(replica),
            stores: Mutex::new(stores),
            archive,
            health: Mutex::new(health),
            heads: Mutex::new(VecDeque::new()),
            changes: broadcast::channel(CHANGES_MAX).0,
            mailbox,
        }
    }

    /// Reads the replica between two cycles of its owner: everything in it is durable.
    pub fn view<R>(&self, read: impl FnOnce(&Replica) -> R) -> R {
        read(&self.replica.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether the node takes writes, and what the operator must see.
    pub fn health(&self) -> Health {
        locked(&self.health).clone()
    }

    pub(crate) fn set_reasons(&self, reasons: Vec<String>) {
        locked(&self.health).reasons = reasons;
    }

    pub(crate) fn set_bus_troubles(&self, troubles: Vec<String>) {
        locked(&self.health).bus = troubles;
    }

    pub(crate) fn alarm(&self, text: &str) {
        tracing::warn!(node = %self.node, alarm = text);
        let mut health = locked(&self.health);
        if health.alarms.len() >= ALARMS_MAX {
            health.alarms.pop_front();
        }
        health.alarms.push_back(text.to_owned());
        drop(health);
        self.tell(Change::Alarm(text.to_owned()));
    }

    pub(crate) fn tell(&self, change: Change) {
        // Without watchers there is nobody to tell.
        let _told = self.changes.send(change);
    }

    /// Listens to changes from now on.
    pub fn watch(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Returns the digest of the resolved heads of all logs, and remembers the list.
    pub fn heads_digest(&self, world: &World) -> Hash {
        let mut list = Vec::new();
        for log in world.logs() {
            let number = world.number_of_log(&log.origin);
            if let Some(head) = number.and_then(|number| world.resolved_head(number)) {
                list.push(HeadOf {
                    origin: log.origin.to_string(),
                    size: head.size,
                    root: head.root.to_base64(),
                });
            }
        }
        list.sort_by(|a, b| a.origin.cmp(&b.origin));
        let text: String = list
            .iter()
            .map(|head| format!("{} {} {}\n", head.origin, head.size, head.root))
            .collect();
        let digest = tagged_hash(DomainTag::HEADS_DIGEST, &[text.as_bytes()]);
        let mut known = locked(&self.heads);
        if !known.iter().any(|(held, _)| *held == digest) {
            if known.len() >= HEADS_MAX {
                known.pop_front();
            }
            known.push_back((digest, list));
        }
        digest
    }

    /// Returns the heads behind a digest, if they are still remembered.
    pub fn heads_of(&self, digest: &Hash) -> Option<Vec<HeadOf>> {
        let known = locked(&self.heads);
        let found = known.iter().rev().find(|(held, _)| held == digest);
        found.map(|(_, list)| list.clone())
    }

    /// Returns the bytes of an entry that stands under a checkpoint held here.
    ///
    /// # Errors
    /// The store is damaged or the disk failed.
    pub fn entry(&self, origin: &Origin, index: u64) -> Result<Option<Arc<[u8]>>, StoreError> {
        if index >= self.view(|replica| replica.shown_size(origin)) {
            return Ok(None);
        }
        Ok(locked(&self.stores).range(origin, index, 1, 0)?.pop())
    }

    /// Returns the newest log of a department that is held here.
    pub fn newest_log(&self, department: &DepartmentId) -> Option<Origin> {
        self.view(|replica| {
            replica
                .world()
                .log(department)
                .map(|log| Origin::clone(&log.origin))
        })
    }

    /// Returns up to where a checkpoint held here covers a log.
    pub(crate) fn checkpoint_size(&self, origin: &Origin) -> u64 {
        self.view(|replica| {
            let checkpoint = replica.checkpoint_of(origin);
            checkpoint.map_or(0, |checkpoint| checkpoint.head().size)
        })
    }

    /// Returns a file of the export of a log: checkpoint, tile or bundle; none while no checkpoint of it holds.
    ///
    /// # Errors
    /// The store is damaged or the disk failed.
    pub fn export_file(&self, origin: &Origin, path: &ExportPath) -> Result<Option<Vec<u8>>, StoreError> {
        if self.checkpoint_size(origin) == 0 {
            return Ok(None);
        }
        locked(&self.stores).export_file(origin, path)
    }

    /// Returns the media type of a part if a department belongs to the audience of an event that commits to it.
    pub fn may_read_part(
        &self,
        department: &DepartmentId,
        commit: &Hash,
        reader: &DepartmentId,
    ) -> Option<String> {
        let infos = self.view(|replica| part_infos(replica.world(), department, commit));
        infos
            .iter()
            .find(|info| info.audience.includes(reader))
            .map(|info| info.media_type.clone())
    }

    /// Reads a part for somebody who may; one that is missing or damaged is not given but fetched again from the audience's hosts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn part(&self, department: &DepartmentId, commit: &Hash) -> Result<Option<Part>, StoreError> {
        let found = match self.parts.open(department, commit) {
            Err(StoreError::Damaged(damage)) => {
                self.alarm(&format!(
                    "a detached part is damaged and is fetched again: {damage}"
                ));
                None
            }
            found => found?,
        };
        if found.is_none() {
            // One that finds no room is asked for when the reader asks again.
            let _lost = self
                .mailbox
                .offer(Message::PartMissing(department.clone(), *commit));
        }
        Ok(found)
    }

    /// Tells the node that its clock was set.
    pub(crate) fn wake(&self) {
        self.mailbox.push(Message::Wake);
    }

    /// Lets time pass as it is, and returns where the node stands then; none when it does not answer.
    pub(crate) fn settle(&self) -> Option<Reached> {
        let (answer, receiver) = std::sync::mpsc::channel();
        self.mailbox.push(Message::Settle(answer));
        receiver.recv_timeout(SETTLE_MAX).ok()
    }

    /// Hands a submission to the owner; `None` when too much waits already.
    pub fn submit(&self, submission: Submission) -> bool {
        self.mailbox.offer(Message::Submit(Box::new(submission)))
    }

    /// Hands a request to the drafts box to the owner; `None` when too much waits already.
    pub fn drafts(&self, request: BoxRequest) -> Option<oneshot::Receiver<Result<BoxAnswer, DraftError>>> {
        let (answer, receiver) = oneshot::channel();
        let message = Message::Drafts {
            request: Box::new(request),
            answer,
        };
        self.mailbox.offer(message).then_some(receiver)
    }
}
