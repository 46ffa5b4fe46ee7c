//! What can be set, and the bounds that cannot.

use std::time::Duration;

use edsr_node::view::read::Decode;

/// The longest body of an API call, in bytes. Events have their own limit, which the node says.
pub(crate) const CALL_BYTES_MAX: usize = 64 * 1024;
/// How many items a page has where nothing is said.
pub(crate) const PAGE_DEFAULT: usize = 50;
/// How many items a page has at most.
pub(crate) const PAGE_MAX: usize = 500;
/// How many entries the timeline of an incident shows.
pub(crate) const TIMELINE_MAX: usize = 2_000;
/// How many situations one explanation tells in full.
pub(crate) const SITUATIONS_MAX: usize = 20;
/// How many ids of one situation are looked up in the journal.
pub(crate) const MENTIONS_MAX: usize = 32;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// How long a whole body may take.
    pub body_time_max: Duration,
    /// How long a body may make no progress.
    pub body_idle_max: Duration,
    /// How many bodies of events are read at once; more are told to come back.
    pub bodies_max: usize,
    /// How many bytes of bodies of events that have not fully arrived are held at once.
    pub bodies_arriving_bytes_max: usize,
    /// How many bytes of bodies of events are held until their answer.
    pub bodies_bytes_max: usize,
    /// How many watch `/v1/tail` at once.
    pub watchers_max: usize,
    /// How often a silent `/v1/tail` shows that it is alive.
    pub keep_alive: Duration,
    /// How many reads of the logs run at once.
    pub reads_max: usize,
    /// How an event is read out of the log: the inverse of how the node writes it.
    pub decode: Decode,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            body_time_max: Duration::from_secs(10),
            body_idle_max: Duration::from_secs(3),
            bodies_max: 64,
            // With the connections around them, bodies that never end cost less than 16 MiB of memory.
            bodies_arriving_bytes_max: 6 * 1024 * 1024,
            // As much as may wait to become durable.
            bodies_bytes_max: 64 * 1024 * 1024,
            watchers_max: 64,
            keep_alive: Duration::from_secs(15),
            reads_max: 8,
            decode: edsr_node::decode,
        }
    }
}
