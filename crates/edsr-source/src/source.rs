//! A source: who may speak, in which form, and how much.

use edsr_model::Timestamp;
use http::HeaderMap;

use crate::attributes::stamp;
use crate::auth::{Auth, AuthError, ReplayWindow};
use crate::cloudevents::Parsed;
use crate::error::{Kind, ParseError};
use crate::hook::Adapter;
use crate::limits::Limits;
use crate::quoted::quoted;

/// The longest name of a source, in bytes.
pub const NAME_BYTES_MAX: usize = 63;

/// One place where events come in.
#[derive(Debug)]
pub struct Source {
    name: String,
    adapter: Adapter,
    auth: Auth,
    limits: Limits,
}

/// Why a source cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The name would not do as a part of a path and of an attribute.
    #[error(
        "`{0}` is not the name of a source: use 1 to 63 lower-case letters, digits, `-`, `_` and `.`"
    )]
    Name(String),
}

/// Why nothing of a request was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not let in.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// It cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl Refused {
    /// Which answer it deserves.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Auth(error) => error.kind(),
            Self::Parse(error) => error.kind(),
        }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Auth(error) => error.code(),
            Self::Parse(error) => error.code(),
        }
    }
}

impl Source {
    /// A source called `name`.
    ///
    /// # Errors
    /// When the name would not do as a part of a path and of an attribute.
    pub fn new(
        name: &str,
        adapter: Adapter,
        auth: Auth,
        limits: Limits,
    ) -> Result<Self, SourceError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        let dots = name.bytes().all(|b| b == b'.');
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) || dots {
            return Err(SourceError::Name(quoted(name)));
        }
        Ok(Self {
            name: name.to_owned(),
            adapter,
            auth,
            limits,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it knows its senders; [`Auth::precheck`] may run before the body is read, and
    /// [`Auth::replay_key`] tells what to forget when the events could not be kept.
    #[must_use]
    pub const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The most bytes of a body that are worth reading.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.adapter.body_bytes(&self.limits)
    }

    /// The events of one request: verified, read, mapped and stamped. `replay` belongs to this source alone.
    ///
    /// A delivery that cannot be read is not remembered, so that it is told the same when it comes again.
    ///
    /// # Errors
    /// [`Refused`] where nothing of the request can be taken.
    pub fn receive(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        replay: &mut ReplayWindow,
    ) -> Result<Parsed, Refused> {
        self.auth.verify(headers, body, now, replay)?;
        let read = self.adapter.events(&self.name, headers, body, &self.limits);
        if read.is_err()
            && let Some(key) = self.auth.replay_key(headers)
        {
            replay.forget(&key);
        }
        let mut items = read?;
        for event in items.iter_mut().flatten() {
            stamp(event, &self.name);
        }
        Ok(items)
    }
}
