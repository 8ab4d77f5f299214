//! Cases in short, and one case in full: items, acts, clocks, and what can be done next by whom.

use super::due::{self, DueLine};
use super::shape::{count, items, list, marks, maybe, object, text, texts};
use crate::cases::cross::irregular;
use crate::cases::law::{self, Mark};
use crate::cases::source::AsOf;
use crate::cases::state::CaseState;
use crate::cases::table::Stage;
use crate::cases::verdict::{NextAct, next_acts};
use tally_schemas::event::CaseKind;
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::{Date, Timestamp};

/// A case in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseLine {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Its kind.
    pub kind: CaseKind,
    /// What people call it: a field of its opening, none for requests.
    pub title: Option<String>,
    /// Who opened it.
    pub owner: DepartmentId,
    /// Who owes its items.
    pub holders: Vec<DepartmentId>,
    /// The stage of the whole.
    pub stage: Stage,
    /// When it was opened.
    pub opened: Option<Timestamp>,
    /// When something was recorded last.
    pub changed: Option<Timestamp>,
    /// The earliest last day of what is running.
    pub due: Option<Date>,
    /// Whether a running step is overdue.
    pub overdue: bool,
}

/// One case in full.
#[derive(Debug, Clone)]
pub struct CaseView {
    /// In short.
    pub line: CaseLine,
    /// The state.
    pub state: CaseState,
    /// Every clock.
    pub clocks: Vec<DueLine>,
    /// What can be done next.
    pub next: Vec<NextAct>,
    /// The marks on acts, in fold order: defects, then what is irregular.
    pub marks: Vec<(EventId, Vec<Mark>)>,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// Only this kind.
    pub kind: Option<CaseKind>,
    /// Only cases that this department opened or owes.
    pub department: Option<DepartmentId>,
    /// Only cases of which an item is at this stage.
    pub stage: Option<Stage>,
}

/// Returns cases in short, by id.
pub fn all(asof: &AsOf<'_>, filter: &CaseFilter) -> Vec<CaseLine> {
    let wanted = asof.find(false, |_, brief| {
        brief.kind.is_some()
            && filter.kind.is_none_or(|kind| brief.kind == Some(kind))
            && filter.stage.is_none_or(|stage| brief.stages.contains(&stage))
            && filter
                .department
                .as_ref()
                .is_none_or(|department| brief.concerns(department))
    });
    wanted
        .map(|state| line(&state, &due::of_case(&state, asof), asof))
        .collect()
}

/// Returns one case in full.
pub fn of(state: &CaseState, asof: &AsOf<'_>) -> CaseView {
    let clocks = due::of_case(state, asof);
    let mut flags = law::flags_of(state, asof);
    let marks = state.facts.iter().filter_map(|fact| {
        let event = fact.entry.event;
        let mut marks = flags.remove(&event).unwrap_or_default();
        marks.extend(irregular(state, fact, asof));
        (!marks.is_empty()).then_some((event, marks))
    });
    CaseView {
        marks: marks.collect(),
        line: line(state, &clocks, asof),
        next: next_acts(state, asof.registry(), asof.version()),
        state: state.clone(),
        clocks,
    }
}

fn line(state: &CaseState, clocks: &[DueLine], asof: &AsOf<'_>) -> CaseLine {
    let mut holders: Vec<DepartmentId> = state.items.values().map(|item| item.holder.clone()).collect();
    holders.sort();
    holders.dedup();
    let running = || clocks.iter().filter(|clock| clock.timed.is_running());
    CaseLine {
        case: state.id,
        number: asof.source.number(state),
        kind: state.kind,
        title: title(state),
        owner: state.owner.clone(),
        holders,
        stage: state.stage(),
        opened: state.opening().map(|fact| fact.recorded),
        changed: state.facts.iter().map(|fact| fact.recorded).max(),
        due: running().filter_map(|clock| clock.timed.date()).min(),
        overdue: running().any(DueLine::is_overdue),
    }
}

/// Returns the words by which people know a case.
pub fn title(state: &CaseState) -> Option<String> {
    let body = &state.opening()?.event.body;
    let field = match state.kind {
        CaseKind::Catalogue => "name",
        CaseKind::Matter | CaseKind::Task => "title",
        CaseKind::Finding => "violation",
        CaseKind::Request => {
            let first = body.list("items").first()?.member("name")?.as_text()?;
            return Some(first.to_owned());
        }
        CaseKind::Roster => return None,
    };
    body.word(field).map(str::to_owned)
}

/// Returns the form of acts that can be done next.
pub fn next_to_json(next: &[NextAct]) -> Json {
    let acts = next.iter().map(|act| {
        object([
            ("kind", text(act.kind.as_str())),
            ("by", texts(&act.by)),
            ("items", items(&act.items)),
        ])
    });
    Json::Array(acts.collect())
}

impl CaseLine {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("kind", text(self.kind.as_str())),
            ("title", maybe(self.title.as_ref())),
            ("owner", text(&self.owner)),
            ("holders", texts(&self.holders)),
            ("stage", text(self.stage.as_str())),
            ("opened", maybe(self.opened)),
            ("changed", maybe(self.changed)),
            ("due", maybe(self.due)),
            ("overdue", super::shape::flag(self.overdue)),
        ])
    }
}

impl CaseView {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let shown = self.state.items.iter();
        let facts = self.state.facts.iter();
        object([
            ("summary", Some(self.line.to_json())),
            ("firstAsked", text(&self.state.first_asked)),
            (
                "items",
                list(shown, |(number, item)| {
                    object([
                        ("item", count(*number)),
                        ("stage", text(item.stage.as_str())),
                        ("holder", text(&item.holder)),
                        ("proposed", maybe(item.proposed.as_ref())),
                        ("movedBy", text(item.moved_by)),
                        ("suspendedBy", texts(item.flags.keys())),
                    ])
                }),
            ),
            (
                "acts",
                list(facts, |fact| {
                    object([
                        ("event", text(fact.entry.event)),
                        ("kind", text(fact.kind.as_str())),
                        ("by", text(&fact.by)),
                        ("recorded", text(fact.recorded)),
                        ("items", items(&fact.items)),
                        ("overtaken", super::shape::flag(!fact.overtaken.is_empty())),
                    ])
                }),
            ),
            ("clocks", list(&self.clocks, DueLine::to_json)),
            ("next", Some(next_to_json(&self.next))),
            (
                "marks",
                list(&self.marks, |(event, found)| {
                    object([("event", text(event)), ("marks", marks(found))])
                }),
            ),
        ])
    }
}
