//! How much is too much. Every bound has a default that an ordinary sender never meets.

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one event, or of one webhook body that becomes one event.
    pub event_bytes: usize,
    /// Bytes of a batch, or of a webhook body that becomes many events.
    pub batch_bytes: usize,
    /// Events of a batch, or of a webhook body.
    pub batch_events: usize,
    /// Levels of arrays and objects in one event; never more than [`Limits::DEPTH_CEILING`].
    pub depth: usize,
    /// JSON values in one event.
    pub nodes: usize,
    /// JSON values in one batch: a small value takes up to eighty times its text in memory, so bytes alone bound little.
    pub batch_nodes: usize,
    /// Bytes of one string or object key.
    pub string_bytes: usize,
    /// Bytes of all events that one webhook body becomes: every one of them may repeat parts of the body.
    pub fanout_bytes: usize,
    /// Elements that the loops of a mapping's expressions may visit for one request.
    pub loop_steps: u64,
}

impl Limits {
    /// The deepest [`Limits::depth`] that is honoured; the JSON parser recurses, and has a floor of its own at 127.
    pub const DEPTH_CEILING: usize = 120;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 1 << 20,
            batch_bytes: 8 << 20,
            batch_events: 10_000,
            depth: 64,
            nodes: 100_000,
            batch_nodes: 500_000,
            string_bytes: 256 << 10,
            fanout_bytes: 32 << 20,
            loop_steps: 1_000_000,
        }
    }
}
