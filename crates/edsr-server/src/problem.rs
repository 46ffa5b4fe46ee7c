//! Every refusal, as RFC 9457 has it.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use edsr_model::printable;
use edsr_node::api::{CommandError, IngestError, Rejected};
use edsr_node::view::LookupError;
use edsr_node::view::read::ReadError;
use http::{HeaderValue, StatusCode, header};

use crate::types::{Problem, RejectedEvent};

/// Where the page of a code is found.
const PAGES: &str = "https://edsr.dev/problems/";

/// The longest detail, in characters: it may quote what was sent, and no more of it than a reader needs.
const DETAIL_CHARS_MAX: usize = 1_000;

/// A refusal on its way out. Its detail is one line that a terminal takes literally, whatever it quotes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault(Box<Problem>);

pub(crate) type Answer<T> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        let code = code.into().into_owned();
        Self(Box::new(Problem {
            kind: format!("{PAGES}{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: printable(&detail.into(), DETAIL_CHARS_MAX),
            code,
            candidates: Vec::new(),
            rejected: Vec::new(),
            retry_after_seconds: None,
        }))
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail).retry_after(1)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"edsr\""),
            );
        }
        if let Some(seconds) = self.0.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // What is left of a body that was refused is not read, so the connection cannot go on.
        if matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<LookupError> for Fault {
    fn from(error: LookupError) -> Self {
        let detail = error.to_string();
        match error {
            LookupError::None { .. } => Self::not_found(detail),
            LookupError::Malformed { .. } => {
                Self::new(StatusCode::NOT_FOUND, "malformed-id", detail)
            }
            LookupError::Many { candidates, .. } => {
                let mut fault = Self::new(StatusCode::CONFLICT, "ambiguous-id", detail);
                fault.0.candidates = candidates;
                fault
            }
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        let detail = error.to_string();
        match error {
            ReadError::Gone { .. } => Self::new(StatusCode::GONE, "no-longer-held", detail),
            ReadError::Failed(_) => Self::internal(detail),
        }
    }
}

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound(detail) => Self::not_found(detail),
            CommandError::Conflict(detail) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            CommandError::Bad(detail) => Self::bad(detail),
            CommandError::Unavailable(detail) => unavailable(detail),
        }
    }
}

impl From<IngestError> for Fault {
    fn from(error: IngestError) -> Self {
        let detail = error.to_string();
        match error {
            IngestError::NoSuchSource(_) => {
                Self::new(StatusCode::NOT_FOUND, "no-such-source", detail)
            }
            IngestError::Unauthorized(_) => Self::unauthorized(detail),
            IngestError::Bad { code, .. } => {
                Self::new(StatusCode::BAD_REQUEST, plain_code(code), detail)
            }
            IngestError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
            }
            IngestError::Unsupported(_) => unsupported(detail),
            IngestError::AllRejected(rejected) => {
                let mut fault = Self::new(StatusCode::BAD_REQUEST, "all-rejected", detail);
                fault.0.rejected = rejected.into_iter().map(RejectedEvent::from).collect();
                fault
            }
            IngestError::Behind { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "behind", detail)
                    .retry_after(retry_after.as_secs().max(1))
            }
            IngestError::Unavailable(_) => unavailable(detail),
        }
    }
}

impl From<Rejected> for RejectedEvent {
    fn from(rejected: Rejected) -> Self {
        Self {
            index: rejected.index as u64,
            id: rejected.id,
            code: rejected.code,
            reason: rejected.reason,
        }
    }
}

pub(crate) fn unsupported(detail: impl Into<String>) -> Fault {
    Fault::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        detail,
    )
}

fn unavailable(detail: String) -> Fault {
    Fault::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(5)
}

/// A code becomes part of an address, so nothing but a code may stand there.
fn plain_code(code: String) -> Cow<'static, str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    if (1..=64).contains(&code.len()) && code.bytes().all(plain) {
        Cow::Owned(code)
    } else {
        Cow::Borrowed("bad-request")
    }
}
