//! What scenarios are led to: every row and every kind of event of the tables, and the way there.
//!
//! Read from the tables alone, so that a new case kind is aimed at without a word here.

use super::rng::Rng;
use std::collections::{BTreeMap, VecDeque};
use tally_ledger::cases::table::{Effect, Guard, PairRow, Table, Who};
use tally_ledger::cases::{Stage, table_of};
use tally_schemas::event::{CaseKind, EventKind};

/// How many acts a side may need before the one that its row is about.
const CHAIN_MAX: usize = 3;

/// What a scenario is to meet.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Two departments act at once where a row says who comes first.
    Row(&'static Table, PairRow),
    /// An event of a kind takes effect.
    Kind(&'static Table, EventKind),
}

/// How to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What everybody sees happen, from the opening on.
    pub way: Vec<EventKind>,
    /// What each side does then, without hearing of the other; one side for a goal of one kind.
    pub sides: Vec<Vec<EventKind>>,
}

fn tables() -> impl Iterator<Item = &'static Table> {
    CaseKind::ALL.iter().filter_map(|kind| table_of(*kind))
}

/// Returns every row of the tables.
pub fn rows() -> Vec<Goal> {
    tables()
        .flat_map(|table| table.pairs.iter().map(move |row| Goal::Row(table, *row)))
        .collect()
}

/// Returns every kind of event that follows in a case.
pub fn kinds() -> Vec<Goal> {
    tables()
        .flat_map(|table| table.rules.iter().map(move |rule| (table, rule.event)))
        .filter(|(_, kind)| !kind.opens_case())
        .map(|(table, kind)| Goal::Kind(table, kind))
        .collect()
}

impl std::fmt::Display for Goal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row(_, row) => write!(formatter, "{} before {}", row.first.as_str(), row.second.as_str()),
            Self::Kind(_, kind) => formatter.write_str(kind.as_str()),
        }
    }
}

impl Goal {
    /// Finds a way to the goal: random among those on which the sides have the least to do.
    pub fn route(&self, rng: &mut Rng) -> Option<Route> {
        match self {
            Self::Row(table, row) => route(table, &[row.first, row.second], rng),
            Self::Kind(table, kind) => route(table, &[*kind], rng),
        }
    }
}

fn route(table: &'static Table, wanted: &[EventKind], rng: &mut Rng) -> Option<Route> {
    let mut best: Vec<Route> = Vec::new();
    let mut least = usize::MAX;
    for (stage, way) in ways(table, rng) {
        if stage == Stage::Start {
            continue;
        }
        let chains: Option<Vec<Vec<EventKind>>> =
            wanted.iter().map(|kind| chain(table, stage, *kind)).collect();
        let Some(sides) = chains else { continue };
        let mut way = way;
        let met = sides
            .iter()
            .flatten()
            .all(|kind| prepare(table, stage, *kind, &mut way));
        let length = sides.iter().map(Vec::len).sum();
        if !met || length > least {
            continue;
        }
        if length < least {
            least = length;
            best.clear();
        }
        best.push(Route { way, sides });
    }
    rng.pick(&best).cloned()
}

/// Finds a shortest way from the start to every stage, random among equals, with what the guards on it ask for.
fn ways(table: &'static Table, rng: &mut Rng) -> BTreeMap<Stage, Vec<EventKind>> {
    let mut rules: Vec<EventKind> = table.rules.iter().map(|rule| rule.event).collect();
    rng.shuffle(&mut rules);
    let mut ways: BTreeMap<Stage, Vec<EventKind>> = BTreeMap::new();
    let mut open: BTreeMap<(usize, usize), (Stage, Vec<EventKind>)> = BTreeMap::new();
    let mut count = 0;
    open.insert((0, count), (Stage::Start, Vec::new()));
    while let Some((_, (stage, way))) = open.pop_first() {
        if ways.contains_key(&stage) {
            continue;
        }
        for kind in &rules {
            let Some(next) = table.edge(*kind, stage) else {
                continue;
            };
            let mut longer = way.clone();
            if !ways.contains_key(&next) && prepare(table, stage, *kind, &mut longer) {
                longer.push(*kind);
                count += 1;
                open.insert((longer.len(), count), (next, longer));
            }
        }
        ways.insert(stage, way);
    }
    ways
}

/// Adds to a way what the guard of an act asks for; says whether that can all be done at its stage without leaving it.
fn prepare(table: &'static Table, stage: Stage, kind: EventKind, way: &mut Vec<EventKind>) -> bool {
    for before in asked_for(table, kind) {
        if way.contains(&before) {
            continue;
        }
        if table.edge(before, stage) != Some(stage) {
            return false;
        }
        way.push(before);
    }
    true
}

/// Finds the least that one department does alone from a stage until it has done a kind of act.
fn chain(table: &'static Table, from: Stage, kind: EventKind) -> Option<Vec<EventKind>> {
    let actors = |kind: EventKind| -> Vec<Who> {
        table
            .rule(kind)
            .map(|rule| rule.who.iter().map(|(who, _)| *who).collect())
            .unwrap_or_default()
    };
    let own = actors(kind);
    let mut queue = VecDeque::from([(from, Vec::new())]);
    while let Some((stage, done)) = queue.pop_front() {
        if table.edge(kind, stage).is_some() {
            let mut done: Vec<EventKind> = done;
            done.push(kind);
            return Some(done);
        }
        if done.len() >= CHAIN_MAX {
            continue;
        }
        for rule in table.rules {
            let alone = actors(rule.event).iter().any(|who| own.contains(who));
            // What moves an item to another department would leave nothing to do for this one.
            let stays = !matches!(rule.effect, Effect::Propose(_) | Effect::Assign(_));
            if let Some(next) = table.edge(rule.event, stage)
                && next != stage
                && alone
                && stays
            {
                let mut longer = done.clone();
                longer.push(rule.event);
                queue.push_back((next, longer));
            }
        }
    }
    None
}

/// What the guard of a kind asks to stand in the case before, the first first.
fn asked_for(table: &'static Table, kind: EventKind) -> Vec<EventKind> {
    let before = match table.rule(kind).map(|rule| rule.guard) {
        Some(Guard::Names(_, before) | Guard::NamesNewest(_, before) | Guard::Outstanding(before, _)) => {
            Some(before)
        }
        // Whoever raises a flag can lower it.
        Some(Guard::OwnFlag) => table
            .rules
            .iter()
            .find(|rule| rule.effect == Effect::SetFlag)
            .map(|rule| rule.event),
        _ => None,
    };
    let Some(before) = before else { return Vec::new() };
    let mut list = asked_for(table, before);
    list.push(before);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_and_kind_of_the_tables_has_a_route() {
        let mut rng = Rng::new(1);
        for goal in rows().into_iter().chain(kinds()) {
            let route = goal.route(&mut rng);
            assert!(route.is_some(), "no way leads to {goal:?}");
        }
    }

    #[test]
    fn a_delivery_that_races_a_withdrawal_is_granted_out_of_sight_of_the_requester() {
        let mut rng = Rng::new(1);
        let row = |goal: &Goal| {
            matches!(goal, Goal::Row(_, row)
                if row.first == EventKind::RequestDelivered && row.second == EventKind::RequestWithdrawn)
        };
        let goal = rows().into_iter().find(row).expect("the table has this row");
        let route = goal.route(&mut rng).expect("there is a way");
        let provider = vec![EventKind::RequestGranted, EventKind::RequestDelivered];
        assert_eq!(route.sides, [provider, vec![EventKind::RequestWithdrawn]]);
    }
}
