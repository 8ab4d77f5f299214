//! Cases that only newer software understands: why, and what can be said of them all the same.

use super::shape::{count, object, text, texts};
use crate::world::World;
use tally_schemas::event::CaseKind;
use tally_schemas::id::{CaseId, DepartmentId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::Timestamp;

/// A case that is not understood here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// The kind of its opening, as far as that is known.
    pub kind: Option<CaseKind>,
    /// Who opened it.
    pub owner: Option<DepartmentId>,
    /// When it was opened.
    pub opened: Option<Timestamp>,
    /// When something was recorded last.
    pub changed: Option<Timestamp>,
    /// Its ruleset, where that is newer than those that are held; else it has a state, of what is known of it.
    pub ruleset: Option<u32>,
    /// The newest ruleset that the software holds.
    pub holds: u32,
    /// Kinds of its events that are not known.
    pub kinds: Vec<String>,
}

/// Returns why a case is not understood here, if it is not.
pub fn of(world: &World, case: &CaseId) -> Option<Beyond> {
    let why = world.not_understood(case)?;
    let fold = world.case(case);
    let entries = || {
        fold.iter()
            .flat_map(|fold| fold.entries())
            .map(|(entry, _)| entry)
    };
    let opening = entries().find(|entry| entry.entry.event == *case);
    let kind = opening.map(|opening| opening.kind.case_kind());
    Some(Beyond {
        case: *case,
        number: opening.and_then(|opening| world.number_of(case, opening.kind.case_kind(), &opening.entry)),
        kind,
        owner: opening.map(|opening| opening.event.department.clone()),
        opened: opening.map(|opening| opening.recorded),
        changed: entries().map(|entry| entry.recorded).max(),
        ruleset: why.ruleset,
        holds: world.holds(),
        kinds: why.kinds.iter().cloned().collect(),
    })
}

/// Returns the cases of which nothing is judged here since their ruleset is newer, by id.
pub fn all(world: &World) -> impl Iterator<Item = Beyond> + '_ {
    let newer = world
        .all_not_understood()
        .filter(|(_, why)| why.ruleset.is_some());
    newer.filter_map(|(case, _)| of(world, case))
}

impl Beyond {
    /// Returns the form for programs of why it is not understood.
    pub fn why_to_json(&self) -> Json {
        object([
            ("ruleset", self.ruleset.and_then(count)),
            ("holds", count(self.holds)),
            ("kinds", texts(&self.kinds)),
        ])
    }

    /// Returns the form for programs in a list of cases.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", self.number.as_ref().and_then(text)),
            ("kind", self.kind.and_then(|kind| text(kind.as_str()))),
            ("owner", self.owner.as_ref().and_then(text)),
            ("standing", text("not-understood")),
            ("opened", self.opened.and_then(text)),
            ("changed", self.changed.and_then(text)),
            ("notUnderstood", Some(self.why_to_json())),
        ])
    }
}

/// Adds to a view of a case why it is not understood, if it is not.
pub fn mark(view: Json, beyond: Option<&Beyond>) -> Json {
    match (view, beyond) {
        (Json::Object(mut members), Some(beyond)) => {
            members.insert("notUnderstood".to_owned(), beyond.why_to_json());
            Json::Object(members)
        }
        (view, _) => view,
    }
}
