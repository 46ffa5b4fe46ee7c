//! Why, and why not.

use axum::Json;
use axum::extract::{Path, State};
use edsr_model::{DecisionId, DetectionId, ExecutionId, IncidentId, Lsn, Record};
use edsr_node::view::read::ReadError;
use edsr_node::view::{self, read};

use crate::convert;
use crate::problem::{Answer, Fault};
use crate::query::{Asked, ExplainAsked};
use crate::router::Shared;
use crate::routes::logs::number;
use crate::settings::{MENTIONS_MAX, SITUATIONS_MAX, TIMELINE_MAX};
use crate::types::{Explanation, Problem, Situation};

/// Explains the event that `source` calls `id`; only the newest events are searched.
#[utoipa::path(
    get, path = "/v1/explain", tag = "explain", params(ExplainAsked),
    responses((status = 200, body = Explanation), (status = "4XX", body = Problem))
)]
pub(crate) async fn explain_named(
    State(shared): State<Shared>,
    Asked(asked): Asked<ExplainAsked>,
) -> Answer<Json<Explanation>> {
    let story = move |shared: &Shared| {
        let log = shared.node.log();
        let decode = shared.settings.decode;
        let found = read::find_event(log.as_ref(), decode, &asked.source, &asked.id)?;
        let record = found.ok_or_else(|| {
            Fault::not_found(format!(
                "no event with this source and id is among the newest {}; give its place, `event:<lsn>`",
                read::EVENTS_SEARCHED_MAX
            ))
        })?;
        about_event(shared, record.lsn, Some(record))
    };
    shared.read(story).await.map(Json)
}

/// Explains a detection, incident, decision, execution (by its id) or an event (`event:<lsn>` or the number alone).
#[utoipa::path(
    get, path = "/v1/explain/{ref}", tag = "explain",
    params(("ref" = String, Path, description = "`det-…`, `inc-…`, `dec-…`, `exe-…`, `event:<lsn>` or `<lsn>`")),
    responses((status = 200, body = Explanation), (status = "4XX", body = Problem))
)]
pub(crate) async fn explain(
    State(shared): State<Shared>,
    Path(reference): Path<String>,
) -> Answer<Json<Explanation>> {
    shared
        .read(move |shared| about(shared, &reference))
        .await
        .map(Json)
}

fn about(shared: &Shared, reference: &str) -> Answer<Explanation> {
    let views = shared.node.views();
    let found = if reference.starts_with(DetectionId::PREFIX) {
        views.explain_detection(reference)?
    } else if reference.starts_with(IncidentId::PREFIX) {
        views.explain_incident(reference)?
    } else if reference.starts_with(DecisionId::PREFIX) {
        views.explain_decision(reference)?
    } else if reference.starts_with(ExecutionId::PREFIX) {
        views.explain_execution(reference)?
    } else {
        let lsn = reference.strip_prefix("event:").unwrap_or(reference);
        let lsn = Lsn(number(lsn).map_err(|_| {
            Fault::not_found(
                "this is nothing that can be explained; give `det-…`, `inc-…`, `dec-…`, `exe-…` or `event:<lsn>`",
            )
        })?);
        let record = match read::event(shared.node.log().as_ref(), shared.settings.decode, lsn) {
            Ok(Some(record)) => Some(record),
            Ok(None) => return Err(Fault::not_found(format!("there is no event {lsn} (yet)"))),
            // The journal knows what came of an event that the log no longer holds.
            Err(ReadError::Gone { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        return about_event(shared, lsn, record);
    };
    told(shared, found, None)
}

fn about_event(shared: &Shared, lsn: Lsn, record: Option<Record>) -> Answer<Explanation> {
    let views = shared.node.views();
    let found = views.explain_event(lsn, record.as_ref().map(|record| &record.event));
    told(shared, found, record)
}

fn told(shared: &Shared, found: view::Explanation, event: Option<Record>) -> Answer<Explanation> {
    let left_out = found.situations.len().saturating_sub(SITUATIONS_MAX);
    let situations = (found.situations.iter().take(SITUATIONS_MAX))
        .map(|situation| one(shared, situation))
        .collect::<Answer<Vec<_>>>()?;
    let mut summary = found.summary;
    if left_out > 0 {
        summary.push_str(&format!(
            "; {left_out} further detections are not told here"
        ));
    }
    Ok(Explanation {
        subject: found.subject,
        summary,
        event: event.as_ref().map(convert::event),
        situations,
    })
}

fn one(shared: &Shared, situation: &view::Situation) -> Answer<Situation> {
    let mut ids: Vec<String> = Vec::new();
    let mut events = Vec::new();
    if let Some(view) = &situation.detection {
        ids.push(view.detection.id.to_string());
        let log = shared.node.log();
        for lsn in &view.detection.evidence.lsns {
            match read::event(log.as_ref(), shared.settings.decode, *lsn) {
                Ok(record) => events.extend(record.as_ref().map(convert::event)),
                // What the log no longer holds is told by the figures that stand in the journal.
                Err(ReadError::Gone { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let decided = (situation.decisions.iter()).map(|view| view.decision.id.to_string());
    let ran = situation.executions.iter().map(|run| run.id.to_string());
    ids.extend(ran.chain(decided));
    ids.truncate(MENTIONS_MAX);
    let journal = shared.node.journal();
    let entries = read::entries_about(journal.as_ref(), &ids, TIMELINE_MAX)?;
    Ok(Situation {
        outcome: situation.kind.as_str().to_owned(),
        text: situation.text.clone(),
        detection: situation.detection.as_deref().map(convert::detection),
        events,
        plans: situation
            .plans
            .iter()
            .map(|plan| convert::plan(plan))
            .collect(),
        decisions: (situation.decisions.iter())
            .map(|view| convert::decision(view))
            .collect(),
        executions: (situation.executions.iter())
            .map(|view| convert::execution(view))
            .collect(),
        timeline: entries.iter().map(convert::timeline_entry).collect(),
    })
}
