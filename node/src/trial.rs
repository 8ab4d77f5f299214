//! Trials: a whole federation on one machine, with a clock that a scenario sets, and nodes that can be taken offline and brought back.
//!
//! Here all nodes run in one process with an embedded bus; in [`processes`] each is a process of its own, with NATS between them.

pub mod processes;
pub mod single;

use crate::api::{self, Api, Slot};
use crate::bus::embedded::EmbeddedNet;
use crate::clock::{Clock, ClockError};
use crate::config::{ConfigError, Settings};
use crate::runtime::{Node, Reached, Shared, StartError, check};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tally_schemas::api::TrialSettledBody;
use tally_schemas::id::NodeId;
use tally_schemas::time::Timestamp;

/// How often nodes are asked where they stand before the clock is set.
const SETTLE_ROUNDS_MAX: usize = 200;

/// Why a trial does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The folder has no node configurations.
    #[error("{} holds no *.toml; `tally federation create` makes a trial folder", path.display())]
    NoConfig {
        /// The folder of the configurations.
        path: PathBuf,
    },
    /// The folder cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A configuration cannot be used.
    #[error("a configuration of the trial cannot be used")]
    Config(#[from] ConfigError),
    /// The federation is no trial.
    #[error("the federation in {} is no trial; run its nodes one by one with `tally-node run`", path.display())]
    NoTrial {
        /// The folder.
        path: PathBuf,
    },
    /// Two configurations name the same node.
    #[error("two configurations name the node {0}")]
    Twice(NodeId),
    /// A node does not start.
    #[error("node {node} does not start")]
    Start {
        /// The node.
        node: NodeId,
        /// Why not.
        source: Box<StartError>,
    },
    /// The clock cannot be used.
    #[error("the clock of the trial cannot be used")]
    Clock(#[from] ClockError),
    /// The port of a node cannot be used.
    #[error("node {node} cannot listen on {address}")]
    Listen {
        /// The node.
        node: NodeId,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no such node.
    #[error("the trial has no node {0}")]
    NoNode(NodeId),
    /// Some nodes are on an embedded bus and some on NATS.
    #[error("the configurations of the trial name different buses; all nodes need the same")]
    MixedBus,
    /// A node in a process of its own does not do what it is told.
    #[error("node {node} does not do what it is told: {why}")]
    Process {
        /// The node.
        node: NodeId,
        /// Why not.
        why: String,
    },
    /// The node runs alone and is started and stopped by others.
    #[error("node {0} is a process of its own; who started it takes it offline and online")]
    NotHere(NodeId),
}

/// What a scenario moves in a trial.
pub trait Levers: std::fmt::Debug + Send + Sync {
    /// Sets the clock of all nodes, after what was under way is finished at the old time.
    ///
    /// # Errors
    /// A time before the one set last, or a node that does not obey.
    fn set_clock(&self, now: Timestamp) -> Result<(), TrialError>;

    /// Lets time pass as it is, and says what was reached.
    ///
    /// # Errors
    /// A node that does not answer.
    fn settle(&self) -> Result<TrialSettledBody, TrialError>;

    /// Takes a node off the bus and closes its stores.
    ///
    /// # Errors
    /// There is no such node.
    fn offline(&self, node: &NodeId) -> Result<(), TrialError>;

    /// Brings a node back.
    ///
    /// # Errors
    /// There is no such node, or it does not start.
    fn online(&self, node: &NodeId) -> Result<(), TrialError>;

    /// Cuts the bus of a node that goes on serving its own departments, or joins it again.
    ///
    /// # Errors
    /// There is no such node.
    fn cut(&self, node: &NodeId, cut: bool) -> Result<(), TrialError>;
}

/// A node of a trial, running or offline.
#[derive(Debug)]
struct Place {
    settings: Settings,
    slot: Slot,
    node: Option<Node>,
}

/// A federation in one process.
#[derive(Debug)]
pub struct Trial {
    clock: Clock,
    net: EmbeddedNet,
    places: Mutex<BTreeMap<NodeId, Place>>,
}

impl Trial {
    /// Opens the folder of a trial and starts every node in it.
    ///
    /// # Errors
    /// A folder that is no trial's, or a node that does not start.
    pub fn open(folder: &Path) -> Result<Arc<Self>, TrialError> {
        let (places, created) = places_of(folder, |_, settings| Place {
            settings,
            slot: Slot::default(),
            node: None,
        })?;
        let trial = Arc::new(Self {
            clock: Clock::trial(&folder.join("clock"), created)?,
            net: EmbeddedNet::new(),
            places: Mutex::new(places),
        });
        for node in trial.nodes().keys() {
            trial.online(node)?;
        }
        Ok(trial)
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<NodeId, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the nodes with their addresses.
    pub fn nodes(&self) -> BTreeMap<NodeId, SocketAddr> {
        let places = self.places();
        let nodes = places.iter();
        nodes
            .map(|(node, place)| (node.clone(), place.settings.listen))
            .collect()
    }

    /// Returns the slot of a node, for its API.
    pub fn slot(&self, node: &NodeId) -> Option<Slot> {
        self.places().get(node).map(|place| place.slot.clone())
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Stops every node.
    pub fn stop(&self) {
        for node in self.nodes().keys() {
            if let Err(error) = self.offline(node) {
                tracing::error!(%node, %error, "not stopped");
            }
        }
    }
}

impl Levers for Trial {
    fn set_clock(&self, now: Timestamp) -> Result<(), TrialError> {
        let places = self.places();
        let nodes: Vec<&Shared> = places
            .values()
            .filter_map(|place| place.node.as_ref())
            .map(|node| node.shared().as_ref())
            .collect();
        // An arrival that is only noticed after the step would carry the new date.
        settle(&nodes);
        self.clock.set(now)?;
        for node in nodes {
            node.wake();
        }
        Ok(())
    }

    fn settle(&self) -> Result<TrialSettledBody, TrialError> {
        let places = self.places();
        let running = places.values().filter_map(|place| place.node.as_ref());
        let nodes: Vec<&Shared> = running.map(|node| node.shared().as_ref()).collect();
        let reached = settle(&nodes);
        Ok(settled(&reached))
    }

    fn offline(&self, node: &NodeId) -> Result<(), TrialError> {
        let running = {
            let mut places = self.places();
            let place = places
                .get_mut(node)
                .ok_or_else(|| TrialError::NoNode(node.clone()))?;
            self.net.cut(node);
            place.slot.set(None);
            place.node.take()
        };
        if let Some(running) = running {
            running.stop();
            tracing::info!(%node, "offline: its bus is cut, its stores are closed");
        }
        Ok(())
    }

    fn online(&self, node: &NodeId) -> Result<(), TrialError> {
        let mut places = self.places();
        let place = places
            .get_mut(node)
            .ok_or_else(|| TrialError::NoNode(node.clone()))?;
        if place.node.is_some() {
            return Ok(());
        }
        self.net.mend(node);
        let join = |inbox, _| Ok(self.net.join(node, inbox));
        let running =
            Node::start(&place.settings, self.clock.clone(), join).map_err(|source| TrialError::Start {
                node: node.clone(),
                source: Box::new(source),
            })?;
        place.slot.set(Some(running.shared().clone()));
        place.node = Some(running);
        tracing::info!(%node, address = %place.settings.listen, "online");
        Ok(())
    }

    fn cut(&self, node: &NodeId, cut: bool) -> Result<(), TrialError> {
        if !self.places().contains_key(node) {
            return Err(TrialError::NoNode(node.clone()));
        }
        if cut {
            self.net.cut(node);
        } else {
            self.net.mend(node);
        }
        tracing::info!(%node, cut, "bus");
        Ok(())
    }
}

/// Waits until nothing moves in these nodes any more; returns where they stand.
fn settle(nodes: &[&Shared]) -> Vec<Option<Reached>> {
    let mut before: Vec<Option<Reached>> = Vec::new();
    for _ in 0..SETTLE_ROUNDS_MAX {
        let reached: Vec<Option<Reached>> = nodes.iter().map(|node| node.settle()).collect();
        let is_busy = reached.iter().flatten().any(|reached| reached.is_busy);
        if !is_busy && reached == before {
            return reached;
        }
        before = reached;
    }
    tracing::warn!("the nodes of the trial still move while its clock is set");
    before
}

fn settled(reached: &[Option<Reached>]) -> TrialSettledBody {
    let heads: std::collections::BTreeSet<String> = reached
        .iter()
        .flatten()
        .map(|reached| reached.heads.to_hex())
        .collect();
    TrialSettledBody {
        heads: heads.into_iter().collect::<Vec<String>>().join(","),
        busy: reached
            .iter()
            .any(|reached| reached.is_none_or(|reached| reached.is_busy)),
    }
}

/// Reads the configuration of every node of a trial folder, and when the federation was founded.
fn places_of<P>(
    folder: &Path,
    make: impl Fn(PathBuf, Settings) -> P,
) -> Result<(BTreeMap<NodeId, P>, Timestamp), TrialError> {
    let mut places = BTreeMap::new();
    let mut created = Timestamp::default();
    for path in config_files(&folder.join("nodes"))? {
        let settings = Settings::read(&path)?;
        let node = settings.node.clone();
        let genesis = check(&settings).map_err(|source| TrialError::Start {
            node: node.clone(),
            source: Box::new(source),
        })?;
        if !genesis.trial {
            return Err(TrialError::NoTrial {
                path: folder.to_owned(),
            });
        }
        created = genesis.created;
        if places.insert(node.clone(), make(path, settings)).is_some() {
            return Err(TrialError::Twice(node));
        }
    }
    Ok((places, created))
}

fn config_files(folder: &Path) -> Result<Vec<PathBuf>, TrialError> {
    let io = |source| TrialError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).map_err(io)? {
        let path = item.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(TrialError::NoConfig {
            path: folder.to_owned(),
        });
    }
    Ok(found)
}

/// Runs a trial with the APIs of all its nodes until `stop` resolves.
///
/// # Errors
/// The trial does not open, or a port cannot be used.
pub async fn run(folder: &Path, stop: impl Future<Output = ()>) -> Result<(), TrialError> {
    let owned = folder.to_owned();
    let trial = tokio::task::spawn_blocking(move || Trial::open(&owned))
        .await
        .map_err(|error| TrialError::Io {
            path: folder.to_owned(),
            source: std::io::Error::other(error),
        })??;
    let outcome = serve(&trial, stop).await;
    let ending = trial.clone();
    // The APIs are still up while the nodes finish what is under way: they answer that the node is offline.
    if tokio::task::spawn_blocking(move || ending.stop()).await.is_err() {
        tracing::error!("stopping the nodes ended early");
    }
    outcome
}

async fn serve(trial: &Arc<Trial>, stop: impl Future<Output = ()>) -> Result<(), TrialError> {
    let (ended, end) = tokio::sync::watch::channel(false);
    for (node, address) in trial.nodes() {
        let listen = |source| TrialError::Listen {
            node: node.clone(),
            address,
            source,
        };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
        let api = Api {
            slot: trial.slot(&node).unwrap_or_default(),
            trial: Some(trial.clone()),
        };
        let mut end = end.clone();
        let name = node.clone();
        tokio::spawn(async move {
            let until = async move {
                // A sender that is gone means the end as well.
                let _ended = end.wait_for(|ended| *ended).await;
            };
            if let Err(error) = api::serve(listener, api, until).await {
                tracing::error!(node = %name, %error, "the API ended");
            }
        });
        tracing::info!(%node, %address, "API");
    }
    stop.await;
    let _none_listens = ended.send(true);
    Ok(())
}
