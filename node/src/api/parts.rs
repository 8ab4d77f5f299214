//! Detached parts, for officers of departments in the audience.

use super::{Api, ApiError, auth, blocking};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tally_schemas::api::PartBody;
use tally_schemas::id::{DepartmentId, Hash};

/// `GET /v1/parts/{department}/{commit}`.
pub(super) async fn part(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((department, commit)): Path<(String, String)>,
) -> Result<Json<PartBody>, ApiError> {
    let node = api.slot.node()?;
    let department = DepartmentId::parse(&department)?;
    let commit = Hash::parse_hex(&commit)?;
    blocking(move || {
        let caller = auth::caller(&node, &headers)?;
        // One answer for what is not there and what is not for the caller: the difference is not for the caller either.
        let missing = || {
            let what = format!(
                "part {} of {department} is not kept here, or not for {}",
                commit.short(),
                caller.department
            );
            ApiError::not_found("part", what)
        };
        let media_type = node
            .may_read_part(&department, &commit, &caller.department)
            .ok_or_else(missing)?;
        let part = node.part(&department, &commit)?.ok_or_else(missing)?;
        Ok(Json(PartBody {
            commit: commit.to_hex(),
            salt: STANDARD.encode(part.salt),
            media_type: Some(media_type),
            content: STANDARD.encode(&part.content),
        }))
    })
    .await
}
