//! A federation that adopts a newer ruleset while some nodes run software that does not hold it yet.
//!
//! The newer ruleset changes no table, so what it means is known to the oracle; software that does not hold it must not use that.

use super::engine::Sim;
use super::rng::Rng;
use super::workload::{self, govern};
use std::collections::BTreeMap;
use tally_ledger::cases::RULESET;
use tally_ledger::replica::Replica;
use tally_schemas::governance::Change;
use tally_schemas::id::{CaseId, Hash};

/// The ruleset that is adopted.
const NEWER: u32 = RULESET + 1;
/// Every how many seeds one adopts it.
const MIXED_EVERY: u64 = 5;

/// Who holds the newer ruleset, and when it is adopted.
pub struct Rulesets {
    rng: Rng,
    /// From which act on it is adopted, in a run in which it is.
    adopts_after: Option<u64>,
    ticket: Option<u64>,
    is_adopted: bool,
}

impl Rulesets {
    /// Plans the run of a seed.
    pub fn new(seed: u64, acts: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x0a1e_5e75_0c0d_e5e7);
        let share = rng.below(40) + 15;
        Self {
            rng,
            adopts_after: (seed % MIXED_EVERY == 1).then_some(acts * share / 100),
            ticket: None,
            is_adopted: false,
        }
    }
}

/// Gives some nodes the newer software from the start; that of the registrar mostly, and never all.
pub fn equip(sim: &mut Sim) {
    if sim.rulesets.adopts_after.is_none() {
        return;
    }
    let registrar = sim.cast.member(&sim.cast.registrar).node;
    let older = (registrar + 1 + sim.rulesets.rng.place(sim.nodes.len() - 1)) % sim.nodes.len();
    for node in 0..sim.nodes.len() {
        let share = if node == registrar { 80 } else { 35 };
        if sim.rulesets.rng.chance(share) && node != older {
            sim.nodes[node].holds = NEWER;
        }
    }
}

/// Adopts the newer ruleset when it is time, and lets people at nodes of older software try what they cannot do.
pub fn proceed(sim: &mut Sim) {
    let Some(after) = sim.rulesets.adopts_after else {
        return;
    };
    if sim.coverage.count("acts") < after {
        return;
    }
    if sim.rulesets.is_adopted {
        if sim.rulesets.rng.chance(15) {
            try_beyond(sim);
        }
        return;
    }
    let registrar = sim.cast.member(&sim.cast.registrar).node;
    let Some(replica) = sim.nodes[registrar].replica.as_ref() else {
        return;
    };
    if replica.world().ruleset() == NEWER {
        sim.rulesets.is_adopted = true;
        sim.coverage.hit("rulesets adopted");
        return;
    }
    let waits = sim
        .rulesets
        .ticket
        .is_some_and(|ticket| sim.tickets.contains_key(&ticket));
    if !waits && sim.rulesets.rng.chance(20) {
        sim.rulesets.ticket = govern(sim, vec![Change::RulesetAdopted(NEWER)]);
    }
}

/// Somebody whose node does not understand a case acts in it, as it looks from a node that does.
fn try_beyond(sim: &mut Sim) {
    let of = |sim: &Sim, holds: u32| -> Vec<usize> {
        let places = 0..sim.nodes.len();
        let fits = |node: &usize| sim.nodes[*node].holds == holds && sim.nodes[*node].replica.is_some();
        places.filter(fits).collect()
    };
    let (older, newer) = (of(sim, RULESET), of(sim, NEWER));
    let mut rng = sim.rulesets.rng.fork();
    let (Some(older), Some(newer)) = (rng.pick(&older).copied(), rng.pick(&newer).copied()) else {
        return;
    };
    let world = |node: usize| sim.nodes[node].replica.as_ref().map(Replica::world);
    let Some(world) = world(older) else { return };
    let beyond: Vec<CaseId> = world.all_not_understood().map(|(case, _)| *case).collect();
    let hosted = sim.cast.hosted(older);
    let (Some(case), Some(by)) = (rng.pick(&beyond).copied(), rng.pick(&hosted).cloned()) else {
        return;
    };
    workload::next_act(sim, newer, case, Some(&by));
}

/// A node that starts may be upgraded by its operator.
pub fn maybe_upgrade(sim: &mut Sim, node: usize) {
    if sim.rulesets.adopts_after.is_some() && sim.nodes[node].holds < NEWER && sim.rulesets.rng.chance(30) {
        upgrade(sim, node);
    }
}

fn upgrade(sim: &mut Sim, node: usize) {
    sim.nodes[node].holds = NEWER;
    sim.coverage.hit("software upgraded");
    sim.note("upgrade", node, &[]);
}

/// When the faults are over and all agree as far as they can, every node is upgraded; says whether one was.
pub fn upgrade_all(sim: &mut Sim) -> bool {
    if sim.rulesets.adopts_after.is_none() {
        return false;
    }
    let older: Vec<usize> = (0..sim.nodes.len())
        .filter(|node| sim.nodes[*node].holds < NEWER && !sim.turned(*node))
        .collect();
    if older.is_empty() {
        return false;
    }
    if sim.options.check {
        check_mixed(sim);
    }
    for node in &older {
        if sim.nodes[*node].replica.is_some() {
            sim.crash(*node);
        }
        upgrade(sim, *node);
        sim.start(*node);
    }
    true
}

/// I5 while software differs: what two nodes both understand is the same to both.
fn check_mixed(sim: &mut Sim) {
    let mut states: BTreeMap<CaseId, (usize, Hash)> = BTreeMap::new();
    let mut beyond = 0;
    for node in 0..sim.nodes.len() {
        let Some(replica) = sim.nodes[node].replica.as_ref().filter(|_| !sim.turned(node)) else {
            continue;
        };
        let world = replica.world();
        let is_older = sim.nodes[node].holds < world.ruleset();
        for (case, fold) in world.cases() {
            if world.is_not_understood(&case) {
                beyond += u64::from(is_older);
                continue;
            }
            let text = fold.state().map(|state| state.to_json().to_canonical());
            let state = tally_ledger::crypto::sha256(&[text.unwrap_or_default().as_bytes()]);
            let (first, expected) = *states.entry(case).or_insert((node, state));
            assert_eq!(
                state, expected,
                "I5: node-{node} and node-{first} differ on case {case}, which both understand"
            );
        }
    }
    sim.coverage.hit("agreed with software that differs");
    if beyond > 0 {
        sim.coverage.add("cases not understood until the upgrade", beyond);
    }
}
