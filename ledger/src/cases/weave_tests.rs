//! Whole runs of officers who know more or less of each other: one state whatever arrives first, nothing voided that its
//! author was allowed to do, and no answer, delivery or use overtaken.

use super::fold::{self, CaseEntry, CaseFold, Vector, role_order};
use super::state::CaseState;
use super::table_tests::{STANDS, drafts, openings};
use super::verdict::Allowed;
use super::{RULESET, table_of};
use crate::fixture::{Play, department};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tally_schemas::event::CaseKind;
use tally_schemas::id::{CaseId, DepartmentId};

/// What one node has of the case.
#[derive(Clone)]
struct Desk {
    known: Vector,
    case: CaseFold,
}

struct Run {
    play: Play,
    case: CaseId,
    desks: BTreeMap<DepartmentId, Desk>,
    entries: Vec<CaseEntry>,
}

const WHO: &[&str] = &[
    "datahub",
    "government",
    "health",
    "housing",
    "lead",
    "province-supervision",
    "supervision",
    "taxes",
    "transport",
];

impl Run {
    fn new(kind: CaseKind, opening: usize) -> Self {
        let openings = openings(kind);
        let mut play = Play::new();
        let case = play.does(&openings[opening % openings.len()]);
        let desk = Desk {
            known: play.everything(),
            case: play.cases[&case].clone(),
        };
        let desks = WHO.iter().map(|who| (department(who), desk.clone()));
        Self {
            case,
            desks: desks.collect(),
            entries: play.entries.clone(),
            play,
        }
    }

    /// One department does one of the things that it may do by what it knows.
    fn act(&mut self, who: &DepartmentId, pick: usize) {
        let desk = self.desks.get_mut(who).unwrap();
        let state = desk.case.state().unwrap();
        let mut possible = drafts(state, &self.play);
        possible.retain(|draft| draft.by() == who);
        if possible.is_empty() {
            return;
        }
        let draft = possible.swap_remove(pick % possible.len()).knowing(&desk.known);
        let before = self.play.clone();
        let entry = self.play.append(&draft);
        let mut with = desk.case.clone();
        with.insert(entry.clone(), &self.play.registry);
        // What the table offers without reading the body may still be refused; nothing is recorded then.
        if with.entries().last().unwrap().1.is_err() {
            self.play = before;
            return;
        }
        desk.case = with;
        desk.known.merge(&entry.past);
        desk.known.raise(entry.log, entry.entry.index + 1);
        self.entries.push(entry);
    }

    /// One department gets all that another has.
    fn learn(&mut self, who: &DepartmentId, from: &DepartmentId) {
        let theirs = self.desks[from].known.clone();
        let desk = self.desks.get_mut(who).unwrap();
        for entry in &self.entries {
            let new = entry.entry.index >= desk.known.size(entry.log);
            if new && entry.entry.index < theirs.size(entry.log) {
                desk.case.insert(entry.clone(), &self.play.registry);
            }
        }
        desk.known.merge(&theirs);
    }

    /// Folds everything in the order that a ranking of logs gives, past before future.
    fn folded(&self, rank: impl Fn(&CaseEntry) -> usize) -> CaseFold {
        let mut waiting = self.entries.clone();
        let mut fold = CaseFold::new(self.case, RULESET);
        while !waiting.is_empty() {
            let free = |entry: &CaseEntry| !waiting.iter().any(|other| other.precedes(entry));
            let next = (0..waiting.len())
                .filter(|place| free(&waiting[*place]))
                .min_by_key(|place| rank(&waiting[*place]))
                .unwrap();
            fold.insert(waiting.remove(next), &self.play.registry);
        }
        fold
    }
}

/// Folds literally as the design says, step by step over everything that waits.
fn literally(fold: &CaseFold) -> CaseState {
    let mut waiting: Vec<(&CaseEntry, &Allowed)> = fold
        .entries()
        .iter()
        .map(|(entry, verdict)| (entry, verdict.as_ref().unwrap()))
        .collect();
    let mut state = None;
    while !waiting.is_empty() {
        let concurrent = |x: &CaseEntry, y: &CaseEntry| x.leaf != y.leaf && !x.precedes(y) && !y.precedes(x);
        let heads: Vec<usize> = (0..waiting.len())
            .filter(|x| !waiting.iter().any(|(y, _)| y.precedes(waiting[*x].0)))
            .collect();
        let free: Vec<usize> = heads
            .iter()
            .copied()
            .filter(|x| {
                let (x, of_x) = waiting[*x];
                let table = table_of(x.kind.case_kind()).unwrap();
                !waiting.iter().any(|(y, of_y)| {
                    concurrent(x, y)
                        && table.puts_first(y.kind, x.kind)
                        && of_y.items.iter().any(|item| of_x.items.contains(item))
                })
            })
            .collect();
        let from = if free.is_empty() { heads } else { free };
        let next = from
            .into_iter()
            .min_by_key(|x| (role_order(waiting[*x].0.kind), waiting[*x].0.leaf))
            .unwrap();
        let (entry, allowed) = waiting.remove(next);
        state = fold::apply(state, entry, allowed);
    }
    state.unwrap()
}

fn check(kind: CaseKind, opening: usize, steps: &[(usize, usize, usize)]) -> Result<(), TestCaseError> {
    let mut run = Run::new(kind, opening);
    for (who, what, pick) in steps {
        let who_id = department(WHO[who % WHO.len()]);
        match what % 4 {
            0 => run.learn(&who_id, &department(WHO[pick % WHO.len()])),
            _ => run.act(&who_id, *pick),
        }
    }
    let as_recorded = run.folded(|entry| usize::try_from(entry.log).unwrap());
    let backwards = run.folded(|entry| usize::MAX - usize::try_from(entry.log).unwrap());
    let mixed = run.folded(|entry| usize::from(entry.leaf.0[0]));
    let bytes = |fold: &CaseFold| fold.state().unwrap().to_json().to_canonical();
    prop_assert_eq!(bytes(&as_recorded), bytes(&backwards));
    prop_assert_eq!(bytes(&as_recorded), bytes(&mixed));
    for (entry, verdict) in as_recorded.entries() {
        prop_assert!(verdict.is_ok(), "{} is void: {:?}", entry.kind.as_str(), verdict);
    }
    prop_assert_eq!(
        bytes(&as_recorded),
        literally(&as_recorded).to_json().to_canonical()
    );
    for fact in &as_recorded.state().unwrap().facts {
        let stands = !STANDS.contains(&fact.kind) || fact.overtaken.is_empty();
        let acts: Vec<String> = as_recorded
            .state()
            .unwrap()
            .facts
            .iter()
            .map(|fact| {
                let moved = fact.moved.values().next();
                format!("{} by {} {moved:?}", fact.kind.as_str(), fact.by)
            })
            .collect();
        prop_assert!(stands, "{} is overtaken: {acts:#?}", fact.kind.as_str());
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    proptest::collection::vec((0usize..64, 0usize..64, 0usize..4096), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn requests_fold_alike_and_keep_answers_deliveries_and_use(steps in steps()) {
        check(CaseKind::Request, 0, &steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn entries_fold_alike(steps in steps()) {
        check(CaseKind::Catalogue, 0, &steps)?;
    }

    #[test]
    fn findings_fold_alike(opening in 0usize..4, steps in steps()) {
        check(CaseKind::Finding, opening, &steps)?;
    }

    #[test]
    fn matters_fold_alike(opening in 0usize..2, steps in steps()) {
        check(CaseKind::Matter, opening, &steps)?;
    }

    #[test]
    fn tasks_fold_alike(steps in steps()) {
        check(CaseKind::Task, 0, &steps)?;
    }
}
