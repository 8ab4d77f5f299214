//! Submissions: a signed note alone, or with detached parts and the draft it completes.

use super::degree::degree_body;
use super::{Api, ApiError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use tally_schemas::api::{NOTE_BODY_BYTES_MAX, PARTS_BODY_BYTES_MAX, SubmitAnswer, SubmitBody};

/// `POST /v1/submit`.
pub(super) async fn submit(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<SubmitAnswer>, ApiError> {
    let node = api.slot.node()?;
    let body = taken(body, PARTS_BODY_BYTES_MAX)?;
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    let body = if is_json {
        read_json::<SubmitBody>(&body)?
    } else if body.len() > NOTE_BODY_BYTES_MAX {
        return Err(ApiError::too_large(NOTE_BODY_BYTES_MAX));
    } else {
        let note = std::str::from_utf8(&body).map_err(|error| {
            ApiError::invalid(
                "form",
                format!("byte {}: the note is not UTF-8", error.valid_up_to()),
            )
        })?;
        SubmitBody {
            note: note.to_owned(),
            parts: Vec::new(),
            draft: None,
            personal_override: None,
        }
    };
    let recorded = node
        .record(body)
        .await
        .map_err(|refusal| ApiError::from(*refusal))?;
    Ok(Json(SubmitAnswer {
        event: recorded.event.to_string(),
        origin: recorded.origin.to_string(),
        index: recorded.index,
        proof: String::from_utf8_lossy(&recorded.proof).into_owned(),
        degree: degree_body(&recorded.recording),
    }))
}

/// Takes a body, or says what its limit is.
pub(super) fn taken(body: Result<Bytes, BytesRejection>, limit: usize) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::too_large(limit)
        } else {
            ApiError::invalid("body", rejection.body_text())
        }
    })
}

/// Reads a JSON body.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid("json", format!("the body is not of its form: {error}")))
}
