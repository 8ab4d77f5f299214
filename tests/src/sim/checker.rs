//! One check per invariant, after every step and at the end.

use super::coverage::{race_name, row_name};
use super::engine::{Acknowledged, Sim};
use super::ground::{LogId, log_id};
use super::oracle::{Leaf, Meaning};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tally_ledger::archive::NoArchive;
use tally_ledger::cases::{CaseFold, Reversal, table_of};
use tally_ledger::crypto::{PublicKey, leaf_hash, sha256};
use tally_ledger::proof::verify_recorded;
use tally_ledger::replica::{Input, Output, Recorded, Replica};
use tally_ledger::world::{Standing, World};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, Origin};
use tally_schemas::proof::TlogProof;

/// A case, a registry and a set of entries: what decides a state.
type Key = (CaseId, Hash, Hash);

/// What the checks remember.
#[derive(Debug, Default)]
pub struct Checker {
    signed: BTreeMap<Origin, BTreeMap<u64, Hash>>,
    meanings: BTreeMap<Key, Rc<Meaning>>,
    states: BTreeMap<Key, Hash>,
    worlds: BTreeMap<Hash, Hash>,
    cursors: Vec<BTreeMap<LogId, u64>>,
    waiting: BTreeSet<(usize, LogId, u64)>,
    sealed: BTreeSet<Origin>,
    steps: u64,
}

impl Checker {
    /// Makes the checker of a run.
    pub fn new(nodes: usize) -> Self {
        Self {
            cursors: vec![BTreeMap::new(); nodes],
            ..Self::default()
        }
    }

    /// A node lost its memory: everything it resolves is looked at again.
    pub fn forget(&mut self, node: usize) {
        self.cursors[node].clear();
        self.waiting.retain(|(of, ..)| *of != node);
    }

    /// I3: never two roots for one size, never a smaller size after a larger one.
    pub fn signed(&mut self, origin: &Origin, size: u64, root: Hash) {
        assert!(
            !self.sealed.contains(origin),
            "I3: {origin} was signed at {size} after it had been sealed"
        );
        let of = self.signed.entry(origin.clone()).or_default();
        if let Some((last, _)) = of.last_key_value() {
            assert!(
                *last <= size,
                "I3: {origin} was signed at {last} and then at {size}"
            );
        }
        let before = of.insert(size, root);
        assert!(
            before.is_none_or(|before| before == root),
            "I3: two roots were signed for {origin} at {size}"
        );
    }

    /// I3: from now on a log is never signed again.
    pub fn seal(&mut self, origin: &Origin) {
        self.sealed.insert(origin.clone());
    }

    /// Returns the sizes at which a log was signed.
    pub fn signed_sizes(&self, origin: &Origin) -> Vec<u64> {
        self.signed
            .get(origin)
            .into_iter()
            .flat_map(|of| of.keys().copied())
            .collect()
    }
}

/// Checks a node after a step: what it resolved since, and every case that changed.
pub fn check_step(sim: &mut Sim, node: usize, touched: &BTreeSet<CaseId>) {
    sim.in_view_of(node, |sim| check_step_in_view(sim, node, touched));
}

fn check_step_in_view(sim: &mut Sim, node: usize, touched: &BTreeSet<CaseId>) {
    // What is set aside by now is still there, until everything is derived anew at once.
    let is_settled = |replica: &mut Replica| !replica.world().is_overtaken();
    let Some(replica) = sim.nodes[node].replica.take_if(is_settled) else {
        return;
    };
    resolved_since(sim, node, replica.world());
    for case in touched {
        check_case(sim, node, replica.world(), *case);
    }
    sim.checker.steps += 1;
    if sim.checker.steps.is_multiple_of(500) {
        check_world(sim, node, replica.world());
    }
    sim.nodes[node].replica = Some(replica);
}

/// I2 and I4 for entries that a node resolved since it was looked at last.
fn resolved_since(sim: &mut Sim, node: usize, world: &World) {
    for log in world.logs() {
        let (id, origin) = (log_id(&log.origin), &log.origin);
        let number = world.number_of_log(origin).expect("the log is known");
        assert_eq!(
            log.end,
            sim.oracle.end_of(&id),
            "the end of {origin} on node-{node}"
        );
        let from = sim.checker.cursors[node].get(&id).copied().unwrap_or(0);
        let cursor = log.cursor();
        assert!(
            from <= cursor,
            "I6: node-{node} resolved less of {origin} than before"
        );
        for index in from..cursor {
            let leaf = log.tree.leaf(index).expect("resolved entries are held");
            let seen = sim.oracle.entry(&leaf).clone();
            assert_eq!(
                (seen.log(), seen.header.index),
                (&id, index),
                "I2: an entry stands elsewhere"
            );
            let resolved = world.resolved(number, index).expect("the cursor counts them");
            let upto = world.upto(number, index + 1).expect("the cursor counts it");
            let got = match &resolved.standing {
                Standing::InCase(_) => Ok("case"),
                Standing::Roster(_) => Ok("roster"),
                Standing::Statement => Ok("statement"),
                Standing::Governance(_) => Ok("governance"),
                Standing::Opening => Ok("opening"),
                Standing::NotUnderstood(_) => Ok("not-understood"),
                Standing::Void(void) => Err(void.code()),
            };
            assert_eq!(
                got, seen.standing,
                "I4: entry {index} of {origin} on node-{node} ({:?}), left the node, right the oracle",
                resolved.standing
            );
            for (other, (size, _)) in &seen.vec {
                let below = if *other == id { *size + 1 } else { *size };
                let other_origin = sim.cast.origin_of(&other.0, other.1);
                let number = world.number_of_log(&other_origin).expect("logs below are known");
                assert_eq!(
                    upto.size(number),
                    below,
                    "vec of entry {index} of {origin} for {other:?} on node-{node}"
                );
            }
            let is_unread = matches!(seen.content, super::oracle::Content::Bad);
            if is_unread && got == Ok("not-understood") {
                sim.coverage.hit("forms of a newer ruleset not read");
            }
            if sim.checker.waiting.remove(&(node, id.clone(), index)) {
                sim.coverage.hit("unresolved, then resolved");
            }
        }
        let waits = world.waits_for(number);
        if waits.is_some_and(|why| !why.starts_with("signatures")) {
            sim.checker.waiting.insert((node, id.clone(), cursor));
        }
        sim.checker.cursors[node].insert(id, cursor);
    }
    let tip = registrar_tip(sim, world);
    let newest = world.registry().newest();
    assert_eq!(
        (newest.version, newest.hash),
        sim.oracle.registry_after(tip.as_ref()),
        "registry of node-{node}"
    );
}

fn registrar_tip(sim: &Sim, world: &World) -> Option<Leaf> {
    let of = |log: &&tally_ledger::world::Log| {
        log.origin.department == sim.cast.registrar && log.cursor() > 0 && log.end != Some(0)
    };
    let log = world.logs().filter(of).last()?;
    log.tree.leaf(log.cursor().checked_sub(1)?)
}

/// The entries of a case that a node has resolved.
fn set_of(sim: &Sim, world: &World, case: CaseId) -> Vec<Leaf> {
    let mut set: Vec<Leaf> = sim
        .oracle
        .of_case(&case)
        .iter()
        .copied()
        .filter(|leaf| {
            let seen = sim.oracle.entry(leaf);
            let origin = &seen.header.origin;
            let log = world
                .number_of_log(origin)
                .and_then(|number| world.log_at(number));
            log.is_some_and(|log| {
                seen.header.index < log.cursor() && log.tree.leaf(seen.header.index) == Some(*leaf)
            })
        })
        .collect();
    set.sort();
    set
}

/// I4, I5, I6 for one case: verdicts, state and reversals as the oracle derives them; equal sets, equal bytes.
fn check_case(sim: &mut Sim, node: usize, world: &World, case: CaseId) {
    let Some(fold) = world.case(&case) else {
        panic!("I6: node-{node} says that case {case} changed and does not hold it");
    };
    let set = set_of(sim, world, case);
    let newest = world.registry().newest();
    let mut parts: Vec<&[u8]> = set.iter().map(|leaf| leaf.0.as_slice()).collect();
    // On who knows which openings, and who holds which branch, it depends what lies in the past of the same entries.
    let view = format!("{:?}", sim.view);
    parts.push(view.as_bytes());
    let digest = sha256(&parts);
    let key = (case, newest.hash, digest);
    if world.is_not_understood(&case)
        && world
            .not_understood(&case)
            .is_some_and(|why| why.ruleset.is_some())
    {
        sim.coverage.hit("cases under a newer ruleset looked at");
    }
    let bytes = fold
        .state()
        .map(|state| state.to_json().to_canonical())
        .unwrap_or_default();
    let state = sha256(&[bytes.as_bytes()]);
    if let Some(before) = sim.checker.states.insert(key, state) {
        assert_eq!(
            before, state,
            "I5: case {case} on node-{node} differs from another state of the same entries"
        );
    }
    let meaning = match sim.checker.meanings.get(&key) {
        Some(meaning) => meaning.clone(),
        None => {
            let meaning = Rc::new(sim.oracle.meaning(case, &set, (newest.version, newest.hash)));
            sim.checker.meanings.insert(key, meaning.clone());
            meaning
        }
    };
    let differ = |what: &str, got: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
        let trail: Vec<String> = set
            .iter()
            .map(|leaf| {
                let seen = sim.oracle.entry(leaf);
                format!(
                    "  {} {} v{} {:?} vec {:?}",
                    seen.header.origin,
                    seen.header.index,
                    seen.header.registry.version,
                    describe(seen),
                    seen.vec
                        .iter()
                        .map(|((log, epoch), (size, _))| format!("{log}/{epoch}:{size}"))
                        .collect::<Vec<_>>()
                )
            })
            .collect();
        panic!(
            "I5: {what} of case {case} on node-{node}\n  node:   {got:?}\n  oracle: {expected:?}\n{}",
            trail.join("\n")
        );
    };
    compare_entries(&differ, world, &fold, &set, &meaning);
    compare_state(&differ, &fold, &meaning);
    let reversals = reversals_of(world, &fold);
    if reversals != meaning.reversals {
        differ("reversals", &reversals, &meaning.reversals);
    }
}

type Differ<'a> = dyn Fn(&str, &dyn std::fmt::Debug, &dyn std::fmt::Debug) + 'a;

fn describe(seen: &super::oracle::Seen) -> String {
    match &seen.content {
        super::oracle::Content::Event { event, id, .. } => {
            let items = event
                .body
                .json()
                .member("items")
                .map(tally_schemas::json::Json::to_canonical);
            format!(
                "{} {} {} {}",
                event.kind.as_str(),
                event.department,
                id.0.short(),
                items.unwrap_or_default()
            )
        }
        other => format!("{other:?}").chars().take(40).collect(),
    }
}

fn compare_entries(differ: &Differ<'_>, world: &World, fold: &CaseFold, set: &[Leaf], meaning: &Meaning) {
    let mut held: Vec<Leaf> = fold.entries().iter().map(|(entry, _)| entry.leaf).collect();
    held.sort();
    if held != set {
        differ("the set of entries", &held, &set);
    }
    for (place, (entry, verdict)) in fold.entries().iter().enumerate() {
        let got = verdict
            .as_ref()
            .map(drop)
            .map_err(tally_ledger::authority::Void::code);
        let expected = meaning.verdicts.get(&entry.leaf).expect("the sets are equal");
        if got != *expected {
            let what = format!(
                "the verdict on entry {} of {}",
                entry.entry.index, entry.entry.origin.department
            );
            differ(&what, &(got, verdict), expected);
        }
        let void = fold.void(place, world.registry()).map(|void| void.code());
        let expected = meaning.voids.get(&entry.leaf).copied().flatten();
        if void != expected {
            let what = format!(
                "void or not of entry {} of {}",
                entry.entry.index, entry.entry.origin.department
            );
            differ(&what, &void, &expected);
        }
    }
}

fn compare_state(differ: &Differ<'_>, fold: &CaseFold, meaning: &Meaning) {
    let (got, expected) = match (fold.state(), &meaning.state) {
        (None, None) => return,
        (Some(got), Some(expected)) => (got, expected),
        (got, expected) => {
            differ("open or not", &got.is_some(), &expected.is_some());
            return;
        }
    };
    if (got.kind, &got.owner, &got.first_asked) != (expected.kind, &expected.owner, &expected.first_asked) {
        differ(
            "kind, owner, first asked",
            &(got.kind, &got.owner),
            &(expected.kind, &expected.owner),
        );
    }
    let items: BTreeMap<u16, super::oracle::OracleItem> = got
        .items
        .iter()
        .map(|(number, item)| {
            let item = super::oracle::OracleItem {
                stage: item.stage,
                moved_by: item.moved_by,
                holder: item.holder.clone(),
                proposed: item.proposed.clone(),
                flags: item.flags.clone(),
            };
            (*number, item)
        })
        .collect();
    if items != expected.items {
        differ("the items", &items, &expected.items);
    }
    let facts: Vec<_> = got
        .facts
        .iter()
        .map(|fact| {
            (
                fact.leaf,
                fact.kind,
                &fact.items,
                &fact.overtaken,
                &fact.moved,
                &fact.raced,
            )
        })
        .collect();
    let theirs: Vec<_> = expected
        .facts
        .iter()
        .map(|fact| {
            (
                fact.leaf,
                fact.kind,
                &fact.items,
                &fact.overtaken,
                &fact.moved,
                &fact.raced,
            )
        })
        .collect();
    if facts != theirs {
        differ("the facts in order", &facts, &theirs);
    }
}

fn reversals_of(world: &World, fold: &CaseFold) -> Vec<(DepartmentId, u64, u16, String)> {
    let mut list: Vec<(DepartmentId, u64, u16, String)> = fold
        .reversals(world.registry())
        .into_iter()
        .map(|reversal| match reversal {
            Reversal::RightTaken { entry, version } => (
                entry.origin.department.clone(),
                entry.index,
                0,
                format!("taken by {:?}", Some(version)),
            ),
            Reversal::Overtaken { entry, item, cause } => (
                entry.origin.department.clone(),
                entry.index,
                item,
                format!("overtaken by {cause}"),
            ),
        })
        .collect();
    list.sort();
    list
}

/// Everything that a node derives, as one digest: cases, arrivals, openings, rosters.
pub fn digest_of(world: &World) -> Hash {
    let mut text = String::new();
    for (case, fold) in &world.cases() {
        text.push_str(&case.to_string());
        text.push_str(
            &fold
                .state()
                .map(|state| state.to_json().to_canonical())
                .unwrap_or_default(),
        );
        text.push_str(&format!("{:?}\n", reversals_of(world, fold)));
    }
    text.push_str(&format!("{:?}\n", world.arrivals()));
    text.push_str(&format!("{:?}\n", world.numbers()));
    for case in world.cases().keys() {
        text.push_str(&format!("{}", u8::from(world.is_not_understood(case))));
    }
    // A log of a later epoch of which nothing is resolved says nothing yet.
    let begun = |log: &&tally_ledger::world::Log| log.origin.epoch == 1 || log.cursor() > 0;
    for log in world.logs().filter(begun) {
        let roster = world
            .roster(&log.origin.department)
            .expect("every log has a roster");
        text.push_str(&format!("{} {:?} {:?}\n", log.origin, roster.terms, roster.posts));
        for (officer, held) in &roster.officers {
            let key = held.key.as_ref().map(|key| *key.public_key().as_bytes());
            text.push_str(&format!("{officer} {key:?}\n"));
        }
    }
    sha256(&[text.as_bytes()])
}

/// The resolved heads of a node, as one digest.
fn cursors_of(world: &World, wanted: impl Fn(&DepartmentId) -> bool) -> Hash {
    let heads: Vec<String> = world
        .logs()
        .filter(|log| log.cursor() > 0 && wanted(&log.origin.department))
        .map(|log| {
            let head = log.tree.head_at(log.cursor()).expect("resolved entries are held");
            format!("{} {} {}\n", log.origin, head.size, head.root.to_hex())
        })
        .collect();
    sha256(&[heads.concat().as_bytes()])
}

/// I5 and I6 for a whole world: every case against the oracle, and equal cursors, equal everything.
pub fn check_world(sim: &mut Sim, node: usize, world: &World) {
    let cases: Vec<CaseId> = world.cases().keys().copied().collect();
    for case in cases {
        check_case(sim, node, world, case);
    }
    let (cursors, digest) = (cursors_of(world, |_| true), digest_of(world));
    let cursors = sha256(&[&cursors.0, format!("{:?}", sim.view).as_bytes()]);
    if let Some(before) = sim.checker.worlds.insert(cursors, digest) {
        assert_eq!(
            before, digest,
            "I5: node-{node} derives other things than another node at equal cursors"
        );
    }
}

/// I1: the acknowledged entry is durable when the answer leaves, its proof verifies, and it counts.
pub fn check_recorded(sim: &mut Sim, node: usize, note: Vec<u8>, recorded: &Recorded) {
    sim.in_view_of(node, |sim| check_recorded_in_view(sim, node, note, recorded));
}

fn check_recorded_in_view(sim: &mut Sim, node: usize, note: Vec<u8>, recorded: &Recorded) {
    let log = sim.nodes[node].disk.get(&recorded.origin);
    let place = usize::try_from(recorded.index).expect("small");
    let entry = log
        .and_then(|log| log.entries.get(place))
        .unwrap_or_else(|| panic!("I1: {} was acknowledged before it was durable", recorded.event))
        .clone();
    let proof = TlogProof::parse(&recorded.proof).expect("a served proof is of its format");
    let key = super::cast::public(&sim.cast.log_seed(&recorded.origin));
    let key = PublicKey::admit(&key).expect("log keys are admissible");
    let key = tally_ledger::checkpoint::LogKey::new(&recorded.origin, &key);
    if let Err(error) = verify_recorded(&entry, &proof, &key) {
        panic!("I6: the proof of {} does not verify: {error}", recorded.event);
    }
    let leaf = leaf_hash(&entry);
    if sim.oracle.counts(&leaf) {
        let seen = sim.oracle.entry(&leaf).clone();
        match seen.standing {
            Ok("case") => {
                let verdict = sim.oracle.verdict(&leaf);
                let world = sim.nodes[node].replica.as_ref().map(Replica::world);
                let standing = world.and_then(|world| {
                    let number = world.number_of_log(&recorded.origin)?;
                    Some(world.resolved(number, recorded.index)?.standing)
                });
                // What newer software recorded is recorded, whatever it means: older software answers a copy with its proof.
                let is_beyond = matches!((world, standing), (Some(world), Some(Standing::InCase(case)))
                    if world.case(&case).is_some_and(|fold| fold.newer_ruleset().is_some()));
                assert!(
                    verdict.is_ok() || is_beyond,
                    "an accepted event is void in its own past: {verdict:?}: {}",
                    describe(&seen)
                );
            }
            Ok(_) => {}
            Err(code) => panic!("an accepted event is void: {code}: {}", describe(&seen)),
        }
    } else {
        let replica = sim.nodes[node].replica.as_ref();
        let world = replica.expect("it answered").world();
        let number = world.number_of_log(&recorded.origin);
        let held = number.and_then(|number| world.log_at(number));
        let why = number.and_then(|number| world.waits_for(number));
        // An opening needs what it continues to be held, not resolved: it counts when that is.
        let waits = recorded.index == 0
            && recorded.origin.epoch > 1
            && held.is_some_and(|log| log.cursor() == 0)
            && why.is_some_and(|why| why.contains("is resolved to") || why.contains("is not held"));
        // A quorum's opening that was handled together with the report of the disk may set it aside at once.
        let end = world.end_of(&recorded.origin);
        assert!(
            waits || end.is_some_and(|end| end <= recorded.index),
            "{} counts for nobody, and nothing sets it aside",
            recorded.event
        );
        if waits {
            sim.coverage
                .hit("openings recorded before what they continue was resolved");
        } else {
            sim.coverage.hit("set aside when it was acknowledged");
        }
    }
    let earlier: Vec<(Origin, u64, Leaf)> = sim
        .acknowledged
        .iter()
        .filter(|held| held.event == recorded.event)
        .map(|held| (held.origin.clone(), held.index, held.leaf))
        .collect();
    // Another place only for what was set aside, or is void since what it rested on was.
    for (origin, index, held) in earlier.iter().filter(|(.., held)| *held != leaf) {
        let has_effect = sim.oracle.counts(held)
            && match sim.oracle.entry(held).standing {
                Ok("case") => sim.oracle.verdict(held).is_ok(),
                standing => standing.is_ok(),
            };
        assert!(
            !has_effect,
            "{} was recorded at {origin} {index}, and then again at {} {}",
            recorded.event, recorded.origin, recorded.index
        );
    }
    if earlier.iter().any(|(.., held)| *held == leaf) {
        sim.coverage.hit("copies answered with the same proof");
        return;
    }
    if !earlier.is_empty() {
        sim.coverage.hit("set aside and recorded again");
    }
    sim.coverage.hit("acknowledged");
    let acknowledged = Acknowledged {
        event: recorded.event,
        origin: recorded.origin.clone(),
        index: recorded.index,
        leaf,
        note,
    };
    sim.acknowledged.push(acknowledged);
}

/// I1: what was acknowledged is on the disk after a crash.
pub fn check_acknowledged(sim: &Sim, node: usize) {
    for held in &sim.acknowledged {
        // An old copy holds less, and so does what is fetched again.
        let is_lost = sim.repair.lost(&held.origin);
        if sim.cast.member(&held.origin.department).node != node || is_lost {
            continue;
        }
        let place = usize::try_from(held.index).expect("small");
        let entry = sim.nodes[node]
            .disk
            .get(&held.origin)
            .and_then(|log| log.entries.get(place));
        let leaf = entry.map(|entry| leaf_hash(entry));
        assert_eq!(
            leaf,
            Some(held.leaf),
            "I1: {} was acknowledged and is gone after a crash",
            held.event
        );
    }
}

/// The nodes that did not turn, by number.
fn honest(sim: &Sim) -> impl Iterator<Item = (usize, &super::node::Node)> {
    sim.nodes
        .iter()
        .enumerate()
        .filter(|(place, _)| !sim.turned(*place))
}

/// Says whether the node of a log turned: what it had not told all others is lost with it.
fn is_silent(sim: &Sim, log: &DepartmentId) -> bool {
    sim.turned(sim.cast.member(log).node)
}

/// Says whether all honest nodes hold and resolve everything of each other, and noticed who lies.
pub fn converged(sim: &Sim) -> bool {
    let Some(first) = honest(sim).next().and_then(|(_, node)| node.replica.as_ref()) else {
        return false;
    };
    if !sim.repair.is_done() {
        return false;
    }
    // What lies beyond the end of a log is held by some and not by others.
    let counts = |log: &tally_ledger::world::Log| log.end.map_or(log.size(), |end| end.min(log.size()));
    let sizes = |world: &World| {
        world
            .logs()
            .filter(|log| !is_silent(sim, &log.origin.department) && log.end != Some(0))
            .map(|log| (Origin::clone(&log.origin), log.end, log.cursor(), counts(log)))
            .collect::<Vec<_>>()
    };
    let plain = sizes(first.world());
    let alike = |node: &super::node::Node| {
        node.replica
            .as_ref()
            .is_some_and(|replica| sizes(replica.world()) == plain)
    };
    if !honest(sim).all(|(_, node)| alike(node)) {
        return false;
    }
    if let Some(hostile) = sim.hostile.as_ref().filter(|hostile| !hostile.is_replaced)
        && !honest(sim).all(|(place, _)| hostile.alarmed.contains(&place))
    {
        return false;
    }
    let heard = |log: &DepartmentId| !is_silent(sim, log);
    let expected = cursors_of(first.world(), heard);
    honest(sim).all(|(place, node)| {
        let Some(replica) = &node.replica else {
            return false;
        };
        node.outbox.is_empty()
            && node.writing.is_none()
            && node.inbox.is_empty()
            && cursors_of(replica.world(), heard) == expected
            && replica
                .world()
                .logs()
                .all(|log| log.cursor() == counts(log) || !heard(&log.origin.department))
            && replica.contested().all(|(origin, _)| !heard(&origin.department))
            && sim.cast.hosted(place).iter().all(|department| {
                let size = node
                    .disk
                    .get(&sim.newest(department))
                    .map_or(0, |log| log.entries.len() as u64);
                replica
                    .world()
                    .log(department)
                    .map_or(0, tally_ledger::world::Log::cursor)
                    == size
            })
    })
}

/// Tells in what the nodes differ, for a failure of liveness.
pub fn differences(sim: &Sim) -> String {
    let mut text = sim.repair.left();
    for (place, node) in sim.nodes.iter().enumerate() {
        text.push_str(&format!("\n  node-{place}:"));
        let Some(replica) = &node.replica else {
            text.push_str(" down");
            continue;
        };
        for log in replica.world().logs() {
            let end = log.end.map(|end| format!(" of {end}")).unwrap_or_default();
            text.push_str(&format!(
                " {}/{}={}/{}{end}",
                log.origin.department,
                log.origin.epoch,
                log.cursor(),
                log.size()
            ));
            if let Some(number) = replica.world().number_of_log(&log.origin)
                && let Some(why) = replica.world().waits_for(number)
            {
                text.push_str(&format!(" ({why})"));
            }
        }
        for (origin, contest) in replica.contested() {
            text.push_str(&format!(" {origin} contested: {contest:?}"));
        }
        text.push_str(&format!(
            " outbox {} writing {}",
            node.outbox.len(),
            node.writing.is_some()
        ));
    }
    text
}

/// The end of a run: all equal, everything acknowledged is everywhere, every checkpoint fits, a fresh node agrees.
pub fn check_end(sim: &mut Sim) {
    let places: Vec<usize> = honest(sim).map(|(place, _)| place).collect();
    for place in &places {
        sim.look(*place);
        check_kept(sim, *place);
    }
    for (origin, roots) in &sim.checker.signed {
        if !is_silent(sim, &origin.department) {
            check_signed(sim, origin, roots);
        }
    }
    if !sim.options.check {
        return;
    }
    for node in &places {
        sim.in_view_of(*node, |sim| {
            let replica = sim.nodes[*node].replica.take().expect("all are up");
            check_world(sim, *node, replica.world());
            sim.nodes[*node].replica = Some(replica);
        });
    }
    let first = *places.first().expect("there are honest nodes");
    let digest =
        |sim: &Sim, node: usize| digest_of(sim.nodes[node].replica.as_ref().expect("all are up").world());
    let expected = digest(sim, first);
    for place in places
        .iter()
        .filter(|_| sim.hostile.as_ref().is_none_or(|hostile| hostile.is_replaced))
    {
        assert_eq!(
            digest(sim, *place),
            expected,
            "I5: node-{place} and node-{first} differ at the end"
        );
    }
    let fresh = fresh(sim, first);
    assert_eq!(
        digest_of(fresh.world()),
        expected,
        "I5: a node that read everything anew differs"
    );
    sim.in_view_of(first, |sim| count(sim, first));
}

/// I1: what was acknowledged counts, unless an opening cut it off; then whoever holds it shows it as set aside.
fn check_kept(sim: &Sim, node: usize) {
    let world = sim.nodes[node].replica.as_ref().expect("all are up").world();
    for held in &sim.acknowledged {
        if is_silent(sim, &held.origin.department) {
            continue;
        }
        let event = held.event;
        let log = world
            .number_of_log(&held.origin)
            .and_then(|number| world.log_at(number));
        let leaf = log.and_then(|log| log.tree.leaf(held.index));
        let end = sim.oracle.end_of(&log_id(&held.origin));
        if sim.oracle.counts(&held.leaf) {
            assert_eq!(leaf, Some(held.leaf), "I1: {event} is not on node-{node}");
            continue;
        }
        assert!(
            end.is_some_and(|end| end <= held.index),
            "I1: {event} at {} {} counts no more on node-{node}, though no opening cut it off",
            held.origin,
            held.index
        );
        let made = sim.ground.made(&held.leaf);
        if let super::oracle::Content::Event { id, event, .. } = &made.content
            && end.is_some_and(|end| end > 0)
            && leaf == Some(held.leaf)
        {
            let aside = world.set_aside(&event.case.unwrap_or(*id));
            let is_shown = aside
                .iter()
                .any(|aside| (&aside.origin, aside.index, aside.id) == (&held.origin, held.index, *id));
            assert!(
                is_shown,
                "node-{node} does not show that {id} at {} {} was set aside",
                held.origin, held.index
            );
        }
    }
}

/// I3: what was signed of a log is what its disk holds.
fn check_signed(sim: &Sim, origin: &Origin, roots: &BTreeMap<u64, Hash>) {
    let node = sim.cast.member(&origin.department).node;
    let end = sim.oracle.end_of(&log_id(origin));
    let roots = roots
        .iter()
        .filter(|(size, _)| end.is_none_or(|end| **size <= end));
    for (size, root) in roots {
        let log = sim.nodes[node]
            .disk
            .get(origin)
            .expect("what was signed is on the disk");
        let last = usize::try_from(*size)
            .expect("small")
            .checked_sub(1)
            .expect("nothing empty was signed");
        let leaf = leaf_hash(log.entries.get(last).expect("I3: a signed size is on the disk"));
        assert_eq!(
            sim.ground.root_at(&leaf),
            *root,
            "I3: {origin} at {size} was signed with another root"
        );
    }
}

/// Reads every log of a node anew, in another order.
fn fresh(sim: &mut Sim, node: usize) -> Replica {
    let mut rng = sim.chaos.fork();
    let archive = std::sync::Arc::new(NoArchive);
    let holds = sim.nodes[node].holds;
    let mut replica = Replica::found_with(&sim.cast.genesis, BTreeSet::new(), archive, holds)
        .expect("the genesis founds a federation");
    let now = sim.clock(node);
    let lots = super::faults::restored(&sim.nodes[node], &BTreeMap::new(), &mut rng);
    let mut inputs: Vec<Input> = lots.into_iter().flatten().collect();
    while !inputs.is_empty() {
        let mut next = Vec::new();
        for output in replica.handle(now, inputs) {
            if let Output::Verify(jobs) = output {
                next.extend(jobs.iter().map(|job| Input::Verified(vec![job.run()])));
            }
        }
        rng.shuffle(&mut next);
        inputs = next;
    }
    replica
}

/// Counts what the run met.
fn count(sim: &mut Sim, node: usize) {
    let replica = sim.nodes[node].replica.take().expect("all are up");
    let world = replica.world();
    let newest = world.registry().newest();
    for log in world.logs() {
        let number = world.number_of_log(&log.origin).expect("the log is known");
        if log.end.is_some_and(|end| end > 0 && end < log.size()) {
            let aside = log.size() - log.end.unwrap_or_default();
            sim.coverage.add("entries set aside", aside);
        }
        for index in 0..log.cursor() {
            let resolved = world.resolved(number, index).expect("the cursor counts them");
            match &resolved.standing {
                Standing::Void(void) => sim.coverage.hit(format!("void: {}", void.code())),
                Standing::Roster(kind) => {
                    sim.coverage.hit(format!("effective: {}", kind.as_str()));
                    sim.coverage.hit("case kind: roster");
                }
                Standing::NotUnderstood(_) => sim.coverage.hit("not understood"),
                Standing::Governance(_) => sim.coverage.hit("governance notes"),
                Standing::Opening => sim.coverage.hit("epochs opened"),
                Standing::Statement => sim.coverage.hit("statements"),
                Standing::InCase(_) => {}
            }
        }
    }
    for (case, fold) in &world.cases() {
        let set = set_of(sim, world, *case);
        let met = sim.oracle.rows_met(&set, (newest.version, newest.hash));
        for (first, second) in &met {
            sim.coverage.hit(row_name(first.as_str(), second.as_str()));
        }
        for place in 0..fold.entries().len() {
            if let Some(void) = fold.void(place, world.registry()) {
                sim.coverage.hit(format!("void: {}", void.code()));
            }
        }
        for reversal in fold.reversals(world.registry()) {
            match reversal {
                Reversal::RightTaken { .. } => sim.coverage.hit("reversals by a taking"),
                Reversal::Overtaken { .. } => sim.coverage.hit("overtaken acts"),
            }
        }
        sim.coverage.add("refolds", fold.refolds());
        let Some(state) = fold.state() else { continue };
        sim.coverage.hit(format!("case kind: {}", state.kind.as_str()));
        for fact in &state.facts {
            sim.coverage.hit(format!("effective: {}", fact.kind.as_str()));
            for item in &fact.raced {
                let Some((from, _)) = fact.moved.get(item) else {
                    continue;
                };
                let Some(table) = table_of(state.kind) else {
                    continue;
                };
                sim.coverage.hit(format!(
                    "race edge from {}: {}",
                    from.as_str(),
                    fact.kind.as_str()
                ));
                for row in table.pairs.iter().filter(|row| row.second == fact.kind) {
                    let raced = row.race.is_some_and(|(stages, _)| stages.contains(from));
                    if raced && met.contains(&(row.first, row.second)) {
                        sim.coverage
                            .hit(race_name(row.first.as_str(), row.second.as_str()));
                    }
                }
            }
        }
    }
    let known: BTreeSet<EventId> = world.cases().keys().copied().collect();
    sim.coverage.add("cases", known.len() as u64);
    sim.nodes[node].replica = Some(replica);
}
