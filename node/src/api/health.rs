//! Whether the process lives, and whether the node takes writes.

use super::Api;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tally_schemas::api::ReadyBody;

/// `GET /healthz`.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`.
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<ReadyBody>) {
    let body = match api.slot.node() {
        Ok(node) => {
            let health = node.health();
            ReadyBody {
                ready: health.reasons.is_empty(),
                // A bus that does not work stops no writes: it is shown beside what does.
                reasons: health.reasons.into_iter().chain(health.bus).collect(),
                alarms: health.alarms.into_iter().collect(),
            }
        }
        Err(_) => ReadyBody {
            ready: false,
            reasons: vec!["the node is offline".to_owned()],
            alarms: Vec::new(),
        },
    };
    let status = if body.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body))
}
