//! A running node, as the API sees it.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use edsr_engine::admit::Fingerprint;
use edsr_engine::desk::Incoming;
use edsr_engine::look;
use edsr_journal::JournalReader;
use edsr_log::LogReader;
use edsr_model::{Actor, Digest, Event, Lsn, Seq};
use edsr_source::same_digest;
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::api::{
    BoxFuture, Command, CommandDone, CommandError, Door, DoorLimits, EventSink, Happening,
    IngestError, NodeApi, Receipt, Status,
};
use crate::bundles::{BundleStore, BundleStoreError};
use crate::clock::wall;
use crate::core::Message;
use crate::doors::Doors;
use crate::metrics::By;
use crate::shared::Shared;
use crate::start::{Activation, DURABLE_WAIT, ask};
use crate::view::Views;

/// Room for one stored event as they usually are, so that it does not grow while it is written.
const EVENT_BYTES_USUAL: usize = 1024;

/// A person who may use the API.
#[derive(Clone)]
pub struct Token {
    /// Who it is.
    pub name: String,
    /// SHA-256 of the token; comparing digests takes the same time whatever is compared.
    pub digest: Digest,
}

/// Why a bundle does not come into force.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// It cannot be kept for the runs that will rest on it.
    #[error(transparent)]
    Store(#[from] BundleStoreError),
    /// The node does not take it.
    #[error("the bundle was not taken: {0}")]
    Refused(String),
}

/// A running node. Call [`Node::stop`] before dropping it.
pub struct Node {
    shared: Arc<Shared>,
    own: Mutex<Sender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    log: Box<dyn LogReader>,
    journal: Box<dyn JournalReader>,
    store: BundleStore,
    tokens: Vec<Token>,
    open: bool,
    pending_bytes_max: usize,
}

impl Node {
    #[allow(
        clippy::too_many_arguments,
        reason = "it only puts together what start made"
    )]
    pub(crate) fn new(
        shared: Arc<Shared>,
        own: Sender<Message>,
        log: Box<dyn LogReader>,
        journal: Box<dyn JournalReader>,
        store: BundleStore,
        tokens: Vec<Token>,
        open: bool,
        pending_bytes_max: usize,
    ) -> Self {
        Self {
            shared,
            own: Mutex::new(own),
            thread: Mutex::new(None),
            log,
            journal,
            store,
            tokens,
            open,
            pending_bytes_max,
        }
    }

    pub(crate) fn own_thread(&self, thread: JoinHandle<()>) {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }

    /// Puts the bundle the node was started with into force and opens its doors.
    pub(crate) fn activate_at_start(&self, activation: Activation) -> Result<(), BundleStoreError> {
        self.store.keep(activation.bundle.hash, &activation.files)?;
        let bundle = Arc::clone(&activation.bundle);
        // The answer comes in a later message; until then the old bundle is in force.
        let _ = ask(&self.own, |reply| Message::Activate {
            bundle,
            actor: Actor::Node,
            reply,
        });
        self.open_doors(activation);
        self.shared.ready.store(true, Ordering::Release);
        Ok(())
    }

    /// Puts a changed bundle into force at one place of the event log. Runs that began with another one stay on it.
    ///
    /// # Errors
    /// When it could not be kept, or the node does not take it; the old one stays in force.
    pub async fn activate(&self, activation: Activation) -> Result<Seq, ActivateError> {
        self.store.keep(activation.bundle.hash, &activation.files)?;
        let bundle = Arc::clone(&activation.bundle);
        let gone = || ActivateError::Refused("the node is stopping".to_owned());
        let answer = ask(&self.own, |reply| Message::Activate {
            bundle,
            actor: Actor::Node,
            reply,
        });
        let seq = answer
            .ok_or_else(gone)?
            .await
            .map_err(|_| gone())?
            .map_err(|refusal| ActivateError::Refused(refusal.to_string()))?;
        self.open_doors(activation);
        *self
            .shared
            .bundle_problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        Ok(seq)
    }

    /// Notes that a changed bundle was refused; the old one runs on.
    pub fn refuse_bundle(&self, problems: String) {
        self.shared.metrics.bundle_refused.inc();
        *self
            .shared
            .bundle_problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(problems);
    }

    fn open_doors(&self, activation: Activation) {
        {
            let mut doors = self
                .shared
                .doors
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            *doors = Doors::new(activation.events, activation.hooks, &doors);
        }
        *self
            .shared
            .documents
            .write()
            .unwrap_or_else(PoisonError::into_inner) = activation.documents;
    }

    /// Tells whoever watches that the node is about to stop, so that no open stream holds it up.
    pub fn say_farewell(&self) {
        self.shared.tell(Happening::Stopping);
    }

    /// Stops: nothing new begins, what is on its way becomes durable, a last snapshot is taken. Waits for that, so it
    /// belongs on a thread that may wait.
    pub fn stop(&self) {
        let sent = self
            .own
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(Message::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Ok(()), Some(thread)) = (sent, thread) {
            // A panic in the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }

    /// Reserves room for events on their way, or says that there is none now.
    fn reserve(&self, bytes: usize) -> Result<(), IngestError> {
        let pending = &self.shared.pending_bytes;
        let max = self.pending_bytes_max;
        let room = pending.fetch_update(Ordering::AcqRel, Ordering::Acquire, |pending| {
            // One request that alone is larger than the bound still has its turn, when nothing else waits.
            (pending == 0 || pending.saturating_add(bytes) <= max)
                .then(|| pending.saturating_add(bytes))
        });
        room.map(|_| ()).map_err(|_| IngestError::Behind {
            retry_after: Duration::from_secs(1),
        })
    }

    async fn store_events(&self, events: Vec<Event>) -> Result<Receipt, IngestError> {
        let stopping = || IngestError::Unavailable("the node is stopping".to_owned());
        if !self.shared.ready.load(Ordering::Acquire) {
            let problems = self
                .shared
                .problems
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let reason = problems.first().cloned();
            return Err(reason.map_or_else(stopping, IngestError::Unavailable));
        }
        let rules = self.shared.rules();
        let mut stored = Vec::with_capacity(events.len());
        let mut bytes = 0;
        for event in events {
            let mut payload = Vec::with_capacity(EVENT_BYTES_USUAL);
            serde_json::to_writer(&mut payload, &event).map_err(|error| IngestError::Bad {
                code: "event.unstorable".to_owned(),
                reason: error.to_string(),
            })?;
            bytes += payload.len();
            stored.push(Incoming {
                // Here and not in the core, so that requests are looked at side by side.
                looked: rules.as_ref().map(|rules| look(rules, &event)),
                fingerprint: Fingerprint::of(&event),
                event,
                stored: Bytes::from(payload),
            });
        }
        self.reserve(bytes)?;
        let answer = ask(&self.own, |reply| Message::Ingest {
            events: stored,
            reply,
        });
        answer.ok_or_else(stopping)?.await.map_err(|_| stopping())?
    }

    async fn take(
        &self,
        door: &Door,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Receipt, IngestError> {
        let open = self
            .shared
            .doors
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let taken = open.take(door, headers, body, wall())?;
        for rejected in &taken.rejected {
            let code = By::name(&rejected.code);
            self.shared
                .metrics
                .events_rejected
                .get_or_create(&code)
                .inc();
        }
        if taken.events.is_empty() && !taken.rejected.is_empty() {
            return Err(IngestError::AllRejected(taken.rejected));
        }
        match self.store_events(taken.events).await {
            Ok(mut receipt) => {
                receipt.rejected = taken.rejected;
                Ok(receipt)
            }
            Err(error) => {
                open.forget(door, headers);
                Err(error)
            }
        }
    }
}

/// A short word for why a request was turned away.
const fn why(error: &IngestError) -> &'static str {
    match error {
        IngestError::NoSuchSource(_) => "no-such-source",
        IngestError::Unauthorized(_) => "unauthorized",
        IngestError::Bad { .. } => "bad",
        IngestError::TooLarge(_) => "too-large",
        IngestError::Unsupported(_) => "unsupported",
        IngestError::AllRejected(_) => "all-rejected",
        IngestError::Behind { .. } => "behind",
        IngestError::Unavailable(_) => "unavailable",
    }
}

impl EventSink for Node {
    fn emit(&self, event: Event) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.store_events(vec![event])
                .await
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
    }
}

impl NodeApi for Node {
    fn precheck(&self, door: &Door, headers: &HeaderMap) -> Result<DoorLimits, IngestError> {
        let open = self
            .shared
            .doors
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        open.precheck(door, headers, wall()).inspect_err(|error| {
            let why = By::name(why(error));
            self.shared
                .metrics
                .requests_turned_away
                .get_or_create(&why)
                .inc();
        })
    }

    fn receive<'a>(
        &'a self,
        door: &'a Door,
        headers: &'a HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Receipt, IngestError>> {
        Box::pin(async move {
            self.take(door, headers, &body).await.inspect_err(|error| {
                let why = By::name(why(error));
                self.shared
                    .metrics
                    .requests_turned_away
                    .get_or_create(&why)
                    .inc();
            })
        })
    }

    fn command<'a>(
        &'a self,
        actor: Actor,
        command: Command,
    ) -> BoxFuture<'a, Result<CommandDone, CommandError>> {
        Box::pin(async move {
            let stopping = || CommandError::Unavailable("the node is stopping".to_owned());
            let answer = ask(&self.own, |reply| Message::Command {
                actor,
                command,
                reply,
            });
            let mut done = answer
                .ok_or_else(stopping)?
                .await
                .map_err(|_| stopping())??;
            let mut durable = self.shared.durable_seq.subscribe();
            let reached = durable.wait_for(|seq| *seq >= done.seq);
            done.durable = matches!(tokio::time::timeout(DURABLE_WAIT, reached).await, Ok(Ok(_)));
            Ok(done)
        })
    }

    fn views(&self) -> Arc<Views> {
        Arc::clone(
            &self
                .shared
                .views
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn journal(&self) -> Box<dyn JournalReader> {
        self.journal.clone_box()
    }

    fn log(&self) -> Box<dyn LogReader> {
        self.log.clone_box()
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Happening>> {
        self.shared.happenings.subscribe()
    }

    fn metrics(&self) -> String {
        self.shared.metrics.text()
    }

    fn status(&self) -> Status {
        let shared = &self.shared;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bundle: shared.rules().map(|rules| rules.hash).unwrap_or_default(),
            ready: shared.ready.load(Ordering::Acquire),
            problems: shared
                .problems
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            started_at: shared.started_at,
            lsn: Lsn(shared.durable_lsn.load(Ordering::Acquire)),
            seq: *shared.durable_seq.borrow(),
            paused: shared.paused.load(Ordering::Acquire),
            bundle_problems: shared
                .bundle_problems
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    fn person(&self, token: &str) -> Option<String> {
        let digest = Digest::of(token.as_bytes());
        let mut found = None;
        for known in &self.tokens {
            let same = same_digest(&known.digest.0, &digest.0);
            if same {
                found = Some(known.name.clone());
            }
        }
        found
    }

    fn open(&self) -> bool {
        self.open
    }

    fn documents(&self) -> Vec<(String, String, Value)> {
        self.shared
            .documents
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
