//! What the journal adds up to, as lists and one by one.

use axum::Json;
use axum::extract::{Path, State};
use edsr_model::{DetectionState, Seq};
use edsr_node::view::Table;
use edsr_node::view::read;

use crate::convert;
use crate::problem::Answer;
use crate::query::{
    Asked, DecisionsAsked, DetectionsAsked, ExecutionsAsked, IncidentsAsked, limit, one_of,
};
use crate::router::Shared;
use crate::settings::TIMELINE_MAX;
use crate::types::{
    Decision, Detection, Execution, ExecutionDetail, Incident, IncidentDetail, Page, Pause, Problem,
};

/// Detections, newest first.
#[utoipa::path(
    get, path = "/v1/detections", tag = "detections", params(DetectionsAsked),
    responses((status = 200, body = Page<Detection>), (status = "4XX", body = Problem))
)]
pub(crate) async fn detections(
    State(shared): State<Shared>,
    Asked(asked): Asked<DetectionsAsked>,
) -> Answer<Json<Page<Detection>>> {
    one_of("state", asked.state.as_deref(), &["open", "resolved"])?;
    let views = shared.node.views();
    let open = asked.state.as_deref().map(|state| state == "open");
    let detector = asked.detector.as_deref();
    let fits = |view: &edsr_node::view::DetectionView| {
        open.is_none_or(|open| open == (view.detection.state == DetectionState::Open))
            && detector.is_none_or(|name| name == view.detection.detector)
    };
    page(
        views.detections(),
        asked.before,
        asked.limit,
        fits,
        convert::detection,
    )
}

/// A detection, by its id or an unambiguous beginning of it.
#[utoipa::path(
    get, path = "/v1/detections/{id}", tag = "detections",
    params(("id" = String, Path, description = "`det-…`")),
    responses((status = 200, body = Detection), (status = "4XX", body = Problem))
)]
pub(crate) async fn detection(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json<Detection>> {
    let views = shared.node.views();
    Ok(Json(convert::detection(views.detection(&id)?)))
}

/// Incidents, newest first.
#[utoipa::path(
    get, path = "/v1/incidents", tag = "incidents", params(IncidentsAsked),
    responses((status = 200, body = Page<Incident>), (status = "4XX", body = Problem))
)]
pub(crate) async fn incidents(
    State(shared): State<Shared>,
    Asked(asked): Asked<IncidentsAsked>,
) -> Answer<Json<Page<Incident>>> {
    one_of("state", asked.state.as_deref(), &["open", "resolved"])?;
    let views = shared.node.views();
    let open = asked.state.as_deref().map(|state| state == "open");
    let fits =
        |view: &edsr_node::view::IncidentView| open.is_none_or(|open| open == view.is_open());
    page(
        views.incidents(),
        asked.before,
        asked.limit,
        fits,
        convert::incident,
    )
}

/// An incident with its timeline, by its id or an unambiguous beginning of it.
#[utoipa::path(
    get, path = "/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "`inc-…`")),
    responses((status = 200, body = IncidentDetail), (status = "4XX", body = Problem))
)]
pub(crate) async fn incident(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json<IncidentDetail>> {
    let views = shared.node.views();
    let incident = convert::incident(views.incident(&id)?);
    let correlation = incident.id.clone();
    let entries = shared
        .read(move |shared| {
            let journal = shared.node.journal();
            Ok(read::entries_of(
                journal.as_ref(),
                &correlation,
                TIMELINE_MAX + 1,
            )?)
        })
        .await?;
    Ok(Json(IncidentDetail {
        incident,
        timeline: (entries.iter().take(TIMELINE_MAX))
            .map(convert::timeline_entry)
            .collect(),
        timeline_cut: entries.len() > TIMELINE_MAX,
    }))
}

/// Decisions, newest first.
#[utoipa::path(
    get, path = "/v1/decisions", tag = "decisions", params(DecisionsAsked),
    responses((status = 200, body = Page<Decision>), (status = "4XX", body = Problem))
)]
pub(crate) async fn decisions(
    State(shared): State<Shared>,
    Asked(asked): Asked<DecisionsAsked>,
) -> Answer<Json<Page<Decision>>> {
    const STATES: &[&str] = &["waiting", "deny", "observe", "suggest", "approve", "auto"];
    let state = asked.state.as_deref();
    one_of("state", state, STATES)?;
    let views = shared.node.views();
    let playbook = asked.playbook.as_deref();
    let fits = |view: &edsr_node::view::DecisionView| {
        let of_state = match state {
            None => true,
            Some("waiting") => view.is_waiting(),
            Some(verdict) => view.decision.verdict.as_str() == verdict,
        };
        of_state && playbook.is_none_or(|name| name == view.playbook)
    };
    page(
        views.decisions(),
        asked.before,
        asked.limit,
        fits,
        convert::decision,
    )
}

/// A decision, by its id or an unambiguous beginning of it.
#[utoipa::path(
    get, path = "/v1/decisions/{id}", tag = "decisions",
    params(("id" = String, Path, description = "`dec-…`")),
    responses((status = 200, body = Decision), (status = "4XX", body = Problem))
)]
pub(crate) async fn decision(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json<Decision>> {
    let views = shared.node.views();
    Ok(Json(convert::decision(views.decision(&id)?)))
}

/// Executions, newest first.
#[utoipa::path(
    get, path = "/v1/executions", tag = "executions", params(ExecutionsAsked),
    responses((status = 200, body = Page<Execution>), (status = "4XX", body = Problem))
)]
pub(crate) async fn executions(
    State(shared): State<Shared>,
    Asked(asked): Asked<ExecutionsAsked>,
) -> Answer<Json<Page<Execution>>> {
    const STATES: &[&str] = &[
        "ended",
        "unended",
        "running",
        "verifying",
        "compensating",
        "succeeded",
        "unverified",
        "failed",
        "compensated",
        "partly-compensated",
        "in-doubt",
        "cancelled",
    ];
    let state = asked.state.as_deref();
    one_of("state", state, STATES)?;
    let views = shared.node.views();
    let (playbook, target) = (asked.playbook.as_deref(), asked.target.as_deref());
    let fits = |view: &edsr_node::view::ExecutionView| {
        let of_state = match state {
            None => true,
            Some("ended") => view.status.is_ended(),
            Some("unended") => !view.status.is_ended(),
            Some(status) => view.status.as_str() == status,
        };
        of_state
            && playbook.is_none_or(|name| name == view.playbook)
            && target.is_none_or(|target| target == view.target.to_string())
    };
    page(
        views.executions(),
        asked.before,
        asked.limit,
        fits,
        convert::execution,
    )
}

/// An execution with its plan, by its id or an unambiguous beginning of it.
#[utoipa::path(
    get, path = "/v1/executions/{id}", tag = "executions",
    params(("id" = String, Path, description = "`exe-…`")),
    responses((status = 200, body = ExecutionDetail), (status = "4XX", body = Problem))
)]
pub(crate) async fn execution(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json<ExecutionDetail>> {
    let views = shared.node.views();
    let view = views.execution(&id)?;
    Ok(Json(ExecutionDetail {
        execution: convert::execution(view),
        plan_detail: (views.plans().get(&view.plan)).map(|plan| convert::plan(plan)),
    }))
}

/// The pauses that hold.
#[utoipa::path(
    get, path = "/v1/pauses", tag = "pauses",
    responses((status = 200, body = Page<Pause>), (status = "4XX", body = Problem))
)]
pub(crate) async fn pauses(State(shared): State<Shared>) -> Answer<Json<Page<Pause>>> {
    let views = shared.node.views();
    let mut items: Vec<Pause> = (views.pauses().values())
        .map(|pause| convert::pause(pause))
        .collect();
    items.sort_by(|one, other| (other.at, &other.id).cmp(&(one.at, &one.id)));
    Ok(Json(Page { items, next: None }))
}

fn page<K, V, T>(
    table: &Table<K, V>,
    before: Option<u64>,
    asked: Option<usize>,
    fits: impl Fn(&V) -> bool,
    convert: impl Fn(&V) -> T,
) -> Answer<Json<Page<T>>>
where
    K: Clone + Ord + std::hash::Hash,
    V: Clone,
{
    let limit = limit(asked)?;
    let mut found = (table.newest_before(before.map(Seq))).filter(|(_, view)| fits(view));
    let mut items = Vec::new();
    let mut last = None;
    for (seq, view) in found.by_ref().take(limit) {
        items.push(convert(view));
        last = Some(seq.0);
    }
    let next = found.next().and(last);
    Ok(Json(Page { items, next }))
}
