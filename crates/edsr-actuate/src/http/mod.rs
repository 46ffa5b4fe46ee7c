//! `http/request`: one request, to an address that was checked, with the answer bounded.
//!
//! The name of a host is resolved once; what it resolves to is checked against the node's [`HttpPolicy`], and the
//! connection is made to exactly those addresses. Redirects are not followed, no proxy is taken from the environment,
//! nothing is repeated, and no connection is kept for another call.

mod address;
mod args;
mod policy;
mod send;

use std::collections::BTreeMap;

use edsr_model::{EffectClass, EffectRequest, Outcome};
use serde_json::Value;

pub use args::{BODY_MAX, HEADERS_MAX, URL_MAX};
pub use policy::{HostRule, HostRuleError, HttpPolicy};
pub use send::{CONNECT_MAX, Connector, Lookup, RESPONSE_KEPT};

pub(crate) use args::{headers as read_headers, url as read_url};
pub(crate) use send::Call;

use crate::actuator::{Actuator, ArgError, BoxFuture, bad_arguments, deadline, not_started};
use crate::args::{Mode, read};
use crate::redact::{Redactor, decoded_url};
use crate::secret::{Secret, Text, resolve};
use args::{HttpArgs, parse_url};

/// The name playbooks use.
pub const USES: &str = "http/request";

/// Where `url` stands among the texts to resolve; no header has this name.
const URL_KEY: &str = "";

/// Sends requests.
#[derive(Clone)]
pub struct Http {
    connector: Connector,
}

impl Http {
    /// Requests go where `connector` lets them.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector }
    }
}

impl Actuator for Http {
    fn uses(&self) -> &'static str {
        USES
    }

    fn class(&self, with: &Value) -> EffectClass {
        class(with)
    }

    fn check(&self, with: &Value) -> Result<(), Vec<ArgError>> {
        check(with)
    }

    fn perform(&self, request: EffectRequest) -> BoxFuture<Outcome> {
        let connector = self.connector.clone();
        Box::pin(async move {
            let args = match read(&request.with, Mode::Final, HttpArgs::read) {
                Ok(args) => args,
                Err(errors) => return bad_arguments(&errors),
            };
            let call = Call {
                method: args.method,
                body: args.body,
                ok_status: args.ok_status,
            };
            perform(&connector, args.url, args.headers, call, &request).await
        })
    }
}

pub(crate) fn class(with: &Value) -> EffectClass {
    args::class(with)
}

pub(crate) fn check(with: &Value) -> Result<(), Vec<ArgError>> {
    read(with, Mode::Draft, HttpArgs::read).map(|_| ())
}

pub(crate) fn schema() -> Value {
    args::schema()
}

/// Resolves the secrets, sends the call, and hides the secrets in what comes back.
pub(crate) async fn perform(
    connector: &Connector,
    url: Text,
    headers: BTreeMap<String, Text>,
    call: Call,
    request: &EffectRequest,
) -> Outcome {
    let deadline = deadline(request.timeout);
    let url_is_secret = matches!(url, Text::Secret { .. });
    let mut texts = headers;
    texts.insert(URL_KEY.to_owned(), url);
    let (mut values, mut redactor) = match resolve(texts, request.timeout).await {
        Ok(resolved) => resolved,
        Err(error) => return not_started(error),
    };
    let url = values.remove(URL_KEY).unwrap_or(Secret::new(String::new()));
    let url = match parse_url(url.expose()) {
        Ok(url) => url,
        Err(why) => return not_started(format!("`url` {why}")),
    };
    if url_is_secret {
        hide_parts(&mut redactor, &url);
    }
    let outcome = send::send(connector, &url, values, call, request, deadline, &redactor).await;
    redactor.outcome(outcome)
}

/// A server that complains tends to repeat the path, which is where such URLs carry their secret; as it was sent, or as
/// it understood it.
fn hide_parts(redactor: &mut Redactor, url: &url::Url) {
    redactor.hide(url.as_str());
    if url.path().len() > 1 {
        hide_both(redactor, url.path());
    }
    let segments = url.path_segments().into_iter().flatten();
    let queries = url.query().into_iter().flat_map(|query| query.split('&'));
    let values = queries.filter_map(|pair| pair.split_once('=').map(|(_, value)| value));
    for part in segments
        .chain(values)
        .filter(|part| part.len() >= SECRET_PART_MIN)
    {
        hide_both(redactor, part);
    }
}

fn hide_both(redactor: &mut Redactor, part: &str) {
    redactor.hide(part);
    if let Some(said) = decoded_url(part).filter(|said| said != part) {
        redactor.hide(&said);
    }
}

/// From this length on a part of a secret URL counts as a secret by itself, in bytes; shorter ones are words like `hooks`.
const SECRET_PART_MIN: usize = 9;
