//! The state of a case: stages per item, holders, flags, facts in fold order, and what was overtaken.

use super::table::Stage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tally_schemas::event::{CaseKind, Event, EventKind};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, OfficerId, Origin};
use tally_schemas::json::Json;
use tally_schemas::time::Timestamp;

/// An entry, by its place and the event it carries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryRef {
    /// The log.
    pub origin: Arc<Origin>,
    /// The position.
    pub index: u64,
    /// The event.
    pub event: EventId,
}

/// An event that is effective in a case, with what the fold made of it.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Where it stands.
    pub entry: EntryRef,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its kind.
    pub kind: EventKind,
    /// The department whose act it is.
    pub by: DepartmentId,
    /// Who signed, in line order.
    pub officers: Vec<OfficerId>,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The registry version its header names.
    pub version: u64,
    /// The items it applies to (0 where the case has no items).
    pub items: Vec<u16>,
    /// The event.
    pub event: Arc<Event>,
    /// For each item where it could not move the stage any more: what had moved the stage last.
    pub overtaken: BTreeMap<u16, EventId>,
    /// For each item that it moved: from which stage to which.
    pub moved: BTreeMap<u16, (Stage, Stage)>,
    /// For each item that it moved by a race-only edge.
    pub raced: BTreeSet<u16>,
}

/// One data item of a case, or the whole of a case without items (number 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The stage.
    pub stage: Stage,
    /// The event that moved the stage last.
    pub moved_by: EventId,
    /// The department that owes the item.
    pub holder: DepartmentId,
    /// The department that a redirect or hand-over names.
    pub proposed: Option<DepartmentId>,
    /// Suspension flags, by the department that set them.
    pub flags: BTreeMap<DepartmentId, EventId>,
}

/// The state of a case.
#[derive(Debug, Clone)]
pub struct CaseState {
    /// The case.
    pub id: CaseId,
    /// Its kind.
    pub kind: CaseKind,
    /// The department that opened it.
    pub owner: DepartmentId,
    /// The department that was asked first.
    pub first_asked: DepartmentId,
    /// The items.
    pub items: BTreeMap<u16, Item>,
    /// The effective events, in fold order.
    pub facts: Vec<Fact>,
}

impl CaseState {
    /// Returns the facts of a kind, in fold order.
    pub fn facts_of(&self, kind: EventKind) -> impl DoubleEndedIterator<Item = &Fact> {
        self.facts.iter().filter(move |fact| fact.kind == kind)
    }

    /// Returns the fact of an event.
    pub fn fact(&self, event: EventId) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.entry.event == event)
    }

    /// Returns the opening fact.
    pub fn opening(&self) -> Option<&Fact> {
        self.fact(self.id)
    }

    /// Returns the stage that stands for the whole case: the least advanced one that still waits, else the last.
    pub fn stage(&self) -> Stage {
        let table = super::table_of(self.kind);
        let waits = |stage: &Stage| {
            table
                .and_then(|table| table.stage(*stage))
                .is_some_and(|row| !row.last)
        };
        let stages: Vec<Stage> = self.items.values().map(|item| item.stage).collect();
        let open = stages.iter().copied().filter(|stage| waits(stage)).min();
        open.or_else(|| stages.iter().copied().max())
            .unwrap_or(Stage::Start)
    }

    /// Returns a form whose canonical bytes are equal exactly when the states are (I5): the digest is over it.
    pub fn to_json(&self) -> Json {
        let text = |value: String| Json::Text(value);
        let number = |value: u64| Json::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let mut items = Vec::new();
        for (place, item) in &self.items {
            let mut members = BTreeMap::from([
                ("item".to_owned(), number(u64::from(*place))),
                ("stage".to_owned(), text(item.stage.as_str().to_owned())),
                ("movedBy".to_owned(), text(item.moved_by.to_string())),
                ("holder".to_owned(), text(item.holder.to_string())),
                (
                    "flags".to_owned(),
                    Json::Array(
                        item.flags
                            .iter()
                            .map(|(department, event)| text(format!("{department} {event}")))
                            .collect(),
                    ),
                ),
            ]);
            if let Some(proposed) = &item.proposed {
                members.insert("proposed".to_owned(), text(proposed.to_string()));
            }
            items.push(Json::Object(members));
        }
        let facts = self.facts.iter().map(|fact| {
            let list = |list: Vec<String>| Json::Array(list.into_iter().map(Json::Text).collect());
            Json::Object(BTreeMap::from([
                ("event".to_owned(), text(fact.entry.event.to_string())),
                ("origin".to_owned(), text(fact.entry.origin.to_string())),
                ("index".to_owned(), number(fact.entry.index)),
                (
                    "items".to_owned(),
                    Json::Array(fact.items.iter().map(|item| number(u64::from(*item))).collect()),
                ),
                (
                    "moved".to_owned(),
                    list(
                        fact.moved
                            .iter()
                            .map(|(item, (from, to))| format!("{item} {} {}", from.as_str(), to.as_str()))
                            .collect(),
                    ),
                ),
                (
                    "overtaken".to_owned(),
                    list(
                        fact.overtaken
                            .iter()
                            .map(|(item, cause)| format!("{item} {cause}"))
                            .collect(),
                    ),
                ),
                (
                    "raced".to_owned(),
                    list(fact.raced.iter().map(ToString::to_string).collect()),
                ),
            ]))
        });
        Json::Object(BTreeMap::from([
            ("case".to_owned(), text(self.id.to_string())),
            ("kind".to_owned(), text(self.kind.as_str().to_owned())),
            ("owner".to_owned(), text(self.owner.to_string())),
            ("firstAsked".to_owned(), text(self.first_asked.to_string())),
            ("items".to_owned(), Json::Array(items)),
            ("facts".to_owned(), Json::Array(facts.collect())),
        ]))
    }
}
