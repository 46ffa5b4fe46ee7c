//! Asking a server: bounded answers, and refusals turned into sentences.

use std::error::Error as _;
use std::time::Duration;

use edsr_server::types::Problem;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::exit::{Exit, Failure};
use crate::settings::{Server, is_loopback};
use crate::text::short;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, from the first byte sent to the last one read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a stream may be silent. The server writes at least a comment far more often.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much of an answer that is no problem document is shown, in characters.
const SHOWN_MAX: usize = 200;

/// Names and values of a query.
pub(crate) type Query = Vec<(&'static str, String)>;

/// A server and how to talk to it.
pub(crate) struct Client {
    http: reqwest::Client,
    server: Server,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// When to try again, where the server says so.
    pub(crate) retry_after: Option<Duration>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Opens no connection yet.
    pub(crate) fn new(server: Server) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("edsr/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // A token must not follow a server's pointing elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&server.url) {
            builder = builder.no_proxy();
        }
        if server.url.scheme() == "http" {
            // No certificate will be looked at, so a machine without any must not stand in the way.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!("cannot prepare a connection: {}", innermost(&error)),
            )
        })?;
        Ok(Self { http, server })
    }

    /// The server's address, for messages.
    pub(crate) fn address(&self) -> &Url {
        &self.server.url
    }

    /// Reads a resource. `path` is what follows `/v1`, one item per segment.
    pub(crate) async fn get(&self, path: &[&str], query: &Query) -> Result<Value, Failure> {
        let request = self.request(Method::GET, self.url(path, query));
        parsed(&self.answer(request).await?)
    }

    /// Sends a body and reads the answer.
    pub(crate) async fn post(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Value, Failure> {
        let request = self
            .request(Method::POST, self.url(path, &Query::new()))
            .json(body);
        parsed(&self.answer(request).await?)
    }

    /// Sends bytes of a media type; every status is an answer.
    pub(crate) async fn send(
        &self,
        path: &[&str],
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let request = self
            .request(Method::POST, self.url(path, &Query::new()))
            .header(CONTENT_TYPE, media_type)
            .body(body);
        self.answer(request).await
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn stream(&self, path: &[&str], query: &Query) -> Result<Response, Failure> {
        let request = self
            .http
            .request(Method::GET, self.url(path, query))
            .header(ACCEPT, "text/event-stream");
        let opened = tokio::time::timeout(ANSWER_TIMEOUT, self.authorized(request).send())
            .await
            .map_err(|_| self.timed_out())?
            .map_err(|error| self.unreachable(&error))?;
        if opened.status().is_success() {
            return Ok(opened);
        }
        Err(self.read(opened).await?.failure())
    }

    /// The next piece of a stream; `None` at its end.
    pub(crate) async fn piece(&self, stream: &mut Response) -> Result<Option<Vec<u8>>, Failure> {
        match tokio::time::timeout(SILENCE_TIMEOUT, stream.chunk()).await {
            Ok(Ok(piece)) => Ok(piece.map(|bytes| bytes.to_vec())),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(self.timed_out()),
        }
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        self.authorized(request).timeout(ANSWER_TIMEOUT)
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.server.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn url(&self, path: &[&str], query: &Query) -> Url {
        let mut url = self.server.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.read(response).await
    }

    async fn read(&self, mut response: Response) -> Result<Answer, Failure> {
        let status = response.status();
        let retry_after = retry_after(&response);
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(Failure::new(
                    Exit::Negative,
                    format!("the answer is longer than {ANSWER_BYTES_MAX} bytes"),
                )
                .help("ask for less with --limit"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() && !error.is_connect() {
            return self.timed_out();
        }
        Failure::new(
            Exit::Unreachable,
            format!("cannot reach {}: {}", self.server.url, innermost(error)),
        )
        .help("start a node with `edsr run DIR`, or name another one with --server or EDSR_SERVER")
    }

    fn timed_out(&self) -> Failure {
        Failure::new(
            Exit::Timeout,
            format!("{} did not answer in time", self.server.url),
        )
        .help("see with `edsr status` whether the node is well")
    }
}

impl Answer {
    /// The body as what it should be.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(not_ours)
    }

    /// The problem document in the body, where there is one.
    pub(crate) fn problem(&self) -> Option<Problem> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What an answer other than success means.
    pub(crate) fn failure(&self) -> Failure {
        let Some(problem) = self.problem() else {
            let text = String::from_utf8_lossy(&self.body);
            let text = match text.trim() {
                "" => String::new(),
                text => format!(": {}", short(text, SHOWN_MAX)),
            };
            return Failure::new(
                exit_of(self.status),
                format!("the server answered {}{text}", self.status),
            )
            .help("see whether --server names an edsr node");
        };
        let mut failure = Failure::new(exit_of(self.status), problem.detail);
        if !problem.candidates.is_empty() {
            failure.exit = Exit::Usage;
            failure.help = Some(format!("it may be: {}", problem.candidates.join(", ")));
        } else if self.status == StatusCode::UNAUTHORIZED {
            failure.help = Some("put a token into EDSR_TOKEN or name a --token-file".to_owned());
        } else if let Some(wait) = self.retry_after {
            failure.help = Some(format!("try again in {} s", wait.as_secs()));
        }
        failure
    }
}

/// Reads a value that came as JSON as what it should be.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(not_ours)
}

fn parsed(answer: &Answer) -> Result<Value, Failure> {
    if answer.status.is_success() {
        answer.json()
    } else {
        Err(answer.failure())
    }
}

fn not_ours(error: serde_json::Error) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("the answer is not understood: {error}"),
    )
    .help("see whether --server names an edsr node of this version (`edsr status -o json`)")
}

fn exit_of(status: StatusCode) -> Exit {
    match status.as_u16() {
        401 | 403 => Exit::Denied,
        404 | 410 => Exit::NotFound,
        408 | 504 => Exit::Timeout,
        400 | 405 | 413 | 414 | 415 | 422 => Exit::Usage,
        409 => Exit::Negative,
        _ => Exit::Unreachable,
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The deepest cause: the layers above it only repeat that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(7)),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_refusal_becomes_a_sentence_and_a_code() {
        let problem = |candidates: &str| {
            format!(
                r#"{{"type":"t","title":"t","status":404,"detail":"there is none","code":"c","candidates":[{candidates}]}}"#
            )
        };
        for (status, body, exit, message) in [
            (404, problem(""), Exit::NotFound, "there is none"),
            (404, problem("\"det-1\""), Exit::Usage, "there is none"),
            (403, problem(""), Exit::Denied, "there is none"),
            (409, problem(""), Exit::Negative, "there is none"),
            (400, problem(""), Exit::Usage, "there is none"),
            (408, problem(""), Exit::Timeout, "there is none"),
            (503, problem(""), Exit::Unreachable, "there is none"),
            (
                502,
                "<b>bad\u{1b}[1m".into(),
                Exit::Unreachable,
                "the server answered 502 Bad Gateway: <b>bad\\u{1b}[1m",
            ),
        ] {
            let failure = answer(status, &body).failure();
            assert_eq!(
                (failure.exit, failure.message.as_str()),
                (exit, message),
                "{status}"
            );
            assert!(failure.help.is_some());
        }
    }
}
