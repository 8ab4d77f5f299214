//! Requests and the grants that answer them, item by item.

use super::shape::{count, flag, list, maybe, object, text};
use crate::cases::clocks::{self, Limit};
use crate::cases::source::AsOf;
use crate::cases::state::{CaseState, Fact, Item};
use crate::cases::table::Stage;
use crate::cases::timing::{self, Timed};
use crate::rules::Status;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::profile::{ClockId, SharingClass};
use tally_schemas::time::Date;

/// A suspension that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Who set it.
    pub by: DepartmentId,
    /// The act.
    pub event: EventId,
    /// Since when.
    pub since: Date,
    /// The ground.
    pub ground: Option<String>,
    /// By when the misuse must end.
    pub rectify_by: Option<Date>,
}

/// The answer on an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The act.
    pub event: EventId,
    /// Whether it grants.
    pub granted: bool,
    /// The day it was given.
    pub on: Date,
    /// The days that the answer took, by its clock.
    pub days_used: Option<u32>,
    /// Whether it came too late.
    pub late: bool,
    /// Whether that is excused.
    pub excused: bool,
    /// The ground of a refusal.
    pub ground: Option<String>,
    /// What a refusal cites.
    pub citation: Option<String>,
    /// The conditions of a grant.
    pub conditions: Vec<Json>,
    /// The mode of sharing.
    pub mode: Option<String>,
}

/// One data item of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestItem {
    /// Its number.
    pub number: u16,
    /// What it is called.
    pub name: String,
    /// Its stage.
    pub stage: Stage,
    /// The department that owes it.
    pub holder: DepartmentId,
    /// The department that a redirect names.
    pub proposed: Option<DepartmentId>,
    /// The answer that stands.
    pub answer: Option<Answer>,
    /// The last day of the grant.
    pub expiry: Option<Date>,
    /// Whether that day has passed while the grant is in use.
    pub expired: bool,
    /// The day of the delivery that stands.
    pub delivered_on: Option<Date>,
    /// The suspensions that are up; the grant may be used while there is none.
    pub suspensions: Vec<Suspension>,
    /// The calls that the requester reported.
    pub calls_reported: i64,
    /// The calls that the provider attested.
    pub calls_attested: i64,
    /// The last day of use that was reported.
    pub used_until: Option<Date>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Who asks.
    pub requester: DepartmentId,
    /// Who was asked first, and stays responsible until another accepts.
    pub first_asked: DepartmentId,
    /// The class that it states.
    pub class: Option<SharingClass>,
    /// The catalogue entry.
    pub entry: Option<EventId>,
    /// Its version.
    pub entry_version: Option<i64>,
    /// The day it was sent.
    pub sent_on: Date,
    /// The day the first asked received it.
    pub received_on: Option<Date>,
    /// The stage of the whole.
    pub stage: Stage,
    /// The items.
    pub items: Vec<RequestItem>,
}

/// Returns every request, by id.
pub fn all(asof: &AsOf<'_>) -> Vec<RequestView> {
    asof.of_kind(CaseKind::Request)
        .filter_map(|state| of(&state, asof))
        .collect()
}

/// Returns one request; none for another kind of case, or one whose opening has no effect.
pub fn of(state: &CaseState, asof: &AsOf<'_>) -> Option<RequestView> {
    let opening = state.opening().filter(|_| state.kind == CaseKind::Request)?;
    let body = &opening.event.body;
    let timed = timing::of(state, asof);
    let items = state
        .items
        .iter()
        .map(|(number, item)| view_item(*number, item, state, &timed, asof));
    Some(RequestView {
        case: state.id,
        number: asof.source.number(state),
        requester: state.owner.clone(),
        first_asked: state.first_asked.clone(),
        class: clocks::class_of(state),
        entry: body.event("entry"),
        entry_version: body.integer("entryVersion"),
        sent_on: asof.done_on(opening),
        received_on: asof.received_on(opening, &state.first_asked),
        stage: state.stage(),
        items: items.collect(),
    })
}

fn view_item(number: u16, item: &Item, state: &CaseState, timed: &[Timed], asof: &AsOf<'_>) -> RequestItem {
    let of_item = |kind: K| {
        let facts = state.facts_of(kind);
        facts.filter(move |fact| fact.items.contains(&number) && !fact.overtaken.contains_key(&number))
    };
    let names = state
        .opening()
        .map_or(&[][..], |opening| opening.event.body.list("items"));
    let name = names
        .iter()
        .find(|value| value.member("number").and_then(Json::as_int) == Some(i64::from(number)))
        .and_then(|value| value.member("name")?.as_text());
    let is_answered = !matches!(
        item.stage,
        Stage::Start
            | Stage::Pending
            | Stage::ReturnedForForm
            | Stage::AwaitingSupplement
            | Stage::Redirected
            | Stage::Withdrawn
    );
    let answer = state
        .facts
        .iter()
        .rev()
        .filter(|fact| matches!(fact.kind, K::RequestGranted | K::RequestRefused))
        .find(|fact| fact.moved.contains_key(&number) && is_answered);
    let renewed = of_item(K::RequestRenewed).next_back();
    let granted = answer.filter(|fact| fact.kind == K::RequestGranted);
    let expiry = renewed.or(granted).and_then(|fact| fact.event.body.date("to"));
    let in_use = matches!(item.stage, Stage::Delivered | Stage::Active);
    let calls = |kind: K| -> i64 {
        of_item(kind)
            .filter_map(|fact| fact.event.body.integer("count"))
            .fold(0, i64::saturating_add)
    };
    let suspensions = item.flags.iter().filter_map(|(by, event)| {
        let fact = state.fact(*event)?;
        Some(Suspension {
            by: by.clone(),
            event: *event,
            since: asof.done_on(fact),
            ground: fact.event.body.word("ground").map(str::to_owned),
            rectify_by: fact.event.body.date("rectifyBy"),
        })
    });
    let delivered = matches!(
        item.stage,
        Stage::Delivered | Stage::Active | Stage::DisposalDue | Stage::Closed
    );
    RequestItem {
        number,
        name: name.unwrap_or_default().to_owned(),
        stage: item.stage,
        holder: item.holder.clone(),
        proposed: item.proposed.clone(),
        answer: answer.map(|fact| answer_of(fact, number, timed, asof)),
        expiry,
        expired: in_use && expiry.is_some_and(|expiry| expiry < asof.today(&item.holder)),
        delivered_on: of_item(K::RequestDelivered)
            .next_back()
            .filter(|_| delivered)
            .map(|fact| asof.done_on(fact)),
        suspensions: suspensions.collect(),
        calls_reported: calls(K::RequestUsageReported),
        calls_attested: calls(K::RequestUsageAttested),
        used_until: of_item(K::RequestUsageReported)
            .filter_map(|fact| fact.event.body.date("to"))
            .max(),
    }
}

fn answer_of(fact: &Fact, item: u16, timed: &[Timed], asof: &AsOf<'_>) -> Answer {
    let clock = timed.iter().find(|timed| {
        let answer = matches!(
            timed.clock.limit,
            Limit::Clock(
                ClockId::RequestAnswerConditional
                    | ClockId::RequestAnswerUnconditional
                    | ClockId::RequestAnswerOnPlatform
            )
        );
        let by = timed.clock.ended.map(|ended| ended.by);
        answer && timed.clock.items.contains(&item) && by == Some(fact.entry.event)
    });
    let status = clock.and_then(|clock| clock.status);
    let due = clock.and_then(|clock| clock.due.as_ref());
    let on = asof.done_on(fact);
    let body = &fact.event.body;
    Answer {
        event: fact.entry.event,
        granted: fact.kind == K::RequestGranted,
        on,
        days_used: match status {
            Some(Status::Met { days_used, .. } | Status::Open { days_used, .. }) => Some(days_used),
            Some(Status::Late(_) | Status::Overdue(_)) => due.and_then(|due| {
                let calendar = asof.calendar_of(&fact.by)?;
                Some(calendar.days_between(due.basis.unit(), due.start, on))
            }),
            Some(Status::Suspended { .. }) | None => None,
        },
        late: status.is_some_and(|status| status.is_late()),
        excused: clock.is_some_and(Timed::is_excused),
        ground: body.word("ground").map(str::to_owned),
        citation: body.word("citation").map(str::to_owned),
        conditions: body.list("conditions").to_vec(),
        mode: body.word("mode").map(str::to_owned),
    }
}

impl RequestView {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("requester", text(&self.requester)),
            ("firstAsked", text(&self.first_asked)),
            ("class", maybe(self.class)),
            ("entry", maybe(self.entry)),
            ("entryVersion", self.entry_version.and_then(count)),
            ("sentOn", text(self.sent_on)),
            ("receivedOn", maybe(self.received_on)),
            ("stage", text(self.stage.as_str())),
            ("items", list(&self.items, RequestItem::to_json)),
        ])
    }
}

impl RequestItem {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("number", count(self.number)),
            ("name", text(&self.name)),
            ("stage", text(self.stage.as_str())),
            ("holder", text(&self.holder)),
            ("proposed", maybe(self.proposed.as_ref())),
            ("answer", self.answer.as_ref().map(Answer::to_json)),
            ("expiry", maybe(self.expiry)),
            ("expired", flag(self.expired)),
            ("deliveredOn", maybe(self.delivered_on)),
            (
                "suspensions",
                list(&self.suspensions, |suspension| {
                    object([
                        ("by", text(&suspension.by)),
                        ("event", text(suspension.event)),
                        ("since", text(suspension.since)),
                        ("ground", maybe(suspension.ground.as_ref())),
                        ("rectifyBy", maybe(suspension.rectify_by)),
                    ])
                }),
            ),
            ("callsReported", count(self.calls_reported)),
            ("callsAttested", count(self.calls_attested)),
            ("usedUntil", maybe(self.used_until)),
        ])
    }
}

impl Answer {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("event", text(self.event)),
            ("granted", flag(self.granted)),
            ("on", text(self.on)),
            ("daysUsed", self.days_used.and_then(count)),
            ("late", flag(self.late)),
            ("excused", flag(self.excused)),
            ("ground", maybe(self.ground.as_ref())),
            ("citation", maybe(self.citation.as_ref())),
            ("conditions", Some(Json::Array(self.conditions.clone()))),
            ("mode", maybe(self.mode.as_ref())),
        ])
    }
}
