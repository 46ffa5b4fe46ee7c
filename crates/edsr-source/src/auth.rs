//! Who may speak at a source: a shared token, or a signature over the body.
//!
//! [`Auth::precheck`] needs headers only and runs before a byte of the body is read; [`Auth::verify_body`] runs once the
//! bounded body is there. No message of this module contains a secret, or what was compared with one.

mod error;
mod replay;
mod secret;

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use edsr_model::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use error::{AuthError, AuthSetupError};
pub use replay::{REPLAY_IDS_MAX, ReplayFault, ReplayKey, ReplayWindow};
pub use secret::Secret;

/// How far a signed timestamp may lie from our clock, by default.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// How long a GitHub delivery is remembered: its signature carries no time of its own.
pub const GITHUB_WINDOW: Duration = Duration::from_secs(60 * 60);
/// How many secrets may be valid at a time: the old one and the new one.
pub const SECRETS_MAX: usize = 2;
/// How many signatures one request may offer.
pub const SIGNATURES_MAX: usize = 8;
/// The shortest key of a `whsec_` secret, in bytes.
pub const WEBHOOK_KEY_BYTES_MIN: usize = 16;

const WEBHOOK_ID: &str = "webhook-id";
const WEBHOOK_TIMESTAMP: &str = "webhook-timestamp";
const WEBHOOK_SIGNATURE: &str = "webhook-signature";
const GITHUB_SIGNATURE: &str = "x-hub-signature-256";
const GITHUB_DELIVERY: &str = "x-github-delivery";

/// How a source knows its senders.
#[derive(Debug)]
pub enum Auth {
    /// Everybody may speak.
    None,
    /// Who knows the token: `Authorization: Bearer <token>`. Made by [`Auth::bearer`].
    Bearer(Bearer),
    /// Who can sign `id.timestamp.body` (<https://www.standardwebhooks.com>). Made by [`Auth::standard_webhooks`].
    StandardWebhooks(StandardWebhooks),
    /// Who can sign the body as GitHub does. Made by [`Auth::github`].
    ///
    /// The delivery id is not part of what is signed: a body that was overheard can be sent again under another id, and
    /// only the id of the resulting event, by default a digest of the body, recognises it then.
    GitHub(GitHub),
}

/// A token, kept as its digest.
#[derive(Debug)]
pub struct Bearer {
    digests: Vec<[u8; 32]>,
}

/// Keys of a Standard Webhooks sender.
#[derive(Debug)]
pub struct StandardWebhooks {
    keys: Vec<Secret>,
    tolerance: Duration,
}

/// Secrets of a GitHub webhook.
#[derive(Debug)]
pub struct GitHub {
    secrets: Vec<Secret>,
}

impl Auth {
    /// Senders know `token`.
    ///
    /// # Errors
    /// When it is empty.
    pub fn bearer(token: &Secret) -> Result<Self, AuthSetupError> {
        Self::bearer_any(std::slice::from_ref(token))
    }

    /// Senders know any of `tokens`.
    ///
    /// # Errors
    /// When one is empty, or there is none.
    pub fn bearer_any(tokens: &[Secret]) -> Result<Self, AuthSetupError> {
        let empty = |token: &Secret| token.expose().trim_ascii().is_empty();
        if let Some(place) = tokens.iter().position(empty) {
            return Err(AuthSetupError::Empty(place));
        }
        if tokens.is_empty() {
            return Err(AuthSetupError::Empty(0));
        }
        let digests = tokens
            .iter()
            .map(|token| Sha256::digest(token.expose()).into());
        Ok(Self::Bearer(Bearer {
            digests: digests.collect(),
        }))
    }

    /// Senders sign with one of `secrets` (`whsec_<base64>`), at a time at most `tolerance` from ours ([`TOLERANCE`]).
    ///
    /// # Errors
    /// When there is none or more than two, or one is not in that form.
    pub fn standard_webhooks(
        secrets: &[Secret],
        tolerance: Duration,
    ) -> Result<Self, AuthSetupError> {
        counted(secrets)?;
        let keys = secrets.iter().enumerate().map(|(place, secret)| {
            secret
                .expose()
                .strip_prefix(b"whsec_")
                .and_then(|text| BASE64_STANDARD.decode(text).ok())
                .filter(|key| key.len() >= WEBHOOK_KEY_BYTES_MIN)
                .map(Secret::new)
                .ok_or(AuthSetupError::Whsec(place))
        });
        Ok(Self::StandardWebhooks(StandardWebhooks {
            keys: keys.collect::<Result<_, _>>()?,
            tolerance,
        }))
    }

    /// Senders sign with one of `secrets`, as GitHub does.
    ///
    /// # Errors
    /// When there is none or more than two, or one is empty.
    pub fn github(secrets: Vec<Secret>) -> Result<Self, AuthSetupError> {
        counted(&secrets)?;
        match secrets
            .iter()
            .position(|s| s.expose().trim_ascii().is_empty())
        {
            Some(place) => Err(AuthSetupError::Empty(place)),
            None => Ok(Self::GitHub(GitHub { secrets })),
        }
    }

    /// Whether the request is genuine, and new. `replay` belongs to this source alone.
    ///
    /// # Errors
    /// [`AuthError`]; nothing is remembered then.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        replay: &mut ReplayWindow,
    ) -> Result<(), AuthError> {
        // Whoever forgets the precheck loses time, not safety: this repeats what the headers tell.
        self.verify_body(headers, body, now, replay)
    }

    /// What headers alone can tell: the token, or that everything a signature needs is there and its time is near.
    ///
    /// # Errors
    /// [`AuthError`]; there is no need to read the body then.
    pub fn precheck(&self, headers: &HeaderMap, now: Timestamp) -> Result<(), AuthError> {
        match self {
            Self::None => Ok(()),
            Self::Bearer(bearer) => bearer.check(headers),
            Self::StandardWebhooks(hooks) => hooks.claim(headers, now).map(|_| ()),
            Self::GitHub(_) => github_claim(headers).map(|_| ()),
        }
    }

    /// Whether the token or the signature fits, and the delivery is new; a signed one is remembered then.
    ///
    /// # Errors
    /// [`AuthError`]; nothing is remembered then.
    pub fn verify_body(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        replay: &mut ReplayWindow,
    ) -> Result<(), AuthError> {
        match self {
            Self::None => Ok(()),
            Self::Bearer(bearer) => bearer.check(headers),
            Self::StandardWebhooks(hooks) => hooks.verify(headers, body, now, replay),
            Self::GitHub(github) => github.verify(headers, body, now, replay),
        }
    }

    /// The key under which a verified request is remembered, for [`ReplayWindow::forget`] when the events of the request
    /// could not be kept after all: the sender will try again, under the same id.
    #[must_use]
    pub fn replay_key(&self, headers: &HeaderMap) -> Option<ReplayKey> {
        let id = match self {
            Self::None | Self::Bearer(_) => return None,
            Self::StandardWebhooks(_) => single(headers, WEBHOOK_ID),
            Self::GitHub(_) => single(headers, GITHUB_DELIVERY),
        };
        id.ok().map(ReplayKey::of)
    }
}

impl Bearer {
    fn check(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        const HEADER: &str = "authorization";
        let value = single(headers, HEADER)?;
        let token = match value.iter().position(|byte| *byte == b' ') {
            Some(place) if value[..place].eq_ignore_ascii_case(b"bearer") => {
                value[place..].trim_ascii()
            }
            _ => return Err(AuthError::Malformed(HEADER, "`Bearer <token>`")),
        };
        // Digests have one length, so that neither length nor content of the token shows in the time taken.
        let digest: [u8; 32] = Sha256::digest(token).into();
        // Every one is compared, so that which of them fits does not show either.
        let fits = self
            .digests
            .iter()
            .fold(false, |fits, known| fits | same_digest(known, &digest));
        if fits { Ok(()) } else { Err(AuthError::Token) }
    }
}

/// Whether two digests are the same; the time it takes does not tell how far they are.
#[must_use]
pub fn same_digest(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

struct Claim<'h> {
    id: &'h [u8],
    timestamp: &'h [u8],
    at: Timestamp,
    signatures: Vec<Vec<u8>>,
}

impl StandardWebhooks {
    fn claim<'h>(&self, headers: &'h HeaderMap, now: Timestamp) -> Result<Claim<'h>, AuthError> {
        let id = single(headers, WEBHOOK_ID)?;
        let timestamp = single(headers, WEBHOOK_TIMESTAMP)?;
        let at = unix_seconds(timestamp).ok_or(AuthError::Malformed(
            WEBHOOK_TIMESTAMP,
            "seconds since the Unix epoch",
        ))?;
        if now.since(at).max(at.since(now)) > self.tolerance {
            return Err(AuthError::Stale(self.tolerance));
        }
        let signatures: Vec<_> = single(headers, WEBHOOK_SIGNATURE)?
            .split(|byte| *byte == b' ')
            .filter_map(|part| part.strip_prefix(b"v1,"))
            .filter_map(|text| BASE64_STANDARD.decode(text).ok())
            .take(SIGNATURES_MAX)
            .collect();
        if signatures.is_empty() {
            return Err(AuthError::Malformed(WEBHOOK_SIGNATURE, "`v1,<base64>`"));
        }
        Ok(Claim {
            id,
            timestamp,
            at,
            signatures,
        })
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        replay: &mut ReplayWindow,
    ) -> Result<(), AuthError> {
        let claim = self.claim(headers, now)?;
        let parts = [claim.id, b".", claim.timestamp, b".", body];
        signed(&self.keys, &parts, &claim.signatures)?;
        // From then on the timestamp is refused by itself.
        let until = claim.at.after(self.tolerance);
        Ok(replay.admit(ReplayKey::of(claim.id), now, until)?)
    }
}

impl GitHub {
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        replay: &mut ReplayWindow,
    ) -> Result<(), AuthError> {
        let (delivery, signature) = github_claim(headers)?;
        signed(&self.secrets, &[body], &[signature])?;
        Ok(replay.admit(ReplayKey::of(delivery), now, now.after(GITHUB_WINDOW))?)
    }
}

fn github_claim(headers: &HeaderMap) -> Result<(&[u8], Vec<u8>), AuthError> {
    let signature = single(headers, GITHUB_SIGNATURE)?
        .strip_prefix(b"sha256=")
        .and_then(|text| hex::decode(text).ok())
        .ok_or(AuthError::Malformed(GITHUB_SIGNATURE, "`sha256=<hex>`"))?;
    Ok((single(headers, GITHUB_DELIVERY)?, signature))
}

/// Whether one of `keys` made one of `signatures`; every pair is tried, so that time tells nothing of which.
fn signed(keys: &[Secret], parts: &[&[u8]], signatures: &[Vec<u8>]) -> Result<(), AuthError> {
    let mut fits = false;
    for key in keys {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else {
            continue;
        };
        for part in parts {
            mac.update(part);
        }
        for signature in signatures {
            fits |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if fits {
        Ok(())
    } else {
        Err(AuthError::Signature)
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h [u8], AuthError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(AuthError::Repeated(name)),
        _ => Err(AuthError::Missing(name)),
    }
}

fn unix_seconds(text: &[u8]) -> Option<Timestamp> {
    let digits = text.iter().all(u8::is_ascii_digit) && (1..=12).contains(&text.len());
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok().map(Timestamp::from_secs)
}

fn counted(secrets: &[Secret]) -> Result<(), AuthSetupError> {
    match secrets.len() {
        1..=SECRETS_MAX => Ok(()),
        count => Err(AuthSetupError::Count(count)),
    }
}

#[cfg(test)]
mod tests;
