//! The node itself.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::router::Shared;
use crate::types::{Document, NodeStatus, Page, Problem, Readiness, StatusCounts};

/// How the node is.
#[utoipa::path(
    get, path = "/v1/status", tag = "node",
    responses((status = 200, body = NodeStatus), (status = "4XX", body = Problem))
)]
pub(crate) async fn status(State(shared): State<Shared>) -> Json<NodeStatus> {
    let status = shared.node.status();
    let counts = shared.node.views().counts();
    Json(NodeStatus {
        version: status.version,
        bundle: status.bundle.to_string(),
        ready: status.ready,
        problems: status.problems,
        started_at: status.started_at,
        lsn: status.lsn.0,
        seq: status.seq.0,
        paused: status.paused,
        bundle_problems: status.bundle_problems,
        counts: StatusCounts {
            open_detections: counts.open_detections,
            open_incidents: counts.open_incidents,
            running_executions: counts.running_executions,
            waiting_decisions: counts.waiting_decisions,
            pauses: counts.pauses,
        },
    })
}

/// The documents of the bundle in force, as they were written.
#[utoipa::path(
    get, path = "/v1/documents", tag = "node",
    responses((status = 200, body = Page<Document>), (status = "4XX", body = Problem))
)]
pub(crate) async fn documents(State(shared): State<Shared>) -> Json<Page<Document>> {
    let items = (shared.node.documents().into_iter())
        .map(|(kind, name, document)| Document {
            kind,
            name,
            document,
        })
        .collect();
    Json(Page { items, next: None })
}

/// Metrics in the OpenMetrics text format.
#[utoipa::path(
    get, path = "/metrics", tag = "node",
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text"),
        (status = "4XX", body = Problem)
    )
)]
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, FORMAT)], shared.node.metrics()).into_response()
}

/// Answers while the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "node", security(()), responses((status = 200, body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Answers whether the node takes events, and why not.
#[utoipa::path(
    get, path = "/readyz", tag = "node", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(crate) async fn readyz(State(shared): State<Shared>) -> Response {
    let status = shared.node.status();
    let code = if status.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        ready: status.ready,
        problems: status.problems,
    };
    (code, Json(readiness)).into_response()
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "node",
    responses((status = 200, description = "OpenAPI 3.1"), (status = "4XX", body = Problem))
)]
pub(crate) async fn openapi(State(shared): State<Shared>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, shared.openapi.to_string()).into_response()
}
