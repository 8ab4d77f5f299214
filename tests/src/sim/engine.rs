//! The world of a run: virtual time, the queue of what will happen, and the driver that keeps the contract of the core.

use super::cast::{Cast, START_MS, at};
use super::checker::Checker;
use super::coverage::Coverage;
use super::disk::Remains;
use super::ground::{Ground, LogId, log_id};
use super::hostile::Hostile;
use super::network::Network;
use super::node::Node;
use super::oracle::Oracle;
use super::questions::Asked;
use super::repair::Repair;
use super::rng::Rng;
use super::rulesets::Rulesets;
use super::run::Run;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use tally_ledger::cases::RULESET;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, sha256};
use tally_ledger::replica::{Alarm, Batch, CheckResult, Input, Job, Output, Recorded, Refusal, Replica};
use tally_ledger::world::World;
use tally_schemas::frame::Frame;
use tally_schemas::governance::GOVERNANCE_MAGIC;
use tally_schemas::id::{DepartmentId, EventId, Hash, Origin};
use tally_schemas::question::Question;
use tally_schemas::time::Timestamp;

/// What will happen.
#[derive(Debug)]
pub enum Happening {
    /// A message arrives.
    Arrives {
        /// Where.
        to: usize,
        /// From where.
        from: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// A question arrives.
    Asked(Asked),
    /// An answer arrives, or the word that there is none.
    Answered(Asked, Option<Vec<u8>>),
    /// Signatures were checked.
    Verified(usize, u64, Vec<CheckResult>),
    /// The disk is done.
    Written(usize, u64),
    /// Inputs are handed in together.
    Handle(usize, u64),
    /// Time is told to a node.
    Tick(usize, u64),
    /// A node that turned tells another its lie.
    Attack {
        /// Whom.
        to: usize,
        /// Which of its continuations.
        branch: usize,
        /// Whether it tells the others too.
        next: bool,
    },
    /// People see to a log that is not signed any more, or not agreed on.
    Repair(DepartmentId),
    /// Somebody acts.
    Work,
    /// Something breaks.
    Fault,
    /// The network joins again, if this is still the partition of that number.
    Heal(u64),
    /// A node starts again.
    Start(usize),
}

/// What a note that was submitted is about.
#[derive(Debug, Clone)]
pub struct Ticketed {
    /// The node.
    pub node: usize,
    /// The note.
    pub note: Vec<u8>,
    /// The department whose log it is for.
    pub department: DepartmentId,
}

/// An acknowledgement that a client holds.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The event.
    pub event: EventId,
    /// The log.
    pub origin: Origin,
    /// The position.
    pub index: u64,
    /// The entry.
    pub leaf: Hash,
    /// The note, for those who ask again.
    pub note: Vec<u8>,
}

/// What somebody knows on whom it depends what counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct View {
    /// The logs of later epochs.
    pub known: BTreeSet<LogId>,
    /// Whether the second continuation of a fork is held.
    pub second: bool,
    /// The newest ruleset that the software holds.
    pub holds: u32,
}

/// How a run is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many acts.
    pub acts: u64,
    /// Whether states are compared with the oracle; the second run of a seed only gives its trace.
    pub check: bool,
    /// Every how many seeds one runs twice and the traces are compared; 1 for each.
    pub twice_every: u64,
    /// Whether to tell what happens.
    pub verbose: bool,
    /// Whether what is told is kept instead of printed.
    pub keep: bool,
    /// Bytes that decide instead of chance, in turn what is done and what goes wrong; empty for a run by its seed alone.
    pub tape: Vec<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            acts: 240,
            check: true,
            twice_every: 1,
            verbose: false,
            keep: false,
            tape: Vec::new(),
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The hash over everything that happened.
    pub trace: Hash,
    /// What was met.
    pub coverage: Coverage,
    /// How many things happened.
    pub steps: u64,
}

/// A run.
pub struct Sim {
    /// The seed.
    pub seed: u64,
    /// How it is made.
    pub options: Options,
    /// Randomness of the workload.
    pub rng: Rng,
    /// Randomness of network, disks and crashes.
    pub chaos: Rng,
    /// Randomness of snapshots: apart, so that they change nothing else of a run.
    pub snapshots: Rng,
    /// Virtual time in milliseconds.
    pub now_ms: i64,
    /// The cast.
    pub cast: Cast,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The network.
    pub network: Network,
    /// Every entry made.
    pub ground: Ground,
    /// The oracle of those who are looked at now.
    pub oracle: Oracle,
    /// The oracles of others: who know other openings, or hold another branch of a fork.
    views: BTreeMap<View, Oracle>,
    /// Whose oracle stands there now.
    pub view: View,
    /// What is lost, and how departments go on.
    pub repair: Repair,
    /// Who holds a newer ruleset, and when it is adopted.
    pub rulesets: Rulesets,
    /// The checker.
    pub checker: Checker,
    /// What was met.
    pub coverage: Coverage,
    /// Submissions without an answer.
    pub tickets: BTreeMap<u64, Ticketed>,
    /// Acknowledgements.
    pub acknowledged: Vec<Acknowledged>,
    /// Notes whose node crashed before it answered.
    pub unanswered: Vec<Ticketed>,
    /// The last refusals by ticket, for directed scenarios.
    pub refused: BTreeMap<u64, Box<Refusal>>,
    /// The number of the partition in force.
    pub partition: u64,
    /// Until when a scenario needs the partition in force.
    pub parted_until: i64,
    /// Whether things still break.
    pub faulty: bool,
    /// The node that turned against the others, if one did.
    pub hostile: Option<Hostile>,
    /// The entries of the two continuations of a fork.
    branches: [BTreeSet<Hash>; 2],
    /// How many frames were refused.
    pub refused_frames: u64,
    /// What is told, when it is to be kept instead of printed.
    pub story: Option<Vec<String>>,
    queue: BinaryHeap<Reverse<(i64, u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    next: u64,
    next_ticket: u64,
    trace: Hash,
    /// How many things happened.
    pub steps: u64,
    verified: BTreeMap<Hash, bool>,
}

impl Sim {
    /// Prepares a run.
    pub fn new(seed: u64, options: Options) -> Self {
        let mut rng = Rng::new(seed);
        let mut chaos = rng.fork();
        let nodes = 5 + usize::try_from(seed % 3).expect("small");
        let cast = Cast::found(seed, &mut rng, nodes);
        let oracle = Oracle::new(&cast.genesis, cast.genesis_hash, cast.federation.clone());
        let network = Network::new(nodes, &mut chaos);
        rng.follow(options.tape.iter().step_by(2).copied());
        chaos.follow(options.tape.iter().skip(1).step_by(2).copied());
        let rulesets = Rulesets::new(seed, options.acts);
        let mut sim = Self {
            seed,
            story: options.keep.then(Vec::new),
            options,
            rng,
            chaos,
            snapshots: Rng::new(seed ^ 0x5eed_0f5a_a95b_0715),
            now_ms: START_MS,
            nodes: (0..nodes).map(|place| Node::new(place, nodes)).collect(),
            network,
            ground: Ground::new(cast.genesis_hash),
            oracle,
            views: BTreeMap::new(),
            view: View {
                known: BTreeSet::new(),
                second: false,
                holds: RULESET,
            },
            repair: Repair::new(seed),
            rulesets,
            checker: Checker::new(nodes),
            coverage: Coverage::default(),
            tickets: BTreeMap::new(),
            acknowledged: Vec::new(),
            unanswered: Vec::new(),
            refused: BTreeMap::new(),
            partition: 0,
            parted_until: 0,
            faulty: true,
            hostile: None,
            branches: Default::default(),
            refused_frames: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next: 0,
            next_ticket: 0,
            trace: Hash::default(),
            steps: 0,
            verified: BTreeMap::new(),
            cast,
        };
        super::rulesets::equip(&mut sim);
        for node in 0..nodes {
            sim.start(node);
        }
        sim
    }

    /// Runs to the end: work under faults, then calm, then every check.
    pub fn run(self) -> Report {
        let mut run = Run::new(self);
        while run.step() {}
        run.finish()
    }

    /// Returns the hash over everything that happened so far.
    pub fn trace(&self) -> Hash {
        self.trace
    }

    /// Schedules something.
    pub fn later(&mut self, delay_ms: i64, happening: Happening) {
        let number = self.next;
        self.next += 1;
        self.queue.push(Reverse((self.now_ms + delay_ms, number, number)));
        self.happenings.insert(number, happening);
    }

    pub(super) fn pop(&mut self) -> Option<Happening> {
        let Reverse((when, _, number)) = self.queue.pop()?;
        self.now_ms = self.now_ms.max(when);
        self.steps += 1;
        self.happenings.remove(&number)
    }

    /// Adds to the trace.
    pub fn note(&mut self, what: &str, node: usize, detail: &[u8]) {
        let place = (node as u64).to_be_bytes();
        self.trace = sha256(&[
            &self.trace.0,
            &self.now_ms.to_be_bytes(),
            what.as_bytes(),
            &place,
            detail,
        ]);
        if self.options.verbose {
            let text = std::str::from_utf8(detail)
                .ok()
                .filter(|text| text.len() <= READABLE_BYTES_MAX && !text.contains(char::is_control))
                .map_or_else(|| sha256(&[detail]).short().to_string(), str::to_owned);
            self.line(format!("node-{node} {what} {text}"));
        }
    }

    /// Tells the story of a run, when asked to.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.options.verbose {
            self.line(what());
        }
    }

    fn line(&mut self, text: String) {
        match &mut self.story {
            Some(story) => story.push(text),
            None => println!("{:>9} {text}", self.now_ms - START_MS),
        }
    }

    /// Shows the oracle an entry that was made.
    pub fn show(&mut self, entry: &[u8]) {
        let Some(made) = self.ground.add(entry) else {
            return;
        };
        self.oracle.show(&self.ground, &made);
        for oracle in self.views.values_mut() {
            oracle.show(&self.ground, &made);
        }
    }

    /// Forgets a log of a later epoch that its node lost before anything of it was signed, and so do the oracles that knew it.
    pub fn forget_opening(&mut self, node: usize, origin: &Origin) {
        let log = log_id(origin);
        if !self.ground.forget(&log) {
            return;
        }
        self.coverage.hit("openings lost before they were signed");
        self.look(node);
        assert!(
            !self.view.known.contains(&log),
            "node-{node} knows the opening of {origin} that it lost"
        );
        self.views.retain(|view, _| !view.known.contains(&log));
    }

    /// Shows the oracles two continuations of a log, each to those who look at that one.
    pub fn show_branches(&mut self, branches: [&[Arc<[u8]>]; 2]) {
        let made = branches.map(|entries| {
            let made = entries.iter().filter_map(|entry| self.ground.add(entry));
            made.collect::<Vec<_>>()
        });
        self.branches = made
            .clone()
            .map(|made| made.iter().map(|made| made.leaf).collect::<BTreeSet<_>>());
        let [_, second] = &self.branches;
        self.oracle.leave_out(second.clone());
        for oracle in self.views.values_mut() {
            oracle.leave_out(second.clone());
        }
        for made in made.iter().flatten() {
            self.oracle.show(&self.ground, made);
            for oracle in self.views.values_mut() {
                oracle.show(&self.ground, made);
            }
        }
    }

    /// Says whether a node turned against the others.
    pub fn turned(&self, node: usize) -> bool {
        let mut hostile = self.hostile.iter();
        hostile.any(|hostile| hostile.node == node && !hostile.is_replaced)
    }

    /// Returns the view of a node: the openings that it knows, and the branch of a fork that it holds.
    fn view_of(&self, node: usize) -> View {
        let state = &self.nodes[node];
        let mut known = state.expected.clone();
        let worlds = state.replica.iter().map(Replica::world);
        known.extend(worlds.flat_map(World::known_openings).map(log_id));
        let mut hostile = self.hostile.iter();
        let second = !self.is_settled(&known) && hostile.any(|hostile| hostile.second(self, node));
        let holds = state.holds;
        View { known, second, holds }
    }

    /// Says whether these logs of later epochs settle which branch of the log that forked stands.
    fn is_settled(&self, known: &BTreeSet<LogId>) -> bool {
        let mut hostile = self.hostile.iter().map(|hostile| log_id(&hostile.origin));
        hostile.any(|(department, epoch)| known.iter().any(|log| log.0 == department && log.1 > epoch))
    }

    /// Looks at everything as a node does from now on.
    pub fn look(&mut self, node: usize) {
        let view = self.view_of(node);
        if view == self.view {
            return;
        }
        let oracle = match self.views.remove(&view) {
            Some(oracle) => oracle,
            None => {
                // What nobody looks at any more is derived anew if somebody ever does again.
                let seen: BTreeSet<View> = (0..self.nodes.len()).map(|node| self.view_of(node)).collect();
                self.views.retain(|view, _| seen.contains(view));
                let other = match self.is_settled(&view.known) {
                    true => BTreeSet::new(),
                    false => self.branches[usize::from(!view.second)].clone(),
                };
                self.oracle
                    .knowing(&self.ground, view.known.clone(), other, view.holds)
            }
        };
        let before = std::mem::replace(&mut self.oracle, oracle);
        let before_view = std::mem::replace(&mut self.view, view);
        self.views.insert(before_view, before);
    }

    /// Does something with the oracle of what a node knows and holds.
    pub fn in_view_of<T>(&mut self, node: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        self.look(node);
        work(self)
    }

    /// Returns the newest log of a department as its own node has it.
    pub fn newest(&self, department: &DepartmentId) -> Origin {
        let node = self.cast.member(department).node;
        self.nodes[node]
            .disk
            .newest(department)
            .unwrap_or_else(|| self.cast.origin(department))
    }

    /// Returns the clock of a node.
    pub fn clock(&self, node: usize) -> Timestamp {
        at(self.now_ms + self.nodes[node].skew_ms)
    }

    pub(super) fn step(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives { to, from, bytes } => {
                if !self.network.connects(to, from) {
                    self.coverage.hit("messages cut off");
                    return;
                }
                if let Ok(frame) = Frame::decode(&bytes) {
                    self.hand(to, Input::Frame(frame));
                } else {
                    self.coverage.hit("frames unreadable");
                }
            }
            Happening::Asked(asked) => self.take_question(asked),
            Happening::Answered(asked, bytes) => self.take_answer(&asked, bytes.as_deref()),
            Happening::Verified(node, life, results) => {
                if self.nodes[node].life == life {
                    self.hand(node, Input::Verified(results));
                }
            }
            Happening::Written(node, life) => {
                if self.nodes[node].life == life {
                    self.written(node);
                }
            }
            Happening::Handle(node, life) => {
                if self.nodes[node].life == life {
                    self.handle(node);
                }
            }
            Happening::Tick(node, life) => {
                if self.nodes[node].life == life && self.nodes[node].replica.is_some() {
                    self.hand(node, Input::Tick);
                    self.maybe_snapshot(node);
                    if self.chaos.chance(20) {
                        self.ask_for_heads(node);
                    }
                    let wait = self.chaos.between(1_500, 4_000);
                    self.later(wait, Happening::Tick(node, life));
                }
            }
            Happening::Repair(department) => super::repair::proceed(self, &department),
            Happening::Attack { to, branch, next } => super::hostile::attack(self, to, branch, next),
            Happening::Fault => self.fault(),
            Happening::Heal(number) => {
                if self.partition == number {
                    self.network.heal();
                    self.note("heal", 0, &[]);
                }
            }
            Happening::Start(node) => {
                if self.nodes[node].disk_failed {
                    self.crash(node);
                }
                if self.nodes[node].replica.is_none() && !self.turned(node) {
                    self.start(node);
                }
            }
            Happening::Work => {}
        }
    }

    /// Gives a node an input; several may be handled together.
    pub fn hand(&mut self, node: usize, input: Input) {
        if self.nodes[node].replica.is_none() {
            return;
        }
        self.nodes[node].inbox.push(input);
        if self.chaos.chance(80) {
            self.handle(node);
        } else {
            let (wait, life) = (self.chaos.between(1, 60), self.nodes[node].life);
            self.later(wait, Happening::Handle(node, life));
        }
    }

    fn handle(&mut self, node: usize) {
        let inputs = std::mem::take(&mut self.nodes[node].inbox);
        if !inputs.is_empty() {
            self.feed(node, inputs);
        }
    }

    /// Lets the core handle inputs, shows the oracle what it made, checks, and releases what may be released.
    pub fn feed(&mut self, node: usize, inputs: Vec<Input>) {
        let now = self.clock(node);
        let Some(replica) = self.nodes[node].replica.as_mut() else {
            return;
        };
        let outputs = replica.handle(now, inputs);
        let mut touched = BTreeSet::new();
        for output in &outputs {
            match output {
                Output::Persist(batch) if batch.own => {
                    for entry in &batch.entries {
                        self.show(entry);
                    }
                }
                Output::Changed(cases) => touched.extend(cases.iter().copied()),
                Output::Alarm(alarm) => self.alarm(node, alarm),
                _ => {}
            }
        }
        if self.options.check {
            super::checker::check_step(self, node, &touched);
        }
        if self.nodes[node].disk_failed {
            // The node serves no more writes: nothing that follows the failed batch is released, refusals are.
            for output in outputs {
                if let Output::Reply {
                    ticket,
                    result: Err(refusal),
                } = output
                {
                    self.replied(node, ticket, Err(refusal));
                }
            }
            return;
        }
        self.nodes[node].outbox.extend(outputs);
        self.release(node);
    }

    fn release(&mut self, node: usize) {
        while self.nodes[node].writing.is_none() {
            let Some(output) = self.nodes[node].outbox.pop_front() else {
                return;
            };
            match output {
                Output::Verify(jobs) => self.verify(node, &jobs),
                Output::Persist(batch) => {
                    let head = format!("{} {} {}", batch.origin, batch.start, batch.head.root.to_hex());
                    self.note("persist", node, head.as_bytes());
                    self.nodes[node].writing = Some(batch);
                    let wait = if self.chaos.chance(5) {
                        self.chaos.between(200, 3_000)
                    } else {
                        self.chaos.between(1, 120)
                    };
                    let life = self.nodes[node].life;
                    self.later(wait, Happening::Written(node, life));
                }
                Output::Publish(frame) => self.publish(node, &frame),
                Output::Want { origin, start } => self.want(node, &origin, start),
                Output::WantEvidence(origin) => self.ask_all(node, &Question::Fork { origin }),
                Output::Evidence { origin, bytes, .. } => {
                    self.coverage.hit("evidence of forks kept");
                    self.nodes[node].disk.keep_evidence(&origin, bytes);
                }
                Output::Reply { ticket, result } => self.replied(node, ticket, result),
                Output::Sealed { origin, why } => {
                    self.seal(node, &origin, why);
                }
                Output::Refetch { origin, opening } => {
                    self.coverage.hit("branches fetched again");
                    self.nodes[node].disk.remove(&origin);
                    self.nodes[node].disk.keep_branch(&origin, opening);
                    let now = self.uptime();
                    self.nodes[node].asking.refetched(&origin, now);
                    self.repair.fetch_again(&origin);
                }
                Output::Rebuild => {
                    self.derive_anew(node);
                    return;
                }
                Output::Changed(_) | Output::Alarm(_) => {}
            }
        }
    }

    /// Checks signatures outside the core, in several lots that come back in any order.
    fn verify(&mut self, node: usize, jobs: &[Job]) {
        let mut results: Vec<CheckResult> = Vec::new();
        for job in jobs {
            // The same signature is checked on every node; it is computed once.
            let line = job
                .note
                .lines
                .get(job.line)
                .map(ToString::to_string)
                .unwrap_or_default();
            let key = sha256(&[
                job.key.public_key().as_bytes(),
                job.note.text.as_bytes(),
                line.as_bytes(),
            ]);
            let verified = *self.verified.entry(key).or_insert_with(|| job.run().verified);
            results.push(CheckResult { id: job.id, verified });
        }
        self.chaos.shuffle(&mut results);
        let life = self.nodes[node].life;
        while !results.is_empty() {
            let lot = self.chaos.place(results.len()) + 1;
            let rest = results.split_off(lot);
            let wait = if self.chaos.chance(5) {
                self.chaos.between(100, 4_000)
            } else {
                self.chaos.between(1, 80)
            };
            self.later(wait, Happening::Verified(node, life, results));
            results = rest;
        }
    }

    /// The disk is done with a batch.
    fn written(&mut self, node: usize) {
        let Some(batch) = self.nodes[node].writing.take() else {
            return;
        };
        let token = batch.token;
        if self.faulty && self.chaos.below(1_000) < 2 {
            self.coverage.hit("disk failures");
            self.note("disk-failed", node, &[]);
            let remains = Remains::of_failure(&batch, &mut self.chaos);
            self.leave(node, &batch, remains);
            let listens = self.nodes[node].listens();
            self.nodes[node].disk_failed = true;
            self.nodes[node].outbox.clear();
            let why = "no space left".to_owned();
            self.feed(node, vec![Input::PersistFailed { token, why }]);
            let replica = self.nodes[node].replica.as_ref();
            assert!(
                !listens || replica.is_some_and(|replica| replica.failure().is_some()),
                "after a failed write node-{node} still serves writes"
            );
            // The operator notices.
            let down = self.chaos.between(5_000, 20_000);
            self.later(down, Happening::Start(node));
            return;
        }
        self.nodes[node].disk.write(&batch);
        let checkpoint = batch.own.then(|| self.sign(node, &batch));
        self.note("written", node, &token.to_be_bytes());
        self.hand(node, Input::Persisted { token, checkpoint });
        self.release(node);
    }

    /// Signs the head after a batch; the lock advances first.
    pub(super) fn sign(&mut self, node: usize, batch: &Batch) -> Vec<u8> {
        let log = self.nodes[node]
            .disk
            .get(&batch.origin)
            .expect("it was just written");
        let root = self.ground.root_of(&log.entries);
        assert_eq!(
            batch.head.root, root,
            "the head of {} at {} is not the root of its entries",
            batch.origin, batch.head.size
        );
        assert_eq!(
            batch.head.size,
            log.entries.len() as u64,
            "head and entries of {} differ",
            batch.origin
        );
        self.sign_tail(node, &batch.origin)
    }

    /// Ends the signing of an own log for good.
    pub(super) fn seal(&mut self, node: usize, origin: &Origin, why: String) {
        if !self.nodes[node].disk.is_sealed(origin) {
            self.coverage.hit("own logs sealed");
            self.note("sealed", node, format!("{origin} {why}").as_bytes());
            self.nodes[node].disk.seal(origin, why);
            self.checker.seal(origin);
        }
    }

    /// Signs the tail of an own log.
    pub fn sign_tail(&mut self, node: usize, origin: &Origin) -> Vec<u8> {
        let seed = self.cast.log_seed(origin);
        let log = self.nodes[node]
            .disk
            .get_mut(origin)
            .expect("the log is on the disk");
        let size = log.entries.len() as u64;
        let root = self.ground.root_of(&log.entries);
        self.checker.signed(origin, size, root);
        log.locked = size;
        let head = tally_schemas::id::TreeHead { size, root };
        let checkpoint = sign_checkpoint(origin, head, &SigningKey::from_seed(&seed)).to_bytes();
        log.checkpoint.clone_from(&checkpoint);
        log.checked = size;
        checkpoint
    }

    fn publish(&mut self, node: usize, frame: &Frame) {
        let detail = format!("{} {} {}", frame.origin, frame.start, frame.entries.len());
        self.note("publish", node, detail.as_bytes());
        let bytes = frame.encode().expect("frames of runs are within their limits");
        for to in 0..self.nodes.len() {
            if to != node {
                self.send(node, to, &bytes);
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let delays = self.network.copies(&mut self.chaos);
        match delays.len() {
            0 => self.coverage.hit("messages lost"),
            1 => {}
            _ => self.coverage.hit("messages repeated"),
        }
        for delay in delays {
            let passed = self.network.pass(bytes.to_vec(), &mut self.chaos);
            if passed != bytes {
                self.coverage.hit("messages damaged");
            }
            self.later(
                delay,
                Happening::Arrives {
                    to,
                    from,
                    bytes: passed,
                },
            );
        }
    }

    /// Submits a note at a node; returns the ticket, or none when the node is down.
    pub fn submit(&mut self, node: usize, department: &DepartmentId, note: Vec<u8>) -> Option<u64> {
        self.nodes[node].replica.as_ref()?;
        // While it is not agreed on what counts, nobody governs: see `losses::lose`.
        if !self.repair.is_done() && note.starts_with(GOVERNANCE_MAGIC.as_bytes()) {
            return None;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.note("submit", node, &note);
        let ticketed = Ticketed {
            node,
            note: note.clone(),
            department: department.clone(),
        };
        self.tickets.insert(ticket, ticketed);
        self.hand(
            node,
            Input::Submit {
                ticket,
                note,
                personal_override: Some("simulated".to_owned()),
            },
        );
        Some(ticket)
    }

    fn replied(&mut self, node: usize, ticket: u64, result: Result<Recorded, Box<Refusal>>) {
        let Some(ticketed) = self.tickets.remove(&ticket) else {
            panic!("node-{node} answered ticket {ticket} twice, or one that was never given");
        };
        match result {
            Ok(recorded) => {
                self.note("recorded", node, recorded.event.to_string().as_bytes());
                self.tell(|| {
                    format!(
                        "node-{node} recorded {} at {} {}",
                        recorded.event.0.short(),
                        recorded.origin,
                        recorded.index
                    )
                });
                super::checker::check_recorded(self, node, ticketed.note, &recorded);
            }
            Err(refusal) => {
                self.note("refused", node, refusal.code.as_bytes());
                self.tell(|| format!("node-{node} refused {}: {refusal}", refusal.code));
                self.coverage.hit(format!("refused: {}", refusal.code));
                self.refused.insert(ticket, refusal);
            }
        }
    }

    fn alarm(&mut self, node: usize, alarm: &Alarm) {
        self.note("alarm", node, format!("{alarm:?}").as_bytes());
        match alarm {
            Alarm::FrameRefused { why, .. } => {
                self.coverage.hit("frames refused");
                self.refused_frames += 1;
                assert!(!why.starts_with("statement"), "node-{node}: {why}");
            }
            Alarm::ForeignRoot { .. } => self.coverage.hit("foreign roots named"),
            Alarm::NewerRuleset { ruleset, holds } => {
                assert_eq!(*holds, self.nodes[node].holds, "what node-{node} holds");
                assert!(ruleset > holds, "node-{node} holds {ruleset}");
                self.coverage.hit("alarms: newer ruleset");
            }
            Alarm::Reversed { .. } => self.coverage.hit("alarms: reversed"),
            Alarm::WritesStopped { .. } if self.nodes[node].disk_failed => {}
            _ if super::repair::explains(self, alarm) => {}
            _ if self
                .hostile
                .as_mut()
                .is_some_and(|hostile| hostile.explains(node, alarm)) =>
            {
                self.coverage.hit("alarms about a node that turned");
            }
            Alarm::LogStopped { .. }
            | Alarm::CheckpointDamaged { .. }
            | Alarm::LogSealed { .. }
            | Alarm::EpochContested { .. }
            | Alarm::EpochLeavesOut { .. }
            | Alarm::Fork { .. }
            | Alarm::OwnLogAhead { .. }
            | Alarm::WritesStopped { .. } => {
                panic!("node-{node} raises an alarm that no fault of this run explains: {alarm:?}");
            }
        }
    }
}

/// Up to what length the details of a step are told as they are.
const READABLE_BYTES_MAX: usize = 300;
