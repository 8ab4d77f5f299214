//! Scenarios inside a random run that steer towards what chance rarely meets: every pair row, every kind of event, and
//! rights taken late.

use super::engine::Sim;
use super::workload::{
    self, Plan, acts_on, give_something, govern, head_at_registrar, id_of, next_act, opener, send, state_of,
    write,
};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use tally_ledger::cases::table::{Guard, PairRow, Table};
use tally_ledger::cases::{Stage, table_of};
use tally_schemas::event::{EventKind, Source};
use tally_schemas::governance::{Change, Right};
use tally_schemas::id::{CaseId, DepartmentId, EventId};

/// A scenario under way.
pub enum Directed {
    /// Two departments act at once where a row says who comes first.
    Row(Box<RowDrive>),
    /// A right is taken while its holder acts out of reach.
    Taking(Box<TakingDrive>),
}

impl Directed {
    /// Plans one; rows and kinds take turns over the plans of a run and over seeds.
    pub fn plan(sim: &mut Sim, turn: usize) -> Self {
        match sim.rng.below(100) {
            0..20 => Self::Taking(Box::new(TakingDrive::plan(sim))),
            20..60 => Self::Row(Box::new(RowDrive::plan(sim, turn))),
            _ => Self::Row(Box::new(RowDrive::plan_kind(sim, turn))),
        }
    }

    /// Does the next step; says whether the scenario is over.
    pub fn proceed(&mut self, sim: &mut Sim) -> bool {
        match self {
            Self::Row(drive) => drive.proceed(sim),
            Self::Taking(drive) => drive.proceed(sim),
        }
    }
}

/// Drives one case to where both acts of a row are allowed, parts their hosts, and lets both act.
pub struct RowDrive {
    row: Option<PairRow>,
    path: VecDeque<EventKind>,
    case: Option<CaseId>,
    last: Option<(EventId, u64)>,
    source: Source,
    tries: u32,
    racing: Option<(usize, usize, i64)>,
}

impl RowDrive {
    fn plan(sim: &mut Sim, turn: usize) -> Self {
        let rows: Vec<(&'static Table, PairRow)> = workload::case_kinds()
            .into_iter()
            .filter_map(table_of)
            .flat_map(|table| table.pairs.iter().map(move |row| (table, *row)))
            .collect();
        let (table, row) = *rows.get(turn % rows.len()).expect("the tables have rows");
        let path = path_to(sim, table, &[row.first, row.second]);
        Self::along(Some(row), path)
    }

    /// Drives to one kind of event and does it.
    fn plan_kind(sim: &mut Sim, turn: usize) -> Self {
        let kinds: Vec<(&'static Table, EventKind)> = workload::case_kinds()
            .into_iter()
            .filter_map(table_of)
            .flat_map(|table| table.rules.iter().map(move |rule| (table, rule.event)))
            .filter(|(_, kind)| !kind.opens_case())
            .collect();
        let (table, kind) = *kinds.get(turn % kinds.len()).expect("the tables have kinds");
        let mut path = path_to(sim, table, &[kind]);
        path.push(kind);
        Self::along(None, path)
    }

    fn along(row: Option<PairRow>, path: Vec<EventKind>) -> Self {
        Self {
            row,
            path: path.into(),
            case: None,
            last: None,
            source: Source::Own,
            tries: 0,
            racing: None,
        }
    }

    fn proceed(&mut self, sim: &mut Sim) -> bool {
        self.tries += 1;
        if self.tries > 70 {
            sim.coverage.hit("scenarios abandoned");
            return true;
        }
        if let Some((one, other, until)) = self.racing {
            if sim.now_ms >= until {
                sim.coverage.hit("scenarios done");
                return true;
            }
            // Life goes on on both sides.
            let case = self.case.expect("it races in a case");
            let side = if sim.rng.chance(60) { one } else { other };
            if sim.rng.chance(60) {
                let own = sim.cast.hosted(side);
                if let Some(by) = sim.rng.pick(&own).cloned() {
                    next_act(sim, side, case, Some(&by));
                }
            }
            return false;
        }
        if self.tries.is_multiple_of(15) {
            sim.network.heal();
        }
        if let Some((event, ticket)) = self.last {
            if sim.acknowledged.iter().any(|held| held.event == event) {
                self.last = None;
                self.case.get_or_insert(event);
                self.path.pop_front();
            } else if sim.refused.remove(&ticket).is_some() {
                // What the law forbids as an own act is still recorded from paper.
                self.last = None;
                self.source = Source::Paper;
            } else if sim.tickets.contains_key(&ticket) {
                return false;
            } else {
                self.last = None;
            }
        }
        match self.path.front().copied() {
            Some(kind) => {
                self.walk(sim, kind);
                false
            }
            None => match self.row {
                Some(row) => {
                    self.race(sim, &row);
                    self.case.is_none()
                }
                None => {
                    sim.coverage.hit("scenarios done");
                    true
                }
            },
        }
    }

    fn walk(&mut self, sim: &mut Sim, kind: EventKind) {
        let Some(case) = self.case else {
            let Some(by) = opener(sim, kind) else { return };
            let plan = Plan {
                by,
                kind,
                state: None,
                items: Vec::new(),
                all_items: true,
                source: self.source,
            };
            self.submit(sim, &plan);
            return;
        };
        if let Some((_, plan)) = self.able(sim, case, kind).into_iter().next() {
            self.submit(sim, &plan);
        }
    }

    /// Who can do a thing now, each on the view of its own host; in random order.
    fn able(&self, sim: &mut Sim, case: CaseId, kind: EventKind) -> Vec<(usize, Plan)> {
        let mut found = Vec::new();
        for node in 0..sim.nodes.len() {
            let Some(state) = state_of(sim, node, &case) else {
                continue;
            };
            let own = sim.cast.hosted(node);
            for act in acts_on(sim, node, &case)
                .into_iter()
                .filter(|act| act.kind == kind)
            {
                for by in act.by.iter().filter(|by| own.contains(by)) {
                    let plan = Plan {
                        by: by.clone(),
                        kind,
                        state: Some(state.clone()),
                        items: act.items.clone(),
                        all_items: true,
                        source: self.source,
                    };
                    found.push((node, plan));
                }
            }
        }
        sim.rng.shuffle(&mut found);
        found
    }

    fn submit(&mut self, sim: &mut Sim, plan: &Plan) {
        let Some(note) = write(sim, plan) else { return };
        let Some(event) = id_of(&note) else { return };
        self.last = send(sim, &plan.by, note).map(|ticket| (event, ticket));
    }

    fn race(&mut self, sim: &mut Sim, row: &PairRow) {
        let Some(case) = self.case else { return };
        let first = self.able(sim, case, row.first);
        let second = self.able(sim, case, row.second);
        for (one, mine) in &first {
            for (other, theirs) in &second {
                if one == other || mine.by == theirs.by {
                    continue;
                }
                let mut groups: Vec<usize> = (0..sim.nodes.len()).map(|_| sim.chaos.place(2)).collect();
                groups[*one] = 0;
                groups[*other] = 1;
                let long = sim.rng.between(4_000, 20_000);
                sim.part(groups, long);
                for plan in [mine, theirs] {
                    if let Some(note) = write(sim, plan) {
                        send(sim, &plan.by, note);
                    }
                }
                self.racing = Some((*one, *other, sim.now_ms + long));
                return;
            }
        }
    }
}

/// Finds a way from the start to a stage where all of some kinds are allowed, with what their guards ask for.
fn path_to(sim: &mut Sim, table: &'static Table, wanted: &[EventKind]) -> Vec<EventKind> {
    let goal = |stage: Stage| wanted.iter().all(|kind| table.edge(*kind, stage).is_some());
    let mut ways: BTreeMap<Stage, Vec<EventKind>> = BTreeMap::from([(Stage::Start, Vec::new())]);
    let mut queue = VecDeque::from([Stage::Start]);
    let mut rules: Vec<EventKind> = table.rules.iter().map(|rule| rule.event).collect();
    sim.rng.shuffle(&mut rules);
    while let Some(stage) = queue.pop_front() {
        let way = ways.get(&stage).cloned().unwrap_or_default();
        for kind in &rules {
            let Some(next) = table.edge(*kind, stage) else {
                continue;
            };
            if let Entry::Vacant(place) = ways.entry(next) {
                let mut longer = way.clone();
                longer.push(*kind);
                place.insert(longer);
                queue.push_back(next);
            }
        }
    }
    let goals: Vec<(Stage, Vec<EventKind>)> = ways
        .into_iter()
        .filter(|(stage, _)| *stage != Stage::Start && goal(*stage))
        .collect();
    let Some((stage, mut way)) = sim.rng.pick(&goals).cloned() else {
        return Vec::new();
    };
    for kind in wanted {
        for before in asked_for(table, *kind) {
            if !way.contains(&before) && table.edge(before, stage) == Some(stage) {
                way.push(before);
            }
        }
    }
    way
}

/// What the guard of a kind asks to stand in the case before, the first first.
fn asked_for(table: &'static Table, kind: EventKind) -> Vec<EventKind> {
    let before = match table.rule(kind).map(|rule| rule.guard) {
        Some(Guard::Names(_, before) | Guard::NamesNewest(_, before) | Guard::Outstanding(before, _)) => {
            before
        }
        Some(Guard::OwnFlag) => EventKind::RequestSuspended,
        _ => return Vec::new(),
    };
    let mut list = asked_for(table, before);
    list.push(before);
    list
}

/// Takes a right while its holder acts out of the registrar's reach, and gives it back later.
pub struct TakingDrive {
    holder: DepartmentId,
    right: Right,
    phase: u32,
    tries: u32,
    ticket: Option<u64>,
}

impl TakingDrive {
    fn plan(sim: &mut Sim) -> Self {
        let registrar = sim.cast.member(&sim.cast.registrar).node;
        let holders: Vec<DepartmentId> = sim
            .cast
            .members
            .values()
            .filter(|member| member.node != registrar && !member.late)
            .map(|member| member.record.id.clone())
            .collect();
        let holder = sim
            .rng
            .pick(&holders)
            .cloned()
            .unwrap_or_else(|| sim.cast.registrar.clone());
        let roles = sim.cast.member(&holder).record.roles.clone();
        let right = match sim.rng.below(10) {
            0 => Right::Membership {
                department: holder.clone(),
            },
            1..4 => {
                let (name, seed) = sim
                    .cast
                    .member(&holder)
                    .administrators
                    .last()
                    .expect("there is one")
                    .clone();
                Right::Administrator {
                    department: holder.clone(),
                    officer: name,
                    key: super::cast::public(&seed),
                }
            }
            _ => {
                let role = *sim.rng.pick(&roles).expect("every department has a role");
                Right::Role {
                    department: holder.clone(),
                    role,
                }
            }
        };
        Self {
            holder,
            right,
            phase: 0,
            tries: 0,
            ticket: None,
        }
    }

    fn proceed(&mut self, sim: &mut Sim) -> bool {
        self.tries += 1;
        let node = sim.cast.member(&self.holder).node;
        match self.phase {
            0 => {
                let registrar = sim.cast.member(&sim.cast.registrar).node;
                let mut groups: Vec<usize> = (0..sim.nodes.len()).map(|_| sim.chaos.place(2)).collect();
                groups[registrar] = 0;
                groups[node] = 1;
                let long = sim.rng.between(8_000, 20_000);
                sim.part(groups, long);
                self.phase = 1;
            }
            1..=6 => {
                self.phase += 1;
                if matches!(self.right, Right::Administrator { .. }) {
                    workload::roster_change_of(sim, &self.holder);
                    return false;
                }
                let Some(replica) = sim.nodes[node].replica.as_ref() else {
                    return false;
                };
                let cases: Vec<CaseId> = replica.world().cases().keys().copied().collect();
                for _ in 0..12 {
                    let Some(case) = sim.rng.pick(&cases).copied() else {
                        break;
                    };
                    if next_act(sim, node, case, Some(&self.holder)) {
                        break;
                    }
                }
            }
            7 => {
                let Some(at) = head_at_registrar(sim, &self.holder) else {
                    return self.tries > 60;
                };
                let mut changes = Vec::new();
                if matches!(self.right, Right::Administrator { .. }) {
                    let (officer, seed) = sim.cast.new_administrator(&self.holder);
                    changes.push(Change::RightGiven(Right::Administrator {
                        department: self.holder.clone(),
                        officer,
                        key: super::cast::public(&seed),
                    }));
                }
                changes.push(Change::RightTaken {
                    right: self.right.clone(),
                    at,
                });
                self.ticket = govern(sim, changes);
                if self.ticket.is_some() {
                    sim.coverage.hit("takings");
                    self.phase = 8;
                }
                return self.tries > 60;
            }
            8..=14 => {
                self.phase += 1;
                let Some(replica) = sim.nodes[node].replica.as_ref() else {
                    return false;
                };
                let cases: Vec<CaseId> = replica.world().cases().keys().copied().collect();
                if let Some(case) = sim.rng.pick(&cases).copied() {
                    next_act(sim, node, case, Some(&self.holder));
                }
            }
            _ => {
                give_something(sim);
                return true;
            }
        }
        false
    }
}
