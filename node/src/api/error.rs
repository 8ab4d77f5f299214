//! Every answer that is not 2xx: status, family, code and what was wrong.

use crate::drafts::DraftError;
use crate::runtime::{describe, refusal_body};
use crate::store::StoreError;
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use tally_ledger::replica::Refusal;
use tally_schemas::FormatError;
use tally_schemas::api::{RETRY_AFTER_SECONDS, RefusalBody, remedy};

/// An answer that is not 2xx.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    body: Box<RefusalBody>,
}

impl ApiError {
    fn new(status: StatusCode, family: &str, code: &str, what: impl Into<String>) -> Self {
        Self {
            status,
            body: Box::new(RefusalBody {
                family: family.to_owned(),
                code: code.to_owned(),
                what: what.into(),
                hint: remedy(code).to_owned(),
                article: None,
                possible: Vec::new(),
            }),
        }
    }

    /// The request is malformed (400).
    pub fn invalid(code: &str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", code, what)
    }

    /// No token where one is needed, or one that does not hold (401).
    pub fn no_token(what: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "forbidden", "token", what)
    }

    /// The caller may not (403).
    pub fn forbidden(code: &str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", code, what)
    }

    /// Nothing of that name is here (404).
    pub fn not_found(code: &str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", code, what)
    }

    /// The body is over its limit (413).
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "body",
            format!("the body is over {limit} bytes"),
        )
    }

    /// A rule says no (422).
    pub fn refused(code: &str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", code, what)
    }

    /// The node could not do what it should (500).
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "failed", what)
    }

    /// Not now (503).
    pub fn unavailable(code: &str, what: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", code, what)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(*self.body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let body = Box::new(refusal_body(&refusal));
        let status = match body.family.as_str() {
            "invalid" => StatusCode::BAD_REQUEST,
            "refused" => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, body }
    }
}

impl From<FormatError> for ApiError {
    fn from(error: FormatError) -> Self {
        Self::invalid("form", error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = describe(&error), "the store failed under a reader");
        Self::failed("the node could not read its disk; its operator finds the reason in its log")
    }
}

impl From<DraftError> for ApiError {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::NotFound(_) => Self::not_found("draft", error.to_string()),
            DraftError::NotDrafter(_) => Self::forbidden("drafter", error.to_string()),
            DraftError::State { .. } => Self::refused("draft-state", error.to_string()),
            DraftError::Closed(_) => Self::refused("draft-closed", error.to_string()),
            DraftError::Form(source) => source.into(),
            DraftError::Part(refusal) => refusal.into(),
            DraftError::OtherDepartment { .. } => Self::refused("department", error.to_string()),
            DraftError::Signature(_) => Self::refused("signature", error.to_string()),
            DraftError::Comment => Self::invalid("comment", error.to_string()),
            DraftError::Full => Self::refused("drafts-full", error.to_string()),
            DraftError::NotHosted(_) => Self::refused("not-hosted", error.to_string()),
            DraftError::Sealed { .. } => Refusal::unavailable("log-sealed", error.to_string()).into(),
            DraftError::Store(source) => source.into(),
            DraftError::Random => Self::failed(error.to_string()),
        }
    }
}
