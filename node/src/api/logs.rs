//! Logs: heads, and the raw bytes that a stranger can verify: entries, checkpoints, tiles, proofs, notes.

use super::answer::view;
use super::{Api, ApiError, blocking};
use crate::runtime::Shared;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tally_schemas::api::{Answer, HeadsBody, LogBody};
use tally_schemas::entry::Entry;
use tally_schemas::id::{DepartmentId, EventId, Hash, Origin, parse_decimal};
use tally_schemas::tile::ExportPath;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

fn raw(kind: &'static str, bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, kind)], bytes).into_response()
}

/// `GET /v1/logs`.
pub(super) async fn logs(State(api): State<Api>) -> Result<Json<Answer<Vec<LogBody>>>, ApiError> {
    view(&api, |_, replica, _| {
        let world = replica.world();
        let logs = world.logs().map(|log| {
            let department = &log.origin.department;
            let number = world.number_of_log(&log.origin);
            let is_newest = number.is_some() && number == world.number(department);
            LogBody {
                origin: log.origin.to_string(),
                department: department.to_string(),
                size: log.size(),
                root: log.tree.head().root.to_base64(),
                cursor: log.cursor(),
                checkpoint: replica
                    .checkpoint_of(&log.origin)
                    .map(|checkpoint| checkpoint.head().size),
                signed: Some(replica.signed_size(&log.origin)).filter(|signed| *signed > log.size()),
                waits: number.and_then(|number| world.waits_for(number)),
                stopped: log.stopped.clone(),
                unreceived: world.unreceived(department).len() as u64,
                own: is_newest && replica.hosted().contains(department),
                ends: log.end,
                sealed: replica.sealed(&log.origin).map(str::to_owned),
            }
        });
        Ok(logs.collect())
    })
    .await
}

/// `GET /v1/heads/{digest}`.
pub(super) async fn heads(
    State(api): State<Api>,
    Path(digest): Path<String>,
) -> Result<Json<HeadsBody>, ApiError> {
    let node = api.slot.node()?;
    let hash = Hash::parse_hex(&digest)?;
    let heads = node.heads_of(&hash).ok_or_else(|| {
        ApiError::not_found(
            "heads",
            "this node does not remember the heads behind this digest",
        )
    })?;
    Ok(Json(HeadsBody { digest, heads }))
}

/// `GET /v1/logs/{department}/entries/{index}`.
pub(super) async fn entry(
    State(api): State<Api>,
    Path((department, index)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let node = api.slot.node()?;
    let index = parse_decimal("index", &index)?;
    blocking(move || {
        let origin = log_of(&node, &department)?;
        let found = node.entry(&origin, index)?.ok_or_else(|| {
            ApiError::not_found("entry", format!("entry {index} of {department} is not held here"))
        })?;
        Ok(raw(TEXT, found.to_vec()))
    })
    .await
}

/// `GET /v1/logs/{department}/checkpoint`.
pub(super) async fn checkpoint(
    State(api): State<Api>,
    Path(department): Path<String>,
) -> Result<Response, ApiError> {
    file(&api, &department, "checkpoint".to_owned(), TEXT).await
}

/// `GET /v1/logs/{department}/tile/..`.
pub(super) async fn tile(
    State(api): State<Api>,
    Path((department, tile)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    file(&api, &department, format!("tile/{tile}"), BYTES).await
}

async fn file(api: &Api, department: &str, path: String, kind: &'static str) -> Result<Response, ApiError> {
    let node = api.slot.node()?;
    let department = department.to_owned();
    let parsed = ExportPath::parse(&path)?;
    blocking(move || {
        let origin = log_of(&node, &department)?;
        let found = node.export_file(&origin, &parsed)?;
        let found = found
            .ok_or_else(|| ApiError::not_found("file", format!("{path} of {department} is not held here")))?;
        Ok(raw(kind, found))
    })
    .await
}

/// Reads `<department>`, whose newest log is meant, or `<department>.<epoch>`.
fn log_of(node: &Shared, text: &str) -> Result<Origin, ApiError> {
    let (department, epoch) = match text.split_once('.') {
        Some((department, epoch)) => (department, Some(parse_decimal("epoch", epoch)?)),
        None => (text, None),
    };
    let department = DepartmentId::parse(department)?;
    let unknown = || ApiError::not_found("log", format!("no log of {text} is held here"));
    let newest = node.newest_log(&department).ok_or_else(unknown)?;
    match epoch {
        None => Ok(newest),
        Some(epoch) => Ok(Origin {
            epoch: u32::try_from(epoch).map_err(|_| unknown())?,
            ..newest
        }),
    }
}

pub(super) fn event_id(text: &str) -> Result<EventId, ApiError> {
    Ok(EventId(Hash::parse_hex(text)?))
}

/// `GET /v1/proofs/{event}`.
pub(super) async fn proof(State(api): State<Api>, Path(event): Path<String>) -> Result<Response, ApiError> {
    let node = api.slot.node()?;
    let id = event_id(&event)?;
    blocking(move || {
        let recorded = node
            .view(|replica| replica.proof(&id))
            .ok_or_else(|| unproven(&id))?;
        Ok(raw(TEXT, recorded.proof))
    })
    .await
}

/// Says that an event is not recorded here.
pub(super) fn unproven(id: &EventId) -> ApiError {
    let what = format!("event {id} is not recorded under a checkpoint held here");
    ApiError::not_found("event", what)
}

/// `GET /v1/events/{event}`.
pub(super) async fn event(State(api): State<Api>, Path(event): Path<String>) -> Result<Response, ApiError> {
    let node = api.slot.node()?;
    let id = event_id(&event)?;
    blocking(move || {
        let missing = || ApiError::not_found("event", format!("event {id} is not recorded here"));
        let recorded = node.view(|replica| replica.proof(&id)).ok_or_else(missing)?;
        let bytes = node
            .entry(&recorded.origin, recorded.index)?
            .ok_or_else(missing)?;
        let entry = Entry::parse(&bytes)?;
        Ok(raw(TEXT, entry.payload.into_bytes()))
    })
    .await
}
