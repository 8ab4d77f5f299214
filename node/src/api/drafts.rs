//! The drafts box, for officers of its department.

use super::answer::frame;
use super::submit::{read_json, taken};
use super::{Api, ApiError, auth, blocking};
use crate::drafts::{BoxAnswer, BoxOp, BoxRequest};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use tally_schemas::api::{
    Answer, BODY_BYTES_MAX, CommentBody, DraftBody, DraftPut, DraftsBody, PARTS_BODY_BYTES_MAX,
};
use tally_schemas::id::DepartmentId;

type Body = Result<Bytes, BytesRejection>;
type OneDraft = Result<Json<Answer<DraftBody>>, ApiError>;

async fn ask(api: &Api, headers: HeaderMap, department: &str, op: BoxOp) -> Result<BoxAnswer, ApiError> {
    let node = api.slot.node()?;
    let department = DepartmentId::parse(department)?;
    let caller = {
        let node = node.clone();
        blocking(move || auth::caller(&node, &headers)).await?
    };
    if caller.department != department {
        return Err(ApiError::forbidden(
            "department",
            format!(
                "this is the drafts box of {department}, you are an officer of {}",
                caller.department
            ),
        ));
    }
    let request = BoxRequest {
        department,
        caller,
        op,
    };
    let busy = || ApiError::unavailable("busy", "the node is busy or stopping; try again in a moment");
    let receiver = node.drafts(request).ok_or_else(busy)?;
    Ok(receiver.await.map_err(|_| busy())??)
}

async fn one(api: &Api, headers: HeaderMap, department: &str, op: BoxOp) -> OneDraft {
    let answer = ask(api, headers, department, op).await?;
    match answer {
        BoxAnswer::Draft(draft) => framed(api, *draft).await,
        BoxAnswer::List(_) => Err(ApiError::failed("the drafts box gave a list instead of a draft")),
    }
}

async fn framed<T: Send + 'static>(api: &Api, data: T) -> Result<Json<Answer<T>>, ApiError> {
    let node = api.slot.node()?;
    blocking(move || {
        Ok(Json(
            node.view(|replica| frame(&node, replica, node.clock.now(), data)),
        ))
    })
    .await
}

/// `GET /v1/drafts/{department}`.
pub(super) async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(department): Path<String>,
) -> Result<Json<Answer<DraftsBody>>, ApiError> {
    match ask(&api, headers, &department, BoxOp::List).await? {
        BoxAnswer::List(list) => framed(&api, list).await,
        BoxAnswer::Draft(_) => Err(ApiError::failed("the drafts box gave a draft instead of a list")),
    }
}

/// `POST /v1/drafts/{department}`.
pub(super) async fn add(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(department): Path<String>,
    body: Body,
) -> OneDraft {
    let put: DraftPut = read_json(&taken(body, PARTS_BODY_BYTES_MAX)?)?;
    one(&api, headers, &department, BoxOp::Add(put)).await
}

/// `GET /v1/drafts/{department}/{draft}`.
pub(super) async fn read(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((department, draft)): Path<(String, String)>,
) -> OneDraft {
    one(&api, headers, &department, BoxOp::Read(draft)).await
}

/// `PUT /v1/drafts/{department}/{draft}`.
pub(super) async fn edit(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((department, draft)): Path<(String, String)>,
    body: Body,
) -> OneDraft {
    let put: DraftPut = read_json(&taken(body, PARTS_BODY_BYTES_MAX)?)?;
    one(&api, headers, &department, BoxOp::Edit(draft, put)).await
}

/// `POST /v1/drafts/{department}/{draft}/send`.
pub(super) async fn send(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((department, draft)): Path<(String, String)>,
    body: Body,
) -> OneDraft {
    let put: DraftPut = read_json(&taken(body, PARTS_BODY_BYTES_MAX)?)?;
    one(&api, headers, &department, BoxOp::Send(draft, put)).await
}

/// `POST /v1/drafts/{department}/{draft}/return`.
pub(super) async fn give_back(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((department, draft)): Path<(String, String)>,
    body: Body,
) -> OneDraft {
    let said: CommentBody = read_json(&taken(body, BODY_BYTES_MAX)?)?;
    one(&api, headers, &department, BoxOp::Return(draft, said.comment)).await
}

/// `POST /v1/drafts/{department}/{draft}/withdraw`.
pub(super) async fn withdraw(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((department, draft)): Path<(String, String)>,
    body: Body,
) -> OneDraft {
    let body = taken(body, BODY_BYTES_MAX)?;
    let comment = if body.is_empty() {
        None
    } else {
        let said: CommentBody = read_json(&body)?;
        Some(said.comment).filter(|comment| !comment.is_empty())
    };
    one(&api, headers, &department, BoxOp::Withdraw(draft, comment)).await
}
