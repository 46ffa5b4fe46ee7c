//! Starting: open both logs, fold them again, hold the result against the journal, and go on where it stopped.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use edsr_actuate::{Registry, Settings as ActuateSettings};
use edsr_engine::admit::{Dedupe, DedupeSettings};
use edsr_engine::bundle::Bundle;
use edsr_engine::drive::{Broken, Drive, Recovered, Recovery};
use edsr_engine::policy::PolicyError;
use edsr_engine::{Engine, Input};
use edsr_journal::{Journal, JournalError, JournalReader};
use edsr_log::{
    EventLog, LogError, LogObserver, LogReader, LogThread, LogThreadSettings, ReadLimit, Retention,
    StoredRecord,
};
use edsr_model::{
    Actor, BundleHash, EffectRequest, Entry, Event, Fact, Lsn, Outcome, Record, Seq, Timestamp,
};

use crate::api::EventSink;
use crate::bundles::{BundleFiles, BundleStore, BundleStoreError, Compile};
use crate::clock::Clock;
use crate::core::{Core, Message, Parts, SnapshotEvery, pause_from_file};
use crate::journal_thread::JournalThread;
use crate::node::{Node, Token};
use crate::shared::Shared;
use crate::snapshots::SnapshotStore;
use crate::view::Views;

/// What a node is made of.
pub struct Setup {
    /// Where snapshots, bundles and the pause file are.
    pub data_dir: PathBuf,
    /// The event log.
    pub log: Box<dyn EventLog>,
    /// The journal.
    pub journal: Box<dyn Journal>,
    /// Turns stored files into a bundle that can run.
    pub compile: Compile,
    /// What actuators may do.
    pub actuate: ActuateSettings,
    /// What comes into force at start.
    pub activation: Activation,
    /// How far back repetitions are recognised.
    pub dedupe: DedupeSettings,
    /// How long events are kept.
    pub retention: Retention,
    /// When snapshots are taken.
    pub snapshot_every: SnapshotEvery,
    /// The most bytes of events that may wait to become durable; beyond it requests are turned away with 429.
    pub pending_bytes_max: usize,
    /// People who may use the API, by token.
    pub tokens: Vec<Token>,
    /// Whether requests without a token are let in: only where the node listens on loopback and there are no tokens.
    pub open: bool,
}

/// A bundle, and what stands beside it, on its way into force.
pub struct Activation {
    /// What the engine runs.
    pub bundle: Arc<Bundle>,
    /// The files it was made from.
    pub files: BundleFiles,
    /// The door for CloudEvents.
    pub events: edsr_source::Source,
    /// One door per `Source` document.
    pub hooks: Vec<edsr_source::Source>,
    /// The documents as they were written: kind, name, content.
    pub documents: Vec<(String, String, serde_json::Value)>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The event log.
    #[error("the event log cannot be used: {0}")]
    Log(#[from] LogError),
    /// The journal.
    #[error("the journal cannot be used: {0}")]
    Journal(#[from] JournalError),
    /// A bundle that something still rests on.
    #[error(transparent)]
    Bundle(#[from] BundleStoreError),
    /// The journal does not follow from the events.
    #[error("{0}; run `edsr audit verify` to see whether the record was changed")]
    Broken(#[from] Broken),
    /// Events that are needed are gone.
    #[error(
        "no snapshot can be used and the event log begins at {first}, so the state cannot be folded again; restore a snapshot or the older segments"
    )]
    TooLate {
        /// The oldest event held.
        first: Lsn,
    },
    /// A stored event cannot be read.
    #[error("the stored event {lsn} is not a CloudEvent: {reason}")]
    Event {
        /// Its place.
        lsn: Lsn,
        /// Why.
        reason: String,
    },
    /// A thread could not be started.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The built-in policy schema is wrong, which is a mistake in the program.
    #[error("the built-in policy schema cannot be used: {0:?}")]
    Schema(Vec<PolicyError>),
}

/// Calls that were decided but not intended durably when the node went down are made only if it was down no longer.
pub const RESUME_MAX: Duration = Duration::from_secs(300);

/// How long a start took and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Events that were folded again.
    pub events: u64,
    /// Entries that were held against what was derived.
    pub entries: u64,
    /// The snapshot it started from, if any.
    pub from: Option<(Lsn, Seq)>,
}

/// Reads an event as it is stored.
#[must_use]
pub fn decode(payload: &[u8]) -> Option<Event> {
    serde_json::from_slice(payload).ok()
}

/// Opens, recovers and starts a node on the current tokio runtime.
///
/// # Errors
/// [`StartError`]; nothing was changed then but what opening the two logs repairs.
pub fn start(setup: Setup) -> Result<(Arc<Node>, Started), StartError> {
    let log_reader = setup.log.reader();
    let journal_reader = setup.journal.reader();
    let store = BundleStore::new(setup.data_dir.join("bundles"), Arc::clone(&setup.compile));
    let snapshots = SnapshotStore::new(setup.data_dir.join("snapshots"));
    let head = setup.journal.head();
    let (recovered, started) =
        recover(&*log_reader, &*journal_reader, &store, &snapshots, head.seq)?;
    let recorded = head.at.max(setup.log.last_at()).max(recovered.engine.now());
    let mut clock = Clock::start(recorded);
    let dedupe = remember(&*log_reader, setup.dedupe, clock.tick())?;
    let views = fold_views(&*journal_reader)?;
    let durable = setup.log.durable();
    let shared = Arc::new(Shared::new(clock.tick(), views, durable, head.seq));

    let (own, inbox) = channel();
    let observer = Observer { own: own.clone() };
    let log = LogThread::spawn(setup.log, LogThreadSettings::default(), observer)?;
    let journal = JournalThread::spawn(setup.journal, Arc::clone(&shared), own.clone())?;
    let node = Arc::new(Node::new(
        Arc::clone(&shared),
        own.clone(),
        log_reader,
        journal_reader,
        store,
        setup.tokens,
        setup.open,
        setup.pending_bytes_max,
    ));
    let registry = registry(setup.actuate, &node);
    let pause_file = setup.data_dir.join("pause");
    let mut recovered = recovered;
    let paused = pause_file.exists();
    // What recovery derived anew is not called with the pause file there, nor when it was decided too long ago.
    let asleep = clock.tick().since(recovered.engine.now());
    let held = if paused || asleep > RESUME_MAX {
        std::mem::take(&mut recovered.output.calls)
    } else {
        Vec::new()
    };
    let mut drive = Drive::recovered(recovered, durable, head.seq);
    if paused {
        pause_at_start(&mut drive, &pause_file, clock.tick());
    }
    hold_back(&mut drive, held);
    let since = drive.engine().now();
    drive.offer(Input::Stated {
        at: clock.tick(),
        actor: Actor::Node,
        fact: Fact::NodeStarted {
            since,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            durable: head.seq,
        },
    });
    let in_force = drive.engine().bundle().hash;
    *shared.bundle.lock().unwrap_or_else(PoisonError::into_inner) = in_force;
    let core = Core::new(Parts {
        drive,
        dedupe,
        clock,
        log,
        journal,
        registry,
        runtime: tokio::runtime::Handle::current(),
        shared: Arc::clone(&shared),
        snapshots,
        snapshot_every: setup.snapshot_every,
        retention: setup.retention,
        pause_file,
        pause_file_seen: paused,
        inbox,
        own,
    });
    let thread = Builder::new()
        .name("core".to_owned())
        .spawn(move || core.run())?;
    node.own_thread(thread);
    node.activate_at_start(setup.activation)?;
    Ok((node, started))
}

/// Honours the pause file before time goes on, so that nothing which fell due while the node was down gets past it.
fn pause_at_start(drive: &mut Drive, file: &Path, now: Timestamp) {
    let pause = pause_from_file(file, now);
    let at = drive.engine().now();
    drive.offer(Input::Stated {
        at,
        actor: pause.by.clone(),
        fact: Fact::Paused(pause),
    });
}

/// Tells the engine of calls that are not made after all; it goes on from there as after any failure.
fn hold_back(drive: &mut Drive, held: Vec<(Seq, EffectRequest)>) {
    let at = drive.engine().now();
    for (_, request) in held {
        let outcome = Outcome::Failed {
            reason: "it was held back before it was sent: the node was down, or a pause came first"
                .to_owned(),
            output: serde_json::Value::Null,
        };
        drive.offer(Input::Stated {
            at,
            actor: Actor::Node,
            fact: Fact::StepOutcome {
                attempt: request.attempt,
                outcome,
            },
        });
    }
}

/// Tells the core what the event log's thread reports.
struct Observer {
    own: Sender<Message>,
}

impl LogObserver for Observer {
    fn on_durable(&mut self, durable: Lsn) {
        // The core is gone only when the node stops.
        let _ = self.own.send(Message::LogDurable(durable));
    }

    fn on_failed(&mut self, error: LogError) {
        let _ = self.own.send(Message::LogFailed(error.to_string()));
    }
}

/// The actuators; events that a playbook emits come in through the node's own door.
fn registry(settings: ActuateSettings, node: &Arc<Node>) -> Registry {
    let node = Arc::downgrade(node);
    let sink: edsr_actuate::Sink = Arc::new(move |event| {
        let node = node.upgrade();
        Box::pin(async move {
            match node {
                Some(node) => node.emit(event).await,
                None => Err("the node is stopping".to_owned()),
            }
        })
    });
    Registry::standard(settings, sink)
}

fn recover(
    log: &dyn LogReader,
    journal: &dyn JournalReader,
    store: &BundleStore,
    snapshots: &SnapshotStore,
    head: Seq,
) -> Result<(Recovered, Started), StartError> {
    let empty = Arc::new(Bundle::empty().map_err(StartError::Schema)?);
    let (engine, from) = restore(log, snapshots, &empty, head)?;
    let mut engine = engine;
    for hash in engine.bundles_needed() {
        learn(&mut engine, store, hash)?;
    }
    if engine.settle_bundle().is_err() {
        learn(&mut engine, store, empty.hash)?;
    }
    let tail = tail(journal, engine.seq())?;
    for entry in &tail {
        if let Fact::BundleActivated { bundle, .. } = &entry.draft.fact {
            learn(&mut engine, store, *bundle)?;
        }
    }
    let mut started = Started {
        events: 0,
        entries: tail.len() as u64,
        from,
    };
    let mut recovery = Recovery::new(engine, tail);
    each_record(log, recovery.wants(), |record| {
        started.events += 1;
        recovery.event(read(record)?).map_err(StartError::from)
    })?;
    Ok((recovery.finish()?, started))
}

/// The newest state that can be gone on from.
fn restore(
    log: &dyn LogReader,
    snapshots: &SnapshotStore,
    empty: &Arc<Bundle>,
    head: Seq,
) -> Result<(Engine, Option<(Lsn, Seq)>), StartError> {
    for snapshot in snapshots.usable(log.durable(), head) {
        if snapshot.lsn.next() < log.first() {
            continue;
        }
        match Engine::restore(&snapshot.state, Arc::clone(empty)) {
            Ok(engine) => return Ok((engine, Some((snapshot.lsn, snapshot.seq)))),
            Err(error) => {
                tracing::warn!(%error, "a snapshot of another version is passed over");
            }
        }
    }
    if log.first() > Lsn(1) {
        return Err(StartError::TooLate { first: log.first() });
    }
    Ok((Engine::new(Arc::clone(empty)), None))
}

fn learn(engine: &mut Engine, store: &BundleStore, hash: BundleHash) -> Result<(), StartError> {
    if hash != BundleHash::default() {
        engine.learn(store.load(hash)?);
    }
    Ok(())
}

fn tail(journal: &dyn JournalReader, after: Seq) -> Result<Vec<Entry>, StartError> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let from = entries.last().map_or(after, |entry| entry.draft.seq).next();
        let page = journal.read(from, edsr_journal::port::READ_MAX)?;
        if page.is_empty() {
            return Ok(entries);
        }
        entries.extend(page);
    }
}

fn each_record(
    log: &dyn LogReader,
    from: Lsn,
    mut take: impl FnMut(StoredRecord) -> Result<(), StartError>,
) -> Result<(), StartError> {
    let mut next = from;
    loop {
        let records = log.read(next, ReadLimit::default())?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        next = last.lsn.next();
        for record in records {
            take(record)?;
        }
    }
}

fn read(stored: StoredRecord) -> Result<Record, StartError> {
    let event = serde_json::from_slice(&stored.payload).map_err(|error| StartError::Event {
        lsn: stored.lsn,
        reason: error.to_string(),
    })?;
    Ok(Record {
        lsn: stored.lsn,
        at: stored.at,
        event,
    })
}

/// Rebuilds from the log's tail which events were taken in lately.
fn remember(
    log: &dyn LogReader,
    settings: DedupeSettings,
    now: Timestamp,
) -> Result<Dedupe, StartError> {
    let mut dedupe = Dedupe::new(settings);
    let from = log.lsn_at(now.before(settings.horizon))?;
    each_record(log, from, |stored| {
        let record = read(stored)?;
        dedupe.note(&record.event, record.lsn, record.at);
        Ok(())
    })?;
    Ok(dedupe)
}

fn fold_views(journal: &dyn JournalReader) -> Result<Views, StartError> {
    let mut views = Views::new();
    let mut from = Seq(1);
    loop {
        let page = journal.read(from, edsr_journal::port::READ_MAX)?;
        let Some(last) = page.last() else {
            return Ok(views);
        };
        from = last.draft.seq.next();
        for entry in &page {
            views.apply(entry);
        }
    }
}

/// Sends a message and waits for the answer, from a thread that may wait.
pub(crate) fn ask<T>(
    own: &Mutex<Sender<Message>>,
    make: impl FnOnce(tokio::sync::oneshot::Sender<T>) -> Message,
) -> Option<tokio::sync::oneshot::Receiver<T>> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let own = own.lock().unwrap_or_else(PoisonError::into_inner);
    own.send(make(reply)).ok()?;
    Some(answer)
}

/// How long a command waits for its entry to become durable before it answers that it holds, but is not durable yet.
pub(crate) const DURABLE_WAIT: Duration = Duration::from_secs(2);
