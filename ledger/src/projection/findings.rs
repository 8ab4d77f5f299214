//! Findings: basis, object, violation, demand, due date, plan, evidence, verifier, how often reopened.

use super::members::{case_head, opt_text, text};
use crate::cases::{CaseState, Stage};
use tally_schemas::event::{CaseKind, EventKind};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::{Date, Timestamp};

/// One finding.
#[derive(Debug, Clone)]
pub struct FindingView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<String>,
    /// Who issued it.
    pub issuer: DepartmentId,
    /// Its object.
    pub object: DepartmentId,
    /// On what it rests.
    pub basis: String,
    /// The mandate it cites.
    pub mandate: Option<EventId>,
    /// The violation code, as amended.
    pub violation: String,
    /// The severity, as amended.
    pub severity: String,
    /// The stage.
    pub stage: Stage,
    /// The newest due date of the rectification.
    pub due: Option<Date>,
    /// When it was notified.
    pub notified: Option<Timestamp>,
    /// By when the accepted plan completes.
    pub plan_completes: Option<Date>,
    /// When evidence came last.
    pub evidence: Option<Timestamp>,
    /// Who verified it, and when.
    pub verified: Option<(DepartmentId, Timestamp)>,
    /// How often it was reopened.
    pub reopened: u64,
    /// How often it was urged.
    pub urged: u64,
}

impl FindingView {
    /// Reads a finding from its state; none for another kind of case.
    pub fn of(state: &CaseState, number: Option<&CaseNumber>) -> Option<Self> {
        if state.kind != CaseKind::Finding {
            return None;
        }
        let opening = state.opening()?;
        let item = state.items.get(&0)?;
        let last = |kind: EventKind| state.facts_of(kind).rfind(|fact| fact.overtaken.is_empty());
        let amended = |field: &str| {
            let by = |kind: EventKind| {
                state
                    .facts_of(kind)
                    .rev()
                    .find_map(|fact| fact.event.body.word(field))
            };
            by(EventKind::FindingAmended)
                .or_else(|| opening.event.body.word(field))
                .unwrap_or_default()
                .to_owned()
        };
        let due = state
            .facts
            .iter()
            .rev()
            .filter(|fact| {
                matches!(
                    fact.kind,
                    EventKind::FindingNotified | EventKind::FindingExtensionGranted
                )
            })
            .filter(|fact| fact.overtaken.is_empty())
            .find_map(|fact| fact.event.body.date("due"));
        Some(Self {
            case: state.id,
            number: number.map(ToString::to_string),
            issuer: state.owner.clone(),
            object: item.holder.clone(),
            basis: opening.event.body.word("basis").unwrap_or_default().to_owned(),
            mandate: opening.event.mandate,
            violation: amended("violation"),
            severity: amended("severity"),
            stage: item.stage,
            due,
            notified: last(EventKind::FindingNotified).map(|fact| fact.recorded),
            plan_completes: last(EventKind::FindingPlanSubmitted)
                .and_then(|fact| fact.event.body.date("completeBy")),
            evidence: last(EventKind::FindingEvidenceSubmitted).map(|fact| fact.recorded),
            verified: last(EventKind::FindingVerified).map(|fact| (fact.by.clone(), fact.recorded)),
            reopened: state.facts_of(EventKind::FindingReopened).count() as u64,
            urged: state.facts_of(EventKind::FindingUrged).count() as u64,
        })
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let count = |value: u64| Json::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let mut members = case_head(self.case, self.number.as_deref(), self.stage);
        members.insert("issuer".to_owned(), text(self.issuer.as_str()));
        members.insert("object".to_owned(), text(self.object.as_str()));
        members.insert("basis".to_owned(), text(&self.basis));
        members.insert("violation".to_owned(), text(&self.violation));
        members.insert("severity".to_owned(), text(&self.severity));
        members.insert("reopened".to_owned(), count(self.reopened));
        members.insert("urged".to_owned(), count(self.urged));
        opt_text(&mut members, "mandate", self.mandate);
        opt_text(&mut members, "due", self.due);
        opt_text(&mut members, "notified", self.notified);
        opt_text(&mut members, "planCompletes", self.plan_completes);
        opt_text(&mut members, "evidence", self.evidence);
        if let Some((by, at)) = &self.verified {
            members.insert("verifiedBy".to_owned(), text(by.as_str()));
            members.insert("verified".to_owned(), text(&at.to_string()));
        }
        Json::Object(members)
    }
}
