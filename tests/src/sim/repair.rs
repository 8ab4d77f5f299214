//! Own logs that must not be signed any more, and how people let their departments go on: the administrator opens the next
//! epoch, and where somebody holds more of the log before, a quorum settles it.
//!
//! The node does what the daemon does: a log without its signing lock is sealed at the start, one that a peer shows longer is
//! sealed when the peer answers, and either is read and fetched like a log of others.

use super::cast::public;
use super::engine::{Happening, Sim};
use super::rng::Rng;
use super::workload::administrators;
use std::collections::{BTreeMap, BTreeSet};
use tally_ledger::replica::{Alarm, Input, Replica};
use tally_schemas::epoch::Opening;
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, NamedHead, Origin, TreeHead};
use tally_schemas::question::Question;

/// In how many of a hundred seeds own logs are lost.
const SEEDS_WITH_LOSSES: u64 = 30;
/// How often the administrator looks for a longer copy before opening after what is there.
const LOOKS_MAX: u32 = 6;

/// How many notes that were set aside are submitted again at once.
const AGAIN_MAX: usize = 4;

/// What people are doing about the log of a department.
#[derive(Debug)]
pub(super) struct Job {
    /// What a peer showed when the node asked at its start.
    shown: Option<Frame>,
    /// Whether the administrator opens after whatever the node holds.
    pub(super) hasty: bool,
    /// Whether the quorum lets the old log count where the two contradict.
    for_old: bool,
    looks: u32,
    /// Whether the node knows of more that the log signed than anybody holds: its administrator alone cannot leave that out.
    is_beyond: bool,
    /// The opening that is to be recorded.
    opening: Option<(Opening, Vec<u8>)>,
    /// Whether the quorum has settled a contest, and for the old log or not.
    settled: Option<bool>,
    /// The log that forked, of which a quorum is to name the branch that stands.
    pub(super) forked: Option<Origin>,
}

/// What was lost in a run, and what people do about it.
#[derive(Debug)]
pub struct Repair {
    pub(super) rng: Rng,
    pub(super) is_wanted: bool,
    /// Whether the operator of a node that forked a log is replaced.
    pub(super) replaces: bool,
    pub(super) losses: u64,
    pub(super) jobs: BTreeMap<DepartmentId, Job>,
    /// Logs of which a disk holds less than it once did.
    pub(super) lost: BTreeSet<Origin>,
    /// Logs about whose departments alarms are to be expected.
    pub(super) expected: BTreeSet<DepartmentId>,
    contested: BTreeSet<Origin>,
    /// When somebody last did something about it.
    pub last_ms: i64,
}

impl Repair {
    /// Prepares a run; its chances are drawn apart, so that they change nothing else of it.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x0e90_c4a1_0c4b_10c5);
        let is_wanted = rng.chance(SEEDS_WITH_LOSSES);
        let replaces = rng.chance(60);
        Self {
            rng,
            is_wanted,
            replaces,
            losses: 0,
            jobs: BTreeMap::new(),
            lost: BTreeSet::new(),
            expected: BTreeSet::new(),
            contested: BTreeSet::new(),
            last_ms: 0,
        }
    }

    /// Says whether nothing is left to do for anybody.
    pub fn is_done(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Tells what is left to do, for a failure of liveness.
    pub fn left(&self) -> String {
        let left = self.jobs.iter().map(|(department, job)| {
            let opening = job.opening.as_ref().map(|(opening, _)| opening.origin.to_string());
            let (looks, settled, forked) = (job.looks, job.settled, &job.forked);
            format!("\n  {department}: {opening:?} to be recorded, {looks} looks, settled {settled:?}, forked {forked:?}")
        });
        left.collect()
    }

    /// Says whether people see to the log of a department.
    pub fn is_under_way(&self, department: &DepartmentId) -> bool {
        self.jobs.contains_key(department)
    }

    /// Says whether people see to a log of a node.
    pub fn is_under_way_at(&self, sim: &Sim, node: usize) -> bool {
        let mut jobs = self.jobs.keys();
        jobs.any(|department| sim.cast.member(department).node == node)
    }

    /// Notes that what a disk held of a log is set aside and fetched again.
    pub fn fetch_again(&mut self, origin: &Origin) {
        self.lost.insert(origin.clone());
    }

    /// Says whether a disk may hold less of a log than it once did.
    pub fn lost(&self, origin: &Origin) -> bool {
        self.lost.contains(origin)
    }
}

/// Says whether an alarm is about a log that was lost.
pub fn explains(sim: &mut Sim, alarm: &Alarm) -> bool {
    let (Alarm::LogSealed { origin, .. }
    | Alarm::OwnLogAhead { origin, .. }
    | Alarm::EpochLeavesOut { origin, .. }
    | Alarm::EpochContested { origin, .. }) = alarm
    else {
        return false;
    };
    let Ok(origin) = Origin::parse(origin) else {
        return false;
    };
    let is_expected = sim.repair.expected.contains(&origin.department);
    if is_expected && matches!(alarm, Alarm::EpochContested { .. }) {
        let department = origin.department.clone();
        if sim.repair.contested.insert(origin) {
            sim.coverage.hit("openings contested");
        }
        begin(sim, &department, None);
    }
    is_expected
}

/// Lets people see to a log, unless they do already.
pub(super) fn begin(sim: &mut Sim, department: &DepartmentId, shown: Option<Frame>) {
    if sim.repair.jobs.contains_key(department) {
        return;
    }
    let rng = &mut sim.repair.rng;
    let job = Job {
        shown,
        hasty: rng.chance(50),
        for_old: rng.chance(50),
        looks: 0,
        is_beyond: false,
        opening: None,
        settled: None,
        forked: None,
    };
    let wait = rng.between(4_000, 30_000);
    sim.repair.last_ms = sim.now_ms;
    sim.repair.jobs.insert(department.clone(), job);
    sim.later(wait, Happening::Repair(department.clone()));
}

/// Seals the own logs of a node that starts whose signing lock does not bear them out, and those that were continued.
pub fn seal_unlocked(sim: &mut Sim, node: usize) {
    for department in sim.cast.hosted(node) {
        let disk = &sim.nodes[node].disk;
        let Some(newest) = disk.newest(&department) else {
            continue;
        };
        let mut sealed: Vec<(Origin, String)> = (1..newest.epoch)
            .map(|epoch| sim.cast.origin_of(&department, epoch))
            .map(|origin| (origin, format!("epoch {} was begun", newest.epoch)))
            .collect();
        let log = disk.get(&newest).expect("just found");
        if !log.own || log.locked < log.checked {
            sealed.push((newest, "the signing lock is missing or older".to_owned()));
        }
        for (origin, why) in sealed {
            sim.seal(node, &origin, why);
        }
    }
}

/// Lets peers answer what a node asks at its start: how much they hold of its own logs.
pub fn ask_peers(sim: &mut Sim, node: usize) {
    for department in sim.cast.hosted(node) {
        let shown = sim
            .repair
            .jobs
            .get_mut(&department)
            .and_then(|job| job.shown.take());
        if let Some(frame) = shown {
            let origin = frame.origin.clone();
            sim.feed(node, vec![Input::Frame(frame)]);
            let disk = &sim.nodes[node].disk;
            assert!(
                disk.is_sealed(&origin),
                "node-{node} is shown more of {origin} than it holds, and goes on signing it"
            );
            return;
        }
    }
    for department in sim.cast.hosted(node) {
        let disk = &sim.nodes[node].disk;
        if let Some(newest) = disk.newest(&department).filter(|newest| disk.is_sealed(newest)) {
            ask_all(sim, node, &newest);
        }
    }
}

/// Asks every peer for what follows of a log.
fn ask_all(sim: &mut Sim, node: usize, origin: &Origin) {
    let start = sim.nodes[node]
        .disk
        .get(origin)
        .map_or(0, |log| log.entries.len() as u64);
    let origin = origin.clone();
    sim.ask_all(node, &Question::Range { origin, start });
}

/// People look at the log of a department and do what is to be done next.
pub fn proceed(sim: &mut Sim, department: &DepartmentId) {
    let node = sim.cast.member(department).node;
    let Some(mut job) = sim.repair.jobs.remove(department) else {
        return;
    };
    let is_over = sim.turned(node) || step(sim, node, department, &mut job);
    if is_over {
        if job.forked.is_some() {
            sim.coverage.hit("forks settled");
        }
        if let Some(for_old) = job.settled {
            let which = if for_old { "old" } else { "new" };
            sim.coverage.hit(format!("contests settled for the {which} log"));
        }
        sim.tell(|| format!("nothing is left to do about the log of {department}"));
        if !sim.turned(node) {
            submit_again(sim, node, department);
        }
        return;
    }
    sim.repair.jobs.insert(department.clone(), job);
    let wait = sim.repair.rng.between(1_500, 6_000);
    sim.later(wait, Happening::Repair(department.clone()));
}

/// Officers submit some of the notes again that were set aside.
fn submit_again(sim: &mut Sim, node: usize, department: &DepartmentId) {
    sim.look(node);
    let of_it = sim.acknowledged.iter().filter(|held| {
        held.origin.department == *department
            && !sim.oracle.counts(&held.leaf)
            && held.note.starts_with(b"tally/event")
    });
    let mut notes: Vec<Vec<u8>> = of_it.map(|held| held.note.clone()).collect();
    sim.repair.rng.shuffle(&mut notes);
    for note in notes.into_iter().take(AGAIN_MAX) {
        sim.submit(node, department, note);
    }
}

/// Does the next step; says whether nothing is left to do.
fn step(sim: &mut Sim, node: usize, department: &DepartmentId, job: &mut Job) -> bool {
    if sim.nodes[node].replica.is_none() || sim.nodes[node].disk_failed {
        return false;
    }
    if let Some((opening, note)) = job.opening.clone() {
        let newest = sim.newest(department);
        if newest.epoch < opening.origin.epoch {
            return submit(sim, node, department, job, &opening, note);
        }
        job.opening = None;
    }
    let Some(replica) = &sim.nodes[node].replica else {
        return false;
    };
    let Some(log) = replica.world().log(department) else {
        return false;
    };
    let newest = Origin::clone(&log.origin);
    if let Some(forked) = job.forked.clone().filter(|forked| forked.epoch > newest.epoch) {
        // It is being fetched again.
        ask_all(sim, node, &forked);
        return false;
    }
    if job.forked.as_ref() == Some(&newest) {
        choose_branch(sim, node, &newest, job);
        return false;
    }
    if replica.sealed(&newest).is_some() {
        open(sim, node, &newest, job);
        return false;
    }
    let contest = contest_of(sim, &newest);
    if let Some(old) = contest {
        settle(sim, node, &newest, &old, job);
        return false;
    }
    // Whoever does not hold it yet may still contest it.
    let held = |node: &super::node::Node| {
        node.replica.as_ref().is_some_and(|replica| {
            replica
                .world()
                .log(department)
                .is_some_and(|log| *log.origin == newest && log.cursor() > 0)
        })
    };
    (0..sim.nodes.len())
        .filter(|place| !sim.turned(*place))
        .all(|place| held(&sim.nodes[place]))
}

/// The most that anybody who contests the opening of a log shows of the log before.
fn contest_of(sim: &Sim, opened: &Origin) -> Option<NamedHead> {
    let mut found: Option<NamedHead> = None;
    for replica in honest(sim) {
        for (origin, contest) in replica.contested() {
            let of = replica.checkpoint_of(&contest.old);
            let Some(head) = of.map(tally_ledger::checkpoint::VerifiedCheckpoint::head) else {
                continue;
            };
            if origin != opened {
                continue;
            }
            let named = NamedHead {
                origin: contest.old.clone(),
                head,
            };
            let is_more = |found: &NamedHead| {
                (found.origin.epoch, found.head.size) < (named.origin.epoch, named.head.size)
            };
            if found.as_ref().is_none_or(is_more) {
                found = Some(named);
            }
        }
    }
    found
}

pub(super) fn honest(sim: &Sim) -> impl Iterator<Item = &Replica> {
    let nodes = sim.nodes.iter().enumerate();
    nodes
        .filter(|(place, _)| !sim.turned(*place))
        .filter_map(|(_, node)| node.replica.as_ref())
}

/// The administrator opens the next epoch after what the node holds, or waits for what others hold.
fn open(sim: &mut Sim, node: usize, newest: &Origin, job: &mut Job) {
    let most = honest(sim)
        .filter_map(|replica| replica.checkpoint_of(newest))
        .map(|checkpoint| checkpoint.head().size)
        .max()
        .unwrap_or(0);
    let replica = sim.nodes[node].replica.as_ref().expect("looked at before");
    let head = replica
        .checkpoint_of(newest)
        .map(tally_ledger::checkpoint::VerifiedCheckpoint::head);
    job.looks += 1;
    if job.is_beyond && job.looks > LOOKS_MAX {
        // What was signed and nobody can show is gone; a quorum continues after all that is left.
        let log = replica
            .world()
            .log(&newest.department)
            .expect("its checkpoint is held");
        let head = log.tree.head();
        sim.coverage
            .hit("openings by a quorum where nobody holds all that was signed");
        let by = administrators(sim, node);
        let old = NamedHead {
            origin: newest.clone(),
            head,
        };
        write(sim, old, newest.epoch + 1, &by, job);
        return;
    }
    let held = head.map_or(0, |head| head.size);
    let Some(head) = head.filter(|_| held >= most || job.hasty || job.looks > LOOKS_MAX) else {
        ask_all(sim, node, newest);
        return;
    };
    let by: Vec<_> = administrators(sim, node)
        .into_iter()
        .filter(|(of, ..)| *of == newest.department)
        .collect();
    let old = NamedHead {
        origin: newest.clone(),
        head,
    };
    write(sim, old, newest.epoch + 1, &by, job);
}

/// A quorum lets the newest log count, or the one before it.
fn settle(sim: &mut Sim, node: usize, newest: &Origin, old: &NamedHead, job: &mut Job) {
    let replica = sim.nodes[node].replica.as_ref().expect("looked at before");
    let by = administrators(sim, node);
    let named = if job.for_old {
        old.clone()
    } else {
        let Some(checkpoint) = replica.checkpoint_of(newest) else {
            return;
        };
        NamedHead {
            origin: newest.clone(),
            head: checkpoint.head(),
        }
    };
    job.settled = Some(job.for_old);
    write(sim, named, newest.epoch + 1, &by, job);
}

/// A quorum names the branch of a forked log that stands, as one of those who hold it shows it.
fn choose_branch(sim: &mut Sim, node: usize, forked: &Origin, job: &mut Job) {
    let mut heads: Vec<TreeHead> = Vec::new();
    for (place, state) in sim.nodes.iter().enumerate() {
        let checkpoint = state
            .replica
            .as_ref()
            .and_then(|replica| replica.checkpoint_of(forked));
        if let Some(checkpoint) = checkpoint.filter(|_| place != node) {
            heads.push(checkpoint.head());
        }
    }
    let Some(head) = sim.repair.rng.pick(&heads).copied() else {
        return;
    };
    let by = administrators(sim, node);
    let old = NamedHead {
        origin: forked.clone(),
        head,
    };
    write(sim, old, forked.epoch + 1, &by, job);
}

/// Writes and signs an opening.
fn write(
    sim: &mut Sim,
    old: NamedHead,
    epoch: u32,
    by: &[(DepartmentId, tally_schemas::id::OfficerId, [u8; 32])],
    job: &mut Job,
) {
    let origin = Origin {
        epoch,
        ..old.origin.clone()
    };
    let opening = Opening {
        federation: sim.cast.federation.clone(),
        log_key: public(&sim.cast.log_seed(&origin)),
        origin,
        old,
        issued: super::cast::at(sim.now_ms),
        reason: "simulated".to_owned(),
    };
    sim.repair.last_ms = sim.now_ms;
    let note = sim.cast.open_epoch(&opening, by);
    job.opening = Some((opening, note));
}

/// Submits an opening, as often as its node says that it is not ready for it.
fn submit(
    sim: &mut Sim,
    node: usize,
    department: &DepartmentId,
    job: &mut Job,
    opening: &Opening,
    note: Vec<u8>,
) -> bool {
    if sim.tickets.values().any(|ticketed| ticketed.note == note) {
        return false;
    }
    let ticket = sim.submit(node, department, note);
    let refusal = ticket.and_then(|ticket| sim.refused.get(&ticket));
    let code = refusal.map(|refusal| refusal.code.clone());
    let waits = ["epoch-waits", "rebuilding", "writes-stopped"];
    job.is_beyond |= code.as_deref() == Some("epoch-contested");
    // Another one, unless this one may have left already.
    let has_left = !sim.checker.signed_sizes(&opening.origin).is_empty();
    if !has_left && code.is_some_and(|code| !waits.contains(&code.as_str())) {
        sim.forget_opening(node, &opening.origin);
        job.opening = None;
    }
    false
}
