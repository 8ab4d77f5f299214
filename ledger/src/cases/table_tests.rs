//! What every transition table must keep, and the law of concurrent acts.

use super::fold::{CaseEntry, CaseFold};
use super::state::CaseState;
use super::table::{Effect, Guard, Stage, Table, To, Who};
use super::verdict::{Allowed, next_acts};
use super::{fold, table_of};
use crate::fixture::{Draft, Play, act};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tally_schemas::event::{CaseKind, EventKind};
use tally_schemas::id::DepartmentId;

fn tables() -> impl Iterator<Item = &'static Table> {
    CaseKind::ALL.iter().filter_map(|kind| table_of(*kind))
}

#[test]
fn every_kind_of_event_has_one_rule_in_the_table_of_its_kind() {
    for kind in EventKind::ALL {
        let Some(table) = table_of(kind.case_kind()) else {
            assert_eq!(kind.case_kind(), CaseKind::Roster);
            continue;
        };
        let count = table.rules.iter().filter(|rule| rule.event == *kind).count();
        assert_eq!(count, 1, "{}", kind.as_str());
    }
    for table in tables() {
        let foreign = table
            .rules
            .iter()
            .find(|rule| rule.event.case_kind() != table.kind);
        assert!(foreign.is_none(), "{foreign:?}");
    }
}

#[test]
fn stages_of_edges_and_stage_rows_are_the_same() {
    for table in tables() {
        let mut named: BTreeSet<Stage> = BTreeSet::new();
        for rule in table.rules {
            for (from, to) in rule.edges {
                named.extend(*from);
                named.extend(match to {
                    To::Same => None,
                    To::Stage(stage) => Some(*stage),
                });
            }
        }
        for (from, to) in table.pairs.iter().filter_map(|row| row.race) {
            for stage in from.iter().copied().chain(match to {
                To::Same => None,
                To::Stage(stage) => Some(stage),
            }) {
                assert!(named.contains(&stage), "{stage:?} only in a race-only edge");
            }
        }
        assert!(named.remove(&Stage::Start), "nothing opens {:?}", table.kind);
        let rows: BTreeSet<Stage> = table.stages.iter().map(|row| row.stage).collect();
        assert_eq!(rows.len(), table.stages.len(), "a stage stands twice");
        assert_eq!(rows, named, "{:?}", table.kind);
    }
}

#[test]
fn only_opening_events_leave_the_start_and_no_edge_is_stated_twice() {
    for table in tables() {
        for rule in table.rules {
            let mut seen = BTreeSet::new();
            for stage in rule.edges.iter().flat_map(|(from, _)| *from) {
                assert!(seen.insert(*stage), "{} from {stage:?}", rule.event.as_str());
            }
            assert_eq!(
                seen.contains(&Stage::Start),
                rule.event.opens_case(),
                "{}",
                rule.event.as_str()
            );
        }
    }
}

#[test]
fn every_waiting_step_has_an_owner_who_can_do_something_about_it() {
    for table in tables() {
        for row in table.stages {
            let leaves = |rule: &super::table::Rule| {
                table
                    .edge(rule.event, row.stage)
                    .is_some_and(|to| to != row.stage)
            };
            let Some(owes) = row.owes else {
                assert_eq!(row.clock, None, "{:?} has a clock that nobody owes", row.stage);
                continue;
            };
            assert!(!row.last, "{:?} is final but owed", row.stage);
            let fits = table
                .rules
                .iter()
                .filter(|rule| leaves(rule))
                .any(|rule| rule.who.iter().any(|(who, _)| *who == owes));
            assert!(
                fits,
                "{:?} of {:?}: {owes:?} owes a step but can take none",
                row.stage, table.kind
            );
        }
    }
}

#[test]
fn what_waits_for_nobody_is_final_or_in_use() {
    let at_rest: Vec<(CaseKind, Stage)> = tables()
        .flat_map(|table| table.stages.iter().map(move |row| (table.kind, row)))
        .filter(|(_, row)| row.owes.is_none() && !row.last)
        .map(|(kind, row)| (kind, row.stage))
        .collect();
    assert_eq!(
        at_rest,
        [
            (CaseKind::Catalogue, Stage::Published),
            (CaseKind::Request, Stage::Active),
            (CaseKind::Matter, Stage::PlanIssued),
        ]
    );
}

#[test]
fn race_only_edges_start_where_no_usual_edge_does() {
    for table in tables() {
        let mut rows = BTreeSet::new();
        let mut raced: BTreeMap<(EventKind, Stage), Stage> = BTreeMap::new();
        for row in table.pairs {
            assert!(
                rows.insert((row.first, row.second)),
                "{:?} {:?} twice",
                row.first,
                row.second
            );
            assert!(
                !table.puts_first(row.second, row.first),
                "{:?} and {:?} put each other first",
                row.first,
                row.second
            );
            let Some((from, to)) = row.race else { continue };
            for stage in from {
                assert_eq!(
                    table.edge(row.second, *stage),
                    None,
                    "{:?} from {stage:?} is usual",
                    row.second
                );
                let to = to.from(*stage);
                let other = raced.insert((row.second, *stage), to);
                assert!(
                    other.is_none_or(|other| other == to),
                    "{:?} races twice",
                    row.second
                );
            }
        }
    }
}

/// Departments that a body may name, beside the one that holds the item.
const NAMED: &[&str] = &["health", "taxes"];

/// The fields through which a kind names departments that matter to the state.
fn department_field(kind: EventKind, table: &Table) -> Option<&'static str> {
    match table.rule(kind)?.effect {
        Effect::Propose(field) | Effect::Assign(field) => Some(field),
        _ => None,
    }
}

/// Drafts every act that the table lets somebody do next, in each form that matters to the state.
pub(super) fn drafts(state: &CaseState, play: &Play) -> Vec<Draft> {
    let table = table_of(state.kind).unwrap();
    let mut drafts = Vec::new();
    for next in next_acts(state, &play.registry, 0) {
        for by in &next.by {
            let mut draft = act(by.as_str(), next.kind).of(state.id);
            // The case of an exploration is not one of the play's: it names what its guards ask for here.
            if let Guard::Names(field, kind) | Guard::NamesNewest(field, kind) =
                table.rule(next.kind).unwrap().guard
            {
                let named = state.facts_of(kind).next_back().unwrap();
                draft = draft.naming(field, named.entry.event);
            }
            match department_field(next.kind, table) {
                Some(field) => {
                    for named in NAMED.iter().filter(|named| **named != by.as_str()) {
                        drafts.push(draft.clone().with(field, *named));
                    }
                }
                None => drafts.push(draft),
            }
        }
    }
    drafts
}

/// What decides which acts are allowed and where they lead: two cases that agree in it behave alike.
fn abstract_state(state: &CaseState) -> String {
    let table = table_of(state.kind).unwrap();
    let mut text = format!("{} {}", state.owner, seen(state));
    let mut guards: BTreeSet<String> = BTreeSet::new();
    for rule in table.rules {
        match rule.guard {
            Guard::Names(_, kind) | Guard::NamesNewest(_, kind) => {
                guards.insert(format!("{} {}", kind.as_str(), state.facts_of(kind).count() > 0));
            }
            Guard::Outstanding(kind, answers) => {
                let answered: usize = answers.iter().map(|kind| state.facts_of(*kind).count()).sum();
                let open = state.facts_of(kind).count().saturating_sub(answered).min(2);
                guards.insert(format!("{} {open} open", rule.event.as_str()));
            }
            Guard::None | Guard::OwnFlag | Guard::NoOwnFlag | Guard::NotHolder | Guard::OwnCase => {}
        }
    }
    text.extend(guards);
    text
}

/// Stages, holders, proposals and flags.
fn seen(state: &CaseState) -> String {
    let items = state.items.iter().map(|(number, item)| {
        let flags: Vec<&str> = item.flags.keys().map(DepartmentId::as_str).collect();
        format!(
            "{number} {} {} {:?} {flags:?};",
            item.stage.as_str(),
            item.holder,
            item.proposed
        )
    });
    items.collect()
}

pub(super) fn openings(kind: CaseKind) -> Vec<Draft> {
    match kind {
        CaseKind::Roster => Vec::new(),
        CaseKind::Catalogue => vec![act("transport", EventKind::CatalogueDrafted)],
        CaseKind::Request => vec![act("housing", EventKind::RequestFiled).to("transport").asking(1)],
        CaseKind::Matter => vec![
            act("supervision", EventKind::MatterProposed),
            act("government", EventKind::MatterInstructed),
        ],
        CaseKind::Finding => [
            ("inspection", "supervision"),
            ("order-to-correct", "datahub"),
            ("audit", "audit"),
            ("self", "transport"),
        ]
        .into_iter()
        .map(|(basis, by)| {
            act(by, EventKind::FindingOpened)
                .with("basis", basis)
                .with("object", "transport")
        })
        .collect(),
        CaseKind::Task => vec![act("lead", EventKind::TaskIssued).with("lead", "transport")],
    }
}

/// Every case that can be reached within so many acts, one for each abstract state.
fn reachable(kind: CaseKind, acts_max: usize) -> Vec<(Play, CaseFold)> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let mut queue = VecDeque::new();
    for opening in openings(kind) {
        let mut play = Play::new();
        let id = play.does(&opening);
        queue.push_back((play.cases[&id].clone(), play, 1));
    }
    while let Some((case, play, acts)) = queue.pop_front() {
        let state = case.state().unwrap();
        if !known.insert(abstract_state(state)) {
            continue;
        }
        if acts < acts_max {
            for draft in drafts(state, &play) {
                let mut play = play.clone();
                let mut case = case.clone();
                let entry = play.append(&draft);
                case.insert(entry, &play.registry);
                if case.entries().last().unwrap().1.is_ok() {
                    queue.push_back((case, play, acts + 1));
                }
            }
        }
        found.push((play, case));
    }
    found
}

/// The acts allowed in a case, each as the entry it would be, with its verdict.
fn allowed(play: &Play, case: &CaseFold) -> Vec<(CaseEntry, Allowed)> {
    let mut found = Vec::new();
    let mut play = play.clone();
    for draft in drafts(case.state().unwrap(), &play.clone()) {
        // Each act stands alone after what was there: the others are not in its past.
        let before = play.clone();
        let entry = play.append(&draft);
        let mut with = case.clone();
        with.insert(entry.clone(), &play.registry);
        if let Ok(allowed) = &with.entries().last().unwrap().1 {
            found.push((entry, allowed.clone()));
        }
        let nonce_after = play;
        play = before;
        play.skip_nonces_of(&nonce_after);
    }
    found
}

fn facts(state: &CaseState) -> BTreeSet<String> {
    state
        .facts
        .iter()
        .map(|fact| fact.entry.event.to_string())
        .collect()
}

/// What no concurrent act ever overtakes: answers, deliveries, use.
pub(super) const STANDS: &[EventKind] = &[
    EventKind::RequestGranted,
    EventKind::RequestRefused,
    EventKind::RequestDelivered,
    EventKind::RequestUsageReported,
    EventKind::RequestUsageAttested,
];

/// Rows for acts that are not allowed in one state, but meet because one stands after an answer that the other did not
/// know; the tests of pairs play them.
const AFTER_AN_ANSWER: &[(EventKind, EventKind)] =
    &[(EventKind::RequestDelivered, EventKind::RequestWithdrawn)];

fn row_of(table: &Table, a: EventKind, b: EventKind) -> Option<(EventKind, EventKind)> {
    [(a, b), (b, a)]
        .into_iter()
        .find(|(first, second)| table.puts_first(*first, *second))
}

fn check_law(kind: CaseKind) {
    let table = table_of(kind).unwrap();
    let mut broken: BTreeMap<(EventKind, EventKind), String> = BTreeMap::new();
    let mut needed: BTreeSet<(EventKind, EventKind)> = BTreeSet::new();
    let mut pairs = 0u32;
    let cases = reachable(kind, 8);
    for (play, case) in &cases {
        let before = case.state().unwrap();
        let acts = allowed(play, case);
        for (place, (first, first_allowed)) in acts.iter().enumerate() {
            for (second, second_allowed) in &acts[place + 1..] {
                if first.event.department == second.event.department {
                    continue;
                }
                pairs += 1;
                let both = |a: (&CaseEntry, &Allowed), b: (&CaseEntry, &Allowed)| {
                    let state = fold::apply(Some(before.clone()), a.0, a.1);
                    fold::apply(state, b.0, b.1).unwrap()
                };
                let overtaken = |state: &CaseState| {
                    let last = state.facts.iter().rev().take(2);
                    last.filter(|fact| !fact.overtaken.is_empty() && STANDS.contains(&fact.kind))
                        .count()
                };
                let forth = both((first, first_allowed), (second, second_allowed));
                let back = both((second, second_allowed), (first, first_allowed));
                assert_eq!(facts(&forth), facts(&back));
                let raced = |state: &CaseState| {
                    state
                        .facts
                        .iter()
                        .rev()
                        .take(2)
                        .any(|fact| !fact.raced.is_empty())
                };
                if raced(&forth) || raced(&back) {
                    needed.extend(row_of(table, first.kind, second.kind));
                }
                if seen(&forth) != seen(&back) || overtaken(&forth) + overtaken(&back) > 0 {
                    if let Some(row) = row_of(table, first.kind, second.kind) {
                        needed.insert(row);
                        continue;
                    }
                    let key = (first.kind.min(second.kind), first.kind.max(second.kind));
                    let text = format!(
                        "from {} : {} by {} then {} by {} = {} but the other way {}",
                        seen(before),
                        first.kind.as_str(),
                        first.event.department,
                        second.kind.as_str(),
                        second.event.department,
                        seen(&forth),
                        seen(&back)
                    );
                    broken.entry(key).or_insert(text);
                }
            }
        }
    }
    let list: Vec<&String> = broken.values().collect();
    assert!(
        list.is_empty(),
        "{} states, {pairs} pairs; these neither commute nor have a row: {list:#?}",
        cases.len()
    );
    assert!(pairs > 0);
    let idle: Vec<(EventKind, EventKind)> = table
        .pairs
        .iter()
        .map(|row| (row.first, row.second))
        .filter(|row| !needed.contains(row) && !AFTER_AN_ANSWER.contains(row))
        .collect();
    assert!(idle.is_empty(), "rows without which the law holds: {idle:?}");
    let stages: BTreeSet<Stage> = cases
        .iter()
        .flat_map(|(_, case)| case.state().unwrap().items.values().map(|item| item.stage))
        .collect();
    let rows: BTreeSet<Stage> = table.stages.iter().map(|row| row.stage).collect();
    assert_eq!(stages, rows, "stages that no eight acts reach");
}

#[test]
fn concurrent_acts_on_catalogue_entries_commute_or_have_a_row() {
    check_law(CaseKind::Catalogue);
}

#[test]
fn concurrent_acts_on_requests_commute_or_have_a_row() {
    check_law(CaseKind::Request);
}

#[test]
fn concurrent_acts_on_matters_commute_or_have_a_row() {
    check_law(CaseKind::Matter);
}

#[test]
fn concurrent_acts_on_findings_commute_or_have_a_row() {
    check_law(CaseKind::Finding);
}

#[test]
fn concurrent_acts_on_tasks_commute_or_have_a_row() {
    check_law(CaseKind::Task);
}

#[test]
fn actors_are_ordered_as_the_spec_of_the_fold_says() {
    // The order breaks ties between concurrent acts without a row: changing it changes states.
    let order = [
        Who::Owner,
        Who::Holder,
        Who::Proposed,
        Who::AuthorityOfHolder,
        Who::AuthorityOfOwner,
        Who::Any(tally_schemas::genesis::Role::LeadGroup),
        Who::Issuer,
        Who::ByBasis,
        Who::Setter,
    ];
    assert!(order.is_sorted());
}
