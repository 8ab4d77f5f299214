//! Whom an act on an open case concerns: the departments that it should be addressed to.
//!
//! A proposal for those who draft, taken from the same table that judges; no verdict rests on it. Whoever is not addressed counts as
//! having received the act when it was recorded, so leaving a department out costs it time on its clocks.

use super::state::{CaseState, Item};
use super::table::{Guard, Rule, Stage, Table, Who};
use super::table_of;
use super::verdict::{actors, departments};
use crate::authority::Registry;
use std::collections::BTreeSet;
use tally_schemas::event::EventKind;
use tally_schemas::genesis::Role;
use tally_schemas::id::DepartmentId;

/// Returns whom an act of a department concerns, itself left out: the parties to the items that it can be about, who owes the next
/// step, who may answer it, and whose act it answers. A department that the act itself will name is not known here yet.
pub fn addressees(
    kind: EventKind,
    by: &DepartmentId,
    state: &CaseState,
    registry: &Registry,
    version: u64,
) -> BTreeSet<DepartmentId> {
    let mut found = BTreeSet::new();
    let Some((table, rule)) = table_of(state.kind).and_then(|table| Some((table, table.rule(kind)?))) else {
        return found;
    };
    let place = Place {
        by,
        state,
        registry,
        version,
    };
    for item in state.items.values() {
        let Some(next) = table.edge(kind, item.stage) else {
            continue;
        };
        if actors(rule, state, item, registry, version).contains(by) {
            found.extend(place.concerned(table, rule, item, next));
        }
    }
    found.remove(by);
    found
}

struct Place<'a> {
    by: &'a DepartmentId,
    state: &'a CaseState,
    registry: &'a Registry,
    version: u64,
}

impl Place<'_> {
    fn concerned(&self, table: &Table, rule: &Rule, item: &Item, next: Stage) -> BTreeSet<DepartmentId> {
        let mut found = BTreeSet::from([self.state.owner.clone(), item.holder.clone()]);
        found.extend(item.proposed.clone());
        found.extend(item.flags.keys().cloned());
        if next != item.stage
            && let Some(owes) = table.stage(next).and_then(|row| row.owes)
        {
            found.extend(self.standing_for(owes, item));
        }
        let answers = table
            .rules
            .iter()
            .filter(|answer| asked_by(answer) == Some(rule.event));
        for (who, role) in answers.flat_map(|answer| answer.who) {
            let may = self.standing_for(*who, item).into_iter();
            found.extend(
                may.filter(|id| role.is_none_or(|role| self.registry.has_role(id, role, self.version))),
            );
        }
        if let Some(asked) = asked_by(rule) {
            found.extend(self.state.facts_of(asked).map(|fact| fact.by.clone()));
        }
        found
    }

    /// Of many departments with a role, those of the acting department's own area stand for it, where there are any.
    fn standing_for(&self, who: Who, item: &Item) -> Vec<DepartmentId> {
        let all = departments(who, self.state, Some(item), None, self.registry, self.version);
        let Who::Any(role) = who else { return all };
        let near = self.of_own_area(&all);
        if near.is_empty() || role == Role::Requester {
            all
        } else {
            near
        }
    }

    fn of_own_area(&self, all: &[DepartmentId]) -> Vec<DepartmentId> {
        let place = |id: &DepartmentId| {
            let record = self.registry.department(id, self.version)?;
            Some((record.level.clone(), record.area.clone()))
        };
        let own = place(self.by);
        all.iter().filter(|id| place(id) == own).cloned().collect()
    }
}

/// Returns the kind of act that a rule answers.
fn asked_by(rule: &Rule) -> Option<EventKind> {
    match rule.guard {
        Guard::Names(_, kind) | Guard::NamesNewest(_, kind) | Guard::Outstanding(kind, _) => Some(kind),
        Guard::None | Guard::OwnFlag | Guard::NoOwnFlag | Guard::NotHolder | Guard::OwnCase => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Play, act, department};
    use tally_schemas::event::EventKind as K;
    use tally_schemas::id::CaseId;

    fn to(play: &Play, case: CaseId, kind: EventKind, by: &str) -> Vec<String> {
        let state = play.cases.get(&case).unwrap().state().unwrap();
        let found = addressees(kind, &department(by), state, &play.registry, 0);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_answer_goes_to_the_requester_and_not_to_holders_of_other_items() {
        let mut play = Play::new();
        let case = play.does(&act("housing", K::RequestFiled).to("transport").asking(2));
        assert_eq!(to(&play, case, K::RequestGranted, "transport"), ["housing"]);
        let elsewhere = act("transport", K::RequestRedirected).of(case).items(&[2]);
        play.does(&elsewhere.with("source", "health"));
        assert_eq!(
            to(&play, case, K::RequestRedirectAccepted, "health"),
            ["housing", "transport"]
        );
        play.does(&act("health", K::RequestRedirectAccepted).of(case));
        assert_eq!(to(&play, case, K::RequestGranted, "health"), ["housing"]);
        assert_eq!(
            to(&play, case, K::RequestWithdrawn, "housing"),
            ["health", "transport"]
        );
    }

    #[test]
    fn whoever_may_answer_or_owes_the_next_step_is_addressed() {
        let mut play = Play::new();
        let case = play.does(&act("housing", K::RequestFiled).to("transport").asking(1));
        let asks = to(&play, case, K::RequestExtensionRequested, "transport");
        assert_eq!(asks, ["datahub", "housing"]);
        let entry = play.does(&act("transport", K::CatalogueDrafted));
        assert!(to(&play, entry, K::CatalogueAssessed, "transport").is_empty());
        play.does(&act("transport", K::CatalogueAssessed).of(entry));
        play.does(&act("transport", K::CatalogueApproved).of(entry));
        assert_eq!(to(&play, entry, K::CatalogueSubmitted, "transport"), ["datahub"]);
        let task = play.does(&act("lead", K::TaskIssued).with("lead", "transport"));
        play.does(&act("transport", K::TaskSigned).of(task));
        // The supervision of the city, not that of the province.
        assert_eq!(
            to(&play, task, K::TaskClaimed, "transport"),
            ["lead", "supervision"]
        );
    }

    #[test]
    fn what_a_department_may_not_do_concerns_nobody() {
        let mut play = Play::new();
        let case = play.does(&act("housing", K::RequestFiled).to("transport").asking(1));
        assert!(to(&play, case, K::RequestGranted, "taxes").is_empty());
        assert!(to(&play, case, K::TaskSigned, "transport").is_empty());
    }
}
