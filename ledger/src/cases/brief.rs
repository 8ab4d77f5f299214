//! What lists ask of a case before they look at it: small enough to keep for every open case.
//!
//! A brief may name more than applies (a clock that the profile does not have); the view itself decides.

use super::clocks;
use super::state::CaseState;
use super::table::Stage;
use super::table_of;
use super::verdict::departments;
use crate::authority::Registry;
use tally_schemas::FormatError;
use tally_schemas::event::CaseKind;
use tally_schemas::id::{DepartmentId, EventId};
use tally_schemas::snapshot::BriefState;

/// What lists ask of a case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brief {
    /// Its kind; none while its opening has no effect.
    pub kind: Option<CaseKind>,
    /// Whether somebody may owe a step in it.
    pub open: bool,
    /// The department that opened it.
    pub owner: Option<DepartmentId>,
    /// The departments that hold an item, rising.
    pub holders: Vec<DepartmentId>,
    /// The departments that may owe a step, rising.
    pub owes: Vec<DepartmentId>,
    /// The departments that wait for what others owe: owner and first asked, rising.
    pub awaits: Vec<DepartmentId>,
    /// The stages of its items, rising.
    pub stages: Vec<Stage>,
    /// The registry version under which it was found who owes.
    pub version: u64,
    /// The cases and events that its opening names.
    pub names: Vec<EventId>,
}

impl Brief {
    /// Finds what lists ask of a case.
    pub fn of(state: Option<&CaseState>, registry: &Registry) -> Self {
        let version = registry.newest().version;
        let Some(state) = state else {
            return Self {
                version,
                ..Self::default()
            };
        };
        let table = table_of(state.kind);
        let mut owes: Vec<DepartmentId> = Vec::new();
        let mut open = false;
        for clock in clocks::of(state, registry) {
            if clock.ended.is_none() {
                open = true;
                owes.extend(clock.owes);
            }
        }
        for item in state.items.values() {
            let Some(row) = table.and_then(|table| table.stage(item.stage)) else {
                continue;
            };
            open |= !row.last;
            if let Some(who) = row.owes {
                owes.extend(departments(who, state, Some(item), None, registry, version));
            }
        }
        let body = state.opening().map(|opening| &opening.event);
        let names = body.into_iter().flat_map(|event| {
            let entry = event.body.event("entry");
            event.mandate.into_iter().chain(entry)
        });
        Self {
            kind: Some(state.kind),
            open,
            owner: Some(state.owner.clone()),
            holders: rising(state.items.values().map(|item| item.holder.clone()).collect()),
            owes: rising(owes),
            awaits: rising(vec![state.owner.clone(), state.first_asked.clone()]),
            stages: rising(state.items.values().map(|item| item.stage).collect()),
            version,
            names: names.collect(),
        }
    }

    /// Says whether a department opened the case or holds an item of it.
    pub fn concerns(&self, department: &DepartmentId) -> bool {
        self.owner.as_ref() == Some(department) || self.holders.contains(department)
    }

    /// Returns the form that a snapshot keeps.
    pub(crate) fn to_state(&self) -> BriefState {
        let texts = |list: &[DepartmentId]| list.iter().map(ToString::to_string).collect();
        BriefState {
            kind: self.kind.map(|kind| kind.as_str().to_owned()),
            open: self.open,
            owner: self.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
            holders: texts(&self.holders),
            owes: texts(&self.owes),
            awaits: texts(&self.awaits),
            stages: self
                .stages
                .iter()
                .map(|stage| stage.as_str().to_owned())
                .collect(),
            version: self.version,
            names: self.names.iter().map(|event| event.0).collect(),
        }
    }

    /// Reads the form that a snapshot keeps.
    pub(crate) fn from_state(state: &BriefState) -> Result<Self, FormatError> {
        let bad = |what: &str| FormatError::malformed("brief of a snapshot", format!("unknown {what}"));
        let list = |list: &[String]| -> Result<Vec<DepartmentId>, FormatError> {
            list.iter().map(|text| DepartmentId::parse(text)).collect()
        };
        let kind = |text: &String| {
            let mut kinds = CaseKind::ALL.iter().copied();
            kinds
                .find(|kind| kind.as_str() == text)
                .ok_or_else(|| bad("kind of case"))
        };
        let stage = |text: &String| Stage::parse(text).ok_or_else(|| bad("stage"));
        Ok(Self {
            kind: state.kind.as_ref().map(kind).transpose()?,
            open: state.open,
            owner: match state.owner.as_str() {
                "" => None,
                text => Some(DepartmentId::parse(text)?),
            },
            holders: list(&state.holders)?,
            owes: list(&state.owes)?,
            awaits: list(&state.awaits)?,
            stages: state.stages.iter().map(stage).collect::<Result<_, _>>()?,
            version: state.version,
            names: state.names.iter().map(|hash| EventId(*hash)).collect(),
        })
    }
}

fn rising<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}
