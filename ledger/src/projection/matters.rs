//! Matters of inspection and the mandates that their plans are.

use super::members::{case_head, opt_text, text};
use crate::cases::{CaseState, Stage};
use std::collections::BTreeMap;
use tally_schemas::event::{CaseKind, EventKind};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::Date;

/// The mandate that a plan gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    /// The plan: what findings cite.
    pub plan: EventId,
    /// The departments within its scope.
    pub scope: Vec<DepartmentId>,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// The post that leads.
    pub leader: String,
}

/// One matter.
#[derive(Debug, Clone)]
pub struct MatterView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<String>,
    /// The title.
    pub title: String,
    /// The type.
    pub kind: String,
    /// The topic; open matters on the same object and topic are shown before another is proposed (Insp. Reg. 15).
    pub topic: String,
    /// The object.
    pub object: Option<DepartmentId>,
    /// Who proposed or recorded it.
    pub by: DepartmentId,
    /// The stage.
    pub stage: Stage,
    /// The mandates, in fold order.
    pub mandates: Vec<Mandate>,
}

impl MatterView {
    /// Reads a matter from its state; none for another kind of case.
    pub fn of(state: &CaseState, number: Option<&CaseNumber>) -> Option<Self> {
        if state.kind != CaseKind::Matter {
            return None;
        }
        let opening = state.opening()?;
        let word = |field: &str| opening.event.body.word(field).unwrap_or_default().to_owned();
        let mandates = state.facts_of(EventKind::MatterPlanIssued).map(|fact| {
            let body = &fact.event.body;
            let scope = body.list("scope").iter().filter_map(Json::as_text);
            Mandate {
                plan: fact.entry.event,
                scope: scope.filter_map(|id| DepartmentId::parse(id).ok()).collect(),
                from: body.date("from"),
                to: body.date("to"),
                leader: body.word("leader").unwrap_or_default().to_owned(),
            }
        });
        Some(Self {
            case: state.id,
            number: number.map(ToString::to_string),
            title: word("title"),
            kind: word("type"),
            topic: word("topic"),
            object: opening.event.body.department("object"),
            by: state.owner.clone(),
            stage: state.stage(),
            mandates: mandates.collect(),
        })
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let mut members = case_head(self.case, self.number.as_deref(), self.stage);
        members.insert("title".to_owned(), text(&self.title));
        members.insert("type".to_owned(), text(&self.kind));
        members.insert("topic".to_owned(), text(&self.topic));
        members.insert("by".to_owned(), text(self.by.as_str()));
        opt_text(&mut members, "object", self.object.as_ref());
        let mandates = self.mandates.iter().map(|mandate| {
            let scope = mandate
                .scope
                .iter()
                .map(|department| text(department.as_str()))
                .collect();
            let mut members = BTreeMap::from([
                ("plan".to_owned(), text(&mandate.plan.to_string())),
                ("scope".to_owned(), Json::Array(scope)),
                ("leader".to_owned(), text(&mandate.leader)),
            ]);
            opt_text(&mut members, "from", mandate.from);
            opt_text(&mut members, "to", mandate.to);
            Json::Object(members)
        });
        members.insert("mandates".to_owned(), Json::Array(mandates.collect()));
        Json::Object(members)
    }
}
