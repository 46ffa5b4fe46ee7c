//! Events come in.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use edsr_node::api::{Door, Receipt};
use http::{HeaderMap, StatusCode};

use crate::body;
use crate::problem::{Answer, Fault};
use crate::router::Shared;
use crate::types::{EventsAnswer, LsnRange, Problem, RejectedEvent};

/// Takes CloudEvents: one (structured or binary mode) or a batch. Answers once what it kept is durable.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", security(()),
    request_body(content = Vec<u8>, content_type = "application/cloudevents+json"),
    responses(
        (status = 202, body = EventsAnswer, description = "Durable; rejected ones are listed."),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn events(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    receive(&shared, &Door::Events, &headers, body).await
}

/// Takes what a source sends, in the source's own form.
#[utoipa::path(
    post, path = "/v1/hooks/{source}", tag = "events", security(()),
    params(("source" = String, Path, description = "Name of a `Source` document")),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses(
        (status = 202, body = EventsAnswer, description = "Durable; rejected ones are listed."),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn hook(
    State(shared): State<Shared>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    receive(&shared, &Door::Hook(source), &headers, body).await
}

async fn receive(
    shared: &Shared,
    door: &Door,
    headers: &HeaderMap,
    body: Body,
) -> Answer<Response> {
    let limits = shared.node.precheck(door, headers)?;
    body::check_headers(headers, limits.body_bytes_max)?;
    // Held until the answer, so that what is read and not yet stored is bounded too.
    let busy = || Fault::busy("too many requests with events at once; try again");
    let _turn = shared.bodies.try_acquire().map_err(|_| busy())?;
    let arriving = &shared.arriving;
    let bytes = body::read(body, limits.body_bytes_max, &shared.settings, arriving).await?;
    let mut held = shared.held.share();
    if !held.grow(bytes.len()) {
        return Err(busy());
    }
    let receipt = shared.node.receive(door, headers, bytes).await?;
    Ok((StatusCode::ACCEPTED, Json(answer(receipt))).into_response())
}

fn answer(receipt: Receipt) -> EventsAnswer {
    EventsAnswer {
        accepted: receipt.accepted,
        duplicates: receipt.duplicates,
        rejected: (receipt.rejected.into_iter())
            .map(RejectedEvent::from)
            .collect(),
        lsns: (receipt.lsns).map(|(first, last)| LsnRange {
            first: first.0,
            last: last.0,
        }),
    }
}
