//! Views of cases: projections of the core, as they are.

use super::answer::view;
use super::degree::degree_body;
use super::{Api, ApiError};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde_json::{Map, Value};
use std::sync::Arc;
use tally_ledger::cases::addressees::addressees;
use tally_ledger::cases::source::AsOf;
use tally_ledger::cases::verdict::{NextAct, next_acts};
use tally_ledger::cases::{CaseFold, CaseState, Stage};
use tally_ledger::projection::cases::CaseFilter;
use tally_ledger::projection::digest::Buckets;
use tally_ledger::projection::{
    beyond, cases as all_cases, catalogue, digest, due as dues, findings, inbox as inboxes, matters,
    requests, tasks, trail as trails,
};
use tally_ledger::replica::SignedPasts;
use tally_ledger::world::World;
use tally_schemas::api::{Answer, CaseQuery, DueQuery, InboxQuery, NextActsQuery, PossibleAct};
use tally_schemas::event::CaseKind;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, Origin, PostId};
use tally_schemas::json::Json as Canonical;
use tally_schemas::number::CaseNumber;

type View = Result<Json<Answer<Value>>, ApiError>;
type Asked<T> = Result<Query<T>, QueryRejection>;

/// Turns a value of the core into what the HTTP library writes.
fn value(json: &Canonical) -> Value {
    match json {
        Canonical::Bool(value) => Value::Bool(*value),
        Canonical::Int(value) => Value::from(*value),
        Canonical::Text(value) => Value::String(value.clone()),
        Canonical::Array(list) => Value::Array(list.iter().map(value).collect()),
        Canonical::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), value(member)))
            .collect(),
    }
}

fn query<T>(asked: Asked<T>) -> Result<T, ApiError> {
    asked
        .map(|Query(asked)| asked)
        .map_err(|rejection| ApiError::invalid("query", rejection.body_text()))
}

fn missing(case: &str) -> ApiError {
    ApiError::not_found("case", format!("case {case} is not resolved here"))
}

/// Finds a case by its id or its speakable number.
fn find(world: &World, text: &str) -> Result<Arc<CaseFold>, ApiError> {
    let id: CaseId = match Hash::parse_hex(text) {
        Ok(hash) => EventId(hash),
        Err(_) => {
            let number = CaseNumber::parse(text)?;
            world.case_of_number(&number).ok_or_else(|| missing(text))?
        }
    };
    world.case(&id).ok_or_else(|| missing(text))
}

/// Finds the state of a case that was effectively opened.
fn find_state(world: &World, text: &str) -> Result<Arc<CaseState>, ApiError> {
    let fold = find(world, text)?;
    fold.shared_state().ok_or_else(|| match fold.newer_ruleset() {
        Some(newer) => ApiError::refused(newer.code(), newer.to_string()),
        None => ApiError::not_found(
            "case",
            format!("case {text} has no effective opening; its trail says why"),
        ),
    })
}

fn filter(asked: &CaseQuery) -> Result<CaseFilter, ApiError> {
    let kind = asked.kind.as_deref().map(|kind| {
        let kinds = CaseKind::ALL.iter().copied();
        let mut found = kinds.filter(|known| known.as_str() == kind);
        found
            .next()
            .ok_or_else(|| ApiError::invalid("query", format!("there is no kind of case {kind:?}")))
    });
    let stage = asked.stage.as_deref().map(|stage| {
        Stage::parse(stage).ok_or_else(|| ApiError::invalid("query", format!("there is no stage {stage:?}")))
    });
    Ok(CaseFilter {
        kind: kind.transpose()?,
        department: asked.department.as_deref().map(DepartmentId::parse).transpose()?,
        stage: stage.transpose()?,
    })
}

/// `GET /v1/cases`.
pub(super) async fn cases(State(api): State<Api>, asked: Asked<CaseQuery>) -> View {
    let filter = filter(&query(asked)?)?;
    view(&api, move |_, replica, now| {
        let asof = AsOf::new(replica.world(), now);
        let lines = all_cases::all(&asof, &filter);
        let known = lines.iter().map(all_cases::CaseLine::to_json);
        let beyond = beyond::all(replica.world()).filter(|case| {
            let same_kind = filter.kind.is_none_or(|kind| case.kind == Some(kind));
            let concerned = filter.department.is_none() || filter.department == case.owner;
            filter.stage.is_none() && same_kind && concerned
        });
        let all = known.chain(beyond.map(|case| case.to_json()));
        Ok(all.map(|line| value(&line)).collect())
    })
    .await
}

/// `GET /v1/cases/{case}`.
pub(super) async fn case(State(api): State<Api>, Path(text): Path<String>) -> View {
    view(&api, move |_, replica, now| {
        let world = replica.world();
        let fold = find(world, &text)?;
        let beyond = beyond::of(world, &fold.id());
        if let Some(beyond) = beyond.as_ref().filter(|_| fold.state().is_none()) {
            let view = Canonical::object([("summary", beyond.to_json())]);
            return Ok(value(&beyond::mark(view, Some(beyond))));
        }
        let state = find_state(world, &text)?;
        let view = all_cases::of(&state, &AsOf::new(world, now)).to_json();
        Ok(value(&beyond::mark(view, beyond.as_ref())))
    })
    .await
}

/// `GET /v1/cases/{case}/trail`.
pub(super) async fn trail(State(api): State<Api>, Path(text): Path<String>) -> View {
    view(&api, move |_, replica, now| {
        let world = replica.world();
        let fold = find(world, &text)?;
        let beyond = beyond::of(world, &fold.id());
        let view = trails::of(&fold, &AsOf::new(world, now)).to_json();
        let mut trail = value(&beyond::mark(view, beyond.as_ref()));
        let pasts = replica.signed_pasts();
        let entries = trail.get_mut("entries").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            add_degree(entry, &pasts);
        }
        Ok(trail)
    })
    .await
}

/// Says of an entry of a trail how surely it is recorded.
fn add_degree(entry: &mut Map<String, Value>, pasts: &SignedPasts<'_>) {
    let origin = entry.get("origin").and_then(Value::as_str);
    let origin = origin.and_then(|text| Origin::parse(text).ok());
    let index = entry.get("index").and_then(Value::as_u64);
    if let (Some(origin), Some(index)) = (origin, index) {
        let body = degree_body(&pasts.recording(&origin, index));
        entry.insert("degree".to_owned(), body.degree.into());
        entry.insert("hosts".to_owned(), body.hosts.into());
    }
}

/// `GET /v1/next-acts`.
pub(super) async fn next_acts_of(
    State(api): State<Api>,
    asked: Asked<NextActsQuery>,
) -> Result<Json<Answer<Vec<PossibleAct>>>, ApiError> {
    let asked = query(asked)?;
    view(&api, move |_, replica, _| {
        let world = replica.world();
        let state = find_state(world, &asked.case)?;
        let registry = world.registry();
        let version = registry.newest().version;
        let to = |act: &NextAct, by: &DepartmentId| {
            let found = addressees(act.kind, by, &state, registry, version);
            let ids = found.iter().map(ToString::to_string).collect();
            (by.to_string(), ids)
        };
        let acts = next_acts(&state, registry, version).into_iter();
        Ok(acts
            .map(|act| PossibleAct {
                kind: act.kind.as_str().to_owned(),
                by: act.by.iter().map(ToString::to_string).collect(),
                to: act.by.iter().map(|by| to(&act, by)).collect(),
                items: act.items,
            })
            .collect())
    })
    .await
}

/// `GET /v1/due`.
pub(super) async fn due(State(api): State<Api>, asked: Asked<DueQuery>) -> View {
    let asked = query(asked)?;
    let department = asked.department.as_deref().map(DepartmentId::parse).transpose()?;
    view(&api, move |_, replica, now| {
        let asof = AsOf::new(replica.world(), now);
        let lines = dues::running(&asof, department.as_ref(), asked.overdue.unwrap_or(false));
        Ok(lines.iter().map(|line| value(&line.to_json())).collect())
    })
    .await
}

/// `GET /v1/inbox`.
pub(super) async fn inbox(State(api): State<Api>, asked: Asked<InboxQuery>) -> View {
    let asked = query(asked)?;
    let department = DepartmentId::parse(&asked.department)?;
    let post = asked.post.as_deref().map(PostId::parse).transpose()?;
    view(&api, move |_, replica, now| {
        let asof = AsOf::new(replica.world(), now);
        Ok(value(&inboxes::of(&department, post.as_ref(), &asof).to_json()))
    })
    .await
}

/// Answers with a list of one kind of case.
async fn list(
    api: &Api,
    kind: CaseKind,
    asked: Asked<CaseQuery>,
    shown: impl Fn(&CaseState, &AsOf<'_>) -> Option<Canonical> + Send + 'static,
) -> View {
    let filter = filter(&query(asked)?)?;
    view(api, move |_, replica, now| {
        let asof = AsOf::new(replica.world(), now);
        let states = asof.find(false, |_, brief| {
            brief.kind == Some(kind)
                && filter.stage.is_none_or(|stage| brief.stages.contains(&stage))
                && filter
                    .department
                    .as_ref()
                    .is_none_or(|department| brief.concerns(department))
        });
        Ok(states
            .filter_map(|state| shown(&state, &asof))
            .map(|row| value(&row))
            .collect())
    })
    .await
}

/// `GET /v1/requests`.
pub(super) async fn requests(State(api): State<Api>, asked: Asked<CaseQuery>) -> View {
    let shown = |state: &CaseState, asof: &AsOf<'_>| requests::of(state, asof).map(|row| row.to_json());
    list(&api, CaseKind::Request, asked, shown).await
}

/// `GET /v1/tasks`.
pub(super) async fn tasks(State(api): State<Api>, asked: Asked<CaseQuery>) -> View {
    let shown = |state: &CaseState, asof: &AsOf<'_>| tasks::of(state, asof).map(|row| row.to_json());
    list(&api, CaseKind::Task, asked, shown).await
}

/// `GET /v1/findings`.
pub(super) async fn findings(State(api): State<Api>, asked: Asked<CaseQuery>) -> View {
    let shown = |state: &CaseState, asof: &AsOf<'_>| findings::of(state, asof).map(|row| row.to_json());
    list(&api, CaseKind::Finding, asked, shown).await
}

/// `GET /v1/catalogue`.
pub(super) async fn catalogue(State(api): State<Api>, asked: Asked<CaseQuery>) -> View {
    let shown = |state: &CaseState, asof: &AsOf<'_>| catalogue::of(state, asof).map(|row| row.to_json());
    list(&api, CaseKind::Catalogue, asked, shown).await
}

/// `GET /v1/matters`.
pub(super) async fn matters(State(api): State<Api>, asked: Asked<CaseQuery>) -> View {
    let shown = |state: &CaseState, asof: &AsOf<'_>| matters::of(state, asof).map(|row| row.to_json());
    list(&api, CaseKind::Matter, asked, shown).await
}

/// `GET /v1/digests`.
pub(super) async fn digests(State(api): State<Api>) -> View {
    view(&api, |_, replica, _| {
        let world = replica.world();
        let buckets = world.digests(Buckets::TwoHundredFiftySix);
        Ok(value(&digest::to_json(&buckets)))
    })
    .await
}
