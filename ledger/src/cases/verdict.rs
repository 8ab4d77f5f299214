//! The verdict on an event in the fold of its own past: actor, stage, guard.
//!
//! A rule of the *law* never voids; what is checked here is only who may do what from which stage. Race-only edges are
//! never taken in a verdict.

use super::state::{CaseState, Item};
use super::table::{Guard, Rule, Stage, Table, Who};
use super::table_of;
use crate::authority::{Registry, Void};
use std::collections::BTreeMap;
use tally_schemas::event::{Event, EventKind};
use tally_schemas::genesis::Role;
use tally_schemas::governance::Right;
use tally_schemas::id::{DepartmentId, EventId, Origin};
use tally_schemas::json::Json;

/// An event that may take effect: on which items, resting on which rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The items it applies to.
    pub items: Vec<u16>,
    /// The rights it rests on; taking any of them voids it.
    pub rights: Vec<Right>,
}

/// Where an event stands: rights hold over positions, so a right that ends further on still holds here.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The registry.
    pub registry: &'a Registry,
    /// The version that the entry's header names.
    pub version: u64,
    /// The log.
    pub origin: &'a Origin,
    /// The position.
    pub index: u64,
}

impl Place<'_> {
    fn acts_as(&self, department: &DepartmentId, role: Role) -> bool {
        let right = Right::Role {
            department: department.clone(),
            role,
        };
        self.registry
            .holds(&right, self.origin, self.index, self.version, self.version)
    }
}

/// Judges an event against the state of its case in its own past (none for an opening event).
///
/// # Errors
/// The reason that makes the event void.
pub fn judge(
    kind: EventKind,
    event: &Event,
    state: Option<&CaseState>,
    place: Place<'_>,
) -> Result<Allowed, Void> {
    let table = table_of(kind.case_kind()).ok_or(Void::OtherCase)?;
    let rule = table.rule(kind).ok_or(Void::OtherCase)?;
    let by = &event.department;
    let mut rights = vec![Right::Membership {
        department: by.clone(),
    }];
    let items = if kind.opens_case() {
        let opened = open(kind, event, EventId(tally_schemas::id::Hash::default()))?;
        rights.extend(actor_right(rule, event, &opened, None, place)?);
        opened.items.keys().copied().collect()
    } else {
        let state = state.ok_or(Void::NoCase)?;
        if state.kind != kind.case_kind() {
            return Err(Void::OtherCase);
        }
        let (items, right) = allowed_items(table, rule, event, state, place)?;
        rights.extend(right);
        items
    };
    Ok(Allowed { items, rights })
}

fn allowed_items(
    table: &Table,
    rule: &Rule,
    event: &Event,
    state: &CaseState,
    place: Place<'_>,
) -> Result<(Vec<u16>, Option<Right>), Void> {
    let named = event.body.items("items");
    let mut found = Vec::new();
    let mut right = None;
    let mut first_failure = None;
    let candidates: Vec<u16> = match &named {
        Some(list) => list.clone(),
        None => state.items.keys().copied().collect(),
    };
    for number in candidates {
        let fits = item_fits(table, rule, event, state, number, place);
        match fits {
            Ok(held) => {
                found.push(number);
                right = right.or(held);
            }
            Err(void) if named.is_some() => return Err(void),
            Err(void) => {
                first_failure.get_or_insert(void);
            }
        }
    }
    match (found.is_empty(), first_failure) {
        (true, Some(void)) => Err(void),
        (true, None) => Err(Void::NoCase),
        (false, _) => Ok((found, right)),
    }
}

fn item_fits(
    table: &Table,
    rule: &Rule,
    event: &Event,
    state: &CaseState,
    number: u16,
    place: Place<'_>,
) -> Result<Option<Right>, Void> {
    let item = state
        .items
        .get(&number)
        .ok_or_else(|| Void::Guard(format!("the case has no item {number}")))?;
    if table.edge(rule.event, item.stage).is_none() {
        return Err(Void::Stage {
            kind: rule.event.as_str().to_owned(),
            stage: item.stage.as_str().to_owned(),
        });
    }
    let right = actor_right(rule, event, state, Some((number, item)), place)?;
    check_guard(rule, event, state, item)?;
    Ok(right)
}

/// Returns the right that the first fitting actor of a rule rests on.
fn actor_right(
    rule: &Rule,
    event: &Event,
    state: &CaseState,
    item: Option<(u16, &Item)>,
    place: Place<'_>,
) -> Result<Option<Right>, Void> {
    let by = &event.department;
    for (who, role) in rule.who {
        let fits = match who {
            Who::Any(role) => place.acts_as(by, *role),
            _ => {
                let item = item.map(|(_, item)| item);
                departments(*who, state, item, Some(event), place.registry, place.version).contains(by)
            }
        };
        if !fits {
            continue;
        }
        match role {
            Some(role) if place.acts_as(by, *role) => {
                return Ok(Some(Right::Role {
                    department: by.clone(),
                    role: *role,
                }));
            }
            Some(_) => {}
            None => {
                return Ok(basis_right(
                    *who,
                    by,
                    event,
                    state,
                    item.map(|(_, item)| item),
                    place,
                ));
            }
        }
    }
    let needs: Vec<String> = rule.who.iter().map(|(who, _)| who_text(*who)).collect();
    Err(Void::Actor {
        department: by.to_string(),
        kind: rule.event.as_str().to_owned(),
        needs: needs.join(" or "),
    })
}

/// Returns the role that an issuer's or setter's power rests on, so that taking it voids what rests on it.
fn basis_right(
    who: Who,
    by: &DepartmentId,
    event: &Event,
    state: &CaseState,
    item: Option<&Item>,
    place: Place<'_>,
) -> Option<Right> {
    let holder = item.map_or(&state.first_asked, |item| &item.holder);
    let role = match who {
        Who::ByBasis => basis_role(event.body.word("basis")?, by, holder, place),
        // An issuer goes on by the basis on which it opened, against the object it named then.
        Who::Issuer if state.owner != *holder => basis_role(basis_of(state)?, by, &state.first_asked, place),
        Who::Issuer if place.acts_as(by, Role::Supervision) => Some(Role::Supervision),
        Who::Issuer => Some(Role::Authority),
        Who::Setter if holder == by => Some(Role::Provider),
        Who::Setter => Some(Role::Authority),
        _ => None,
    };
    role.filter(|role| place.acts_as(by, *role))
        .map(|role| Right::Role {
            department: by.clone(),
            role,
        })
}

/// Returns the role by which a department acts against an object on a basis.
fn basis_role(basis: &str, by: &DepartmentId, object: &DepartmentId, place: Place<'_>) -> Option<Role> {
    match basis {
        "inspection" => Some(Role::Supervision),
        "audit" => Some(Role::Audit),
        "order-to-correct" if place.registry.authority_of(object, place.version).as_ref() == Some(by) => {
            Some(Role::Authority)
        }
        "order-to-correct" => Some(Role::Government),
        "task-follow-up" if place.acts_as(by, Role::Supervision) => Some(Role::Supervision),
        "task-follow-up" => Some(Role::LeadGroup),
        _ => None,
    }
}

/// Returns a stable text for an actor.
pub fn who_text(who: Who) -> String {
    match who {
        Who::Owner => "owner".to_owned(),
        Who::Holder => "holder".to_owned(),
        Who::Proposed => "proposed".to_owned(),
        Who::AuthorityOfHolder => "authority-of-holder".to_owned(),
        Who::AuthorityOfOwner => "authority-of-owner".to_owned(),
        Who::Any(role) => role.as_str().to_owned(),
        Who::Issuer => "issuer".to_owned(),
        Who::ByBasis => "by-basis".to_owned(),
        Who::Setter => "setter".to_owned(),
    }
}

fn basis_of(state: &CaseState) -> Option<&str> {
    state.opening().and_then(|fact| fact.event.body.word("basis"))
}

/// Returns the departments that an actor stands for in a case, at a registry version.
pub fn departments(
    who: Who,
    state: &CaseState,
    item: Option<&Item>,
    opening: Option<&Event>,
    registry: &Registry,
    version: u64,
) -> Vec<DepartmentId> {
    let holder = item.map_or(&state.first_asked, |item| &item.holder);
    match who {
        Who::Owner => vec![state.owner.clone()],
        Who::Holder => vec![holder.clone()],
        Who::Proposed => item.and_then(|item| item.proposed.clone()).into_iter().collect(),
        Who::AuthorityOfHolder => registry.authority_of(holder, version).into_iter().collect(),
        Who::AuthorityOfOwner => registry.authority_of(&state.owner, version).into_iter().collect(),
        Who::Any(role) => registry.role_holders(role, version),
        Who::Issuer if state.owner != *holder => vec![state.owner.clone()],
        Who::Issuer => {
            let mut found = registry.role_holders(Role::Supervision, version);
            found.extend(registry.authority_of(holder, version));
            found.retain(|department| department != holder);
            found
        }
        Who::ByBasis => {
            let Some(event) = opening else { return Vec::new() };
            match event.body.word("basis") {
                Some("inspection") => registry.role_holders(Role::Supervision, version),
                Some("audit") => registry.role_holders(Role::Audit, version),
                Some("order-to-correct") => {
                    let mut found: Vec<DepartmentId> =
                        registry.authority_of(holder, version).into_iter().collect();
                    found.extend(registry.role_holders(Role::Government, version));
                    found
                }
                Some("task-follow-up") => {
                    let mut found = registry.role_holders(Role::Supervision, version);
                    found.extend(registry.role_holders(Role::LeadGroup, version));
                    found
                }
                Some("self") => vec![holder.clone()],
                _ => Vec::new(),
            }
        }
        Who::Setter => item
            .map(|item| item.flags.keys().cloned().collect())
            .unwrap_or_default(),
    }
}

fn check_guard(rule: &Rule, event: &Event, state: &CaseState, item: &Item) -> Result<(), Void> {
    let by = &event.department;
    let refuse = |why: String| Err(Void::Guard(why));
    match rule.guard {
        Guard::None => Ok(()),
        Guard::Names(field, kind) => {
            let named = event.body.event(field);
            match named
                .and_then(|id| state.fact(id))
                .filter(|fact| fact.kind == kind)
            {
                Some(_) => Ok(()),
                None => refuse(format!(
                    "{field} names no effective {} of this case",
                    kind.as_str()
                )),
            }
        }
        Guard::NamesNewest(field, kind) => {
            let newest = state.facts_of(kind).next_back().map(|fact| fact.entry.event);
            if newest.is_some() && event.body.event(field) == newest {
                Ok(())
            } else {
                refuse(format!(
                    "{field} does not name the newest {} of this case",
                    kind.as_str()
                ))
            }
        }
        Guard::OwnFlag if item.flags.contains_key(by) => Ok(()),
        Guard::OwnFlag => refuse(format!("{by} has no suspension in force here")),
        Guard::NoOwnFlag if item.flags.contains_key(by) => refuse(format!("{by} has suspended this already")),
        Guard::NoOwnFlag => Ok(()),
        Guard::NotHolder if item.holder == *by => refuse(format!("{by} may not verify what it owes itself")),
        Guard::NotHolder => Ok(()),
        Guard::OwnCase if state.owner == *by => Ok(()),
        Guard::OwnCase => refuse(format!("{by} did not open this case")),
        Guard::Outstanding(kind, answers) => {
            let asked = state.facts_of(kind).count();
            let answered: usize = answers.iter().map(|answer| state.facts_of(*answer).count()).sum();
            if asked > answered {
                Ok(())
            } else {
                refuse(format!("no {} is outstanding", kind.as_str()))
            }
        }
    }
}

/// Makes the state that an opening event gives before it is applied: its items at the start.
///
/// # Errors
/// An opening event whose items, addressee or object do not fit together.
pub fn open(kind: EventKind, event: &Event, id: EventId) -> Result<CaseState, Void> {
    let owner = event.department.clone();
    let only_addressee = || match event.to.as_slice() {
        [department] => Ok(department.clone()),
        list => Err(Void::Guard(format!(
            "it is addressed to {} departments, expected exactly one",
            list.len()
        ))),
    };
    let named = |field: &str| {
        event
            .body
            .department(field)
            .ok_or_else(|| Void::Guard(format!("{field} names no department")))
    };
    let mut numbers = vec![0u16];
    let holder = match kind {
        EventKind::RequestFiled => {
            numbers.clear();
            for value in event.body.list("items") {
                let number = value
                    .member("number")
                    .and_then(Json::as_int)
                    .and_then(|n| u16::try_from(n).ok());
                let number = number.ok_or_else(|| Void::Guard("an item has no number".to_owned()))?;
                if numbers.last().is_some_and(|last| *last >= number) {
                    return Err(Void::Guard("item numbers do not rise".to_owned()));
                }
                numbers.push(number);
            }
            only_addressee()?
        }
        EventKind::FindingOpened => named("object")?,
        EventKind::TaskIssued => named("lead")?,
        EventKind::CatalogueDrafted | EventKind::MatterProposed | EventKind::MatterInstructed => {
            owner.clone()
        }
        _ => return Err(Void::NoCase),
    };
    let item = |number: u16| {
        let item = Item {
            stage: Stage::Start,
            moved_by: id,
            holder: holder.clone(),
            proposed: None,
            flags: BTreeMap::new(),
        };
        (number, item)
    };
    Ok(CaseState {
        id,
        kind: kind.case_kind(),
        owner,
        first_asked: holder.clone(),
        items: numbers.into_iter().map(item).collect(),
        facts: Vec::new(),
    })
}

/// One thing that can be done next in a case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextAct {
    /// The kind of event.
    pub kind: EventKind,
    /// Who may do it.
    pub by: Vec<DepartmentId>,
    /// On which items.
    pub items: Vec<u16>,
}

/// Returns what can be done next, by whom: the same table that refuses and folds. Conditions on the body are not read.
pub fn next_acts(state: &CaseState, registry: &Registry, version: u64) -> Vec<NextAct> {
    let Some(table) = table_of(state.kind) else {
        return Vec::new();
    };
    let mut acts = Vec::new();
    // What opens a case never follows in it, also where governance took the right of its opening.
    for rule in table.rules.iter().filter(|rule| !rule.event.opens_case()) {
        let mut by: Vec<DepartmentId> = Vec::new();
        let mut items = Vec::new();
        for (number, item) in &state.items {
            if table.edge(rule.event, item.stage).is_none() {
                continue;
            }
            let here = actors(rule, state, item, registry, version);
            if !here.is_empty() {
                items.push(*number);
                by.extend(here);
            }
        }
        by.sort();
        by.dedup();
        if !by.is_empty() {
            acts.push(NextAct {
                kind: rule.event,
                by,
                items,
            });
        }
    }
    acts
}

/// Returns who may do what a rule is about, on an item whose stage lets it.
pub(super) fn actors(
    rule: &Rule,
    state: &CaseState,
    item: &Item,
    registry: &Registry,
    version: u64,
) -> Vec<DepartmentId> {
    let mut found = Vec::new();
    for (who, role) in rule.who {
        let standing = departments(*who, state, Some(item), None, registry, version);
        found.extend(standing.into_iter().filter(|department| {
            role.is_none_or(|role| registry.has_role(department, role, version))
                && guard_may_hold(rule, department, state, item)
        }));
    }
    found
}

fn guard_may_hold(rule: &Rule, by: &DepartmentId, state: &CaseState, item: &Item) -> bool {
    match rule.guard {
        Guard::None => true,
        Guard::Names(_, kind) | Guard::NamesNewest(_, kind) => state.facts_of(kind).next().is_some(),
        Guard::OwnFlag => item.flags.contains_key(by),
        Guard::NoOwnFlag => !item.flags.contains_key(by),
        Guard::NotHolder => item.holder != *by,
        Guard::OwnCase => state.owner == *by,
        Guard::Outstanding(kind, answers) => {
            let answered: usize = answers.iter().map(|answer| state.facts_of(*answer).count()).sum();
            state.facts_of(kind).count() > answered
        }
    }
}
