//! A node without a node: a story, its logs in memory, and a record of what it was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use edsr_journal::{Journal, JournalReader, MemoryJournal};
use edsr_log::{EventLog, LogReader, MemoryLog};
use edsr_model::*;
use edsr_node::api::{
    BoxFuture, Command, CommandDone, CommandError, Door, DoorLimits, Happening, IngestError,
    NodeApi, Receipt, Rejected, Status,
};
use edsr_node::view::Views;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::{ServerSettings, router};

pub(super) const TOKEN: &str = "correct-horse";
pub(super) const BODY_BYTES_MAX: usize = 1_000;

pub(super) struct FakeNode {
    pub(super) open: bool,
    pub(super) ready: bool,
    pub(super) receive: Result<Receipt, IngestError>,
    pub(super) command: Result<CommandDone, CommandError>,
    pub(super) told: Mutex<Vec<(Actor, Command)>>,
    pub(super) received: Mutex<Vec<(Door, usize)>>,
    pub(super) happenings: broadcast::Sender<Arc<Happening>>,
    pub(super) views: Arc<Views>,
    journal: Box<dyn JournalReader>,
    log: Box<dyn LogReader>,
}

/// What the story is about.
pub(super) struct Ids {
    pub(super) detection: DetectionId,
    pub(super) incident: IncidentId,
    pub(super) decision: DecisionId,
    pub(super) execution: ExecutionId,
    pub(super) waiting: DecisionId,
    pub(super) pause: PauseId,
}

pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + secs)
}

pub(super) fn ids() -> Ids {
    Ids {
        detection: DetectionId::derive([b"d".as_slice()]),
        incident: IncidentId::derive([b"i".as_slice()]),
        decision: DecisionId::derive([b"c".as_slice()]),
        execution: ExecutionId::derive([b"e".as_slice()]),
        waiting: DecisionId::derive([b"w".as_slice()]),
        pause: PauseId::derive([b"p".as_slice()]),
    }
}

pub(super) fn event(n: u64, kind: &str) -> Event {
    Event::from_value(json!({
        "specversion": "1.0", "id": n.to_string(), "source": "/shop", "type": kind,
        "data": {"html": "<script>alert(1)</script>"}
    }))
    .unwrap()
}

impl FakeNode {
    pub(super) fn with_story() -> Self {
        Self::telling(Vec::new())
    }

    /// The story, and then these facts about the same incident.
    pub(super) fn telling(more: Vec<Fact>) -> Self {
        let mut journal = MemoryJournal::new();
        let mut log = MemoryLog::new();
        for n in 1..=5 {
            let bytes = serde_json::to_vec(&event(n, "order.placed")).unwrap();
            log.append(at(n as i64), &bytes).unwrap();
        }
        log.commit().unwrap();
        for drafts in story(more).chunks(100) {
            journal.append(drafts).unwrap();
        }
        let reader = journal.reader();
        let mut views = Views::new();
        for entry in reader.read(Seq(1), 10_000).unwrap() {
            views.apply(&entry);
        }
        Self {
            open: false,
            ready: true,
            receive: Ok(Receipt {
                accepted: 2,
                duplicates: 1,
                rejected: vec![rejected()],
                lsns: Some((Lsn(6), Lsn(7))),
            }),
            command: Ok(CommandDone {
                seq: Seq(99),
                pause: None,
                durable: true,
            }),
            told: Mutex::default(),
            received: Mutex::default(),
            happenings: broadcast::channel(4).0,
            views: Arc::new(views),
            journal: reader,
            log: log.reader(),
        }
    }

    pub(super) fn router(self) -> Router {
        router(Arc::new(self), ServerSettings::default())
    }
}

pub(super) fn rejected() -> Rejected {
    Rejected {
        index: 2,
        id: Some("x\"<b>\u{7}".to_owned()),
        code: "missing".to_owned(),
        reason: "the attribute `type` is missing".to_owned(),
    }
}

/// One incident that was repaired, one decision that waits, one pause.
fn story(more: Vec<Fact>) -> Vec<Draft> {
    let ids = ids();
    let target: TargetRef = "service/checkout".parse().unwrap();
    let plan = Digest::of(b"plan");
    let mut evidence = Evidence {
        text: "12 % fail".to_owned(),
        ..Evidence::default()
    };
    evidence.note(Lsn(2), at(2));
    evidence.note(Lsn(3), at(3));
    let attempt = AttemptId {
        execution: ids.execution.clone(),
        step: "undo".to_owned(),
        role: StepRole::Do,
        attempt: 1,
    };
    let decided = |id: &DecisionId, verdict, plan| Fact::Decided {
        decision: Decision {
            id: id.clone(),
            plan,
            verdict,
            reasons: vec![Reason::new(ReasonCode::Permitted, "all agree").with("policy", "prod")],
            round: 0,
        },
        playbook: "rollback".to_owned(),
        target: Some(target.clone()),
        detection: Some(ids.detection.clone()),
    };
    let facts = vec![
        Fact::DetectionOpened(Detection {
            id: ids.detection.clone(),
            incident: ids.incident.clone(),
            detector: "errors".to_owned(),
            owner: "team".to_owned(),
            key: Key::new(vec![("region".to_owned(), Scalar::Str("eu".to_owned()))]),
            severity: Severity::Critical,
            state: DetectionState::Open,
            since: at(1),
            opened_at: at(3),
            resolved_at: None,
            resolution: None,
            evidence: evidence.clone(),
            depth: 0,
            correlation: None,
            traceparent: None,
            bundle: Digest::of(b"bundle"),
        }),
        Fact::Planned(Plan {
            hash: plan,
            playbook: "rollback".to_owned(),
            target: target.clone(),
            inputs: [("version".to_owned(), json!("1.2"))].into(),
            risk: Risk::Medium,
            detection: Some(ids.detection.clone()),
            incident: ids.incident.clone(),
            severity: Severity::Critical,
            evidence_at: at(3),
            depth: 0,
            bundle: Digest::of(b"bundle"),
            made_at: at(4),
        }),
        decided(&ids.decision, Verdict::Auto, plan),
        Fact::ExecutionStarted {
            execution: ids.execution.clone(),
            plan,
            playbook: "rollback".to_owned(),
            target: target.clone(),
            detection: Some(ids.detection.clone()),
            seed: 1,
        },
        Fact::StepIntended(EffectRequest {
            attempt: attempt.clone(),
            uses: "exec/run".to_owned(),
            with: json!({"argv": ["./deploy"]}),
            class: EffectClass::Plain,
            idempotency_key: "key".to_owned(),
            timeout: Duration::from_secs(30),
            playbook: "rollback".to_owned(),
            target: target.clone(),
            incident: ids.incident.clone(),
            correlation: None,
            traceparent: None,
            depth: 1,
        }),
        Fact::StepOutcome {
            attempt,
            outcome: Outcome::Ok {
                output: Value::Null,
            },
        },
        Fact::Verified {
            execution: ids.execution.clone(),
            passed: true,
            text: "it was resolved".to_owned(),
        },
        Fact::ExecutionEnded {
            execution: ids.execution.clone(),
            status: ExecutionStatus::Succeeded,
            reason: "verified".to_owned(),
        },
        decided(&ids.waiting, Verdict::Approve, Digest::of(b"other")),
        Fact::Paused(Pause {
            id: ids.pause.clone(),
            scope: PauseScope::Target(target),
            reason: "game day".to_owned(),
            by: Actor::Person("ann".to_owned()),
            at: at(10),
        }),
    ];
    (facts.into_iter().chain(more).enumerate())
        .map(|(n, fact)| Draft {
            seq: Seq(n as u64 + 1),
            at: at(n as i64 + 3),
            lsn: Lsn(4),
            actor: Actor::Engine,
            cause: Some(Cause::Event(Lsn(3))),
            correlation: (!matches!(fact, Fact::Paused(_))).then(|| ids.incident.to_string()),
            bundle: Some(Digest::of(b"bundle")),
            fact,
        })
        .collect()
}

impl NodeApi for FakeNode {
    fn precheck(&self, door: &Door, headers: &HeaderMap) -> Result<DoorLimits, IngestError> {
        if let Door::Hook(name) = door
            && name != "pager"
        {
            return Err(IngestError::NoSuchSource(name.clone()));
        }
        if headers
            .get("x-signature")
            .is_none_or(|value| value != "good")
        {
            return Err(IngestError::Unauthorized(
                "the signature is missing".to_owned(),
            ));
        }
        Ok(DoorLimits {
            body_bytes_max: BODY_BYTES_MAX,
        })
    }

    fn receive<'a>(
        &'a self,
        door: &'a Door,
        _: &'a HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Receipt, IngestError>> {
        self.received
            .lock()
            .unwrap()
            .push((door.clone(), body.len()));
        Box::pin(async { self.receive.clone() })
    }

    fn command<'a>(
        &'a self,
        actor: Actor,
        command: Command,
    ) -> BoxFuture<'a, Result<CommandDone, CommandError>> {
        self.told.lock().unwrap().push((actor, command));
        Box::pin(async { self.command.clone() })
    }

    fn views(&self) -> Arc<Views> {
        Arc::clone(&self.views)
    }

    fn journal(&self) -> Box<dyn JournalReader> {
        self.journal.clone()
    }

    fn log(&self) -> Box<dyn LogReader> {
        self.log.clone()
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Happening>> {
        self.happenings.subscribe()
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn status(&self) -> Status {
        Status {
            version: "1.0".to_owned(),
            bundle: Digest::of(b"bundle"),
            ready: self.ready,
            problems: (!self.ready)
                .then(|| "the log failed".to_owned())
                .into_iter()
                .collect(),
            started_at: at(0),
            lsn: Lsn(5),
            seq: Seq(10),
            paused: true,
            bundle_problems: None,
        }
    }

    fn person(&self, token: &str) -> Option<String> {
        (token == TOKEN).then(|| "ann".to_owned())
    }

    fn open(&self) -> bool {
        self.open
    }

    fn documents(&self) -> Vec<(String, String, Value)> {
        vec![(
            "Detector".to_owned(),
            "errors".to_owned(),
            json!({"kind": "Detector"}),
        )]
    }
}
