//! Starting a node: open and cross-check the stores, feed what they hold to the replica, ask peers, sign, serve; and stopping it.

use super::mailbox::{Asked, Mailbox, Message, mailbox};
use super::owner::{Next, Owner, describe};
use super::shared::{Shared, Stores, locked};
use super::verify::Workers;
use crate::bus::nats::{self, UserError};
use crate::bus::{Bus, Inbound, Inbox};
use crate::clock::{Clock, ClockError};
use crate::config::{BusSettings, Settings};
use crate::drafts::DraftsBox;
use crate::keyring::{Keyring, KeyringError, first_origin};
use crate::store::{
    DataDir, DiskArchive, LogFiles, OwnStore, Parts, SnapshotFiles, StoreError, newest_signed_epoch,
    parse_folder_name,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tally_ledger::authority::{Registry, RegistryError};
use tally_ledger::cases::RULESET;
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::replica::{Input, KeptRange, Replica};
use tally_ledger::world::Log;
use tally_schemas::entry::Entry;
use tally_schemas::epoch::Opening;
use tally_schemas::frame::Frame;
use tally_schemas::genesis::Genesis;
use tally_schemas::id::{DepartmentId, NodeId, Origin, TreeHead};
use tally_schemas::limits::{BATCH_MAX, EPOCH_NOTE_BYTES_MAX, GENESIS_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::question::Question;
use tally_schemas::snapshot::SnapshotHead;

/// How often peers that did not answer are asked for the own logs again.
const ASK_OWN_HEADS_AGAIN: Duration = Duration::from_millis(500);

/// How often it is looked whether the bus has compared.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The genesis note cannot be read.
    #[error("cannot read the genesis note {}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The genesis founds nothing.
    #[error("the genesis note founds nothing")]
    Registry(#[from] RegistryError),
    /// A key cannot be used.
    #[error("a key of the node cannot be used")]
    Keyring(#[from] KeyringError),
    /// The clock cannot be used.
    #[error("the clock cannot be used")]
    Clock(#[from] ClockError),
    /// A store refuses to open.
    #[error("a store of the node cannot be opened")]
    Store(#[from] StoreError),
    /// The configuration and the genesis contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// The node cannot say to the servers of the bus who it is.
    #[error("the bus cannot be used")]
    Bus(#[from] UserError),
    /// The operating system gave no thread.
    #[error("the operating system gave no thread")]
    Thread(#[source] std::io::Error),
}

/// A log as its store kept it: what of it the replica has not read back yet, and the newest checkpoint.
pub(super) struct Kept {
    origin: Origin,
    next: u64,
    end: u64,
    checkpoint: Vec<u8>,
    covering: Vec<u8>,
    is_done: bool,
}

/// The stores of a node, opened and found to agree.
struct Opened {
    stores: Stores,
    boxes: BTreeMap<DepartmentId, DraftsBox>,
    /// Own logs that must not be signed again, and why.
    seals: BTreeMap<Origin, String>,
}

/// How many signatures may wait to be checked while a log is read back.
const UNCHECKED_MAX: usize = 4 * BATCH_MAX;
/// How many bytes of entries are read back at once.
const READ_BACK_BYTES: usize = 4 * 1024 * 1024;

/// What the configuration and the files of a node amount to, before anything is opened for writing.
struct Prepared {
    genesis: Vec<u8>,
    registry: Registry,
    keyring: Keyring,
    peers: Vec<NodeId>,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    mailbox: Mailbox,
    thread: Option<JoinHandle<()>>,
}

/// Checks configuration, genesis and keys of a node without opening its stores.
///
/// # Errors
/// The first thing that does not fit.
pub fn check(settings: &Settings) -> Result<Genesis, StartError> {
    Ok(prepare(settings)?.registry.genesis().clone())
}

/// Returns the ruleset in force as the genesis and the newest snapshot show it, without opening any store.
///
/// # Errors
/// What [`check`] finds, or the disk failed.
pub fn ruleset_kept(settings: &Settings) -> Result<u32, StartError> {
    let mut registry = prepare(settings)?.registry;
    let kept = SnapshotFiles::governance_in(&settings.data)?;
    // Notes that do not follow belong to a snapshot that the next start sets aside.
    for note in kept {
        if registry.extend(&note).is_err() {
            break;
        }
    }
    Ok(registry.ruleset_at(registry.newest().version))
}

fn prepare(settings: &Settings) -> Result<Prepared, StartError> {
    let io = |source| StartError::Genesis {
        path: settings.genesis.clone(),
        source,
    };
    let length = std::fs::metadata(&settings.genesis).map_err(io)?.len();
    if length > GENESIS_BYTES_MAX as u64 {
        return Err(io(std::io::Error::other(format!(
            "{length} bytes, expected at most {GENESIS_BYTES_MAX}"
        ))));
    }
    let genesis = std::fs::read(&settings.genesis).map_err(io)?;
    let registry = Registry::found(&genesis)?;
    let keyring = Keyring::open(settings, registry.federation())?;
    let contradiction = |why: String| Err(StartError::Contradiction(why));
    let founding = registry.genesis();
    if settings.trial != founding.trial {
        return contradiction(format!(
            "the configuration says trial = {}, the genesis of {} says {}",
            settings.trial,
            registry.federation(),
            founding.trial
        ));
    }
    let record = founding.nodes.iter().find(|node| node.id == settings.node);
    match record {
        None => {
            return contradiction(format!(
                "node {} is not in the genesis of {}",
                settings.node,
                registry.federation()
            ));
        }
        Some(record) if record.transport_key != *keyring.transport.public_key().as_bytes() => {
            return contradiction(format!(
                "the transport key of {} is not the one in the genesis",
                settings.node
            ));
        }
        Some(_) => {}
    }
    for department in &founding.departments {
        let key = keyring.logs.get(&department.id);
        match key {
            Some(_) if department.node != settings.node => {
                return contradiction(format!(
                    "the configuration has a log key of {}, which the genesis gives to node {}",
                    department.id, department.node
                ));
            }
            Some(key)
                if *key.public_key().as_bytes() != department.log_key
                    && newest_signed_epoch(&settings.data, &department.id) == 1 =>
            {
                return contradiction(format!(
                    "the log key of {} is not the one in the genesis",
                    department.id
                ));
            }
            None if department.node == settings.node => {
                return contradiction(format!(
                    "the genesis gives {} to this node, but keys.logs has no key for it",
                    department.id
                ));
            }
            _ => {}
        }
    }
    if let BusSettings::Nats(servers) = &settings.bus {
        nats::check(servers, registry.federation(), &settings.node)?;
    }
    let peers = founding
        .nodes
        .iter()
        .map(|node| node.id.clone())
        .filter(|node| *node != settings.node)
        .collect();
    Ok(Prepared {
        genesis,
        registry,
        keyring,
        peers,
    })
}

impl Node {
    /// Starts a node; it joins the bus through `join`, which is told the logs that the node writes. It takes writes once everything
    /// it holds is resolved.
    ///
    /// # Errors
    /// Configuration, genesis, keys or stores that do not fit; nothing was signed then.
    pub fn start<B: Bus + 'static>(
        settings: &Settings,
        clock: Clock,
        join: impl FnOnce(Inbox, Vec<Origin>) -> Result<B, UserError>,
    ) -> Result<Self, StartError> {
        let Prepared {
            genesis,
            registry,
            keyring,
            peers,
        } = prepare(settings)?;
        let data = DataDir::open(&settings.data)?;
        let own: Vec<Origin> = keyring
            .logs
            .keys()
            .map(|department| data.newest_own(registry.federation(), department))
            .collect();
        let hosted: BTreeSet<DepartmentId> = keyring.logs.keys().cloned().collect();
        let (rows, head, damage) = SnapshotFiles::open(&data)?;
        if let Some(why) = damage {
            tracing::warn!(
                why,
                "the snapshot is damaged and was set aside; everything is derived from the logs again"
            );
        }
        let head = match head {
            Some(_) if data.is_check_asked() => {
                rows.set_aside()?;
                tracing::warn!(
                    "a file of a log was found damaged: all are read, and everything is derived from the logs again"
                );
                None
            }
            head => head,
        };
        let archive = Arc::new(DiskArchive::new(&data, rows));
        let found = match &head {
            Some(head) => match from_snapshot(&data, &registry, &keyring, &genesis, &archive, head) {
                Ok(found) => Some(found),
                Err(why) => {
                    let place = archive.rows.set_aside()?;
                    tracing::warn!(
                        why,
                        ?place,
                        "the snapshot was set aside; everything is derived from the logs again"
                    );
                    None
                }
            },
            None => None,
        };
        let (opened, replica) = match found {
            Some(found) => found,
            None => {
                let opened = open_stores(&data, &registry, &keyring, false)?;
                data.check_done()?;
                let replica = Replica::found_with(&genesis, hosted, archive.clone(), RULESET)?;
                (opened, replica)
            }
        };
        let Opened { stores, boxes, seals } = opened;
        let kept = kept_logs(&stores, &replica);
        let unfetched = head.map(|head| head.unfetched).unwrap_or_default();
        let (mailbox, letters) = mailbox();
        let shared = Arc::new(Shared::new(
            settings.node.clone(),
            clock,
            genesis,
            Parts::new(&data),
            replica,
            stores,
            archive,
            mailbox.clone(),
        ));
        let workers = Workers::start(&mailbox).map_err(StartError::Thread)?;
        let bus = join(inbox(mailbox.clone()), own)?;
        let mut owner = Owner::new(
            shared.clone(),
            letters,
            Box::new(bus),
            keyring,
            data,
            workers,
            boxes,
            peers,
        );
        owner.seals = seals;
        shared.view(|replica| {
            owner.parts.take_up(&shared, replica, &unfetched);
            owner.snapshot_at = replica.world().logs().map(Log::cursor).sum();
        });
        let ask_peers = settings.ask_peers;
        let thread = std::thread::Builder::new()
            .name(format!("node-{}", settings.node))
            .spawn(move || run(owner, kept, ask_peers))
            .map_err(StartError::Thread)?;
        Ok(Self {
            shared,
            mailbox,
            thread: Some(thread),
        })
    }

    /// Returns the side that handlers read.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops the node: what is under way is finished, everyone who waits gets an answer, the stores are closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.mailbox.push(Message::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(node = %self.shared.node, "the owner of the replica panicked");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Mailbox")
    }
}

/// Takes from the bus what there is room for; the bus keeps the rest, or loses it.
fn inbox(mailbox: Mailbox) -> Inbox {
    Arc::new(move |inbound| {
        if matches!(inbound, Inbound::Frame { done: Some(_), .. }) && !mailbox.is_serving() {
            return false;
        }
        let message = match inbound {
            Inbound::Frame { bytes, done } => Message::Frame { bytes, done },
            Inbound::Question { bytes, answer } => Message::Question { bytes, answer },
            Inbound::Trouble(text) => Message::Trouble(text),
        };
        mailbox.offer(message)
    })
}

/// Opens the stores; of a log that a snapshot rests on only what lies beyond the checkpoint of its files is read.
///
/// An own log whose signing lock does not bear it out is opened like one of others: it is read, and never signed again.
fn open_stores(
    data: &DataDir,
    registry: &Registry,
    keyring: &Keyring,
    at_edge: bool,
) -> Result<Opened, StoreError> {
    let mut stores = Stores::default();
    let mut boxes = BTreeMap::new();
    let mut seals = BTreeMap::new();
    for (department, key) in &keyring.logs {
        let origin = data.newest_own(registry.federation(), department);
        for epoch in 1..origin.epoch {
            let ended = Origin {
                epoch,
                ..origin.clone()
            };
            seals.insert(ended, format!("epoch {} was begun", origin.epoch));
        }
        let log_key = LogKey::new(&origin, &key.public_key());
        let opened = open_own(data, &origin, &log_key, at_edge).and_then(|store| {
            check_key(&store, &origin, key.public_key().as_bytes())?;
            Ok(store)
        });
        match opened {
            Ok(store) => {
                boxes.insert(department.clone(), DraftsBox::load(store.log.as_ref())?);
                if let Some((damage, place)) = &store.set_aside {
                    tracing::warn!(%damage, place = %place.display(), "damaged files were set aside and are written again");
                }
                stores.own.insert(department.clone(), store);
            }
            Err(error) if error.ends_epoch() => {
                tracing::error!(
                    %origin,
                    error = describe(&error),
                    "the own log must not be signed in this epoch again; it is read and fetched like a log of others"
                );
                seals.insert(origin, describe(&error));
            }
            Err(error) => return Err(error),
        }
    }
    for origin in replica_origins(data, registry, &stores)? {
        let files = if at_edge {
            LogFiles::open_edge(data, &origin, &mut |_, _| {})?
        } else {
            open_replica(data, &origin)?
        };
        if let Some(cut) = files.cut() {
            // Also what a crash left half written.
            tracing::warn!(%origin, what = cut.what, "the end of what waits beside the files of a log was cut off; it is fetched again");
        }
        stores.replicas.insert(origin, files);
    }
    Ok(Opened { stores, boxes, seals })
}

/// Checks that the key of the configuration is the one that the opening of a later epoch names.
fn check_key(store: &OwnStore, origin: &Origin, key: &[u8; 32]) -> Result<(), StoreError> {
    if origin.epoch == 1 {
        return Ok(());
    }
    let first = store.log.range(0, 1, 0)?.pop();
    let named = first.and_then(|bytes| Some(Entry::parse(&bytes).ok()?.payload));
    let named = named.and_then(|payload| Note::parse(payload.as_bytes(), EPOCH_NOTE_BYTES_MAX).ok());
    match named.and_then(|note| Opening::parse_text(&note.text).ok()) {
        Some(opening) if opening.log_key != *key => Err(StoreError::OtherLogKey {
            origin: origin.clone(),
        }),
        _ => Ok(()),
    }
}

/// Opens the stores and makes the replica that a snapshot was taken of, if the logs have every head that it rests on.
fn from_snapshot(
    data: &DataDir,
    registry: &Registry,
    keyring: &Keyring,
    genesis: &[u8],
    archive: &Arc<DiskArchive>,
    head: &SnapshotHead,
) -> Result<(Opened, Replica), String> {
    let opened = open_stores(data, registry, keyring, true).map_err(|error| describe(&error))?;
    for log in head.logs.iter().filter(|log| log.size > 0) {
        let origin = Origin::parse(&log.origin).map_err(|error| error.to_string())?;
        let claimed = TreeHead {
            size: log.size,
            root: log.root,
        };
        let has = opened.stores.bears_out(&origin, claimed);
        if !has.map_err(|error| describe(&error))? {
            return Err(format!(
                "it rests on {} entries of {origin} with root {}, which the log held here does not have",
                log.size, log.root
            ));
        }
    }
    let hosted = keyring.logs.keys().cloned().collect();
    let replica = Replica::restore(genesis, hosted, archive.clone(), head, RULESET);
    Ok((opened, replica.map_err(|error| describe(&error))?))
}

/// Lists what the replica has still to read back of each log.
pub(super) fn kept_logs(stores: &Stores, replica: &Replica) -> Vec<Kept> {
    let own = stores.own.values().map(|store| {
        let checkpoint = store.checkpoint().unwrap_or_default();
        (store.files.origin(), store.log.len(), checkpoint, &[][..])
    });
    let replicas = stores.replicas.values().map(|files| {
        let checkpoint = files.checkpoint().unwrap_or_default();
        (files.origin(), files.head().size, checkpoint, files.covering())
    });
    let kept = own.chain(replicas).map(|(origin, end, checkpoint, covering)| {
        let world = replica.world();
        let log = world
            .number_of_log(origin)
            .and_then(|number| world.log_at(number));
        Kept {
            origin: origin.clone(),
            next: log.map_or(0, Log::size),
            end,
            checkpoint: checkpoint.to_vec(),
            covering: covering.to_vec(),
            is_done: false,
        }
    });
    kept.collect()
}

/// Opens the store of an own log, or creates it where there was never one.
fn open_own(data: &DataDir, origin: &Origin, key: &LogKey, at_edge: bool) -> Result<OwnStore, StoreError> {
    let traces = [
        data.own_log(origin),
        data.signing_lock(origin),
        data.log_files(origin),
    ];
    if !traces.iter().any(|path| path.exists()) {
        drop(OwnStore::create(data, origin)?);
    }
    if at_edge {
        OwnStore::open_edge(data, origin, key)
    } else {
        OwnStore::open_signed(data, origin, key)
    }
}

/// Opens the files of another log; of damaged ones what cannot be written again here is fetched from peers.
fn open_replica(data: &DataDir, origin: &Origin) -> Result<LogFiles, StoreError> {
    let (files, renewed) = LogFiles::open_or_renew(data, origin)?;
    if let Some(renewed) = renewed {
        let what = match renewed.is_whole {
            true => "damaged files of a log were set aside and written again from its entries",
            false => "damaged files of a log were set aside; it is fetched again from peers",
        };
        tracing::warn!(%origin, damage = %renewed.damage, place = ?renewed.place, "{what}");
    }
    Ok(files)
}

/// Lists the logs that were kept before, but those that are open as own ones.
fn replica_origins(
    data: &DataDir,
    registry: &Registry,
    stores: &Stores,
) -> Result<BTreeSet<Origin>, StoreError> {
    let mut found = BTreeSet::new();
    for folder in ["logs", "ahead"] {
        for name in crate::store::durable::names_in(&data.root().join(folder))? {
            let Some((department, epoch)) = parse_folder_name(&name) else {
                continue;
            };
            let origin = Origin {
                epoch,
                ..first_origin(registry.federation(), &department)
            };
            if !stores.has(&origin) {
                found.insert(origin);
            }
        }
    }
    Ok(found)
}

fn run(mut owner: Owner, kept: Vec<Kept>, ask_peers: Duration) {
    if start_up(&mut owner, kept, ask_peers) == Next::Go {
        owner.serve();
    }
    owner.close();
}

/// Restores, asks, signs. A stop on the way ends it.
fn start_up(owner: &mut Owner, kept: Vec<Kept>, ask_peers: Duration) -> Next {
    owner
        .shared
        .set_reasons(vec!["starting: what the disk holds is checked".to_owned()]);
    let mut own: Vec<(Origin, u64)> = kept
        .iter()
        .filter(|log| owner.keyring.logs.contains_key(&log.origin.department))
        .map(|log| (log.origin.clone(), log.end))
        .collect();
    for origin in owner.seals.keys() {
        if !own.iter().any(|(known, _)| known == origin) {
            own.push((origin.clone(), 0));
        }
    }
    if read_all(owner, kept) == Next::Stop {
        return Next::Stop;
    }
    owner
        .shared
        .set_reasons(vec!["starting: peers are asked for the own logs".to_owned()]);
    loop {
        if compare_own(owner, &own, ask_peers) == Next::Stop {
            return Next::Stop;
        }
        if !owner.is_rebuild_due {
            break;
        }
        // One of the own logs is never signed again; what was shown of the others meanwhile was not looked at.
        if owner.derive_anew() == Next::Stop {
            return Next::Stop;
        }
    }
    let silent: BTreeSet<&NodeId> = owner.own_heads_missing.iter().map(|(node, _)| node).collect();
    if !silent.is_empty() {
        let silent: Vec<&str> = silent.into_iter().map(NodeId::as_str).collect();
        tracing::warn!(
            nodes = silent.join(", "),
            "these did not say how much they hold of the own logs before they are signed again; \
             if the data folder may be an old copy, stop the node and start it when they can be reached, with a larger ask-peers-seconds"
        );
    }
    sign_tails(owner);
    Next::Go
}

/// Asks peers and the bus how much they hold of the own logs, and takes in what they show, for so long at most.
fn compare_own(owner: &mut Owner, own: &[(Origin, u64)], ask_peers: Duration) -> Next {
    ask_for_own_heads(owner, own, true);
    owner.bus.compare();
    let started = Instant::now();
    let mut asked = started;
    while (!owner.own_heads_missing.is_empty() || !owner.bus.has_compared()) && started.elapsed() < ask_peers
    {
        if asked.elapsed() >= ASK_OWN_HEADS_AGAIN {
            asked = Instant::now();
            ask_for_own_heads(owner, own, false);
        }
        // The bus tells nobody that it has compared.
        if owner.turn_within(LOOK_AGAIN) == Next::Stop {
            return Next::Stop;
        }
    }
    // What the last of them handed in may still wait.
    if owner.shared.mailbox.waiting() > 0 {
        return owner.turn();
    }
    Next::Go
}

/// Hands everything that the disk holds to the replica, and waits until its signatures are checked.
pub(super) fn read_all(owner: &mut Owner, mut kept: Vec<Kept>) -> Next {
    let openings = owner.kept_openings();
    let mut first: Vec<Input> = openings
        .iter()
        .map(|entry| Input::Opening(entry.to_vec()))
        .collect();
    match owner.kept_branches() {
        Ok(branches) => first.extend(branches),
        Err(error) => owner.shared.alarm(&format!(
            "which branches of logs stand cannot be read: {}",
            describe(&error)
        )),
    }
    first.extend(owner.seals.iter().map(|(origin, why)| Input::Seal {
        origin: origin.clone(),
        why: why.clone(),
    }));
    owner.cycle(owner.shared.clock.now(), first);
    // In turn, so that what one log waits for is soon read from another.
    while kept.iter().any(|log| !log.is_done) {
        for log in kept.iter_mut().filter(|log| !log.is_done) {
            read_back(owner, log);
        }
        while owner.unchecked_jobs() > UNCHECKED_MAX {
            if owner.turn() == Next::Stop {
                return Next::Stop;
            }
        }
    }
    match owner.kept_evidence() {
        Ok(evidence) => owner.cycle(owner.shared.clock.now(), evidence),
        Err(error) => owner.shared.alarm(&format!(
            "the evidence of forks cannot be read: {}",
            describe(&error)
        )),
    }
    while owner.unchecked_jobs() > 0 {
        if owner.turn() == Next::Stop {
            return Next::Stop;
        }
    }
    owner.has_read_back = true;
    Next::Go
}

/// Asks all peers, or again those that did not answer yet: they may be starting too.
fn ask_for_own_heads(owner: &mut Owner, own: &[(Origin, u64)], first: bool) {
    for (origin, size) in own {
        let question = Question::Range {
            origin: origin.clone(),
            start: *size,
        };
        for node in owner.peers.clone() {
            let key = (node, origin.clone());
            let is_due = first || owner.own_heads_missing.contains(&key);
            let asked = Asked::OwnHead(key.0.clone(), origin.clone());
            // While the bus is away nobody has said anything: to go on at once would be to ask nobody.
            if is_due && (owner.ask(&key.0, &question, asked) || !owner.bus.is_connected()) {
                owner.own_heads_missing.insert(key);
            }
        }
    }
}

/// Hands the next entries of a log to the replica; with the last ones its checkpoint.
fn read_back(owner: &mut Owner, log: &mut Kept) {
    let now = owner.shared.clock.now();
    let count = log.end.saturating_sub(log.next).min(BATCH_MAX as u64);
    let read = locked(&owner.shared.stores).range(&log.origin, log.next, count, READ_BACK_BYTES);
    let entries = match read {
        Ok(entries) => entries,
        Err(error) => {
            log.is_done = true;
            let why = format!("{} cannot be read back: {}", log.origin, describe(&error));
            let failed = Input::PersistFailed { token: u64::MAX, why };
            return owner.cycle(now, vec![failed]);
        }
    };
    log.next = log.next.saturating_add(entries.len() as u64);
    log.is_done = entries.is_empty() || log.next >= log.end;
    let checkpoint = if log.is_done {
        std::mem::take(&mut log.checkpoint)
    } else {
        Vec::new()
    };
    let restored = KeptRange {
        origin: log.origin.clone(),
        entries: entries.iter().map(|entry| entry.to_vec()).collect(),
        checkpoint,
        covering: Frame::decode(&log.covering).ok().filter(|_| log.is_done),
    };
    owner.cycle(now, vec![Input::Restored(restored)]);
}

/// Signs what was durable when the node ended but not signed any more, and again where the disk altered the checkpoint.
fn sign_tails(owner: &mut Owner) {
    let shared = owner.shared.clone();
    let failed = shared.view(|replica| replica.failure().is_some());
    if failed {
        return;
    }
    let mut signed = Vec::new();
    let mut failures = Vec::new();
    {
        let mut stores = locked(&shared.stores);
        for (department, store) in &mut stores.own {
            let tail = store.tail;
            let is_signed = shared.view(|replica| replica.checkpoint(department).is_some());
            if tail.size == store.files.exported().size && (is_signed || tail.size == 0) {
                continue;
            }
            let Some(key) = owner.keyring.logs.get(department) else {
                continue;
            };
            let origin = store.files.origin().clone();
            let outcome = store.lock.advance(tail).and_then(|()| {
                let checkpoint = sign_checkpoint(&origin, tail, key).to_bytes();
                store.publish(&checkpoint).map(|()| checkpoint)
            });
            match outcome {
                Ok(checkpoint) => signed.push(Input::Restored(KeptRange {
                    origin,
                    entries: Vec::new(),
                    checkpoint,
                    covering: None,
                })),
                Err(error) => failures.push(describe(&error)),
            }
        }
    }
    let now = shared.clock.now();
    for why in failures {
        signed.push(Input::PersistFailed { token: u64::MAX, why });
    }
    if !signed.is_empty() {
        owner.cycle(now, signed);
    }
}
