//! What must always hold, by name. A violation names one of these, and shrinking keeps to it.

use std::fmt;

/// Something that must hold in every world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// A call leaves only after the entry that intends it is durable.
    EffectAfterDurableIntent,
    /// One attempt is one call, over all crashes.
    OneCallPerAttempt,
    /// A plain call that may have happened is made again only after a probe said that it did not.
    PlainIsNotRepeated,
    /// A paused node makes no call by itself that the pause covers.
    PausedDispatchesNothing,
    /// A command that was confirmed is on record where it was said to be, unless the node died before.
    ConfirmedIsRecorded,
    /// An event whose sender was told so is in the event log, for good.
    AcknowledgedIsKept,
    /// No event is in the event log twice.
    KeptOnce,
    /// Every event that was offered was evaluated, known already, or refused; none twice, none lost.
    BooksBalance,
    /// No playbook runs more often than its limits and cooldown say.
    LimitsHold,
    /// One run at a time works on a target.
    OneRunPerTarget,
    /// Nothing runs that was not decided, by policies and guards or by a person.
    DecidedBeforeDone,
    /// A run succeeds only after its verification passed.
    ProofOrNoSuccess,
    /// A run goes on with the bundle it began with, whatever comes into force, and ends for a reason of its own.
    RunsStayPinned,
    /// The journal's chain and tree cover every entry.
    JournalIsWhole,
    /// An entry is written only when the events it rests on are durable.
    EntryAfterDurableEvidence,
    /// Places and times in both logs grow.
    TimeGoesForward,
    /// A start can use the event log that a crash left.
    LogOpens,
    /// Both logs, folded again, lead to what is on record and to the state of the node that wrote them.
    RecoveryAgrees,
    /// When faults stop, every run ends.
    RunsEnd,
    /// When faults stop, everybody is answered and everything becomes durable.
    QueuesDrain,
    /// The same seed is the same story.
    SameSeedSameStory,
    /// A story can be told as it is written.
    StoryApplies,
}

impl Invariant {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EffectAfterDurableIntent => "effect-after-durable-intent",
            Self::OneCallPerAttempt => "one-call-per-attempt",
            Self::PlainIsNotRepeated => "plain-is-not-repeated",
            Self::PausedDispatchesNothing => "paused-dispatches-nothing",
            Self::ConfirmedIsRecorded => "confirmed-is-recorded",
            Self::AcknowledgedIsKept => "acknowledged-is-kept",
            Self::KeptOnce => "kept-once",
            Self::BooksBalance => "books-balance",
            Self::LimitsHold => "limits-hold",
            Self::OneRunPerTarget => "one-run-per-target",
            Self::DecidedBeforeDone => "decided-before-done",
            Self::ProofOrNoSuccess => "proof-or-no-success",
            Self::RunsStayPinned => "runs-stay-pinned",
            Self::JournalIsWhole => "journal-is-whole",
            Self::EntryAfterDurableEvidence => "entry-after-durable-evidence",
            Self::TimeGoesForward => "time-goes-forward",
            Self::LogOpens => "log-opens",
            Self::RecoveryAgrees => "recovery-agrees",
            Self::RunsEnd => "runs-end",
            Self::QueuesDrain => "queues-drain",
            Self::SameSeedSameStory => "same-seed-same-story",
            Self::StoryApplies => "story-applies",
        }
    }

    /// A violation of it.
    #[must_use]
    pub fn broken(self, text: impl Into<String>) -> Violation {
        Violation {
            invariant: self,
            text: text.into(),
        }
    }

    /// Breaks off unless it holds.
    ///
    /// # Errors
    /// The violation.
    pub fn holds(self, holds: bool, text: impl FnOnce() -> String) -> Result<(), Violation> {
        if holds {
            Ok(())
        } else {
            Err(self.broken(text()))
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that must hold does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {text}")]
pub struct Violation {
    /// What should hold.
    pub invariant: Invariant,
    /// What was seen instead.
    pub text: String,
}
