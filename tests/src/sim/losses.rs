//! How a department comes to need the next epoch: its log, or the signing lock of it, is lost, or it forked and its operator is replaced.

use super::engine::{Happening, Sim};
use super::hostile::Treason;
use super::repair::{begin, honest};
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::SigningKey;
use tally_ledger::replica::Replica;
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, Origin, TreeHead};

/// How many logs of a run are lost at most.
const LOSSES_MAX: u64 = 2;
/// How long a log must be to be worth losing.
const LONG_ENOUGH: usize = 8;
/// How many entries a peer shows of a log when it is asked for its head.
const SHOWN_MAX: u64 = 40;

/// How a log is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// The signing lock alone.
    Lock,
    /// An old copy came back, with the checkpoint and the lock of that time.
    OldCopy,
    /// An old copy came back, without a lock.
    OldCopyWithoutLock,
}

/// Loses an own log of a node that is down, or its signing lock, now and then.
pub fn lose(sim: &mut Sim, node: usize) {
    let repair = &mut sim.repair;
    if !repair.is_wanted || repair.losses >= LOSSES_MAX || !repair.rng.chance(40) {
        return;
    }
    let fitting: Vec<(DepartmentId, Origin)> = sim
        .cast
        .hosted(node)
        .into_iter()
        .filter(|department| !sim.repair.is_under_way(department))
        .filter_map(|department| {
            let disk = &sim.nodes[node].disk;
            let origin = disk.newest(&department)?;
            let log = disk.get(&origin).filter(|_| !disk.is_sealed(&origin))?;
            let is_signed = log.own && log.checked == log.entries.len() as u64;
            (is_signed && log.entries.len() >= LONG_ENOUGH).then_some((department, origin))
        })
        .collect();
    let Some((department, origin)) = sim.repair.rng.pick(&fitting).cloned() else {
        return;
    };
    let mut loss = match sim.repair.rng.below(4) {
        0 => Loss::Lock,
        1 => Loss::OldCopy,
        _ => Loss::OldCopyWithoutLock,
    };
    // What the registrar's log loses the registry loses, and with it whatever was recorded under it. And an opening names the
    // newest registry version: who cannot resolve the registrar's log up to there, since it names a head that the opening cuts
    // off, never takes the opening (known, and left out here).
    if department == sim.cast.registrar {
        loss = Loss::Lock;
    }
    if loss != Loss::Lock && !is_registry_everywhere(sim, node) {
        return;
    }
    let mut shown = None;
    if loss != Loss::Lock {
        let Some(size) = older_size(sim, node, &origin) else {
            return;
        };
        if loss == Loss::OldCopy {
            // Nothing but a peer can tell: without one that answers no program could know.
            shown = shown_by_a_peer(sim, node, &origin, size);
            if shown.is_none() {
                loss = Loss::OldCopyWithoutLock;
            }
        }
        let entries = &sim.nodes[node]
            .disk
            .get(&origin)
            .expect("looked at above")
            .entries;
        let root = sim
            .ground
            .root_of(&entries[..usize::try_from(size).expect("small")]);
        let key = SigningKey::from_seed(&sim.cast.log_seed(&origin));
        let checkpoint = sign_checkpoint(&origin, TreeHead { size, root }, &key).to_bytes();
        sim.nodes[node].disk.restore(&origin, size, checkpoint);
        sim.repair.lost.insert(origin.clone());
    }
    if loss != Loss::OldCopy
        && let Some(log) = sim.nodes[node].disk.get_mut(&origin)
    {
        log.locked = 0;
    }
    let name = match loss {
        Loss::Lock => "signing locks lost",
        Loss::OldCopy => "old copies restored",
        Loss::OldCopyWithoutLock => "old copies restored without a lock",
    };
    sim.coverage.hit(name);
    sim.note("lost", node, format!("{origin} {loss:?}").as_bytes());
    sim.repair.losses += 1;
    sim.repair.expected.insert(department.clone());
    begin(sim, &department, shown);
    if loss == Loss::OldCopyWithoutLock && sim.now_ms >= sim.parted_until && sim.repair.rng.chance(85) {
        part(sim, node, &department);
    }
}

/// Keeps a node from hearing of what others hold of its log until its administrator has opened the next.
fn part(sim: &mut Sim, node: usize, department: &DepartmentId) {
    let groups = (0..sim.nodes.len())
        .map(|other| usize::from(other == node))
        .collect();
    let long = sim.repair.rng.between(12_000, 40_000);
    sim.part(groups, long);
    sim.parted_until = sim.now_ms + long;
    if let Some(job) = sim.repair.jobs.get_mut(department) {
        job.hasty = true;
    }
    let soon = sim.repair.rng.between(1_000, 6_000);
    sim.later(soon, Happening::Repair(department.clone()));
}

/// Says whether all but one node are up and have the same registry version.
fn is_registry_everywhere(sim: &Sim, but: usize) -> bool {
    let others = sim.nodes.iter().enumerate();
    let mut versions = others
        .filter(|(place, _)| *place != but && !sim.turned(*place))
        .map(|(_, node)| {
            let replica = node.replica.as_ref()?;
            Some(replica.world().registry().newest().version)
        });
    let Some(Some(first)) = versions.next() else {
        return false;
    };
    versions.all(|version| version == Some(first))
}

/// A size at which a log was signed some time ago.
fn older_size(sim: &mut Sim, node: usize, origin: &Origin) -> Option<u64> {
    let held = sim.nodes[node].disk.get(origin)?.checked;
    let mut sizes = sim.checker.signed_sizes(origin);
    sizes.retain(|size| *size < held);
    let recent = sizes.len().saturating_sub(12);
    sim.repair.rng.pick(&sizes[recent..]).copied()
}

/// What a peer that can be reached shows beyond a size.
fn shown_by_a_peer(sim: &Sim, node: usize, origin: &Origin, size: u64) -> Option<Frame> {
    // The log of a department that was admitted later, or of a later epoch, is known only when others were resolved; what a
    // peer shows before that is not looked at here, while the daemon asks only then.
    if sim.cast.member(&origin.department).late || origin.epoch > 1 {
        return None;
    }
    let mut peers = (0..sim.nodes.len()).filter(|peer| *peer != node && sim.network.connects(*peer, node));
    peers.find_map(|peer| {
        let replica = sim.nodes[peer].replica.as_ref()?;
        let shown = replica.checkpoint_of(origin)?.head().size;
        let entries = &sim.nodes[peer].disk.get(origin)?.entries;
        let end = shown.min(entries.len() as u64).min(size + SHOWN_MAX);
        if end <= size {
            return None;
        }
        let range = usize::try_from(size).expect("small")..usize::try_from(end).expect("small");
        let entries = entries[range].iter().map(|entry| entry.to_vec()).collect();
        replica.frame(origin, size, entries)
    })
}

/// Says whether the operator of a node that forked its log is to be replaced, once all others have noticed.
pub fn is_to_be_replaced(sim: &mut Sim) -> bool {
    let Some(hostile) = &sim.hostile else {
        return false;
    };
    let all = (0..sim.nodes.len()).all(|place| place == hostile.node || hostile.alarmed.contains(&place));
    sim.repair.replaces && hostile.treason == Treason::Fork && !hostile.is_replaced && all
}

/// Says whether a log that forked holds a node up: it knows of the fork, and had less of the log before than others rest on. Only a
/// quorum can help it.
pub fn is_held_up(sim: &Sim) -> bool {
    let Some(hostile) = sim.hostile.as_ref().filter(|hostile| !hostile.is_replaced) else {
        return false;
    };
    let origin = &hostile.origin;
    let size = |replica: &Replica| {
        let world = replica.world();
        let log = world.log_at(world.number_of_log(origin)?)?;
        Some((
            log.size(),
            log.stopped.is_some() && replica.evidence(origin).is_some(),
        ))
    };
    let sizes: Vec<(u64, bool)> = honest(sim).filter_map(size).collect();
    let most = sizes.iter().map(|(size, _)| *size).max();
    let mut is_any = false;
    let all = honest(sim).zip(&sizes).all(|(replica, (size, is_stopped))| {
        let world = replica.world();
        let registry = world.registry();
        let departments = registry
            .departments(registry.newest().version)
            .map(|record| &record.id);
        let numbers = departments.filter_map(|department| world.number(department));
        let mut waits = numbers.filter_map(|number| world.waits_for(number)).peekable();
        let is_held_up = *is_stopped && Some(*size) < most;
        is_any |= is_held_up;
        // Who is not held up waits for nothing; who is, for that log, as far as one looks.
        if is_held_up {
            let for_it = format!("{origin} is resolved to {size}, ");
            waits.any(|why| why.starts_with(&for_it) && why.contains("its ingest stopped"))
        } else {
            waits.peek().is_none()
        }
    });
    is_any && all
}

/// Replaces the operator of a node that forked its log: it starts again, the log is never signed again in its epoch, and a
/// quorum names the branch that stands.
pub fn replace_operator(sim: &mut Sim) {
    let Some(hostile) = &mut sim.hostile else { return };
    hostile.is_replaced = true;
    let (node, origin) = (hostile.node, hostile.origin.clone());
    hostile.alarmed.insert(node);
    let department = origin.department.clone();
    sim.coverage.hit("operators replaced");
    sim.note("replaced", node, origin.to_string().as_bytes());
    sim.repair.expected.insert(department.clone());
    sim.repair.lost.insert(origin.clone());
    if let Some(log) = sim.nodes[node].disk.get_mut(&origin) {
        log.locked = 0;
    }
    begin(sim, &department, None);
    if let Some(job) = sim.repair.jobs.get_mut(&department) {
        job.forked = Some(origin);
    }
    sim.start(node);
}
