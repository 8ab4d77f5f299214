//! A dishonest operator: entries that the core would refuse, put into an own log with its own key while the node is down.
//!
//! Their form, place and chain are right, so no log stops; what they carry must stay without effect on every node (I4) and in
//! every trail (I6).

use super::cast::at;
use super::engine::Sim;
use super::workload;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_ledger::crypto::{event_id, leaf_hash};
use tally_ledger::merkle::Frontier;
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::event::{Event, Kind};
use tally_schemas::governance::Change;
use tally_schemas::id::{DepartmentId, Hash, NamedHead, Origin, TreeHead};
use tally_schemas::json::Json;
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;

/// Puts some entries into own logs of a node that is down.
pub fn tamper(sim: &mut Sim, node: usize) {
    let hosted = sim.cast.hosted(node);
    for department in hosted {
        let origin = sim.newest(&department);
        let disk = &sim.nodes[node].disk;
        let begun = disk
            .get(&origin)
            .is_some_and(|log| log.entries.len() > 12 && log.own && !disk.is_sealed(&origin))
            && !sim.repair.is_under_way(&department);
        if !begun || !sim.chaos.chance(35) {
            continue;
        }
        for _ in 0..=sim.chaos.below(3) {
            append(sim, node, &department, &origin);
        }
    }
}

fn append(sim: &mut Sim, node: usize, department: &DepartmentId, origin: &Origin) {
    let log = sim.nodes[node].disk.get(origin).expect("the log was begun");
    let last = log.entries.last().expect("the log was begun").clone();
    let header = Entry::parse(&last).expect("it was appended").header;
    let index = header.index + 1;
    let mut registry = header.registry;
    let mut heads = Vec::new();
    let (code, payload) = payload(sim, node, department);
    match code {
        "registry-hash" => {
            registry = RegistryRef {
                version: registry.version,
                hash: Hash(sim.chaos.bytes()),
            };
        }
        "foreign-root" => heads.extend(foreign_head(sim, node, origin)),
        "guard" => heads = true_heads(sim, node, origin),
        _ => {}
    }
    let entry = Entry {
        header: EntryHeader {
            origin: origin.clone(),
            index,
            prev: leaf_hash(&last),
            recorded: at(sim.now_ms).max(header.recorded),
            registry,
            heads,
        },
        payload,
    };
    let bytes: Arc<[u8]> = Arc::from(entry.to_bytes());
    if Entry::parse(&bytes).is_err() {
        return;
    }
    sim.tell(|| format!("rogue {code} at {origin} {index}"));
    sim.coverage.hit(format!("rogue: {code}"));
    sim.show(&bytes);
    let log = sim.nodes[node].disk.get_mut(origin).expect("the log was begun");
    log.entries.push(bytes);
}

/// A head of another log that was never there, of a size that this one may name.
fn foreign_head(sim: &mut Sim, node: usize, own: &Origin) -> Option<NamedHead> {
    let others = reachable(sim, node, own);
    let (origin, size, _) = sim.chaos.pick(&others)?.clone();
    let root = Hash(sim.chaos.bytes());
    Some(NamedHead {
        origin,
        head: TreeHead { size, root },
    })
}

/// Other logs as the disk holds them, with size and root, where this one has not named more before.
fn reachable(sim: &Sim, node: usize, own: &Origin) -> Vec<(Origin, u64, Hash)> {
    let disk = &sim.nodes[node].disk;
    let mut named: BTreeMap<Origin, u64> = BTreeMap::new();
    for entry in disk.get(own).into_iter().flat_map(|log| &log.entries) {
        let entry = Entry::parse(entry).expect("it was appended");
        let stated = match Statement::parse_text(&entry.payload) {
            Ok(Statement::Heads(heads)) => heads,
            _ => Vec::new(),
        };
        for head in entry.header.heads.into_iter().chain(stated) {
            named.insert(head.origin, head.head.size);
        }
    }
    disk.iter()
        // A log that lies may wait for ever.
        .filter(|(origin, _)| *origin != own && !sim.turned(sim.cast.member(&origin.department).node))
        .filter_map(|(origin, log)| {
            let mut frontier = Frontier::new();
            for entry in &log.entries {
                frontier.append(leaf_hash(entry));
            }
            let size = log.entries.len() as u64;
            let may = size > 0 && named.get(origin).is_none_or(|before| *before <= size);
            may.then(|| (origin.clone(), size, frontier.root()))
        })
        .collect()
}

/// The true heads of other logs as the disk holds them.
fn true_heads(sim: &Sim, node: usize, own: &Origin) -> Vec<NamedHead> {
    let head = |(origin, size, root): (Origin, u64, Hash)| NamedHead {
        origin,
        head: TreeHead { size, root },
    };
    reachable(sim, node, own).into_iter().map(head).collect()
}

/// Payloads that must have no effect, or none but what the oracle says.
fn payload(sim: &mut Sim, node: usize, department: &DepartmentId) -> (&'static str, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("notes are text");
    let choice = sim.chaos.below(20);
    let any_ack = |sim: &mut Sim, own: bool| {
        let fitting: Vec<Vec<u8>> = sim
            .acknowledged
            .iter()
            .filter(|held| (held.origin.department == *department) == own)
            .map(|held| held.note.clone())
            .collect();
        sim.chaos.pick(&fitting).cloned()
    };
    match choice {
        0 => ("form", "something else\n\nentirely\n".to_owned()),
        1 => ("form", "tally/event/v1\n{\"a\":1}\n\nnothing\n".to_owned()),
        2 | 3 => match any_ack(sim, true) {
            Some(note) => ("copy in the own log", text(note)),
            None => ("form", "tally/unknown/v9\n".to_owned()),
        },
        4 | 5 => match any_ack(sim, false) {
            Some(note) => ("copy in another log", text(note)),
            None => ("form", "tally/unknown/v9\n".to_owned()),
        },
        6 => {
            let note = any_ack(sim, true).and_then(|note| damaged_signature(&note, sim));
            (
                "signature",
                note.map_or_else(|| "tally/unknown/v9\n".to_owned(), text),
            )
        }
        7 => {
            let by: Vec<_> = sim
                .cast
                .members
                .values()
                .take(2)
                .map(|member| {
                    let (officer, seed) = member.administrators.last().expect("there is one").clone();
                    (member.record.id.clone(), officer, seed)
                })
                .collect();
            let right = tally_schemas::governance::Right::Role {
                department: department.clone(),
                role: tally_schemas::genesis::Role::Audit,
            };
            let (version, previous) = (1 + sim.chaos.below(4), Hash(sim.chaos.bytes()));
            let note = sim.cast.govern(
                version,
                previous,
                at(sim.now_ms),
                vec![Change::RightGiven(right)],
                &by,
            );
            ("governance", text(note))
        }
        8 => (
            "foreign-root",
            Statement::Arrivals(vec![tally_schemas::id::EventId(Hash(sim.chaos.bytes()))]).to_text(),
        ),
        9 => (
            "registry-hash",
            any_event(sim, node, department).map_or_else(|| "x\n".to_owned(), text),
        ),
        10 => (
            "unknown-kind",
            unknown_kind(sim, node, department).map_or_else(|| "x\n".to_owned(), text),
        ),
        11 => {
            // An arrival that this log may never have had.
            let some = sim
                .acknowledged
                .get(sim.chaos.place(sim.acknowledged.len().max(1)))
                .map(|held| held.event);
            let id = some.unwrap_or(tally_schemas::id::EventId(Hash(sim.chaos.bytes())));
            ("arrivals", Statement::Arrivals(vec![id]).to_text())
        }
        12 => {
            let member = sim.cast.member(department);
            let hand = member.administrators.first().expect("there is one").clone();
            let body = workload::appointment(&super::cast::officer("nobody"), "head");
            let kind = tally_schemas::event::EventKind::RosterAppointed;
            (
                "roster",
                text(workload::roster_note(sim, department, kind, body, &hand)),
            )
        }
        13..=15 => match against_guard(sim, department) {
            Some(note) => ("guard", text(note)),
            None => ("form", "tally/unknown/v9\n".to_owned()),
        },
        _ => (
            "any event",
            any_event(sim, node, department).map_or_else(|| "x\n".to_owned(), text),
        ),
    }
}

fn damaged_signature(note: &[u8], sim: &mut Sim) -> Option<Vec<u8>> {
    let mut note = Note::parse(note, tally_schemas::limits::EVENT_NOTE_BYTES_MAX).ok()?;
    Event::parse_text(&note.text).ok()?;
    let _ = event_id(&note.text);
    let place = sim.chaos.place(64);
    let byte = note.lines.first_mut()?.signature.get_mut(place)?;
    *byte ^= 1;
    Some(note.to_bytes())
}

/// An event without regard to what the case allows.
fn any_event(sim: &mut Sim, node: usize, department: &DepartmentId) -> Option<Vec<u8>> {
    let view = sim.nodes.iter().position(|other| other.replica.is_some())?;
    let _ = node;
    workload::careless(sim, view, department)
}

/// An act that only a guard forbids.
fn against_guard(sim: &mut Sim, department: &DepartmentId) -> Option<Vec<u8>> {
    let view = sim.nodes.iter().position(|other| other.replica.is_some())?;
    workload::against_guard(sim, view, department)
}

fn unknown_kind(sim: &mut Sim, node: usize, department: &DepartmentId) -> Option<Vec<u8>> {
    let note = any_event(sim, node, department)?;
    let note = Note::parse(&note, tally_schemas::limits::EVENT_NOTE_BYTES_MAX).ok()?;
    let mut event = Event::parse_text(&note.text).ok()?;
    let case = event
        .kind
        .as_str()
        .split('.')
        .next()
        .unwrap_or("request")
        .to_owned();
    event.kind = Kind::Unknown(format!("{case}.invented"));
    let _: &Json = event.body.json();
    let view = sim.nodes.iter().position(|other| other.replica.is_some())?;
    let keys = workload::keys_for(sim, view, department)?;
    event.signers = keys.0;
    Some(sim.cast.sign(&event, &keys.1))
}
