//! The API over a node that is made up: each route, each refusal.

mod bodies;
mod doors;
mod fake;
mod foreign;
mod guarding;
mod reading;
mod shapes;
mod spelled;
mod spelling;
mod table;
mod watching;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{Method, Request, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::types::Problem;
use fake::{FakeNode, TOKEN};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A request and what comes of it.
struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

fn ask(method: Method, path: &str) -> Ask {
    Ask {
        method,
        path: path.to_owned(),
        headers: Vec::new(),
        body: Body::empty(),
    }
}

fn get(path: &str) -> Ask {
    ask(Method::GET, path).known()
}

fn post(path: &str, body: Value) -> Ask {
    let mut ask = ask(Method::POST, path).known().with(JSON.0, JSON.1);
    ask.body = Body::from(body.to_string());
    ask
}

impl Ask {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the token of a person.
    fn known(self) -> Self {
        self.with("authorization", &format!("Bearer {TOKEN}"))
    }

    fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    async fn send(self, router: &Router) -> Response {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(self.body).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    /// The status of the answer, for a request that goes on beside others.
    async fn send_owned(self, router: Router) -> StatusCode {
        self.send(&router).await.status()
    }

    async fn ok<T: DeserializeOwned>(self, router: &Router) -> T {
        let path = self.path.clone();
        let response = self.send(router).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&body);
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error} in {text}"))
    }

    async fn refused(self, router: &Router) -> Problem {
        let path = self.path.clone();
        let response = self.send(router).await;
        let status = response.status();
        let media = response.headers()[header::CONTENT_TYPE].clone();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&body);
        assert_eq!(media, "application/problem+json", "{path}: {status} {text}");
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.status, status.as_u16());
        assert_eq!(
            problem.kind,
            format!("https://edsr.dev/problems/{}", problem.code)
        );
        problem
    }
}

/// Checks what a request is refused with.
async fn check_refused(router: &Router, ask: Ask, status: StatusCode, code: &str) -> Problem {
    let what = format!("{} {}", ask.method, ask.path);
    let problem = ask.refused(router).await;
    assert_eq!(
        (problem.status, problem.code.as_str()),
        (status.as_u16(), code),
        "{what}: {}",
        problem.detail
    );
    problem
}

fn server() -> Router {
    FakeNode::with_story().router()
}
