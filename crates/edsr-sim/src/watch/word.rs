//! What a node gave its word for: commands that were confirmed, until their entries are durable or the node is dead.

use std::collections::BTreeMap;

use edsr_engine::desk::Command;
use edsr_model::{Entry, Seq};

use crate::invariant::{Invariant, Violation};

/// The kinds of the entries that confirmed commands must lead to, by the place they were promised.
#[derive(Debug, Default)]
pub(super) struct Word(BTreeMap<Seq, &'static str>);

impl Word {
    /// A command was confirmed, and is to be recorded at `seq`.
    pub(super) fn given(&mut self, command: &Command, seq: Seq) {
        let kind = match command {
            Command::Pause { .. } => "paused",
            Command::Resume { .. } => "resumed",
            Command::Approve { .. } => "approval",
            Command::Note { .. } => "note",
        };
        self.0.insert(seq, kind);
    }

    /// An entry is durable.
    pub(super) fn kept(&mut self, entry: &Entry) -> Result<(), Violation> {
        let (seq, found) = (entry.draft.seq, entry.draft.fact.kind());
        let Some(promised) = self.0.remove(&seq) else {
            return Ok(());
        };
        Invariant::ConfirmedIsRecorded.holds(promised == found, || {
            format!("entry {seq} was to be `{promised}`, as somebody was told, and is `{found}`")
        })
    }

    /// Nothing is under way any more.
    pub(super) fn settled(&self) -> Result<(), Violation> {
        Invariant::ConfirmedIsRecorded.holds(self.0.is_empty(), || {
            format!("these were confirmed and never recorded: {:?}", self.0)
        })
    }

    /// The node died: what was not durable yet is gone, and whoever asked was told so.
    pub(super) fn died(&mut self) {
        self.0.clear();
    }
}
