//! What a person may tell the node. Every one of these becomes an entry with their name.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use edsr_model::{Actor, DecisionId, PauseId, PauseScope};
use edsr_node::api::Command;
use http::{HeaderMap, StatusCode};

use crate::body::json;
use crate::guard::Person;
use crate::problem::{Answer, Fault};
use crate::router::Shared;
use crate::types::{CommandAnswer, NoteRequest, PauseRequest, Problem, ReasonRequest};

/// Stops automatic dispatch.
#[utoipa::path(
    post, path = "/v1/pauses", tag = "pauses", request_body = PauseRequest,
    responses(
        (status = 200, body = CommandAnswer), (status = 202, body = CommandAnswer, description = "It holds, and is not durable yet."),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn pause(
    State(shared): State<Shared>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let asked: PauseRequest = json(&headers, body, &shared.settings).await?;
    let command = Command::Pause {
        scope: scope(&asked.scope)?,
        reason: said("reason", asked.reason)?,
    };
    tell(&shared, person, command).await
}

/// Lifts a pause.
#[utoipa::path(
    post, path = "/v1/pauses/{id}/resume", tag = "pauses", request_body = ReasonRequest,
    params(("id" = String, Path, description = "`pau-…`")),
    responses(
        (status = 200, body = CommandAnswer), (status = 202, body = CommandAnswer),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn resume(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    lifted(&shared, id, person, &headers, body).await
}

/// Lifts a pause.
#[utoipa::path(
    delete, path = "/v1/pauses/{id}", tag = "pauses", request_body = ReasonRequest,
    params(("id" = String, Path, description = "`pau-…`")),
    responses(
        (status = 200, body = CommandAnswer), (status = 202, body = CommandAnswer),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn lift(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    lifted(&shared, id, person, &headers, body).await
}

/// Agrees to a plan that waits for it.
#[utoipa::path(
    post, path = "/v1/decisions/{id}/approve", tag = "decisions", request_body = ReasonRequest,
    params(("id" = String, Path, description = "`dec-…`")),
    responses(
        (status = 200, body = CommandAnswer), (status = 202, body = CommandAnswer),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn approve(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    answered(&shared, &id, true, person, &headers, body).await
}

/// Turns down a plan that waits for agreement.
#[utoipa::path(
    post, path = "/v1/decisions/{id}/reject", tag = "decisions", request_body = ReasonRequest,
    params(("id" = String, Path, description = "`dec-…`")),
    responses(
        (status = 200, body = CommandAnswer), (status = 202, body = CommandAnswer),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn reject(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    answered(&shared, &id, false, person, &headers, body).await
}

/// Puts a remark into the journal.
#[utoipa::path(
    post, path = "/v1/notes", tag = "journal", request_body = NoteRequest,
    responses(
        (status = 200, body = CommandAnswer), (status = 202, body = CommandAnswer),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn note(
    State(shared): State<Shared>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let asked: NoteRequest = json(&headers, body, &shared.settings).await?;
    let text = said("text", asked.text)?;
    tell(&shared, person, Command::Note { text }).await
}

async fn lifted(
    shared: &Shared,
    id: String,
    person: Person,
    headers: &HeaderMap,
    body: Body,
) -> Answer<Response> {
    let asked: ReasonRequest = json(headers, body, &shared.settings).await?;
    // A pause that is not among those listed may still hold: the node knows.
    let pause = match id.parse::<PauseId>() {
        Ok(pause) => pause,
        Err(_) => shared.node.views().pause(&id)?.id.clone(),
    };
    let reason = said("reason", asked.reason)?;
    tell(shared, person, Command::Resume { pause, reason }).await
}

async fn answered(
    shared: &Shared,
    id: &str,
    granted: bool,
    person: Person,
    headers: &HeaderMap,
    body: Body,
) -> Answer<Response> {
    let asked: ReasonRequest = json(headers, body, &shared.settings).await?;
    // An answer is to one decision: a beginning of an id, which may come to mean another one, will not do.
    let decision: DecisionId = (id.parse()).map_err(|_| {
        Fault::not_found("give the whole id of the decision, like `dec-0123456789abcdef`")
    })?;
    let command = Command::Approve {
        decision,
        granted,
        reason: said("reason", asked.reason)?,
    };
    tell(shared, person, command).await
}

async fn tell(shared: &Shared, person: Person, command: Command) -> Answer<Response> {
    let done = shared
        .node
        .command(Actor::Person(person.0), command)
        .await?;
    let status = if done.durable {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let answer = CommandAnswer {
        seq: done.seq.0,
        pause: done.pause.map(|pause| pause.to_string()),
        durable: done.durable,
    };
    Ok((status, Json(answer)).into_response())
}

fn said(name: &str, text: String) -> Answer<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::bad(format!("`{name}` is empty; say in a few words")));
    }
    Ok(text.to_owned())
}

fn scope(text: &str) -> Answer<PauseScope> {
    let wrong = || Fault::bad("`scope` must be `all`, `playbook:<name>` or `target:<kind>/<name>`");
    match text.split_once(':') {
        None if text == "all" => Ok(PauseScope::All),
        Some(("playbook", name)) if !name.trim().is_empty() => {
            Ok(PauseScope::Playbook(name.to_owned()))
        }
        Some(("target", target)) => target.parse().map(PauseScope::Target).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}
