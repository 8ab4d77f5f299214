//! A trial over HTTP: `tally-node trial DIR` in another process. Its clock and its nodes are moved at the address in `DIR/lever`, where
//! each node is a process of its own, and at any node where all of them are one process.
//!
//! The trial's clock stands still between the steps. Every request to set it, also to the time it has, makes the nodes look
//! around at once; that is how arrivals are stated before the clock moves on.

use super::scenario::NodeState;
use super::target::{Refused, Submission, Submitted, Target, TargetError, View};
use crate::draft::assemble::Part;
use crate::node::{Method, NodeClient, NodeError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tally_ledger::authority::Registry;
use tally_schemas::api::{self, Answer, PartBody, SubmitBody, TrialClockBody};
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::id::{CaseId, DepartmentId, EventId, FederationId, Hash, NamedHead, NodeId};
use tally_schemas::limits::CHECKPOINT_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

/// How long the nodes may take to hold the same.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// How long is waited between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(15);
/// After how long without agreement the clock is moved on a little, so that nodes announce themselves.
const NUDGE_AFTER: Duration = Duration::from_millis(400);
/// How far: a node announces its heads every five seconds.
const NUDGE_MS: i64 = 5_000;

/// Renders a view for the reader, asked from the node at an address.
pub type ShowView<'a> = Box<dyn FnMut(&str, &View) -> Result<String, TargetError> + 'a>;

/// A trial of several nodes, reached over HTTP.
pub struct Trial<'a> {
    nodes: BTreeMap<NodeId, NodeClient>,
    federation: FederationId,
    offline: BTreeSet<NodeId>,
    cut: BTreeSet<NodeId>,
    hosts: BTreeMap<DepartmentId, NodeId>,
    registrar: DepartmentId,
    now: Timestamp,
    lever: Option<NodeClient>,
    show: ShowView<'a>,
}

impl std::fmt::Debug for Trial<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes: Vec<&NodeId> = self.nodes.keys().collect();
        write!(formatter, "Trial({nodes:?}, offline {:?})", self.offline)
    }
}

/// What a node says of its logs: by department the head, how much is resolved, and how much it has not received.
type Heads = BTreeMap<String, (u64, String, u64, u64)>;

impl<'a> Trial<'a> {
    /// Finds the nodes of a trial folder; nothing is asked yet.
    ///
    /// # Errors
    /// A folder without readable node configurations.
    pub fn open(folder: &Path, registry: &Registry, show: ShowView<'a>) -> Result<Self, TargetError> {
        let mut nodes = BTreeMap::new();
        let genesis = registry.genesis();
        for record in &genesis.nodes {
            let path = folder.join("nodes").join(format!("{}.toml", record.id));
            let lacking = |why: String| TargetError::Lacking(format!("{}: {why}", path.display()));
            let text = std::fs::read_to_string(&path).map_err(|error| lacking(error.to_string()))?;
            let table: toml::Table = text
                .parse()
                .map_err(|error: toml::de::Error| lacking(error.to_string()))?;
            let listen = table.get("listen").and_then(toml::Value::as_str);
            let listen = listen.ok_or_else(|| lacking("names no address to listen on".to_owned()))?;
            nodes.insert(record.id.clone(), NodeClient::new(&format!("http://{listen}")));
        }
        let hosts = genesis
            .departments
            .iter()
            .map(|record| (record.id.clone(), record.node.clone()))
            .collect();
        let lever = folder.join("lever");
        let lever = match std::fs::read_to_string(&lever) {
            Ok(address) => Some(NodeClient::new(&format!("http://{}", address.trim_end()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(TargetError::Lacking(format!("{}: {error}", lever.display()))),
        };
        Ok(Self {
            nodes,
            federation: registry.federation().clone(),
            hosts,
            offline: BTreeSet::new(),
            cut: BTreeSet::new(),
            registrar: genesis.registrar.clone(),
            now: genesis.created,
            lever,
            show,
        })
    }

    /// Waits until every node takes writes, and makes sure that they belong to the federation of the folder.
    ///
    /// # Errors
    /// A node that is not ready in time, or another federation behind its address.
    pub fn wait_ready(&self, patience: Duration) -> Result<(), TargetError> {
        let start = Instant::now();
        for (id, node) in self.nodes.iter().filter(|(id, _)| !self.offline.contains(*id)) {
            loop {
                let error = match node.bytes(api::path::READY, api::BODY_BYTES_MAX as u64) {
                    Ok(_) => break,
                    Err(error) => error,
                };
                if start.elapsed() > patience {
                    return Err(broken(id, &error));
                }
                std::thread::sleep(LOOK_EVERY);
            }
            let told = node.federation().map_err(|error| broken(id, &error))?;
            if told.id != self.federation.as_str() {
                return Err(TargetError::Lacking(format!(
                    "{} is a node of {}, the folder is that of {}; another trial uses this address",
                    node.base(),
                    told.id,
                    self.federation
                )));
            }
        }
        Ok(())
    }

    fn host(&self, department: &DepartmentId) -> Result<(NodeId, &NodeClient), TargetError> {
        let lacking = || TargetError::Lacking(format!("no node hosts {department}"));
        let id = self.hosts.get(department).ok_or_else(lacking)?;
        let node = self.nodes.get(id).ok_or_else(lacking)?;
        Ok((id.clone(), node))
    }

    /// Returns the nodes on the bus; a node that serves but is cut off is looked at apart.
    fn on_bus(&self) -> impl Iterator<Item = (&NodeId, &NodeClient)> {
        self.nodes
            .iter()
            .filter(|(id, _)| !self.offline.contains(*id) && !self.cut.contains(*id))
    }

    fn lever(&self) -> Result<(&NodeId, &NodeClient), TargetError> {
        let (id, first) = self
            .nodes
            .first_key_value()
            .ok_or_else(|| TargetError::Lacking("the trial has no node".to_owned()))?;
        Ok((id, self.lever.as_ref().unwrap_or(first)))
    }

    fn turn_clock(&self, now: Timestamp) -> Result<(), TargetError> {
        let (id, node) = self.lever()?;
        let body = TrialClockBody { now: now.to_string() };
        let told: Result<TrialClockBody, NodeError> = node.send(Method::Post, api::path::TRIAL_CLOCK, &body);
        told.map(drop).map_err(|error| broken(id, &error))
    }

    /// Says what still differs between the nodes on the bus, or is not received yet.
    fn differs(&self) -> Result<Option<String>, TargetError> {
        let mut first: Option<(&NodeId, Heads)> = None;
        for (id, node) in self.on_bus() {
            let heads = heads_of(id, node)?;
            for (department, (size, _, cursor, unreceived)) in &heads {
                if cursor < size {
                    return Ok(Some(format!(
                        "{id} has resolved {cursor} of {size} entries of {department}"
                    )));
                }
                let hosted = self
                    .hosts
                    .iter()
                    .any(|(held, host)| held.as_str() == department && host == id);
                if hosted && *unreceived > 0 {
                    return Ok(Some(format!("{department} has {unreceived} acts to receive")));
                }
            }
            match &first {
                None => first = Some((id, heads)),
                Some((other, held)) => {
                    for (department, head) in &heads {
                        if held.get(department).map(|held| (held.0, &held.1)) != Some((head.0, &head.1)) {
                            return Ok(Some(format!(
                                "the log of {department} differs between {other} and {id}"
                            )));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    fn case(&self, case: &CaseId) -> Result<Value, TargetError> {
        let first = self.on_bus().next();
        let (id, node) = first.ok_or_else(|| TargetError::Lacking("no node is on the bus".to_owned()))?;
        let answer: Result<Answer, NodeError> = node.read(&api::fill(api::path::CASE, &[&case.to_string()]));
        answer
            .map(|answer| answer.data)
            .map_err(|error| broken(id, &error))
    }
}

fn broken(node: &NodeId, error: &NodeError) -> TargetError {
    let node = node.to_string();
    let why = error.to_string();
    match error {
        NodeError::Unreachable { .. } => TargetError::Unreachable { node, why },
        _ => TargetError::Answer { node, why },
    }
}

fn heads_of(id: &NodeId, node: &NodeClient) -> Result<Heads, TargetError> {
    let answer: Answer = node.read(api::path::LOGS).map_err(|error| broken(id, &error))?;
    let number = |row: &Value, name: &str| row.get(name).and_then(Value::as_u64).unwrap_or(0);
    let text = |row: &Value, name: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let rows = answer.data.as_array().into_iter().flatten();
    Ok(rows
        .map(|row| {
            let head = (
                number(row, "size"),
                text(row, "root"),
                number(row, "cursor"),
                number(row, "unreceived"),
            );
            (text(row, "department"), head)
        })
        .collect())
}

fn part_body(part: &Part) -> PartBody {
    PartBody {
        commit: part.commitment.commit.to_hex(),
        salt: STANDARD.encode(part.salt),
        media_type: Some(part.commitment.media_type.clone()),
        content: STANDARD.encode(&part.content),
    }
}

impl Target for Trial<'_> {
    fn submit(&mut self, submission: Submission<'_>) -> Result<Result<Submitted, Refused>, TargetError> {
        let (id, node) = self.host(submission.department)?;
        let unusable = |why: String| TargetError::Answer {
            node: id.to_string(),
            why,
        };
        let note =
            String::from_utf8(submission.note.to_vec()).map_err(|error| unusable(error.to_string()))?;
        let body = SubmitBody {
            note,
            parts: submission.parts.iter().map(part_body).collect(),
            draft: None,
            personal_override: submission.allow_personal.map(str::to_owned),
        };
        match node.submit(&body) {
            Ok(answer) => {
                let event = Hash::parse_hex(&answer.event).map_err(|error| unusable(error.to_string()))?;
                Ok(Ok(Submitted {
                    event: EventId(event),
                    index: answer.index,
                }))
            }
            Err(NodeError::Refused { body, .. }) if matches!(body.family.as_str(), "refused" | "invalid") => {
                Ok(Err(Refused {
                    code: body.code,
                    what: body.what,
                }))
            }
            Err(error) => Err(broken(&id, &error)),
        }
    }

    fn set_clock(&mut self, now: Timestamp) -> Result<(), TargetError> {
        self.settle()?;
        self.now = self.now.max(now);
        self.turn_clock(self.now)
    }

    fn settle(&mut self) -> Result<(), TargetError> {
        let start = Instant::now();
        let mut nudged = Instant::now();
        let mut looked = false;
        loop {
            let differs = self.differs()?;
            match differs {
                // Once more after the nodes were made to look around: what they state is then held everywhere too.
                None if looked => return Ok(()),
                Some(why) if start.elapsed() > SETTLE_MAX => {
                    return Err(TargetError::Unsettled {
                        seconds: SETTLE_MAX.as_secs(),
                        why,
                    });
                }
                _ => {}
            }
            looked = true;
            if nudged.elapsed() > NUDGE_AFTER {
                self.now = self.now.plus_ms(NUDGE_MS);
                nudged = Instant::now();
            }
            self.turn_clock(self.now)?;
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn node(&mut self, node: &NodeId, state: NodeState) -> Result<(), TargetError> {
        let (id, lever) = self.lever()?;
        let path = api::fill(api::path::TRIAL_NODE, &[node.as_str(), state.as_str()]);
        let told: Result<Value, NodeError> = lever.send(Method::Post, &path, &serde_json::json!({}));
        told.map_err(|error| broken(id, &error))?;
        match state {
            NodeState::Offline => drop(self.offline.insert(node.clone())),
            NodeState::Online => drop(self.offline.remove(node)),
            NodeState::Cut => drop(self.cut.insert(node.clone())),
            NodeState::Joined => drop(self.cut.remove(node)),
        }
        if state == NodeState::Online {
            self.wait_ready(SETTLE_MAX)?;
        }
        Ok(())
    }

    fn head(&mut self, department: &DepartmentId) -> Result<NamedHead, TargetError> {
        let (id, node) = self.host(&self.registrar)?;
        let unusable = |why: String| TargetError::Answer {
            node: id.to_string(),
            why,
        };
        let path = api::fill(api::path::CHECKPOINT, &[department.as_str()]);
        let bytes = node
            .bytes(&path, CHECKPOINT_BYTES_MAX as u64)
            .map_err(|error| broken(&id, &error))?;
        let read = Note::parse(&bytes, CHECKPOINT_BYTES_MAX).and_then(|note| Checkpoint::parse(&note.text));
        let checkpoint = read.map_err(|error| unusable(error.to_string()))?;
        Ok(NamedHead {
            origin: checkpoint.origin,
            head: checkpoint.head,
        })
    }

    fn stage(&mut self, case: &CaseId, item: Option<u16>) -> Result<String, TargetError> {
        let data = self.case(case)?;
        let row = match item {
            None => data.get("summary"),
            Some(item) => data.get("items").and_then(Value::as_array).and_then(|rows| {
                let fits = |row: &&Value| row.get("item").and_then(Value::as_u64) == Some(u64::from(item));
                rows.iter().find(fits)
            }),
        };
        let stage = row.and_then(|row| row.get("stage")).and_then(Value::as_str);
        Ok(stage.unwrap_or("no such item").to_owned())
    }

    fn digests(&mut self) -> Result<(usize, String), TargetError> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, node) in self.on_bus() {
            let answer: Answer = node
                .read(api::path::DIGESTS)
                .map_err(|error| broken(id, &error))?;
            let text = format!("{} {}", answer.heads.digest, answer.data);
            found.entry(text).or_default().push(id.to_string());
        }
        match (found.len(), found.first_key_value()) {
            (1, Some((text, nodes))) => {
                let digest = tally_ledger::crypto::sha256(&[text.as_bytes()]).to_hex();
                Ok((nodes.len(), digest))
            }
            _ => Err(TargetError::Unsettled {
                seconds: 0,
                why: format!("states differ: {:?}", found.values().collect::<Vec<_>>()),
            }),
        }
    }

    fn show(&mut self, view: &View) -> Result<Option<String>, TargetError> {
        let department = match view {
            View::Inbox { department, .. } => department.clone(),
            View::Due {
                department: Some(department),
                ..
            } => department.clone(),
            _ => self.registrar.clone(),
        };
        let base = self.host(&department)?.1.base().to_owned();
        (self.show)(&base, view).map(Some)
    }
}
