//! Everything that happens, as it happens.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event as Message, KeepAlive};
use edsr_model::{DetectionId, Entry, ExecutionId, Fact};
use edsr_node::api::Happening;
use edsr_node::view::Views;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::convert;
use crate::problem::{Answer, Fault};
use crate::query::{Asked, TailAsked, kinds, one_of};
use crate::router::Shared;
use crate::types::{EntryRecord, Missed, Problem};

/// Server-sent events: `event` (an event is durable), `entry` (an entry is), `missed` (the watcher was too slow).
///
/// Filters of entries alone show entries alone, `type` alone shows events alone.
#[utoipa::path(
    get, path = "/v1/tail", tag = "tail", params(TailAsked),
    responses(
        (
            status = 200, content_type = "text/event-stream", body = EntryRecord,
            description = "The data of `entry` is an `EntryRecord`, of `event` an `EventRecord`, of `missed` a `Missed`."
        ),
        (status = "4XX", body = Problem)
    )
)]
pub(crate) async fn tail(
    State(shared): State<Shared>,
    Asked(asked): Asked<TailAsked>,
) -> Answer<Sse<impl Stream<Item = Result<Message, Infallible>>>> {
    one_of("only", asked.only.as_deref(), &["events", "entries"])?;
    kinds(asked.kind.as_deref())?;
    let turn = (Arc::clone(&shared.watchers).try_acquire_owned())
        .map_err(|_| Fault::busy("too many watch already; try again later"))?;
    let keep_alive = KeepAlive::new().interval(shared.settings.keep_alive);
    let happenings = BroadcastStream::new(shared.node.subscribe());
    let filter = Filter::new(asked);
    let happenings = happenings.take_while(|happening| {
        let stopping =
            matches!(happening, Ok(happening) if matches!(**happening, Happening::Stopping));
        async move { !stopping }
    });
    let messages = happenings.filter_map(move |happening| {
        let _held = &turn; // a place is free again once the stream is dropped
        let message = match happening {
            Ok(happening) => filter.message(&shared, &happening),
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                message("missed", None, &Missed { missed })
            }
        };
        async move { message.map(Ok) }
    });
    // The first bytes show the watcher that it misses nothing from here on.
    let hello = stream::iter([Ok(Message::default().comment("watching"))]);
    Ok(Sse::new(hello.chain(messages)).keep_alive(keep_alive))
}

struct Filter {
    events: bool,
    entries: bool,
    kinds: Vec<String>,
    asked: TailAsked,
}

impl Filter {
    fn new(asked: TailAsked) -> Self {
        let kinds: Vec<String> = (asked.kind.iter())
            .flat_map(|kinds| kinds.split(','))
            .map(|kind| kind.trim().to_owned())
            .collect();
        let of_entries =
            asked.kind.is_some() || asked.detector.is_some() || asked.playbook.is_some();
        let of_events = asked.r#type.is_some();
        let only = asked.only.as_deref();
        Self {
            events: only != Some("entries") && (of_events || !of_entries),
            entries: only != Some("events") && (of_entries || !of_events),
            kinds,
            asked,
        }
    }

    fn message(&self, shared: &Shared, happening: &Happening) -> Option<Message> {
        match happening {
            Happening::Stopping => None,
            Happening::Event(record) => {
                let prefix = self.asked.r#type.as_deref().unwrap_or_default();
                let wanted = self.events && record.event.kind.starts_with(prefix);
                let id = format!("event:{}", record.lsn);
                (wanted.then(|| convert::event(record)))
                    .and_then(|record| message("event", Some(id), &record))
            }
            Happening::Entry(entry) => {
                let wanted = self.entries && self.fits(shared, entry);
                let id = format!("entry:{}", entry.draft.seq);
                (wanted.then(|| convert::entry(entry)))
                    .and_then(|entry| message("entry", Some(id), &entry))
            }
        }
    }

    fn fits(&self, shared: &Shared, entry: &Entry) -> bool {
        let kind = entry.draft.fact.kind();
        if !self.kinds.is_empty() && !self.kinds.iter().any(|wanted| wanted == kind) {
            return false;
        }
        if self.asked.detector.is_none() && self.asked.playbook.is_none() {
            return true;
        }
        let about = About::of(&entry.draft.fact, &shared.node.views());
        let fits = |wanted: &Option<String>, found: Option<String>| {
            (wanted.as_ref()).is_none_or(|wanted| found.as_ref() == Some(wanted))
        };
        fits(&self.asked.detector, about.detector) && fits(&self.asked.playbook, about.playbook)
    }
}

/// The detector and the playbook a fact is about; a fact that names neither is about none.
#[derive(Default)]
struct About {
    detector: Option<String>,
    playbook: Option<String>,
}

impl About {
    fn of(fact: &Fact, views: &Views) -> Self {
        let detection = |id: Option<&DetectionId>, playbook: Option<&str>| Self {
            detector: id
                .and_then(|id| views.detections().get(id))
                .map(|view| view.detection.detector.clone()),
            playbook: playbook.map(ToOwned::to_owned),
        };
        let run = |id: &ExecutionId| match views.executions().get(id) {
            Some(run) => detection(run.detection.as_ref(), Some(&run.playbook)),
            None => Self::default(),
        };
        match fact {
            Fact::DetectionOpened(found) => Self {
                detector: Some(found.detector.clone()),
                playbook: None,
            },
            Fact::DetectionUpdated { detection: id, .. }
            | Fact::DetectionResolved { detection: id, .. } => detection(Some(id), None),
            Fact::Planned(plan) => detection(plan.detection.as_ref(), Some(&plan.playbook)),
            Fact::Decided {
                playbook,
                detection: id,
                ..
            }
            | Fact::ExecutionStarted {
                playbook,
                detection: id,
                ..
            } => detection(id.as_ref(), Some(playbook)),
            Fact::Approval { decision, .. } => match views.decisions().get(decision) {
                Some(view) => detection(view.detection.as_ref(), Some(&view.playbook)),
                None => Self::default(),
            },
            Fact::StepIntended(request) => run(&request.attempt.execution),
            Fact::StepOutcome { attempt, .. } | Fact::StepRetry { attempt, .. } => {
                run(&attempt.execution)
            }
            Fact::Verified { execution, .. } | Fact::ExecutionEnded { execution, .. } => {
                run(execution)
            }
            Fact::NodeStarted { .. }
            | Fact::BundleActivated { .. }
            | Fact::Paused(_)
            | Fact::Resumed { .. }
            | Fact::Note { .. } => Self::default(),
        }
    }
}

fn message(name: &str, id: Option<String>, data: &impl Serialize) -> Option<Message> {
    let data = serde_json::to_string(data).ok()?;
    let message = Message::default().event(name).data(data);
    Some(match id {
        Some(id) => message.id(id),
        None => message,
    })
}
