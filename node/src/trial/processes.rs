//! A trial in which each node is a process of its own, as departments run it: started, stopped and told the time from here.
//!
//! The address that takes the levers stands in the file `lever` of the trial folder. Nodes end with this process: their standard
//! input is a pipe that it holds.

use super::{Levers, TrialError, config_files, places_of};
use crate::api::{self, Api, Slot};
use crate::clock::Clock;
use crate::config::{BusSettings, Settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tally_schemas::api::{TrialClockBody, TrialSettledBody, fill, path};
use tally_schemas::id::NodeId;
use tally_schemas::time::Timestamp;

/// How long a node may take to start or to stop.
const START_MAX: Duration = Duration::from_secs(60);
/// How long the nodes may take to hold the same before the clock is set.
const AGREE_MAX: Duration = Duration::from_secs(10);
/// How long is waited between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A node with its process, while it runs.
#[derive(Debug)]
struct Place {
    config: PathBuf,
    listen: SocketAddr,
    child: Option<Child>,
    is_cut: bool,
}

/// A federation of processes.
#[derive(Debug)]
pub struct Processes {
    clock: Clock,
    agent: ureq::Agent,
    places: Mutex<BTreeMap<NodeId, Place>>,
}

/// Says whether the nodes of a trial folder are on NATS, so that each needs its own process.
///
/// # Errors
/// A configuration that cannot be read, or nodes on different buses.
pub fn wants_processes(folder: &Path) -> Result<bool, TrialError> {
    let mut kinds = Vec::new();
    for path in config_files(&folder.join("nodes"))? {
        kinds.push(matches!(Settings::read(&path)?.bus, BusSettings::Nats(_)));
    }
    kinds.dedup();
    match kinds.as_slice() {
        [kind] => Ok(*kind),
        _ => Err(TrialError::MixedBus),
    }
}

impl Processes {
    /// Opens the folder of a trial and starts a process for every node in it.
    ///
    /// # Errors
    /// A folder that is no trial's, or a node that does not start.
    pub fn open(folder: &Path) -> Result<Arc<Self>, TrialError> {
        let (places, created) = places_of(folder, |config, settings| Place {
            config,
            listen: settings.listen,
            child: None,
            is_cut: false,
        })?;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(START_MAX))
            .build()
            .into();
        let trial = Arc::new(Self {
            clock: Clock::trial(&folder.join("clock"), created)?,
            agent,
            places: Mutex::new(places),
        });
        let started = trial.start_all().and_then(|()| trial.await_listening());
        if let Err(error) = started {
            trial.stop();
            return Err(error);
        }
        Ok(trial)
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<NodeId, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_all(&self) -> Result<(), TrialError> {
        let mut places = self.places();
        for (node, place) in places.iter_mut() {
            place.child = Some(spawn(node, &place.config)?);
        }
        Ok(())
    }

    /// Waits until every node that was started answers.
    fn await_listening(&self) -> Result<(), TrialError> {
        let started = Instant::now();
        let mut places = self.places();
        for (node, place) in places.iter_mut() {
            let Some(child) = &mut place.child else { continue };
            let failed = |why: String| TrialError::Process {
                node: node.clone(),
                why,
            };
            let url = format!("http://{}{}", place.listen, path::HEALTH);
            loop {
                if let Ok(Some(status)) = child.try_wait() {
                    return Err(failed(format!("it ended with {status}; its log says why")));
                }
                if self.agent.get(&url).call().is_ok() {
                    break;
                }
                if started.elapsed() > START_MAX {
                    return Err(failed(format!("nothing listens on {}", place.listen)));
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    fn post<B: Serialize, A: DeserializeOwned>(
        &self,
        node: &NodeId,
        listen: SocketAddr,
        path: &str,
        body: &B,
    ) -> Result<A, TrialError> {
        let failed = |error: ureq::Error| TrialError::Process {
            node: node.clone(),
            why: error.to_string(),
        };
        let mut answer = self
            .agent
            .post(format!("http://{listen}{path}"))
            .send_json(body)
            .map_err(failed)?;
        answer.body_mut().read_json().map_err(failed)
    }

    /// Lists the nodes that run, with their addresses and whether their bus is cut.
    fn running(&self) -> Vec<(NodeId, SocketAddr, bool)> {
        let places = self.places();
        let running = places.iter().filter(|(_, place)| place.child.is_some());
        running
            .map(|(node, place)| (node.clone(), place.listen, place.is_cut))
            .collect()
    }

    /// Stops every node.
    pub fn stop(&self) {
        let mut places = self.places();
        // All at once: each may take a moment.
        for place in places.values_mut() {
            if let Some(child) = &mut place.child {
                drop(child.stdin.take());
            }
        }
        for (node, place) in places.iter_mut() {
            if let Some(child) = place.child.take() {
                finish(node, child);
            }
        }
    }
}

fn spawn(node: &NodeId, config: &Path) -> Result<Child, TrialError> {
    let failed = |error: std::io::Error| TrialError::Process {
        node: node.clone(),
        why: error.to_string(),
    };
    let program = std::env::current_exe().map_err(failed)?;
    Command::new(program)
        .arg("run")
        .arg(config)
        .arg("--while-stdin")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)
}

/// Ends a process as an operator would, and if it does not end, as nobody should.
fn finish(node: &NodeId, mut child: Child) {
    drop(child.stdin.take());
    let started = Instant::now();
    while started.elapsed() < START_MAX {
        match child.try_wait() {
            Ok(Some(status)) => {
                if !status.success() {
                    tracing::warn!(%node, %status, "the node ended with a failure");
                }
                return;
            }
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(_) => break,
        }
    }
    tracing::error!(%node, "the node does not end; it is killed");
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        tracing::error!(%node, %error, "it cannot be killed");
    }
}

impl Levers for Processes {
    fn set_clock(&self, now: Timestamp) -> Result<(), TrialError> {
        let settled = self.settle()?;
        if settled.busy || settled.heads.contains(',') {
            tracing::warn!("the nodes of the trial still move while its clock is set");
        }
        self.clock.set(now)?;
        let body = TrialClockBody { now: now.to_string() };
        for (node, listen, _) in self.running() {
            let _set: TrialClockBody = self.post(&node, listen, path::TRIAL_CLOCK, &body)?;
        }
        Ok(())
    }

    /// Lets time pass in all nodes until those on the bus hold the same and nothing moves any more.
    fn settle(&self) -> Result<TrialSettledBody, TrialError> {
        let started = Instant::now();
        let mut before = Vec::new();
        loop {
            let mut reached = Vec::new();
            let mut busy = false;
            for (node, listen, is_cut) in self.running() {
                let at: TrialSettledBody =
                    self.post(&node, listen, path::TRIAL_SETTLE, &serde_json::json!({}))?;
                busy |= at.busy;
                reached.push((is_cut, at.heads));
            }
            let mut heads: Vec<String> = reached
                .iter()
                .filter(|(is_cut, _)| !is_cut)
                .map(|(_, heads)| heads.clone())
                .collect();
            heads.sort_unstable();
            heads.dedup();
            let done = !busy && heads.len() <= 1 && reached == before;
            if done || started.elapsed() > AGREE_MAX {
                return Ok(TrialSettledBody {
                    heads: heads.join(","),
                    busy,
                });
            }
            before = reached;
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn offline(&self, node: &NodeId) -> Result<(), TrialError> {
        let child = {
            let mut places = self.places();
            let place = places
                .get_mut(node)
                .ok_or_else(|| TrialError::NoNode(node.clone()))?;
            place.child.take()
        };
        if let Some(child) = child {
            finish(node, child);
            tracing::info!(%node, "offline: its process ended");
        }
        Ok(())
    }

    fn online(&self, node: &NodeId) -> Result<(), TrialError> {
        {
            let mut places = self.places();
            let place = places
                .get_mut(node)
                .ok_or_else(|| TrialError::NoNode(node.clone()))?;
            if place.child.is_some() {
                return Ok(());
            }
            place.is_cut = false;
            place.child = Some(spawn(node, &place.config)?);
        }
        self.await_listening()?;
        tracing::info!(%node, "online: its process started");
        Ok(())
    }

    fn cut(&self, node: &NodeId, cut: bool) -> Result<(), TrialError> {
        let listen = {
            let mut places = self.places();
            let place = places
                .get_mut(node)
                .ok_or_else(|| TrialError::NoNode(node.clone()))?;
            place.is_cut = cut;
            place.listen
        };
        let state = if cut { "cut" } else { "joined" };
        let path = fill(path::TRIAL_NODE, &[node.as_str(), state]);
        let _done: serde_json::Value = self.post(node, listen, &path, &serde_json::json!({}))?;
        Ok(())
    }
}

/// Runs a trial of processes until `stop` resolves.
///
/// # Errors
/// The trial does not open, or there is no free port for its levers.
pub async fn run(folder: &Path, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), TrialError> {
    let lever = folder.join("lever");
    let io = |source| TrialError::Io {
        path: lever.clone(),
        source,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let owned = folder.to_owned();
    let trial = tokio::task::spawn_blocking(move || Processes::open(&owned))
        .await
        .map_err(|error| io(std::io::Error::other(error)))??;
    std::fs::write(&lever, format!("{address}\n")).map_err(io)?;
    tracing::info!(%address, "levers");
    let api = Api {
        slot: Slot::default(),
        trial: Some(trial.clone()),
    };
    let served = api::serve(listener, api, stop).await;
    let ending = trial.clone();
    if tokio::task::spawn_blocking(move || ending.stop()).await.is_err() {
        tracing::error!("stopping the nodes ended early");
    }
    std::fs::remove_file(&lever).map_err(io)?;
    served.map_err(io)
}
