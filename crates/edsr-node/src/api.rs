//! What the outside may ask of a node. The HTTP server speaks to this and to nothing else.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub use edsr_engine::desk::{Command, CommandDone, CommandError};
use edsr_journal::JournalReader;
use edsr_log::LogReader;
use edsr_model::{Actor, BundleHash, Entry, Event, Lsn, Record, Seq, Timestamp};
use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::view::Views;

/// A future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A running node.
pub trait NodeApi: Send + Sync {
    /// Checks, before the body is read, what can be checked by the headers of a request to `door`.
    ///
    /// # Errors
    /// Unknown door, missing or wrong credentials.
    fn precheck(&self, door: &Door, headers: &HeaderMap) -> Result<DoorLimits, IngestError>;

    /// Authenticates, parses and maps a whole request, and answers once everything it kept is durable.
    ///
    /// # Errors
    /// When nothing of it was kept.
    fn receive<'a>(
        &'a self,
        door: &'a Door,
        headers: &'a HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'a, Result<Receipt, IngestError>>;

    /// Carries out a command of `actor` and answers once its entry is durable.
    ///
    /// # Errors
    /// When it does not apply (unknown pause, decision not waiting), or could not be recorded in time.
    fn command<'a>(
        &'a self,
        actor: Actor,
        command: Command,
    ) -> BoxFuture<'a, Result<CommandDone, CommandError>>;

    /// The fold over the journal that lists are made of, as of now.
    fn views(&self) -> Arc<Views>;

    /// The journal, to read.
    fn journal(&self) -> Box<dyn JournalReader>;

    /// The event log, to read.
    fn log(&self) -> Box<dyn LogReader>;

    /// Everything that happens from now on; a slow reader is told how much it missed.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Happening>>;

    /// Metrics in the OpenMetrics text format.
    fn metrics(&self) -> String;

    /// How the node is.
    fn status(&self) -> Status;

    /// The person a bearer token belongs to; `None` where it is nobody's. Constant time.
    fn person(&self, token: &str) -> Option<String>;

    /// Whether requests without a token are somebody's (true only on loopback with no tokens configured).
    fn open(&self) -> bool;

    /// What a detector or playbook that is in force looks like, as the user wrote it: (kind, name, document).
    fn documents(&self) -> Vec<(String, String, Value)>;
}

/// Where an event comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// `POST /v1/events`: CloudEvents.
    Events,
    /// `POST /v1/hooks/{source}`.
    Hook(String),
}

/// How much a door takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorLimits {
    /// The longest body, in bytes.
    pub body_bytes_max: usize,
}

/// What became of a request with events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Receipt {
    /// Events that are now durable.
    pub accepted: u64,
    /// Events that were durable already: same source and id inside the dedupe horizon.
    pub duplicates: u64,
    /// Events that were turned down.
    pub rejected: Vec<Rejected>,
    /// The places of the accepted events: first and last.
    pub lsns: Option<(Lsn, Lsn)>,
}

/// An event that was turned down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its id, where it had one.
    pub id: Option<String>,
    /// A stable code.
    pub code: String,
    /// One sentence.
    pub reason: String,
}

/// Why nothing of a request was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// There is no such door.
    #[error("there is no source `{0}`; sources are documents of kind `Source` in the bundle")]
    NoSuchSource(String),
    /// Credentials are missing or wrong. 401.
    #[error("{0}")]
    Unauthorized(String),
    /// The request is not understood. 400.
    #[error("{reason}")]
    Bad {
        /// A stable code.
        code: String,
        /// One sentence.
        reason: String,
    },
    /// It is too large. 413.
    #[error("{0}")]
    TooLarge(String),
    /// The format is not one that is understood. 415.
    #[error("{0}")]
    Unsupported(String),
    /// Every event in it was turned down. 400.
    #[error("none of the {} events was accepted", .0.len())]
    AllRejected(Vec<Rejected>),
    /// The node is behind; nothing was kept. 429.
    #[error("the node is behind; try again in {} s", .retry_after.as_secs().max(1))]
    Behind {
        /// When to try again.
        retry_after: Duration,
    },
    /// The event log does not take events any more. 503.
    #[error("events cannot be stored: {0}")]
    Unavailable(String),
}

/// Something that happened, for whoever watches.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "it only ever stands behind an `Arc`"
)]
pub enum Happening {
    /// An event is durable.
    Event(Record),
    /// An entry is durable.
    Entry(Entry),
    /// The node is about to stop; nothing follows.
    Stopping,
}

/// How the node is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Program version.
    pub version: String,
    /// The bundle in force.
    pub bundle: BundleHash,
    /// Ready to take events: started, log and journal sound.
    pub ready: bool,
    /// Why it is not ready.
    pub problems: Vec<String>,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Last durable event.
    pub lsn: Lsn,
    /// Last durable entry.
    pub seq: Seq,
    /// Whether anything is paused.
    pub paused: bool,
    /// Why the last changed bundle was refused, until a good one came.
    pub bundle_problems: Option<String>,
}

/// Hands an event of the node's own to its log (the `event/emit` actuator).
pub trait EventSink: Send + Sync {
    /// Answers once the event is durable.
    ///
    /// # Errors
    /// When it could not be stored.
    fn emit(&self, event: Event) -> BoxFuture<'_, Result<(), String>>;
}
