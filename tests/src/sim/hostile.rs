//! Members and strangers that lie: frames that are not what they say, and a node whose operator turns against the others
//! with the keys of its own log.
//!
//! Whatever they send, honest nodes keep I1 to I6 among themselves and say an alarm. A node that turned serves nobody any
//! more; what its departments had acknowledged binds nobody else.

use super::cast::at;
use super::engine::{Happening, Sim};
use std::collections::BTreeSet;
use std::sync::Arc;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, leaf_hash};
use tally_ledger::merkle::Tree;
use tally_ledger::replica::{Alarm, Input};
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, EventId, Hash, Origin, TreeHead};
use tally_schemas::statement::Statement;

/// How a node turns against the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treason {
    /// Two continuations of one log, one to these, the other to those.
    Fork,
    /// A checkpoint of an earlier size over another root.
    Shrink,
    /// An entry whose recorded time lies before that of the entry below.
    FallingTime,
    /// An entry that names an older registry than the entry below.
    FallingVersion,
    /// An entry that names a registry that nobody ever made.
    FutureVersion,
    /// An entry that does not follow the one below.
    WrongPrev,
    /// An entry that says it stands elsewhere.
    WrongIndex,
    /// Bytes that are no entry.
    NoEntry,
}

const TREASONS: &[Treason] = &[
    Treason::Fork,
    Treason::Shrink,
    Treason::FallingTime,
    Treason::FallingVersion,
    Treason::FutureVersion,
    Treason::WrongPrev,
    Treason::WrongIndex,
    Treason::NoEntry,
];

/// One continuation of the log, signed.
#[derive(Debug)]
struct Branch {
    entries: Vec<Arc<[u8]>>,
    tree: Tree,
    checkpoint: Vec<u8>,
}

/// A node that turned.
#[derive(Debug)]
pub struct Hostile {
    /// The node.
    pub node: usize,
    /// The log with which it lies.
    pub origin: Origin,
    /// How.
    pub treason: Treason,
    /// The nodes that said an alarm, or show that they wait.
    pub alarmed: BTreeSet<usize>,
    /// Whether its operator was replaced, so that it is a node like any other again.
    pub is_replaced: bool,
    branches: Vec<Branch>,
}

impl Hostile {
    /// Says whether an alarm is about the log that lies; remembers who said it.
    pub fn explains(&mut self, node: usize, alarm: &Alarm) -> bool {
        let (Alarm::LogStopped { origin, .. } | Alarm::Fork { origin, .. }) = alarm else {
            return false;
        };
        let mine = *origin == self.origin.to_string();
        if mine {
            self.alarmed.insert(node);
        }
        mine
    }

    /// What it answers to a question for the log that it forked: one of its continuations, from a position on.
    pub fn answer(&self, origin: &Origin, start: u64, branch: usize, most: u64) -> Option<Vec<u8>> {
        if self.treason != Treason::Fork || *origin != self.origin {
            return None;
        }
        let branch = self.branches.get(branch)?;
        let size = branch.tree.size();
        let end = size.min(start.checked_add(most)?);
        let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
        let frame = Frame {
            origin: origin.clone(),
            start,
            entries: branch
                .entries
                .get(range)?
                .iter()
                .map(|entry| entry.to_vec())
                .collect(),
            consistency: branch.tree.consistency(end, size).ok()?,
            checkpoint: branch.checkpoint.clone(),
        };
        frame.encode().ok()
    }

    /// Says whether a node holds the second continuation of a fork.
    pub fn second(&self, sim: &Sim, node: usize) -> bool {
        let [first, second] = self.branches.as_slice() else {
            return false;
        };
        let place = first
            .entries
            .iter()
            .zip(&second.entries)
            .position(|(a, b)| a != b);
        let held = sim.nodes[node]
            .replica
            .as_ref()
            .map(tally_ledger::replica::Replica::world)
            .and_then(|world| world.log_at(world.number_of_log(&self.origin)?))
            .and_then(|log| log.tree.leaf(place? as u64));
        held.is_some() && held == place.and_then(|place| second.tree.leaf(place as u64))
    }
}

/// How a treason is counted.
pub fn treason_name(treason: Treason) -> String {
    format!("treason: {treason:?}")
}

/// The names of all treasons, for what a suite must meet.
pub fn treason_names() -> Vec<String> {
    TREASONS.iter().map(|treason| treason_name(*treason)).collect()
}

/// Turns a node against the others, if one fits: not the registrar's, with a log that was begun.
pub fn turn(sim: &mut Sim) {
    let registrar = sim.cast.member(&sim.cast.registrar).node;
    let fitting: Vec<(usize, DepartmentId)> = sim
        .cast
        .members
        .values()
        .filter(|member| member.node != registrar)
        .map(|member| (member.node, member.record.id.clone()))
        .filter(|(node, id)| {
            let origin = sim.newest(id);
            let disk = &sim.nodes[*node].disk;
            let log = disk.get(&origin).filter(|_| !disk.is_sealed(&origin));
            log.is_some_and(|log| log.entries.len() > 12) && !sim.repair.is_under_way_at(sim, *node)
        })
        .collect();
    let Some((node, department)) = sim.chaos.pick(&fitting).cloned() else {
        return;
    };
    if sim.nodes[node].replica.is_some() {
        sim.crash(node);
    }
    let origin = sim.newest(&department);
    let turn = usize::try_from(sim.seed / HOSTILE_EVERY).expect("small");
    let treason = TREASONS[turn % TREASONS.len()];
    let trunk = sim.nodes[node]
        .disk
        .get(&origin)
        .expect("it was begun")
        .entries
        .clone();
    let branches: Vec<Branch> = match treason {
        Treason::Fork => {
            let (a, b) = (statements(sim, &trunk, &origin), statements(sim, &trunk, &origin));
            sim.show_branches([&a[trunk.len()..], &b[trunk.len()..]]);
            vec![signed(sim, a, &origin), signed(sim, b, &origin)]
        }
        Treason::Shrink => {
            let mut branch = signed(sim, trunk.clone(), &origin);
            let root = Hash(sim.chaos.bytes());
            let size = trunk.len() as u64 - 2;
            let key = SigningKey::from_seed(&sim.cast.log_seed(&origin));
            branch.checkpoint = sign_checkpoint(&origin, TreeHead { size, root }, &key).to_bytes();
            vec![branch]
        }
        _ => {
            let mut entries = trunk.clone();
            entries.push(bad_entry(sim, &trunk, treason));
            if treason == Treason::FutureVersion {
                // It is held, and waits for ever.
                sim.show(entries.last().expect("just made"));
            }
            vec![signed(sim, entries, &origin)]
        }
    };
    sim.note("turns", node, origin.to_string().as_bytes());
    sim.tell(|| format!("node-{node} turns: {treason:?} of {origin} at {}", trunk.len()));
    sim.coverage.hit(treason_name(treason));
    let lies = branches.len();
    sim.hostile = Some(Hostile {
        node,
        origin,
        treason,
        alarmed: BTreeSet::new(),
        is_replaced: false,
        branches,
    });
    for to in (0..sim.nodes.len()).filter(|to| *to != node) {
        let first = sim.chaos.place(lies);
        let wait = sim.chaos.between(100, 8_000);
        sim.later(
            wait,
            Happening::Attack {
                to,
                branch: first,
                next: true,
            },
        );
    }
}

/// Which seeds have a node that turns.
pub const HOSTILE_EVERY: u64 = 4;

fn header_after(sim: &Sim, log: &[Arc<[u8]>]) -> EntryHeader {
    let last = log.last().expect("the log was begun");
    let header = Entry::parse(last).expect("it was appended").header;
    EntryHeader {
        index: header.index + 1,
        prev: leaf_hash(last),
        recorded: at(sim.now_ms).max(header.recorded),
        heads: Vec::new(),
        ..header
    }
}

/// A log with some statements appended.
fn statements(sim: &mut Sim, trunk: &[Arc<[u8]>], origin: &Origin) -> Vec<Arc<[u8]>> {
    let mut log = trunk.to_vec();
    for _ in 0..3 {
        let header = header_after(sim, &log);
        assert_eq!(header.origin, *origin);
        let payload = Statement::Arrivals(vec![EventId(Hash(sim.chaos.bytes()))]).to_text();
        log.push(Arc::from(Entry { header, payload }.to_bytes()));
    }
    log
}

fn bad_entry(sim: &mut Sim, trunk: &[Arc<[u8]>], treason: Treason) -> Arc<[u8]> {
    let mut header = header_after(sim, trunk);
    match treason {
        Treason::FallingTime => {
            let below = Entry::parse(trunk.last().expect("begun"))
                .expect("appended")
                .header
                .recorded;
            header.recorded = at(below.as_ms() - 1);
        }
        Treason::FallingVersion if header.registry.version > 0 => {
            header.registry = RegistryRef {
                version: header.registry.version - 1,
                hash: Hash(sim.chaos.bytes()),
            };
        }
        Treason::FutureVersion => {
            header.registry = RegistryRef {
                version: header.registry.version + 1_000,
                hash: Hash(sim.chaos.bytes()),
            };
        }
        Treason::WrongPrev => header.prev = Hash(sim.chaos.bytes()),
        Treason::WrongIndex => header.index += 1,
        _ => return Arc::from(b"tally/entry/v9\nno entry\n".as_slice()),
    }
    let payload = Statement::Arrivals(vec![EventId(Hash(sim.chaos.bytes()))]).to_text();
    Arc::from(Entry { header, payload }.to_bytes())
}

fn signed(sim: &Sim, entries: Vec<Arc<[u8]>>, origin: &Origin) -> Branch {
    let mut tree = Tree::new();
    for entry in &entries {
        tree.append(leaf_hash(entry));
    }
    let key = SigningKey::from_seed(&sim.cast.log_seed(origin));
    let checkpoint = sign_checkpoint(origin, tree.head(), &key).to_bytes();
    Branch {
        entries,
        tree,
        checkpoint,
    }
}

/// Tells a node the lie of a branch, all of it that the node does not hold; goes on until the node noticed.
pub fn attack(sim: &mut Sim, to: usize, branch: usize, next: bool) {
    let Some(hostile) = sim.hostile.as_ref().filter(|hostile| !hostile.is_replaced) else {
        return;
    };
    let lies = hostile.branches.len();
    let treason = hostile.treason;
    let again = sim.chaos.between(2_000, 6_000);
    let origin = hostile.origin.clone();
    let held = sim.nodes[to]
        .replica
        .as_ref()
        .map(tally_ledger::replica::Replica::world)
        .and_then(|world| world.log_at(world.number_of_log(&origin)?))
        .map(tally_ledger::world::Log::size);
    let Some(held) = held else {
        sim.later(again, Happening::Attack { to, branch, next });
        return;
    };
    let lie = &hostile.branches[branch];
    let size = lie.tree.size();
    let mut frames = Vec::new();
    let mut start = held.min(size);
    loop {
        let end = size.min(start + 20);
        let range = usize::try_from(start).expect("small")..usize::try_from(end).expect("small");
        let shrunk = treason == Treason::Shrink && end == size;
        frames.push(Frame {
            origin: hostile.origin.clone(),
            start,
            entries: lie.entries[range].iter().map(|entry| entry.to_vec()).collect(),
            consistency: lie
                .tree
                .consistency(end, size)
                .expect("the range lies in the log"),
            checkpoint: if shrunk && start == end {
                lie.checkpoint.clone()
            } else if treason == Treason::Shrink {
                let key = SigningKey::from_seed(&sim.cast.log_seed(&origin));
                sign_checkpoint(&hostile.origin, lie.tree.head(), &key).to_bytes()
            } else {
                lie.checkpoint.clone()
            },
        });
        if start == end || (end == size && treason != Treason::Shrink) {
            break;
        }
        start = end;
    }
    for frame in frames {
        sim.feed(to, vec![Input::Frame(frame)]);
    }
    if treason == Treason::FutureVersion {
        let waits = sim.nodes[to].replica.as_ref().is_some_and(|replica| {
            let world = replica.world();
            let number = world.number_of_log(&origin);
            number
                .and_then(|number| world.waits_for(number))
                // Or for what its node never told anybody of another of its logs.
                .is_some_and(|why| why.starts_with("registry version") || why.contains("is resolved to"))
        });
        if waits && let Some(hostile) = &mut sim.hostile {
            hostile.alarmed.insert(to);
        }
    }
    let noticed = sim
        .hostile
        .as_ref()
        .is_some_and(|hostile| hostile.alarmed.contains(&to));
    if !noticed || next {
        let branch = (branch + 1) % lies;
        sim.later(
            again,
            Happening::Attack {
                to,
                branch,
                next: false,
            },
        );
    }
}

/// A stranger without keys sends a node a frame that is not what it says; the node refuses it.
pub fn forge(sim: &mut Sim) {
    let up: Vec<usize> = (0..sim.nodes.len())
        .filter(|node| sim.nodes[*node].listens())
        .collect();
    let Some(to) = sim.chaos.pick(&up).copied() else {
        return;
    };
    let Some((mut frame, size)) = honest_frame(sim, to) else {
        return;
    };
    let choice = sim.chaos.below(8);
    let name = match choice {
        0 => {
            let key = SigningKey::from_seed(&sim.chaos.bytes());
            let root = Hash(sim.chaos.bytes());
            frame.checkpoint =
                sign_checkpoint(&frame.origin, TreeHead { size: size + 1, root }, &key).to_bytes();
            "a checkpoint of a stranger's key"
        }
        1 => {
            frame.origin.epoch += 1;
            "an epoch that was never opened"
        }
        2 => {
            let other = sim.cast.registrar.clone();
            if other == frame.origin.department {
                return;
            }
            let Some(origin) = going_on(sim, to, &other) else {
                return;
            };
            frame.origin = origin;
            "entries of another log"
        }
        3 => {
            let Some(byte) = frame.entries.last_mut().and_then(|entry| entry.last_mut()) else {
                return;
            };
            *byte ^= 1;
            "an entry that was changed"
        }
        4 => {
            // What brings nothing new is not looked at.
            let held = sim.nodes[to]
                .replica
                .as_ref()
                .and_then(|replica| replica.world().log(&frame.origin.department))
                .map_or(0, tally_ledger::world::Log::size);
            if frame.end() <= held {
                return;
            }
            frame.consistency.push(Hash(sim.chaos.bytes()));
            "a proof with a hash too many"
        }
        5 => {
            frame.start += size + sim.chaos.below(1_000_000);
            "entries beyond its checkpoint"
        }
        6 => {
            let Some(first) = frame.entries.first().cloned() else {
                return;
            };
            frame.entries.insert(0, first);
            "an entry twice"
        }
        _ => {
            let mut bytes = frame.encode().expect("an honest frame is within its limits");
            let place = sim.chaos.place(bytes.len());
            match sim.chaos.below(3) {
                0 => bytes.truncate(place),
                1 => bytes.push(0),
                _ => bytes
                    .splice(place..place, [0xfc, 0xff, 0xff, 0xff, 0x7f])
                    .for_each(drop),
            }
            sim.coverage.hit("forged: false lengths");
            match Frame::decode(&bytes) {
                Err(_) => sim.coverage.hit("frames unreadable"),
                // The bytes fell into an entry or a checkpoint: like any other damage.
                Ok(frame) => sim.feed(to, vec![Input::Frame(frame)]),
            }
            return;
        }
    };
    let before = sim.refused_frames;
    sim.feed(to, vec![Input::Frame(frame)]);
    assert!(
        sim.refused_frames > before,
        "node-{to} says nothing about a frame with {name}"
    );
    sim.coverage.hit(format!("forged: {name}"));
}

/// A true frame of a log of others that begins where a node can take it, and the size of its checkpoint.
fn honest_frame(sim: &mut Sim, to: usize) -> Option<(Frame, u64)> {
    let from = sim.chaos.place(sim.nodes.len());
    let (replica, target) = (sim.nodes[from].replica.as_ref()?, sim.nodes[to].replica.as_ref()?);
    let fitting: Vec<Origin> = sim.nodes[from]
        .disk
        .iter()
        .map(|(origin, _)| origin.clone())
        .filter(|origin| {
            let host = sim.cast.member(&origin.department).node;
            host != to
                && !sim.turned(host)
                && sim
                    .hostile
                    .as_ref()
                    .is_none_or(|hostile| hostile.origin != *origin)
                && going_on(sim, to, &origin.department).as_ref() == Some(origin)
                && going_on(sim, from, &origin.department).as_ref() == Some(origin)
        })
        .collect();
    let origin = sim.chaos.pick(&fitting)?.clone();
    let size = replica.checkpoint(&origin.department)?.head().size;
    let log = sim.nodes[from].disk.get(&origin)?;
    let end = (log.entries.len() as u64).min(size);
    let held = target.world().log(&origin.department)?.size();
    let start = sim.chaos.below(held.min(end) + 1);
    let range = usize::try_from(start).expect("small")..usize::try_from(end).expect("small");
    let entries = log.entries[range]
        .iter()
        .take(24)
        .map(|entry| entry.to_vec())
        .collect();
    replica.frame(&origin, start, entries).map(|frame| (frame, size))
}

/// Returns the newest log of a department as a node holds it, unless it is not taken further there.
fn going_on(sim: &Sim, node: usize, department: &DepartmentId) -> Option<Origin> {
    let world = sim.nodes[node].replica.as_ref()?.world();
    let log = world.log(department).filter(|log| log.end.is_none())?;
    Some(Origin::clone(&log.origin))
}
