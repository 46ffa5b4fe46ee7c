//! Sending one request and understanding what became of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use edsr_model::{EffectRequest, Outcome, format_duration};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::policy::HttpPolicy;
use crate::actuator::{BoxFuture, not_started};
use crate::redact::Redactor;
use crate::secret::Secret;

/// The longest wait for a connection, TLS included; less where three quarters of the call's time are less, so that a
/// host that does not answer at all is told from one that got the request.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How much of a response body is read, in bytes.
pub const RESPONSE_KEPT: usize = 64 * 1024;

/// Resolves a host name and a port to addresses.
pub type Lookup = Arc<dyn Fn(String, u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Makes connections within a policy; shared by the actuators that speak HTTP.
#[derive(Clone)]
pub struct Connector {
    policy: Arc<HttpPolicy>,
    lookup: Lookup,
}

impl Connector {
    /// Resolves names as the system does.
    #[must_use]
    pub fn new(policy: HttpPolicy) -> Self {
        let lookup: Lookup = Arc::new(|host, port| {
            Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        });
        Self::with_lookup(policy, lookup)
    }

    /// Resolves names by `lookup`.
    #[must_use]
    pub fn with_lookup(policy: HttpPolicy, lookup: Lookup) -> Self {
        Self {
            policy: Arc::new(policy),
            lookup,
        }
    }

    /// The addresses that `url` may be reached at: all that its name has, less those that are refused.
    async fn route(&self, url: &Url, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        let port = url.port_or_known_default().unwrap_or(443);
        let (name, addresses) = match url.host() {
            Some(Host::Ipv4(v4)) => (v4.to_string(), vec![SocketAddr::new(v4.into(), port)]),
            Some(Host::Ipv6(v6)) => (v6.to_string(), vec![SocketAddr::new(v6.into(), port)]),
            Some(Host::Domain(name)) => {
                (name.to_owned(), self.addresses(name, port, deadline).await?)
            }
            None => return Err("the URL names no host".to_owned()),
        };
        if self.policy.lists_host(url) {
            return Ok(addresses);
        }
        let mut permitted = Vec::with_capacity(addresses.len());
        let mut refused = None;
        for address in addresses {
            match self.policy.permits_address(address.ip()) {
                Ok(()) => permitted.push(address),
                Err(kind) => refused = Some((address.ip(), kind)),
            }
        }
        match (permitted.is_empty(), refused) {
            (false, _) => Ok(permitted),
            (true, None) => Err(format!("the host `{name}` has no address")),
            (true, Some((address, kind))) => Err(format!(
                "the host `{name}` is at `{address}`, an address that is {kind}; list it in the node's `allowHosts` if it may be called"
            )),
        }
    }

    async fn addresses(
        &self,
        name: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, String> {
        match timeout_at(deadline, (self.lookup)(name.to_owned(), port)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(format!("the host `{name}` could not be resolved: {error}")),
            Err(_) => Err(format!("the host `{name}` could not be resolved in time")),
        }
    }
}

/// A request without its URL and headers.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The body and whether it is JSON.
    pub(crate) body: Option<(String, bool)>,
    pub(crate) ok_status: Vec<RangeInclusive<u16>>,
}

pub(super) async fn send(
    connector: &Connector,
    url: &Url,
    headers: BTreeMap<String, Secret>,
    call: Call,
    request: &EffectRequest,
    deadline: Instant,
    redactor: &Redactor,
) -> Outcome {
    let headers = match header_map(&headers, &call, request) {
        Ok(headers) => headers,
        Err(why) => return not_started(why),
    };
    let addresses = match connector.route(url, deadline).await {
        Ok(addresses) => addresses,
        Err(why) => return not_started(why),
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let client = match client(addresses, left) {
        Ok(client) => client,
        Err(why) => return not_started(why),
    };
    let mut builder = client.request(call.method, url.clone()).headers(headers);
    if let Some((body, _)) = call.body {
        builder = builder.body(body);
    }
    match builder.send().await {
        Ok(response) => answered(response, &call.ok_status, redactor).await,
        Err(error) => unanswered(&error, url, request.timeout),
    }
}

fn header_map(
    headers: &BTreeMap<String, Secret>,
    call: &Call,
    request: &EffectRequest,
) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    if let Some((_, true)) = call.body {
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let depth = request.depth.to_string();
    let ours = [
        ("idempotency-key", request.idempotency_key.as_str()),
        ("edsr-execution", request.attempt.execution.as_str()),
        ("edsr-correlation", request.correlated_by()),
        ("edsr-depth", &depth),
    ];
    let theirs = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()));
    let trace = request.traceparent.iter();
    let trace = trace.map(|trace| ("traceparent", trace.as_str()));
    for (name, value) in trace.chain(theirs).chain(ours) {
        let bad = || format!("the header `{name}` has a value that no header can have");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}

/// A client for one call, which can only reach `addresses`.
fn client(addresses: Vec<SocketAddr>, left: Duration) -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured(tls()?.clone())
        .dns_resolver(Arc::new(Pinned(addresses)))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("edsr/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_MAX.min(left * 3 / 4))
        .timeout(left)
        .build()
        .map_err(|error| deepest(&error))
}

/// Answers every name with the addresses that were checked; the client has only the one name to ask for.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// TLS by ring, trusting what the system trusts (or what `SSL_CERT_FILE` names), read once.
fn tls() -> Result<&'static rustls::ClientConfig, String> {
    static TLS: OnceLock<Result<rustls::ClientConfig, String>> = OnceLock::new();
    TLS.get_or_init(|| {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!(errors = ?found.errors, "the system trusts no certificate authority: every https call will fail");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS could not be set up: {error}"))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    })
    .as_ref()
    .map_err(Clone::clone)
}

/// What an error before any answer means. Only what fails before the first byte is certain not to have happened.
fn unanswered(error: &reqwest::Error, url: &Url, limit: Duration) -> Outcome {
    let host = url.host_str().unwrap_or_default();
    if error.is_builder() {
        return not_started(deepest(error));
    }
    if error.is_connect() {
        let why = deepest(error);
        return not_started(format!("no connection to `{host}`: {why}"));
    }
    let reason = if error.is_timeout() {
        let limit = format_duration(limit);
        format!("timed out after {limit} without an answer from `{host}`")
    } else {
        let why = deepest(error);
        format!("the connection to `{host}` broke before an answer: {why}")
    };
    Outcome::Unknown { reason }
}

/// The server answered, so its status decides, whatever becomes of the body.
async fn answered(
    response: Response,
    ok_status: &[RangeInclusive<u16>],
    redactor: &Redactor,
) -> Outcome {
    let status = response.status();
    let mut output = Map::new();
    output.insert("status".into(), status.as_u16().into());
    if let Some(kind) = header(&response, CONTENT_TYPE) {
        output.insert("contentType".into(), kind.into());
    }
    if matches!(status.as_u16(), 429 | 503)
        && let Some(after) = header(&response, RETRY_AFTER)
    {
        let after = after.parse::<u64>().map_or(Value::from(after), Value::from);
        output.insert("retryAfter".into(), after);
    }
    let body = read_body(response, redactor).await;
    if !body.truncated
        && let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(&body.text)
    {
        output.insert("json".into(), value);
    }
    output.insert("body".into(), body.text.into());
    output.insert("truncated".into(), json!(body.truncated));
    let output = Value::Object(output);
    if ok_status
        .iter()
        .any(|range| range.contains(&status.as_u16()))
    {
        return Outcome::Ok { output };
    }
    let hint = if status.is_redirection() {
        "; redirects are not followed"
    } else {
        ""
    };
    Outcome::Failed {
        reason: format!("the server answered {status}{hint}"),
        output,
    }
}

fn header(response: &Response, name: HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

struct Body {
    text: String,
    /// Whether it is not all: longer than what is kept, or broken off.
    truncated: bool,
}

async fn read_body(mut response: Response, redactor: &Redactor) -> Body {
    // The margin shows a secret that lies across the cut.
    let enough = RESPONSE_KEPT + redactor.longest();
    let mut bytes = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(Some(piece)) => {
                bytes.extend_from_slice(&piece[..piece.len().min(enough + 1 - bytes.len())])
            }
            Ok(None) => break true,
            Err(_) => break false,
        }
        if bytes.len() > enough {
            break false;
        }
    };
    let shown = bytes.len().min(RESPONSE_KEPT);
    Body {
        text: redactor.part(&bytes, 0..shown),
        truncated: !whole || bytes.len() > shown,
    }
}

/// What lies at the bottom of an error; the layers above it only say that something failed, and repeat the URL.
fn deepest(error: &reqwest::Error) -> String {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    let mut text = None;
    while let Some(inner) = source {
        text = Some(inner.to_string());
        source = inner.source();
    }
    text.unwrap_or_else(|| "the request could not be made".to_owned())
}
