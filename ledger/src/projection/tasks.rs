//! Tasks: what was ordered, who signed, what was promised, how far it is. Overdue is derived, never recorded (I7).

use super::members::{case_head, opt_text, text};
use crate::cases::{CaseState, Fact, Stage};
use std::collections::BTreeMap;
use tally_schemas::event::{CaseKind, EventKind};
use tally_schemas::id::{CaseId, DepartmentId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::{Date, Timestamp};

/// One task.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<String>,
    /// The title.
    pub title: String,
    /// Who issued it.
    pub issuer: DepartmentId,
    /// Who owes it.
    pub lead: DepartmentId,
    /// The post that signs the letter.
    pub signatory: String,
    /// The stage.
    pub stage: Stage,
    /// The newest due date.
    pub due: Option<Date>,
    /// Every due date there was, with the event that set it, in fold order.
    pub due_history: Vec<(Date, tally_schemas::id::EventId)>,
    /// When the letter was signed last.
    pub signed: Option<Timestamp>,
    /// The newest progress in percent.
    pub percent: Option<i64>,
    /// When completion was claimed last; a claim made in time counts as in time however long verification takes.
    pub claimed: Option<Timestamp>,
    /// When it was verified.
    pub verified: Option<Timestamp>,
    /// The parent task.
    pub parent: Option<CaseId>,
    /// How often it was urged.
    pub urged: u64,
}

impl TaskView {
    /// Reads a task from its state; none for another kind of case.
    pub fn of(state: &CaseState, number: Option<&CaseNumber>) -> Option<Self> {
        if state.kind != CaseKind::Task {
            return None;
        }
        let content = |fact: &Fact, field: &str| fact.event.body.word(field).map(str::to_owned);
        let whole = || {
            state.facts.iter().rev().filter(|fact| {
                matches!(fact.kind, EventKind::TaskIssued | EventKind::TaskReissued)
                    && fact.overtaken.is_empty()
            })
        };
        let newest = whole().next()?;
        let dates = state.facts.iter().filter(|fact| {
            matches!(
                fact.kind,
                EventKind::TaskIssued | EventKind::TaskReissued | EventKind::TaskDueChanged
            ) && fact.overtaken.is_empty()
        });
        let due_history: Vec<(Date, tally_schemas::id::EventId)> = dates
            .filter_map(|fact| Some((fact.event.body.date("due")?, fact.entry.event)))
            .collect();
        let last = |kind: EventKind| state.facts_of(kind).rfind(|fact| fact.overtaken.is_empty());
        let item = state.items.get(&0)?;
        Some(Self {
            case: state.id,
            number: number.map(ToString::to_string),
            title: content(newest, "title").unwrap_or_default(),
            issuer: state.owner.clone(),
            lead: item.holder.clone(),
            signatory: content(newest, "signatory").unwrap_or_default(),
            stage: item.stage,
            due: due_history.last().map(|(date, _)| *date),
            due_history,
            signed: last(EventKind::TaskSigned).map(|fact| fact.recorded),
            percent: last(EventKind::TaskProgressReported)
                .and_then(|fact| fact.event.body.integer("percent")),
            claimed: last(EventKind::TaskClaimed).map(|fact| fact.recorded),
            verified: last(EventKind::TaskVerified).map(|fact| fact.recorded),
            parent: newest.event.body.event("parent"),
            urged: state.facts_of(EventKind::TaskUrged).count() as u64,
        })
    }

    /// Returns how many calendar days it is late as of a day, by the newest due date; a claim in time is in time.
    pub fn days_late(&self, as_of: Date, offset_minutes: i32) -> Option<i32> {
        let due = self.due?;
        let done = match self.stage {
            Stage::Claimed | Stage::Closed => self.claimed.map(|at| at.date_at(offset_minutes)),
            Stage::Withdrawn => return None,
            _ => None,
        };
        Some(done.unwrap_or(as_of).days_since(due)).filter(|days| *days > 0)
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let mut members = case_head(self.case, self.number.as_deref(), self.stage);
        members.insert("title".to_owned(), text(&self.title));
        members.insert("issuer".to_owned(), text(self.issuer.as_str()));
        members.insert("lead".to_owned(), text(self.lead.as_str()));
        members.insert("signatory".to_owned(), text(&self.signatory));
        members.insert(
            "urged".to_owned(),
            Json::Int(i64::try_from(self.urged).unwrap_or(i64::MAX)),
        );
        let history = self.due_history.iter().map(|(date, event)| {
            Json::Object(BTreeMap::from([
                ("due".to_owned(), text(&date.to_string())),
                ("event".to_owned(), text(&event.to_string())),
            ]))
        });
        members.insert("dueHistory".to_owned(), Json::Array(history.collect()));
        opt_text(&mut members, "due", self.due);
        opt_text(&mut members, "signed", self.signed);
        opt_text(&mut members, "claimed", self.claimed);
        opt_text(&mut members, "verified", self.verified);
        opt_text(&mut members, "parent", self.parent);
        if let Some(percent) = self.percent {
            members.insert("percent".to_owned(), Json::Int(percent));
        }
        Json::Object(members)
    }
}
