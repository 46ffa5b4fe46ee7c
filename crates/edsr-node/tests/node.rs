//! The node on logs in memory and on disks that fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edsr_actuate::Settings as ActuateSettings;
use edsr_engine::Prefilter;
use edsr_engine::admit::DedupeSettings;
use edsr_engine::bundle::{Bundle, Detector, Kind, MatchSpec};
use edsr_expr::{EVENT_VARS, Expr};
use edsr_journal::MemoryJournal;
use edsr_log::{EventLog, Fault, FileLog, FileLogSettings, MemDisk, MemoryLog, Retention};
use edsr_model::{Actor, Digest, PauseScope, Severity};
use edsr_node::api::{Command, Door, IngestError, NodeApi};
use edsr_node::{Activation, Node, Setup, SnapshotEvery, start};
use edsr_source::{Adapter, Auth, Limits, Source};
use http::HeaderMap;

const WAIT: Duration = Duration::from_secs(20);

struct Fixture {
    folder: tempfile::TempDir,
    journal: MemoryJournal,
    pending_bytes_max: usize,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            journal: MemoryJournal::new(),
            pending_bytes_max: 1 << 20,
        }
    }

    fn start(&self, log: Box<dyn EventLog>) -> Arc<Node> {
        let setup = Setup {
            data_dir: self.folder.path().to_owned(),
            log,
            journal: Box::new(self.journal.reopen()),
            compile: Arc::new(|_| Ok(bundle())),
            actuate: ActuateSettings::default(),
            activation: Activation {
                bundle: Arc::new(bundle()),
                files: vec![("a.yaml".to_owned(), String::new())],
                events: Source::new(
                    "events",
                    Adapter::CloudEvents,
                    Auth::None,
                    Limits::default(),
                )
                .unwrap(),
                hooks: Vec::new(),
                documents: Vec::new(),
            },
            dedupe: DedupeSettings::default(),
            retention: Retention::default(),
            snapshot_every: SnapshotEvery {
                events: 3,
                time: Duration::from_millis(1),
            },
            pending_bytes_max: self.pending_bytes_max,
            tokens: Vec::new(),
            open: true,
        };
        start(setup).unwrap().0
    }
}

/// One detector that opens for each `bad` event and never clears by itself.
fn bundle() -> Bundle {
    let detectors = vec![Detector {
        name: "bad".to_owned(),
        owner: "team".to_owned(),
        hash: Digest::of(b"the detector"),
        on: Some(Expr::compile("type == 'bad'", EVENT_VARS).unwrap()),
        by: vec![(
            "key".to_owned(),
            Expr::compile("data.key", EVENT_VARS).unwrap(),
        )],
        kind: Kind::Match(MatchSpec {
            when: Some(Expr::compile("data.firing", EVENT_VARS).unwrap()),
            clear: None,
        }),
        hold_for: Duration::ZERO,
        keep_for: Duration::ZERO,
        severity: Severity::Error,
        respond: Vec::new(),
        summary: None,
        keys_max: 100,
    }];
    Bundle {
        hash: Digest::of(b"the bundle"),
        prefilter: Prefilter::of(&detectors),
        detectors,
        playbooks: BTreeMap::new(),
        ..Bundle::empty().unwrap()
    }
}

fn body(id: &str, firing: bool) -> Bytes {
    let event = serde_json::json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "bad",
        "data": {"key": id, "firing": firing}
    });
    Bytes::from(event.to_string())
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        "application/cloudevents+json".parse().unwrap(),
    );
    headers
}

async fn post(node: &Node, body: Bytes) -> Result<edsr_node::api::Receipt, IngestError> {
    node.receive(&Door::Events, &HEADERS, body).await
}

static HEADERS: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(headers);

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, waited)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come about"));
}

async fn stop(node: Arc<Node>) {
    tokio::task::spawn_blocking(move || node.stop())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_found_again_once_after_a_restart() {
    let fixture = Fixture::new();
    let disk = MemDisk::new(1);
    let open = || Box::new(FileLog::open(disk.clone(), FileLogSettings::new(7)).unwrap());
    let node = fixture.start(open());
    for n in 0..10 {
        let receipt = post(&node, body(&n.to_string(), true)).await.unwrap();
        assert_eq!((receipt.accepted, receipt.duplicates), (1, 0));
    }
    until("ten detections", || {
        node.views().counts().open_detections == 10
    })
    .await;
    let receipt = post(&node, body("3", true)).await.unwrap();
    assert_eq!((receipt.accepted, receipt.duplicates), (0, 1));
    let before: Vec<_> = node
        .views()
        .detections()
        .iter()
        .map(|(id, _)| id.clone())
        .collect();
    stop(node).await;

    let node = fixture.start(open());
    assert_eq!(node.status().lsn.0, 10);
    let receipt = post(&node, body("9", true)).await.unwrap();
    assert_eq!(
        (receipt.accepted, receipt.duplicates),
        (0, 1),
        "known across the restart"
    );
    let after: Vec<_> = node
        .views()
        .detections()
        .iter()
        .map(|(id, _)| id.clone())
        .collect();
    assert_eq!(before, after, "nothing opened twice");
    // The state goes on: what was open is resolved by its own end.
    let event = String::from_utf8(body("4", false).to_vec())
        .unwrap()
        .replace("\"id\":\"4\"", "\"id\":\"4-end\"");
    post(&node, Bytes::from(event)).await.unwrap();
    until("one resolved", || {
        node.views()
            .detections()
            .iter()
            .filter(|(_, view)| view.detection.state == edsr_model::DetectionState::Resolved)
            .count()
            == 1
    })
    .await;
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_stops_acknowledging_for_good_and_a_pause_still_holds() {
    let fixture = Fixture::new();
    let disk = MemDisk::new(2);
    let node = fixture.start(Box::new(
        FileLog::open(disk.clone(), FileLogSettings::new(7)).unwrap(),
    ));
    post(&node, body("1", true)).await.unwrap();
    for call in 0..4 {
        disk.fail_call(disk.calls() + call, Fault::Eio);
    }
    let refused = post(&node, body("2", true)).await.unwrap_err();
    assert!(
        matches!(refused, IngestError::Unavailable(_)),
        "{refused:?}"
    );
    let refused = post(&node, body("3", true)).await.unwrap_err();
    assert!(
        matches!(refused, IngestError::Unavailable(_)),
        "{refused:?}"
    );
    let status = node.status();
    assert!(
        !status.ready && status.problems[0].contains("event log"),
        "{status:?}"
    );
    let pause = Command::Pause {
        scope: PauseScope::All,
        reason: "the disk is broken".to_owned(),
    };
    let done = node
        .command(Actor::Person("sre".to_owned()), pause)
        .await
        .unwrap();
    assert!(!done.durable, "it cannot be recorded, and says so");
    assert!(node.status().paused, "and holds all the same");
    stop(node).await;
    // After the disk is well again, what was acknowledged is there, and nothing else is claimed.
    let disk = MemDisk::from_image(3, &disk.image());
    let node = fixture.start(Box::new(
        FileLog::open(disk, FileLogSettings::new(7)).unwrap(),
    ));
    let receipt = post(&node, body("1", true)).await.unwrap();
    assert_eq!(receipt.duplicates, 1);
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_behind_turns_requests_away_and_takes_them_later() {
    let mut fixture = Fixture::new();
    fixture.pending_bytes_max = 400;
    let gate = Arc::new(std::sync::Barrier::new(2));
    let node = fixture.start(Box::new(Slow {
        log: MemoryLog::new(),
        gate: Arc::clone(&gate),
        waits: 1,
    }));
    let first = {
        let node = Arc::clone(&node);
        tokio::spawn(async move { post(&node, body("1", true)).await })
    };
    until("the first to be pending", || {
        node.metrics().contains("edsr_pending_bytes 1")
    })
    .await;
    let second = {
        let node = Arc::clone(&node);
        tokio::spawn(async move { post(&node, body("2", true)).await })
    };
    let turned_away = async {
        let mut n = 10;
        loop {
            if let Err(IngestError::Behind { retry_after }) = tokio::time::timeout(
                Duration::from_millis(200),
                post(&node, body(&n.to_string(), true)),
            )
            .await
            .unwrap_or(Ok(edsr_node::api::Receipt::default()))
            {
                return retry_after;
            }
            n += 1;
        }
    };
    let retry_after = tokio::time::timeout(WAIT, turned_away)
        .await
        .expect("a 429");
    assert!(retry_after >= Duration::from_secs(1));
    gate.wait();
    assert_eq!(first.await.unwrap().unwrap().accepted, 1);
    assert_eq!(second.await.unwrap().unwrap().accepted, 1);
    until("room again", || {
        node.metrics().contains("edsr_pending_bytes 0")
    })
    .await;
    assert_eq!(post(&node, body("later", true)).await.unwrap().accepted, 1);
    stop(node).await;
}

/// A log whose first commits wait at a gate.
struct Slow {
    log: MemoryLog,
    gate: Arc<std::sync::Barrier>,
    waits: u32,
}

impl EventLog for Slow {
    fn append(
        &mut self,
        at: edsr_model::Timestamp,
        payload: &[u8],
    ) -> Result<edsr_model::Lsn, edsr_log::LogError> {
        self.log.append(at, payload)
    }

    fn commit(&mut self) -> Result<edsr_model::Lsn, edsr_log::LogError> {
        if self.waits > 0 {
            self.waits -= 1;
            self.gate.wait();
        }
        self.log.commit()
    }

    fn first(&self) -> edsr_model::Lsn {
        self.log.first()
    }

    fn end(&self) -> edsr_model::Lsn {
        self.log.end()
    }

    fn durable(&self) -> edsr_model::Lsn {
        self.log.durable()
    }

    fn last_at(&self) -> edsr_model::Timestamp {
        self.log.last_at()
    }

    fn retain(
        &mut self,
        retention: &Retention,
        floor: edsr_model::Lsn,
        now: edsr_model::Timestamp,
    ) -> Result<edsr_log::Retained, edsr_log::LogError> {
        self.log.retain(retention, floor, now)
    }

    fn close(&mut self) -> Result<edsr_model::Lsn, edsr_log::LogError> {
        self.log.close()
    }

    fn reader(&self) -> Box<dyn edsr_log::LogReader> {
        self.log.reader()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_survive_a_restart_and_the_file_counts_too() {
    let fixture = Fixture::new();
    let disk = MemDisk::new(3);
    let open = || Box::new(FileLog::open(disk.clone(), FileLogSettings::new(7)).unwrap());
    let person = || Actor::Person("sre".to_owned());
    let node = fixture.start(open());
    let pause = |scope| Command::Pause {
        scope,
        reason: "maintenance".to_owned(),
    };
    let one = node
        .command(person(), pause(PauseScope::All))
        .await
        .unwrap();
    assert!(one.durable);
    let two = node
        .command(person(), pause(PauseScope::Playbook("fix".to_owned())))
        .await
        .unwrap();
    assert_ne!(one.pause, two.pause, "several at once");
    stop(node).await;
    let node = fixture.start(open());
    until("paused after the restart", || node.status().paused).await;
    for done in [one, two] {
        let resume = Command::Resume {
            pause: done.pause.unwrap(),
            reason: "over".to_owned(),
        };
        node.command(person(), resume).await.unwrap();
    }
    until("running again", || !node.status().paused).await;
    std::fs::write(
        fixture.folder.path().join("pause"),
        "{\"by\": \"carol\", \"reason\": \"3 am\"}",
    )
    .unwrap();
    until("paused by file", || node.status().paused).await;
    until("the file to have done its work", || {
        !fixture.folder.path().join("pause").exists()
    })
    .await;
    let by = node
        .views()
        .pauses()
        .values()
        .next()
        .unwrap()
        .by
        .to_string();
    assert_eq!(by, "person:carol");
    stop(node).await;
}
