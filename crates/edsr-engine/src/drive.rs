//! Drive: the order in which results may leave. Append, then durable, then perform.
//!
//! The engine may run ahead on events that are not durable yet. An entry goes to the journal only after the events
//! it rests on are durable, and a call is made only after the entry that intends it is durable. Because this is a
//! small state machine and not a habit of the shell, the simulator runs the very code that runs live.

mod past;
mod recover;

use std::collections::VecDeque;

use edsr_model::{Draft, EffectRequest, Lsn, Seq};

use crate::engine::{Engine, Input, Output};
pub use past::{Past, Refolded, Told, Unfit, refold, remember};
pub use recover::{Broken, Recovered, Recovery};

/// The most entries handed over at once.
pub const APPEND_MAX: usize = 256;

/// What the shell is asked to do.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one at a time, taken apart at once"
)]
pub enum Action {
    /// Append these to the journal as one unit, and say when they are durable.
    Append(Vec<Draft>),
    /// Make this call; its intent is durable.
    Perform(EffectRequest),
}

/// An engine and what of its results has not left yet.
#[derive(Debug)]
pub struct Drive {
    engine: Engine,
    drafts: VecDeque<Draft>,
    calls: VecDeque<(Seq, EffectRequest)>,
    durable_lsn: Lsn,
    durable_seq: Seq,
}

impl Drive {
    /// Goes on from where the two logs are durable.
    #[must_use]
    pub fn new(engine: Engine, durable_lsn: Lsn, durable_seq: Seq) -> Self {
        Self {
            engine,
            drafts: VecDeque::new(),
            calls: VecDeque::new(),
            durable_lsn,
            durable_seq,
        }
    }

    /// Goes on after a recovery: what it derived anew leaves in the same order as ever.
    #[must_use]
    pub fn recovered(recovered: Recovered, durable_lsn: Lsn, durable_seq: Seq) -> Self {
        let mut drive = Self::new(recovered.engine, durable_lsn, durable_seq);
        drive.take(recovered.output);
        drive
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to make bundles known to it.
    pub const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Tells the engine something.
    pub fn offer(&mut self, input: Input) {
        let output = self.engine.apply(input);
        self.take(output);
    }

    /// Events up to here are durable.
    pub fn event_durable(&mut self, lsn: Lsn) {
        self.durable_lsn = self.durable_lsn.max(lsn);
    }

    /// Entries up to here are durable.
    pub fn entries_durable(&mut self, seq: Seq) {
        self.durable_seq = self.durable_seq.max(seq);
    }

    /// Events up to here are durable.
    #[must_use]
    pub const fn durable_lsn(&self) -> Lsn {
        self.durable_lsn
    }

    /// Entries up to here are durable.
    #[must_use]
    pub const fn durable_seq(&self) -> Seq {
        self.durable_seq
    }

    /// Whether everything that was derived so far is durable in both logs.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.durable_seq >= self.engine.seq() && self.durable_lsn >= self.engine.lsn()
    }

    /// What is to be done next, if anything.
    pub fn poll(&mut self) -> Option<Action> {
        if let Some((seq, _)) = self.calls.front()
            && *seq <= self.durable_seq
        {
            return self
                .calls
                .pop_front()
                .map(|(_, request)| Action::Perform(request));
        }
        self.poll_appends().map(Action::Append)
    }

    /// What is to be appended next, if anything, and no call: for a node that is about to stop.
    pub fn poll_appends(&mut self) -> Option<Vec<Draft>> {
        let ready = self
            .drafts
            .iter()
            .take(APPEND_MAX)
            .take_while(|draft| draft.lsn <= self.durable_lsn)
            .count();
        (ready > 0).then(|| self.drafts.drain(..ready).collect())
    }

    /// Entries that wait for their evidence.
    #[must_use]
    pub fn drafts_waiting(&self) -> usize {
        self.drafts.len()
    }

    /// Calls that wait for their intent.
    #[must_use]
    pub fn calls_waiting(&self) -> usize {
        self.calls.len()
    }

    fn take(&mut self, output: Output) {
        self.drafts.extend(output.drafts);
        self.calls.extend(output.calls);
    }
}
