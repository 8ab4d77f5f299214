//! The HTTP surface: one file per resource; handlers translate between HTTP and the node, and decide nothing.
//!
//! Paths and shapes: `tally_schemas::api`. Open views are read from loopback without a token, from elsewhere with one; drafts and
//! parts always need one.

mod answer;
mod auth;
mod cases;
mod degree;
mod drafts;
mod error;
mod federation;
mod health;
mod logs;
mod parts;
mod submit;
mod trial;
mod watch;

pub use error::ApiError;

use crate::runtime::Shared;
use crate::trial::Levers;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tally_schemas::api::{BODY_BYTES_MAX, NOTE_BODY_BYTES_MAX, PARTS_BODY_BYTES_MAX, path};
use tokio_stream::StreamExt as _;

/// How much of a body that is too long is read before the refusal is sent.
const READ_AWAY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long such a body is read.
const READ_AWAY_TIME: Duration = Duration::from_secs(20);

/// Where the handlers find the node: empty while it is offline.
#[derive(Debug, Clone, Default)]
pub struct Slot(Arc<RwLock<Option<Arc<Shared>>>>);

impl Slot {
    /// Puts a running node into the slot, or takes it out.
    pub fn set(&self, node: Option<Arc<Shared>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = node;
    }

    /// Returns the node.
    ///
    /// # Errors
    /// It is offline.
    pub fn node(&self) -> Result<Arc<Shared>, ApiError> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(|| ApiError::unavailable("offline", "the node is offline"))
    }
}

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Api {
    /// The node.
    pub slot: Slot,
    /// What moves the trial that the node belongs to, if it does.
    pub trial: Option<Arc<dyn Levers>>,
}

/// Makes the router of a node.
pub fn router(api: Api) -> Router {
    let limited = |limit: usize| DefaultBodyLimit::max(limit);
    Router::new()
        .route(
            path::SUBMIT,
            post(submit::submit).layer(limited(PARTS_BODY_BYTES_MAX)),
        )
        .route(path::FEDERATION, get(federation::federation))
        .route(path::GENESIS, get(federation::genesis))
        .route(path::ROSTER, get(federation::roster))
        .route(path::CASES, get(cases::cases))
        .route(path::CASE, get(cases::case))
        .route(path::TRAIL, get(cases::trail))
        .route(path::NEXT_ACTS, get(cases::next_acts_of))
        .route(path::DUE, get(cases::due))
        .route(path::INBOX, get(cases::inbox))
        .route(path::REQUESTS, get(cases::requests))
        .route(path::TASKS, get(cases::tasks))
        .route(path::FINDINGS, get(cases::findings))
        .route(path::CATALOGUE, get(cases::catalogue))
        .route(path::MATTERS, get(cases::matters))
        .route(path::DIGESTS, get(cases::digests))
        .route(path::LOGS, get(logs::logs))
        .route(path::HEADS, get(logs::heads))
        .route(path::ENTRY, get(logs::entry))
        .route(path::CHECKPOINT, get(logs::checkpoint))
        .route(path::TILE, get(logs::tile))
        .route(path::PROOF, get(logs::proof))
        .route(path::EVENT, get(logs::event))
        .route(path::DEGREE, get(degree::degree))
        .route(path::CONFIRMATIONS, get(degree::confirmations))
        .route(path::PART, get(parts::part))
        .route(
            path::DRAFTS,
            get(drafts::list)
                .post(drafts::add)
                .layer(limited(PARTS_BODY_BYTES_MAX)),
        )
        .route(
            path::DRAFT,
            get(drafts::read)
                .put(drafts::edit)
                .layer(limited(PARTS_BODY_BYTES_MAX)),
        )
        .route(
            path::DRAFT_SEND,
            post(drafts::send).layer(limited(PARTS_BODY_BYTES_MAX)),
        )
        .route(path::DRAFT_RETURN, post(drafts::give_back))
        .route(path::DRAFT_WITHDRAW, post(drafts::withdraw))
        .route(path::WATCH, get(watch::watch))
        .route(path::HEALTH, get(health::health))
        .route(path::READY, get(health::ready))
        .route(path::TRIAL_CLOCK, post(trial::clock))
        .route(path::TRIAL_SETTLE, post(trial::settle))
        .route(path::TRIAL_NODE, post(trial::node))
        .fallback(|| async {
            ApiError::not_found("path", "there is nothing at this path; see schemas/spec/api.md")
        })
        .method_not_allowed_fallback(|| async {
            ApiError::invalid(
                "method",
                "this path does not take this method; see schemas/spec/api.md",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api)
}

/// Asks callers from elsewhere than this machine for a token, and turns away bodies that are too long before they are read.
async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let from = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(from)| from.ip());
    let is_open = request.uri().path() == path::HEALTH;
    if !is_open && !from.is_some_and(|from| from.is_loopback()) {
        let admitted = api
            .slot
            .node()
            .and_then(|node| auth::caller(&node, request.headers()));
        if let Err(error) = admitted {
            return error.into_response();
        }
    }
    let limit = body_limit(&request);
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        read_away(request.into_body()).await;
        return ApiError::too_large(limit).into_response();
    }
    next.run(request).await
}

/// Returns how long the body of a request may be.
fn body_limit(request: &Request) -> usize {
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    match request.uri().path() {
        path::SUBMIT if is_json => PARTS_BODY_BYTES_MAX,
        path::SUBMIT => NOTE_BODY_BYTES_MAX,
        other if other.starts_with("/v1/drafts/") => PARTS_BODY_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    }
}

/// Takes the bytes of a body that is too long off the connection, and keeps none of them.
///
/// Closing a connection on which bytes still arrive resets it, and the caller would see a broken pipe instead of the reason.
async fn read_away(body: Body) {
    let mut stream = body.into_data_stream();
    let reading = async {
        let mut left = READ_AWAY_BYTES_MAX;
        while let Some(Ok(chunk)) = stream.next().await {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Whoever sends slower than this gets the reset.
    let _in_time = tokio::time::timeout(READ_AWAY_TIME, reading).await;
}

/// Serves a node on a listener until `stop` resolves.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    api: Api,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(api).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

/// Reads the node on a thread that may block: readers wait while a cycle is made durable.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(ApiError::failed(
            "the handler ended early; see the log of the node",
        ))
    })
}
