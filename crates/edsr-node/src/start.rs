//! Starting: open both logs, fold them again, hold the result against the journal, and go on where it stopped.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use edsr_actuate::{Registry, Settings as ActuateSettings};
use edsr_engine::admit::DedupeSettings;
use edsr_engine::bundle::Bundle;
use edsr_engine::desk::{Desk, Opening, SnapshotEvery};
use edsr_engine::drive::{Broken, Refolded, Unfit, refold, remember};
use edsr_engine::policy::PolicyError;
use edsr_journal::{Journal, JournalError, JournalReader};
use edsr_log::{EventLog, LogError, LogObserver, LogThread, LogThreadSettings, Retention};
use edsr_model::{Event, Lsn, Seq};

use crate::api::EventSink;
use crate::bundles::{BundleFiles, BundleStore, BundleStoreError, Compile};
use crate::clock::Clock;
use crate::core::{Core, Message, Parts, pause_from_file};
use crate::journal_thread::JournalThread;
use crate::node::{Node, Token};
use crate::past::{Begin, Kept};
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
    /// The journal ends before its head.
    #[error(
        "the journal ends before entry {next}, and its head is {head}; run `edsr audit verify`"
    )]
    Short {
        /// The first entry that is missing.
        next: Seq,
        /// The last entry, as the head says.
        head: Seq,
    },
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

impl From<Unfit<Self>> for StartError {
    fn from(unfit: Unfit<Self>) -> Self {
        match unfit {
            Unfit::Unreadable(error) => error,
            Unfit::Broken(broken) => Self::Broken(broken),
            Unfit::TooLate { first } => Self::TooLate { first },
            Unfit::Short { next, head } => Self::Short { next, head },
        }
    }
}

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
    let past = Kept {
        log: &*log_reader,
        journal: &*journal_reader,
        bundles: &store,
        snapshots: &snapshots,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        begin: Begin::Newest,
    };
    let empty = Arc::new(Bundle::empty().map_err(StartError::Schema)?);
    let Refolded {
        recovered,
        from,
        passed_over,
        events,
    } = refold(&past, &empty, head.seq)?;
    if passed_over > 0 {
        tracing::warn!(
            passed_over,
            "snapshots of another version or without their events were passed over"
        );
    }
    let started = Started {
        events,
        entries: recovered.compared,
        from,
    };
    let recorded = head.at.max(setup.log.last_at()).max(recovered.engine.now());
    let clock = Clock::start(recorded);
    let dedupe = remember(&past, setup.dedupe, clock.now())?;
    let views = fold_views(&*journal_reader)?;
    let durable = setup.log.durable();
    let shared = Arc::new(Shared::new(clock.now(), views, durable, head.seq));

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
    let desk = Desk::open(Opening {
        recovered,
        dedupe,
        durable,
        head: head.seq,
        recorded,
        now: clock.now(),
        pause: pause_file
            .exists()
            .then(|| pause_from_file(&pause_file, clock.now())),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        snapshot_every: setup.snapshot_every,
    });
    shared.in_force(desk.engine().bundle());
    let core = Core::new(Parts {
        desk,
        clock,
        log,
        journal,
        registry,
        runtime: tokio::runtime::Handle::current(),
        shared: Arc::clone(&shared),
        snapshots,
        retention: setup.retention,
        pause_file,
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
