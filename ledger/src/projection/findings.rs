//! Findings and their rectification, with the standing of the object and of the supervisor apart.

use super::shape::{count, flag, maybe, object, text, texts};
use crate::cases::clocks::{Limit, Stated};
use crate::cases::source::AsOf;
use crate::cases::state::{CaseState, Fact};
use crate::cases::table::Stage;
use crate::cases::timing;
use crate::rules::Status;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::Date;

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Who opened it.
    pub opened_by: DepartmentId,
    /// The day it was opened.
    pub opened_on: Date,
    /// Its basis.
    pub basis: String,
    /// The mandate that it names.
    pub mandate: Option<EventId>,
    /// The department it is about now.
    pub object: DepartmentId,
    /// The code of the violation, as amended.
    pub violation: String,
    /// How severe it is, as amended.
    pub severity: String,
    /// The stage.
    pub stage: Stage,
    /// What the object did last: none, commented, acknowledged, planned, reported.
    pub object_status: &'static str,
    /// What the supervisor did last: opened, heard, notified, accepted-plan, returned, verified, gave-up, dropped.
    pub supervisor_status: &'static str,
    /// The day it was notified.
    pub notified_on: Option<Date>,
    /// The last day, as extended.
    pub due: Option<Date>,
    /// How rectification stands against it.
    pub status: Option<Status>,
    /// The day by which the accepted plan completes.
    pub plan_by: Option<Date>,
    /// How often evidence was submitted.
    pub evidence: usize,
    /// How often the verifier found it insufficient.
    pub insufficient: usize,
    /// How often it was reopened.
    pub reopened: usize,
    /// Who closed it.
    pub verified_by: Option<DepartmentId>,
    /// The cases and acts that it names.
    pub related: Vec<String>,
    /// How many days it is or was open.
    pub age_days: i32,
    /// Whether the owner opened it on itself.
    pub own: bool,
}

/// Returns every finding, by id.
pub fn all(asof: &AsOf<'_>) -> Vec<FindingView> {
    asof.of_kind(CaseKind::Finding)
        .filter_map(|state| of(&state, asof))
        .collect()
}

/// Returns one finding; none for another kind of case, or one whose opening has no effect.
pub fn of(state: &CaseState, asof: &AsOf<'_>) -> Option<FindingView> {
    let opening = state.opening().filter(|_| state.kind == CaseKind::Finding)?;
    let item = state.items.get(&0)?;
    let effective = || state.facts.iter().rev().filter(|fact| fact.overtaken.is_empty());
    let newest = |kind: K| effective().find(|fact| fact.kind == kind);
    let amended = |field: &str| {
        effective()
            .filter(|fact| fact.kind == K::FindingAmended)
            .find_map(|fact| fact.event.body.word(field))
            .or_else(|| opening.event.body.word(field))
            .unwrap_or_default()
            .to_owned()
    };
    let timed = timing::of(state, asof);
    let rectified = timed
        .iter()
        .rfind(|timed| timed.clock.limit == Limit::Stated(Stated::Rectified));
    let closing = |fact: &&Fact| {
        fact.moved
            .get(&0)
            .is_some_and(|(_, to)| is_closed(*to) && is_closed(item.stage))
    };
    let closed_on = effective().find(closing).map(|fact| asof.done_on(fact));
    let opened_on = asof.done_on(opening);
    let until = closed_on.unwrap_or_else(|| asof.today(&item.holder));
    let related = opening.event.body.list("related").iter();
    let basis = opening.event.body.word("basis").unwrap_or_default();
    Some(FindingView {
        case: state.id,
        number: asof.source.number(state),
        opened_by: state.owner.clone(),
        opened_on,
        basis: basis.to_owned(),
        mandate: opening.event.mandate,
        object: item.holder.clone(),
        violation: amended("violation"),
        severity: amended("severity"),
        stage: item.stage,
        object_status: effective()
            .find_map(|fact| object_status(fact.kind))
            .unwrap_or("none"),
        supervisor_status: effective()
            .find_map(|fact| supervisor_status(fact.kind))
            .unwrap_or("opened"),
        notified_on: newest(K::FindingNotified).map(|fact| asof.done_on(fact)),
        due: rectified.and_then(|timed| timed.clock.date),
        status: rectified.and_then(|timed| timed.status),
        plan_by: newest(K::FindingPlanAccepted)
            .and(newest(K::FindingPlanSubmitted))
            .and_then(|fact| fact.event.body.date("completeBy")),
        evidence: state.facts_of(K::FindingEvidenceSubmitted).count(),
        insufficient: state.facts_of(K::FindingInsufficient).count(),
        reopened: state.facts_of(K::FindingReopened).count(),
        verified_by: newest(K::FindingVerified)
            .filter(|_| item.stage == Stage::ClosedRectified)
            .map(|fact| fact.by.clone()),
        related: related.filter_map(Json::as_text).map(str::to_owned).collect(),
        age_days: until.days_since(opened_on),
        own: basis == "self",
    })
}

fn is_closed(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::ClosedRectified | Stage::ClosedNotRectified | Stage::Dropped
    )
}

fn object_status(kind: K) -> Option<&'static str> {
    match kind {
        K::FindingFactsConfirmed | K::FindingFactsContested => Some("commented"),
        K::FindingAcknowledged => Some("acknowledged"),
        K::FindingPlanSubmitted => Some("planned"),
        K::FindingEvidenceSubmitted => Some("reported"),
        K::FindingReassigned => Some("none"),
        _ => None,
    }
}

fn supervisor_status(kind: K) -> Option<&'static str> {
    match kind {
        K::FindingSentForComment | K::FindingAmended | K::FindingMaintained => Some("heard"),
        K::FindingDropped => Some("dropped"),
        K::FindingNotified | K::FindingReassigned => Some("notified"),
        K::FindingPlanAccepted => Some("accepted-plan"),
        K::FindingPlanReturned | K::FindingInsufficient | K::FindingReopened => Some("returned"),
        K::FindingVerified => Some("verified"),
        K::FindingNotImplementable | K::FindingRiskAccepted => Some("gave-up"),
        _ => None,
    }
}

impl FindingView {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("openedBy", text(&self.opened_by)),
            ("openedOn", text(self.opened_on)),
            ("basis", text(&self.basis)),
            ("own", flag(self.own)),
            ("mandate", maybe(self.mandate)),
            ("object", text(&self.object)),
            ("violation", text(&self.violation)),
            ("severity", text(&self.severity)),
            ("stage", text(self.stage.as_str())),
            ("objectStatus", text(self.object_status)),
            ("supervisorStatus", text(self.supervisor_status)),
            ("notifiedOn", maybe(self.notified_on)),
            ("due", maybe(self.due)),
            ("status", self.status.map(|status| status.to_json())),
            (
                "overdue",
                flag(self.status.is_some_and(|status| status.is_late())),
            ),
            ("planBy", maybe(self.plan_by)),
            ("evidence", count(self.evidence)),
            ("insufficient", count(self.insufficient)),
            ("reopened", count(self.reopened)),
            ("verifiedBy", maybe(self.verified_by.as_ref())),
            ("related", texts(&self.related)),
            ("ageDays", count(self.age_days)),
        ])
    }
}
