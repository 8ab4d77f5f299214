//! A federation of replicas in this process with real keys: the smallest shell that keeps the contract of the core.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use tally_client::keystore;
use tally_client::play::scenario::NodeState;
use tally_client::play::{Refused, Submission, Submitted, Target, TargetError, View};
use tally_ledger::cases::source::AsOf;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, sha256};
use tally_ledger::projection;
use tally_ledger::replica::{Alarm, Input, Job, KeptRange, Output, Recorded, Refusal, Replica};
use tally_schemas::id::{CaseId, DepartmentId, NamedHead, NodeId, Origin};
use tally_schemas::json::Json;
use tally_schemas::key_file::Sealed;
use tally_schemas::time::Timestamp;

/// What one node keeps of a log.
#[derive(Default)]
struct Disk {
    entries: Vec<Vec<u8>>,
    checkpoint: Vec<u8>,
}

struct Node {
    id: NodeId,
    hosted: BTreeSet<DepartmentId>,
    /// None while the node is offline.
    replica: Option<Replica>,
    cut: bool,
    disk: BTreeMap<Origin, Disk>,
}

impl Node {
    fn on_bus(&self) -> bool {
        self.replica.is_some() && !self.cut
    }
}

/// The federation.
pub struct InProcess {
    genesis: Vec<u8>,
    nodes: Vec<Node>,
    keys: BTreeMap<DepartmentId, SigningKey>,
    registrar: DepartmentId,
    /// The clock of the federation.
    pub now: Timestamp,
    replies: BTreeMap<u64, Result<Recorded, Box<Refusal>>>,
    ticket: u64,
    /// Everything that a node would show its operator.
    pub alarms: Vec<(NodeId, Alarm)>,
}

impl InProcess {
    /// Starts every node of a founded folder.
    pub fn start(folder: &Path) -> Self {
        let genesis = std::fs::read(folder.join("genesis.note")).unwrap();
        let registry = tally_ledger::authority::Registry::found(&genesis).unwrap();
        let mut keys = BTreeMap::new();
        let mut hosted: BTreeMap<NodeId, BTreeSet<DepartmentId>> = BTreeMap::new();
        for record in registry.departments(0) {
            let file = keystore::read(&folder.join("keys").join(format!("log-{}.key", record.id))).unwrap();
            let Sealed::None(seed) = file.sealed else {
                panic!("the key of the log of {} is sealed", record.id)
            };
            keys.insert(record.id.clone(), SigningKey::from_seed(&seed));
            hosted
                .entry(record.node.clone())
                .or_default()
                .insert(record.id.clone());
        }
        let nodes = hosted.into_iter().map(|(id, hosted)| Node {
            replica: Some(Replica::found(&genesis, hosted.clone()).unwrap()),
            id,
            hosted,
            cut: false,
            disk: BTreeMap::new(),
        });
        Self {
            nodes: nodes.collect(),
            registrar: registry.genesis().registrar.clone(),
            now: registry.genesis().created,
            genesis,
            keys,
            replies: BTreeMap::new(),
            ticket: 0,
            alarms: Vec::new(),
        }
    }

    /// Returns the replica of a node that is online.
    pub fn replica(&self, id: &str) -> &Replica {
        let node = self.nodes.iter().find(|node| node.id.as_str() == id).unwrap();
        node.replica.as_ref().unwrap()
    }

    fn place(&self, fits: impl Fn(&Node) -> bool, what: &str) -> Result<usize, TargetError> {
        let place = self.nodes.iter().position(fits);
        place.ok_or_else(|| TargetError::Lacking(format!("no node for {what}")))
    }

    fn host(&self, department: &DepartmentId) -> Result<usize, TargetError> {
        self.place(|node| node.hosted.contains(department), department.as_str())
    }

    /// Hands an input to a node and does what the replicas ask until nothing is left to do.
    fn pump(&mut self, at: usize, input: Input) {
        let mut queue = VecDeque::from([(at, input)]);
        while let Some((at, input)) = queue.pop_front() {
            let now = self.now;
            let Some(replica) = self.nodes[at].replica.as_mut() else {
                continue;
            };
            for output in replica.handle(now, vec![input]) {
                match output {
                    Output::Verify(jobs) => {
                        let results = jobs.iter().map(Job::run).collect();
                        queue.push_back((at, Input::Verified(results)));
                    }
                    Output::Persist(batch) => {
                        let disk = self.nodes[at].disk.entry(batch.origin.clone()).or_default();
                        assert_eq!(
                            disk.entries.len() as u64,
                            batch.start,
                            "a gap in {}",
                            batch.origin
                        );
                        disk.entries
                            .extend(batch.entries.iter().map(|entry| entry.to_vec()));
                        let checkpoint = if batch.own {
                            let key = &self.keys[&batch.origin.department];
                            Some(sign_checkpoint(&batch.origin, batch.head, key).to_bytes())
                        } else {
                            None
                        };
                        if let Some(bytes) = checkpoint.clone().or(batch.checkpoint) {
                            disk.checkpoint = bytes;
                        }
                        let done = Input::Persisted {
                            token: batch.token,
                            checkpoint,
                        };
                        queue.push_back((at, done));
                    }
                    Output::Sealed { origin, .. } | Output::Refetch { origin, .. } => {
                        panic!("no log of a scenario goes on in a later epoch: {origin}")
                    }
                    Output::Rebuild => panic!("nothing of a scenario is derived anew"),
                    Output::Publish(frame) => {
                        if self.nodes[at].on_bus() {
                            for other in (0..self.nodes.len()).filter(|other| *other != at) {
                                if self.nodes[other].on_bus() {
                                    queue.push_back((other, Input::Frame(frame.clone())));
                                }
                            }
                        }
                    }
                    Output::Want { origin, start } => {
                        if self.nodes[at].on_bus() {
                            for other in (0..self.nodes.len()).filter(|other| *other != at) {
                                let peer = &self.nodes[other];
                                let held = peer.disk.get(&origin).map_or(&[][..], |disk| &disk.entries[..]);
                                let range = held.get(usize::try_from(start).unwrap()..).unwrap_or(&[]);
                                let frame = peer
                                    .replica
                                    .as_ref()
                                    .filter(|_| peer.on_bus() && !range.is_empty());
                                if let Some(frame) =
                                    frame.and_then(|replica| replica.frame(&origin, start, range.to_vec()))
                                {
                                    queue.push_back((at, Input::Frame(frame)));
                                }
                            }
                        }
                    }
                    Output::Reply { ticket, result } => drop(self.replies.insert(ticket, result)),
                    Output::Changed(_) => {}
                    Output::Evidence { .. } | Output::WantEvidence(_) => {
                        panic!("no member of the scenario forks")
                    }
                    Output::Alarm(alarm) => self.alarms.push((self.nodes[at].id.clone(), alarm)),
                }
            }
        }
    }

    fn entries(&self) -> usize {
        let disks = self.nodes.iter().flat_map(|node| node.disk.values());
        disks.map(|disk| disk.entries.len()).sum()
    }

    /// Says what still differs between the nodes on the bus.
    fn differs(&self) -> Option<String> {
        let on_bus: Vec<&Node> = self.nodes.iter().filter(|node| node.on_bus()).collect();
        for node in &on_bus {
            let world = node.replica.as_ref().unwrap().world();
            for log in world.logs() {
                let origin = &log.origin;
                if log.cursor() < log.size() {
                    return Some(format!("{origin} is not resolved on {}", node.id));
                }
                for other in &on_bus {
                    let held = other.replica.as_ref().unwrap().world().log(&origin.department);
                    if held.map(tally_ledger::world::Log::size) != Some(log.size()) {
                        return Some(format!("{origin} differs between {} and {}", node.id, other.id));
                    }
                }
            }
            for department in &node.hosted {
                if let Some(event) = world.unreceived(department).first() {
                    return Some(format!("{department} has not received {event}"));
                }
            }
        }
        None
    }

    /// Returns the states of all cases and the heads of all logs, as one node holds them.
    pub fn state(&self, id: &str) -> String {
        let world = self.replica(id).world();
        let mut out = String::new();
        for log in world.logs() {
            out.push_str(&format!(
                "{} {} {}\n",
                log.origin,
                log.size(),
                log.tree.head().root
            ));
        }
        for (case, fold) in world.cases() {
            let state = fold
                .state()
                .map(|state| state.to_json().to_canonical())
                .unwrap_or_default();
            out.push_str(&format!("{case} {state}\n"));
        }
        out
    }
}

impl Target for InProcess {
    fn submit(&mut self, submission: Submission<'_>) -> Result<Result<Submitted, Refused>, TargetError> {
        let at = self.host(submission.department)?;
        if self.nodes[at].replica.is_none() {
            return Err(TargetError::Unreachable {
                node: self.nodes[at].id.to_string(),
                why: "it is offline".to_owned(),
            });
        }
        self.ticket += 1;
        let ticket = self.ticket;
        let input = Input::Submit {
            ticket,
            note: submission.note.to_vec(),
            personal_override: submission.allow_personal.map(str::to_owned),
        };
        self.pump(at, input);
        let reply = self
            .replies
            .remove(&ticket)
            .expect("every submission is answered");
        Ok(match reply {
            Ok(recorded) => Ok(Submitted {
                event: recorded.event,
                index: recorded.index,
            }),
            Err(refusal) => Err(Refused {
                code: refusal.code.clone(),
                what: refusal.what.clone(),
            }),
        })
    }

    fn set_clock(&mut self, now: Timestamp) -> Result<(), TargetError> {
        self.settle()?;
        self.now = self.now.max(now);
        Ok(())
    }

    fn settle(&mut self) -> Result<(), TargetError> {
        for _ in 0..20 {
            let before = self.entries();
            for at in 0..self.nodes.len() {
                self.pump(at, Input::Tick);
            }
            if self.differs().is_none() && self.entries() == before {
                return Ok(());
            }
            self.now = self.now.plus_ms(5_000);
        }
        Err(TargetError::Unsettled {
            seconds: 100,
            why: self.differs().unwrap_or_else(|| "entries keep coming".to_owned()),
        })
    }

    fn node(&mut self, node: &NodeId, state: NodeState) -> Result<(), TargetError> {
        let at = self.place(|held| held.id == *node, node.as_str())?;
        match state {
            NodeState::Cut => self.nodes[at].cut = true,
            NodeState::Joined => self.nodes[at].cut = false,
            NodeState::Offline => self.nodes[at].replica = None,
            NodeState::Online => {
                let hosted = self.nodes[at].hosted.clone();
                self.nodes[at].replica = Some(Replica::found(&self.genesis, hosted).unwrap());
                let kept: Vec<Input> = self.nodes[at]
                    .disk
                    .iter()
                    .map(|(origin, disk)| {
                        Input::Restored(KeptRange {
                            origin: origin.clone(),
                            entries: disk.entries.clone(),
                            checkpoint: disk.checkpoint.clone(),
                            covering: None,
                        })
                    })
                    .collect();
                for input in kept {
                    self.pump(at, input);
                }
            }
        }
        Ok(())
    }

    fn head(&mut self, department: &DepartmentId) -> Result<NamedHead, TargetError> {
        let at = self.host(&self.registrar.clone())?;
        let world = self.nodes[at].replica.as_ref().unwrap().world();
        let number = world.number(department).unwrap();
        Ok(NamedHead {
            origin: Origin::clone(&world.log_at(number).unwrap().origin),
            head: world.resolved_head(number).unwrap(),
        })
    }

    fn stage(&mut self, case: &CaseId, item: Option<u16>) -> Result<String, TargetError> {
        let at = self.place(Node::on_bus, "a question")?;
        let world = self.nodes[at].replica.as_ref().unwrap().world();
        let state = world.case(case).and_then(|fold| fold.shared_state());
        let state = state.ok_or_else(|| TargetError::Lacking(format!("case {case} is not open")))?;
        let stage = match item {
            None => Some(state.stage()),
            Some(item) => state.items.get(&item).map(|item| item.stage),
        };
        Ok(stage.map_or("no such item", |stage| stage.as_str()).to_owned())
    }

    fn digests(&mut self) -> Result<(usize, String), TargetError> {
        let ids: Vec<String> = self
            .nodes
            .iter()
            .filter(|node| node.on_bus())
            .map(|node| node.id.to_string())
            .collect();
        let states: BTreeSet<String> = ids.iter().map(|id| self.state(id)).collect();
        match (states.len(), states.first()) {
            (1, Some(state)) => Ok((ids.len(), sha256(&[state.as_bytes()]).to_hex())),
            (count, _) => Err(TargetError::Unsettled {
                seconds: 0,
                why: format!("{} nodes hold {count} different states", ids.len()),
            }),
        }
    }

    fn show(&mut self, view: &View) -> Result<Option<String>, TargetError> {
        let at = self.host(&self.registrar.clone())?;
        let world = self.nodes[at].replica.as_ref().unwrap().world();
        let asof = AsOf::new(world, self.now);
        let json = match view {
            View::Trail(case) => {
                let fold = world.case(case);
                let fold = fold.ok_or_else(|| TargetError::Lacking(format!("case {case} is not open")))?;
                projection::trail::of(&fold, &asof).to_json()
            }
            View::Due { department, overdue } => Json::Array(
                projection::due::running(&asof, department.as_ref(), *overdue)
                    .iter()
                    .map(projection::due::DueLine::to_json)
                    .collect(),
            ),
            View::Inbox { department, post } => {
                projection::inbox::of(department, Some(post), &asof).to_json()
            }
        };
        Ok(Some(json.to_canonical()))
    }
}
