//! Tasks with their letters: what was promised, what was reported, who verified.

use super::shape::{count, flag, list, maybe, object, text, texts};
use crate::cases::clocks::{Limit, Stated};
use crate::cases::source::AsOf;
use crate::cases::state::{CaseState, Fact};
use crate::cases::table::Stage;
use crate::cases::timing;
use crate::rules::Status;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::Date;

/// A change of the due date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueChange {
    /// The act.
    pub event: EventId,
    /// When.
    pub on: Date,
    /// The new last day.
    pub due: Date,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// What it is called.
    pub title: String,
    /// Its category.
    pub category: Option<String>,
    /// Who issued it.
    pub issuer: DepartmentId,
    /// Who leads it now.
    pub lead: DepartmentId,
    /// The department that a hand-over names.
    pub proposed: Option<DepartmentId>,
    /// Who assists.
    pub assisting: Vec<String>,
    /// The indicator.
    pub indicator: Option<String>,
    /// Its target.
    pub target: Option<String>,
    /// The stage.
    pub stage: Stage,
    /// The day it was issued.
    pub issued_on: Date,
    /// The day the letter was signed.
    pub signed_on: Option<Date>,
    /// The last day.
    pub due: Option<Date>,
    /// Every change of the last day.
    pub due_changes: Vec<DueChange>,
    /// How it stands against the last day.
    pub status: Option<Status>,
    /// The progress reported last, in percent.
    pub percent: Option<i64>,
    /// The day of that report.
    pub reported_on: Option<Date>,
    /// The day of the claim that stands.
    pub claimed_on: Option<Date>,
    /// Who verified it.
    pub verified_by: Option<DepartmentId>,
    /// How often it was returned or reopened.
    pub returned: usize,
    /// The task it is part of.
    pub parent: Option<EventId>,
    /// Its parts.
    pub children: Vec<EventId>,
    /// How many of its parts are closed.
    pub children_closed: usize,
}

/// Returns every task, by id.
pub fn all(asof: &AsOf<'_>) -> Vec<TaskView> {
    asof.of_kind(CaseKind::Task)
        .filter_map(|state| of(&state, asof))
        .collect()
}

/// Returns one task; none for another kind of case, or one whose opening has no effect.
pub fn of(state: &CaseState, asof: &AsOf<'_>) -> Option<TaskView> {
    let opening = state.opening().filter(|_| state.kind == CaseKind::Task)?;
    let item = state.items.get(&0)?;
    let newest = |kind: K| state.facts_of(kind).rfind(|fact| fact.overtaken.is_empty());
    let content = newest(K::TaskReissued).unwrap_or(opening);
    // An amendment made after the task was issued anew amends that.
    let amended = |field: &str| {
        let place = |fact: &Fact| state.facts.iter().position(|other| other.entry == fact.entry);
        newest(K::TaskAmended)
            .filter(|amended| place(amended) > place(content))
            .and_then(|amended| amended.event.body.word(field))
            .or_else(|| content.event.body.word(field))
            .map(str::to_owned)
    };
    let timed = timing::of(state, asof);
    let done = timed
        .iter()
        .rfind(|timed| timed.clock.limit == Limit::Stated(Stated::TaskDone));
    let children: Vec<EventId> = state
        .facts_of(K::TaskDecomposed)
        .flat_map(|fact| fact.event.body.list("children"))
        .filter_map(|child| Hash::parse_hex(child.as_text()?).ok().map(EventId))
        .collect();
    let closed = |child: &&EventId| {
        asof.case(child)
            .is_some_and(|child| child.stage() == Stage::Closed)
    };
    let on = |fact: Option<&Fact>| fact.map(|fact| asof.done_on(fact));
    let progress = newest(K::TaskProgressReported);
    let assisting = content.event.body.list("assisting").iter();
    let changes = state.facts_of(K::TaskDueChanged).filter_map(|fact| {
        Some(DueChange {
            event: fact.entry.event,
            on: asof.done_on(fact),
            due: fact.event.body.date("due")?,
        })
    });
    Some(TaskView {
        case: state.id,
        number: asof.source.number(state),
        title: content.event.body.word("title").unwrap_or_default().to_owned(),
        category: content.event.body.word("category").map(str::to_owned),
        issuer: state.owner.clone(),
        lead: item.holder.clone(),
        proposed: item.proposed.clone(),
        assisting: assisting.filter_map(Json::as_text).map(str::to_owned).collect(),
        indicator: amended("indicator"),
        target: amended("target"),
        stage: item.stage,
        issued_on: asof.done_on(opening),
        signed_on: on(newest(K::TaskSigned)),
        due: done.and_then(|done| done.clock.date),
        due_changes: changes.collect(),
        status: done.and_then(|done| done.status),
        percent: progress.and_then(|fact| fact.event.body.integer("percent")),
        reported_on: on(progress),
        claimed_on: on(
            newest(K::TaskClaimed).filter(|_| matches!(item.stage, Stage::Claimed | Stage::Closed))
        ),
        verified_by: newest(K::TaskVerified)
            .filter(|_| item.stage == Stage::Closed)
            .map(|fact| fact.by.clone()),
        returned: state.facts_of(K::TaskReturned).count() + state.facts_of(K::TaskReopened).count(),
        parent: content.event.body.event("parent"),
        children_closed: children.iter().filter(closed).count(),
        children,
    })
}

impl TaskView {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("title", text(&self.title)),
            ("category", maybe(self.category.as_ref())),
            ("issuer", text(&self.issuer)),
            ("lead", text(&self.lead)),
            ("proposed", maybe(self.proposed.as_ref())),
            ("assisting", texts(&self.assisting)),
            ("indicator", maybe(self.indicator.as_ref())),
            ("target", maybe(self.target.as_ref())),
            ("stage", text(self.stage.as_str())),
            ("issuedOn", text(self.issued_on)),
            ("signedOn", maybe(self.signed_on)),
            ("due", maybe(self.due)),
            (
                "dueChanges",
                list(&self.due_changes, |change| {
                    object([
                        ("event", text(change.event)),
                        ("on", text(change.on)),
                        ("due", text(change.due)),
                    ])
                }),
            ),
            ("status", self.status.map(|status| status.to_json())),
            (
                "overdue",
                flag(self.status.is_some_and(|status| status.is_late())),
            ),
            ("percent", self.percent.and_then(count)),
            ("reportedOn", maybe(self.reported_on)),
            ("claimedOn", maybe(self.claimed_on)),
            ("verifiedBy", maybe(self.verified_by.as_ref())),
            ("returned", count(self.returned)),
            ("parent", maybe(self.parent)),
            ("children", texts(&self.children)),
            ("childrenClosed", count(self.children_closed)),
        ])
    }
}
