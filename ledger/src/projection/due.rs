//! What is due: every clock of a case, with its days, its standing and all that explains them.

use super::shape::{count, flag, items, list, maybe, object, text, texts};
use crate::cases::clocks::Limit;
use crate::cases::source::AsOf;
use crate::cases::state::CaseState;
use crate::cases::timing::{self, Timed};
use crate::rules::ladder::{Rise, climbed};
use crate::rules::receipt::Receipt;
use crate::rules::{Due, Status};
use tally_schemas::event::CaseKind;
use tally_schemas::id::{CaseId, DepartmentId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::profile::Force;
use tally_schemas::time::Date;

/// One clock of a case.
#[derive(Debug, Clone)]
pub struct DueLine {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Its kind.
    pub kind: CaseKind,
    /// The department that opened it.
    pub owner: DepartmentId,
    /// The clock with its days.
    pub timed: Timed,
    /// Whether the limit is law or a target; a stated date is neither.
    pub force: Option<Force>,
    /// To whom it has risen.
    pub rises: Vec<Rise>,
}

impl DueLine {
    /// Returns the day to sort by: the last day, else the one that holds if receipt is deemed.
    pub fn sort_day(&self) -> Option<Date> {
        let deemed = || self.timed.if_deemed.as_ref().and_then(|(due, _)| due.date());
        self.timed.date().or_else(deemed)
    }

    /// Says whether the step is open and late.
    pub fn is_overdue(&self) -> bool {
        self.timed.is_running() && self.timed.is_late()
    }

    /// Says whether the step is open and would be late if what was available counts as received.
    pub fn is_overdue_if_deemed(&self) -> bool {
        let deemed = self.timed.if_deemed.as_ref();
        self.timed.is_running() && deemed.is_some_and(|(_, status)| status.is_late())
    }

    /// Says whether any of these departments owes the step.
    pub fn is_owed_by(&self, department: &DepartmentId) -> bool {
        self.timed.clock.owes.contains(department)
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let clock = &self.timed.clock;
        let what = match clock.limit {
            Limit::Clock(id) => ("clock", text(id.as_str())),
            Limit::Stated(stated) => ("stated", text(stated.as_str())),
        };
        let deemed = |(due, status): &(Due, Status)| {
            object([("due", Some(due.to_json())), ("status", Some(status.to_json()))])
        };
        let decided = |decision: Option<(tally_schemas::id::EventId, bool)>| {
            object([
                ("event", maybe(decision.map(|(event, _)| event))),
                ("accepted", decision.and_then(|(_, accepted)| flag(accepted))),
            ])
        };
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("kind", text(self.kind.as_str())),
            ("owner", text(&self.owner)),
            ("items", items(&clock.items)),
            what,
            ("force", maybe(self.force)),
            ("owes", texts(&clock.owes)),
            ("startedBy", text(clock.start)),
            ("start", text(self.timed.start)),
            ("receipt", self.timed.receipt.as_ref().map(Receipt::to_json)),
            ("due", self.timed.due.as_ref().map(Due::to_json)),
            ("status", self.timed.status.map(|status| status.to_json())),
            ("ifDeemedReceived", self.timed.if_deemed.as_ref().map(deemed)),
            ("running", flag(self.timed.is_running())),
            ("endedBy", maybe(clock.ended.map(|ended| ended.by))),
            ("done", clock.ended.and_then(|ended| flag(ended.done))),
            ("endedOn", maybe(self.timed.ended_on)),
            ("excused", flag(self.timed.is_excused())),
            (
                "explanations",
                list(&clock.explanations, |explanation| {
                    object([
                        ("given", text(explanation.given)),
                        ("decision", Some(decided(explanation.decision))),
                    ])
                }),
            ),
            (
                "supplements",
                list(&clock.supplements, |supplement| {
                    object([
                        ("asked", text(supplement.asked)),
                        ("endedBy", maybe(supplement.ended.map(|(event, _)| event))),
                        ("completed", supplement.ended.and_then(|(_, whole)| flag(whole))),
                    ])
                }),
            ),
            (
                "extensions",
                list(&clock.extensions, |extension| {
                    object([
                        ("requested", text(extension.requested)),
                        ("days", count(extension.days)),
                        ("decision", Some(decided(extension.decision))),
                        ("notified", maybe(extension.notified)),
                    ])
                }),
            ),
            ("risen", list(&self.rises, Rise::to_json)),
        ])
    }
}

/// Returns every clock of a case, in the order in which they started.
pub fn of_case(state: &CaseState, asof: &AsOf<'_>) -> Vec<DueLine> {
    let lines = timing::of(state, asof).into_iter().map(|timed| DueLine {
        case: state.id,
        number: asof.source.number(state),
        kind: state.kind,
        owner: state.owner.clone(),
        force: match timed.clock.limit {
            Limit::Clock(id) => {
                let owes = timed.clock.owes.first().unwrap_or(&state.owner);
                let profile = asof.profile_of(owes);
                profile
                    .and_then(|profile| profile.clock(id))
                    .map(|clock| clock.force)
            }
            Limit::Stated(_) => None,
        },
        rises: risen(&timed, state, asof),
        timed,
    });
    lines.collect()
}

/// Returns to whom an open step has risen.
fn risen(timed: &Timed, state: &CaseState, asof: &AsOf<'_>) -> Vec<Rise> {
    let owes = timed.clock.owes.first().unwrap_or(&state.owner);
    let (Some(due), Some(profile), Some(calendar)) =
        (&timed.due, asof.profile_of(owes), asof.calendar_of(owes))
    else {
        return Vec::new();
    };
    if !timed.is_running() {
        return Vec::new();
    }
    climbed(due, profile, asof.today(owes), calendar).unwrap_or_default()
}

/// Returns the running clocks of all cases, the earliest last day first; those without a day come last.
pub fn running(asof: &AsOf<'_>, owed_by: Option<&DepartmentId>, overdue: bool) -> Vec<DueLine> {
    let states = asof.find(true, |_, brief| {
        owed_by.is_none_or(|department| asof.is_stale(brief) || brief.owes.contains(department))
    });
    let mut lines: Vec<DueLine> = states
        .flat_map(|state| of_case(&state, asof))
        .filter(|line| line.timed.is_running())
        .filter(|line| owed_by.is_none_or(|department| line.is_owed_by(department)))
        .filter(|line| !overdue || line.is_overdue() || line.is_overdue_if_deemed())
        .collect();
    lines.sort_by_key(|line| (line.sort_day().is_none(), line.sort_day(), line.case));
    lines
}
