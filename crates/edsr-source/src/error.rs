//! What a refusal says: a kind for the answer, a stable code for programs, a sentence for people.

use edsr_model::{Event, EventError, printable};

use crate::attributes::AttributeError;
use crate::json::JsonError;
use crate::quoted::{REASON_CHARS_MAX, quoted};

/// One event of a request, or why it is none. The good ones of a batch are taken whatever the others are.
pub type Item = Result<Event, Refusal>;

/// Which answer a refusal deserves, in the words of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 400: it is not what it claims to be.
    BadRequest,
    /// 401: nobody we know sent it.
    Unauthorized,
    /// 409: it is genuine and has been taken before; sending it again changes nothing.
    Replayed,
    /// 413: it exceeds a bound.
    TooLarge,
    /// 415: it is in a form that is not understood.
    Unsupported,
    /// 429: it is genuine, and there is no room now; send it again later.
    TooMany,
}

impl Kind {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Replayed => 409,
            Self::TooLarge => 413,
            Self::Unsupported => 415,
            Self::TooMany => 429,
        }
    }
}

/// Why one event of a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {index}: {reason}")]
pub struct Refusal {
    /// Its place among the events of the request, from 0.
    pub index: usize,
    /// Its id, where one could be read; safe to print.
    pub id: Option<String>,
    /// Which answer it deserves.
    pub kind: Kind,
    /// A stable code.
    pub code: &'static str,
    /// One sentence; safe to print.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn new(index: usize, kind: Kind, code: &'static str, reason: &str) -> Self {
        Self {
            index,
            id: None,
            kind,
            code,
            reason: printable(reason, REASON_CHARS_MAX),
        }
    }

    pub(crate) fn json(index: usize, error: &JsonError) -> Self {
        Self::new(index, error.kind(), error.code(), &error.to_string())
    }

    pub(crate) fn event(index: usize, error: &EventError) -> Self {
        Self::new(index, Kind::BadRequest, "event.invalid", &error.to_string())
    }

    pub(crate) fn attribute(index: usize, error: &AttributeError) -> Self {
        Self::new(
            index,
            Kind::BadRequest,
            "event.attribute",
            &error.to_string(),
        )
    }

    pub(crate) fn size(index: usize, actual: usize, max: usize) -> Self {
        let reason = format!("the event has {actual} bytes; at most {max} are taken");
        Self::new(index, Kind::TooLarge, "event.bytes", &reason)
    }

    pub(crate) fn with_id(mut self, id: Option<&str>) -> Self {
        self.id = id.map(quoted);
        self
    }
}

/// Why nothing of a request was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The body is no JSON inside the bounds.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The body is too long.
    #[error("the body has {actual} bytes; at most {max} are taken")]
    BodyBytes {
        /// How many there are.
        actual: usize,
        /// How many are taken.
        max: usize,
    },
    /// Too many events.
    #[error("there are more than {0} events; send them in smaller batches")]
    BatchEvents(usize),
    /// Too many JSON values in all events together.
    #[error("the events hold more than {0} JSON values together; send them in smaller batches")]
    BatchNodes(usize),
    /// A media type we have no parser for.
    #[error("the content type `{0}` is not understood; send {ACCEPTED}")]
    ContentType(String),
    /// A CloudEvents format we have no parser for.
    #[error("the event format `{0}` is not supported; send {ACCEPTED}")]
    Format(String),
    /// Text in another encoding.
    #[error("the charset `{0}` is not supported; send UTF-8")]
    Charset(String),
    /// A header cannot be read.
    #[error("the header `{name}` {reason}")]
    Header {
        /// The header; safe to print.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The body has another shape than its content type or the adapter asks for.
    #[error("{0}")]
    Shape(String),
    /// The expression that lists the events of a webhook failed.
    #[error("the mapping `{field}` failed: {message}")]
    Mapping {
        /// Which part of the mapping.
        field: String,
        /// The expression and the reason; safe to print.
        message: String,
    },
}

/// What [`crate::cloudevents::parse`] takes, for error texts.
const ACCEPTED: &str = "`application/cloudevents+json`, `application/cloudevents-batch+json`, `application/x-ndjson`, \
    or any other content type together with `ce-specversion` and the other `ce-` headers";

impl ParseError {
    /// Which answer it deserves.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Json(error) => error.kind(),
            Self::BodyBytes { .. } | Self::BatchEvents(_) | Self::BatchNodes(_) => Kind::TooLarge,
            Self::ContentType(_) | Self::Format(_) | Self::Charset(_) => Kind::Unsupported,
            Self::Header { .. } | Self::Shape(_) | Self::Mapping { .. } => Kind::BadRequest,
        }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(error) => error.code(),
            Self::BodyBytes { .. } => "body.bytes",
            Self::BatchEvents(_) => "batch.events",
            Self::BatchNodes(_) => "batch.nodes",
            Self::ContentType(_) => "content-type.unsupported",
            Self::Format(_) => "content-type.format",
            Self::Charset(_) => "content-type.charset",
            Self::Header { .. } => "header.invalid",
            Self::Shape(_) => "body.shape",
            Self::Mapping { .. } => "mapping.failed",
        }
    }
}
