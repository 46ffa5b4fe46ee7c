//! Why secrets cannot be used, and why a request is not let in.

use std::time::Duration;

use edsr_model::format_duration;

use super::{ReplayFault, WEBHOOK_KEY_BYTES_MIN};
use crate::error::Kind;

/// Why secrets cannot be used. Names no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthSetupError {
    /// Not one or two.
    #[error("{0} secrets are given; give one, or two while one replaces the other")]
    Count(usize),
    /// An empty one would let everybody in.
    #[error("secret {0} is empty")]
    Empty(usize),
    /// Not in the form of a Standard Webhooks secret.
    #[error(
        "secret {0} is not `whsec_` followed by Base64 of at least {WEBHOOK_KEY_BYTES_MIN} bytes"
    )]
    Whsec(usize),
}

/// Why a request is not let in. Never tells what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A header that must be there is not.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// Two values: nobody can say which one counts.
    #[error("the header `{0}` stands more than once")]
    Repeated(&'static str),
    /// A header is not in the form asked for.
    #[error("the header `{0}` must be {1}")]
    Malformed(&'static str, &'static str),
    /// The token is another one.
    #[error("the bearer token is not the one this source knows")]
    Token,
    /// No signature fits.
    #[error("no signature fits the body and a secret of this source")]
    Signature,
    /// The signed time is too far from now.
    #[error("the header `webhook-timestamp` is more than {} away from now", format_duration(*.0))]
    Stale(Duration),
    /// It is genuine, and was there before.
    #[error("this delivery was taken before")]
    Replayed,
    /// No room to remember it, so it could be replayed unnoticed.
    #[error(
        "{0} deliveries are remembered already and none may be forgotten yet; send it again later"
    )]
    WindowFull(usize),
}

impl AuthError {
    /// Which answer it deserves.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Replayed => Kind::Replayed,
            Self::WindowFull(_) => Kind::TooMany,
            _ => Kind::Unauthorized,
        }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "auth.missing",
            Self::Repeated(_) => "auth.repeated",
            Self::Malformed(..) => "auth.malformed",
            Self::Token => "auth.token",
            Self::Signature => "auth.signature",
            Self::Stale(_) => "auth.stale",
            Self::Replayed => "auth.replayed",
            Self::WindowFull(_) => "auth.window-full",
        }
    }
}

impl From<ReplayFault> for AuthError {
    fn from(fault: ReplayFault) -> Self {
        match fault {
            ReplayFault::Seen => Self::Replayed,
            ReplayFault::Full(max) => Self::WindowFull(max),
        }
    }
}
