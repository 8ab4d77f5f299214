//! Inspection matters with their plans, which are the mandates of findings.

use super::shape::{count, flag, maybe, object, text, texts};
use crate::cases::source::AsOf;
use crate::cases::state::CaseState;
use crate::cases::table::Stage;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::Date;

/// The plan of a matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The act: what findings name as their mandate.
    pub event: EventId,
    /// Who issued it.
    pub by: DepartmentId,
    /// The departments within its scope.
    pub scope: Vec<String>,
    /// The powers.
    pub powers: Vec<String>,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// The post of the leader.
    pub leader: String,
    /// Whether it is a live mandate today.
    pub live: bool,
}

/// A matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatterView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Who opened it.
    pub opened_by: DepartmentId,
    /// The day it was opened.
    pub opened_on: Date,
    /// What it is called.
    pub title: String,
    /// The type of inspection.
    pub inspection: String,
    /// The department inspected.
    pub object: String,
    /// The topic.
    pub topic: String,
    /// Who approved or instructed it, as recorded.
    pub decided_by: Option<String>,
    /// The stage.
    pub stage: Stage,
    /// The plan in force.
    pub plan: Option<Plan>,
    /// The findings that rest on it.
    pub findings: Vec<CaseId>,
}

/// Returns every matter, by id.
pub fn all(asof: &AsOf<'_>) -> Vec<MatterView> {
    asof.of_kind(CaseKind::Matter)
        .filter_map(|state| of(&state, asof))
        .collect()
}

/// Returns one matter; none for another kind of case, or one whose opening has no effect.
pub fn of(state: &CaseState, asof: &AsOf<'_>) -> Option<MatterView> {
    let opening = state.opening().filter(|_| state.kind == CaseKind::Matter)?;
    let body = &opening.event.body;
    let word = |field: &str| body.word(field).unwrap_or_default().to_owned();
    let approved = state
        .facts_of(K::MatterApproved)
        .rfind(|fact| fact.overtaken.is_empty())
        .and_then(|fact| fact.event.body.word("approvedBy"));
    let plan = state
        .facts_of(K::MatterPlanIssued)
        .rfind(|fact| fact.overtaken.is_empty());
    let plan = plan.map(|fact| {
        let body = &fact.event.body;
        let words = |field: &str| -> Vec<String> {
            let list = body.list(field).iter();
            list.filter_map(Json::as_text).map(str::to_owned).collect()
        };
        let (from, to) = (body.date("from"), body.date("to"));
        let today = asof.today(&fact.by);
        Plan {
            event: fact.entry.event,
            by: fact.by.clone(),
            scope: words("scope"),
            powers: words("powers"),
            from,
            to,
            leader: body.word("leader").unwrap_or_default().to_owned(),
            live: state.stage() == Stage::PlanIssued
                && from.is_none_or(|from| from <= today)
                && to.is_none_or(|to| today <= to),
        }
    });
    let findings = asof.find(false, |_, brief| {
        let mut names = brief.names.iter();
        brief.kind == Some(CaseKind::Finding) && names.any(|named| state.fact(*named).is_some())
    });
    let findings = findings.filter(|finding| {
        let mandate = finding.opening().and_then(|opening| opening.event.mandate);
        mandate.is_some_and(|mandate| state.fact(mandate).is_some())
    });
    Some(MatterView {
        case: state.id,
        number: asof.source.number(state),
        opened_by: state.owner.clone(),
        opened_on: asof.done_on(opening),
        title: word("title"),
        inspection: word("type"),
        object: word("object"),
        topic: word("topic"),
        decided_by: approved.or_else(|| body.word("instructedBy")).map(str::to_owned),
        stage: state.stage(),
        plan,
        findings: findings.map(|finding| finding.id).collect(),
    })
}

impl MatterView {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("openedBy", text(&self.opened_by)),
            ("openedOn", text(self.opened_on)),
            ("title", text(&self.title)),
            ("type", text(&self.inspection)),
            ("object", text(&self.object)),
            ("topic", text(&self.topic)),
            ("decidedBy", maybe(self.decided_by.as_ref())),
            ("stage", text(self.stage.as_str())),
            ("plan", self.plan.as_ref().map(Plan::to_json)),
            ("findings", texts(&self.findings)),
            ("findingCount", count(self.findings.len())),
        ])
    }
}

impl Plan {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("event", text(self.event)),
            ("by", text(&self.by)),
            ("scope", texts(&self.scope)),
            ("powers", texts(&self.powers)),
            ("from", maybe(self.from)),
            ("to", maybe(self.to)),
            ("leader", text(&self.leader)),
            ("live", flag(self.live)),
        ])
    }
}
