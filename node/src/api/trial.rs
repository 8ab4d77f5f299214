//! The levers of a trial: its clock, and nodes that go and come back. Only from loopback.

use super::submit::{read_json, taken};
use super::{Api, ApiError, blocking};
use crate::clock::ClockError;
use crate::runtime::describe;
use crate::trial::{Levers, TrialError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Path, State};
use std::net::SocketAddr;
use std::sync::Arc;
use tally_schemas::api::{BODY_BYTES_MAX, TrialClockBody, TrialSettledBody};
use tally_schemas::id::NodeId;
use tally_schemas::time::Timestamp;

fn admitted(api: &Api, from: SocketAddr) -> Result<Arc<dyn Levers>, ApiError> {
    if !from.ip().is_loopback() {
        return Err(ApiError::forbidden(
            "loopback",
            "a trial is led from its own machine",
        ));
    }
    api.trial
        .clone()
        .ok_or_else(|| ApiError::forbidden("trial", "this node does not belong to a trial"))
}

/// `POST /v1/trial/clock`.
pub(super) async fn clock(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TrialClockBody>, ApiError> {
    let trial = admitted(&api, from)?;
    let asked: TrialClockBody = read_json(&taken(body, BODY_BYTES_MAX)?)?;
    let now = Timestamp::parse(&asked.now)?;
    blocking(move || {
        trial.set_clock(now).map_err(told)?;
        Ok(Json(TrialClockBody { now: now.to_string() }))
    })
    .await
}

/// `POST /v1/trial/settle`.
pub(super) async fn settle(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
) -> Result<Json<TrialSettledBody>, ApiError> {
    let trial = admitted(&api, from)?;
    blocking(move || trial.settle().map(Json).map_err(told)).await
}

fn told(error: TrialError) -> ApiError {
    match error {
        TrialError::Clock(clock @ (ClockError::Back { .. } | ClockError::NoTrial)) => {
            ApiError::refused("clock", clock.to_string())
        }
        TrialError::NoNode(_) => ApiError::not_found("node", error.to_string()),
        other => ApiError::failed(describe(&other)),
    }
}

/// `POST /v1/trial/nodes/{node}/{state}`.
pub(super) async fn node(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path((node, state)): Path<(String, String)>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let trial = admitted(&api, from)?;
    let node = NodeId::parse(&node)?;
    blocking(move || {
        let outcome = match state.as_str() {
            "offline" => trial.offline(&node),
            "online" => trial.online(&node),
            "cut" => trial.cut(&node, true),
            "joined" => trial.cut(&node, false),
            other => {
                return Err(ApiError::not_found(
                    "state",
                    format!("{other:?} is none of offline, online, cut and joined"),
                ));
            }
        };
        outcome.map_err(told)?;
        Ok(Json(serde_json::json!({"node": node.as_str(), "state": state})))
    })
    .await
}
