//! The places at which a node may die: before and after each thing that becomes durable or leaves it.

use std::fmt;
use std::str::FromStr;

/// A place in the life of a node; a scenario names it as `crash at=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// Events are about to be written to the event log.
    LogBefore,
    /// Some of them are written.
    LogMidway,
    /// They are durable, and nobody was told.
    LogAfter,
    /// Entries are about to be written to the journal.
    JournalBefore,
    /// They are durable, and nobody was told.
    JournalAfter,
    /// An intent is durable, and its call is not made.
    CallBefore,
    /// The call is made.
    CallAfter,
    /// The outcome of a call came back, and was not taken in.
    OutcomeBefore,
    /// It was taken in, and is not durable.
    OutcomeAfter,
    /// Events are durable, and their sender was not told.
    AnswerBefore,
    /// The sender was told.
    AnswerAfter,
    /// A command was taken in, and is not durable.
    CommandAfter,
    /// Another bundle came into force, and that is not durable.
    ActivateAfter,
    /// A snapshot is about to be written.
    SnapshotBefore,
    /// It is written.
    SnapshotAfter,
    /// Some of the old events are dropped.
    RetainMidway,
    /// A start has folded both logs again, and has not begun to work.
    Recovering,
}

impl Point {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::LogBefore,
        Self::LogMidway,
        Self::LogAfter,
        Self::JournalBefore,
        Self::JournalAfter,
        Self::CallBefore,
        Self::CallAfter,
        Self::OutcomeBefore,
        Self::OutcomeAfter,
        Self::AnswerBefore,
        Self::AnswerAfter,
        Self::CommandAfter,
        Self::ActivateAfter,
        Self::SnapshotBefore,
        Self::SnapshotAfter,
        Self::RetainMidway,
        Self::Recovering,
    ];

    /// Its name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogBefore => "log.before",
            Self::LogMidway => "log.midway",
            Self::LogAfter => "log.after",
            Self::JournalBefore => "journal.before",
            Self::JournalAfter => "journal.after",
            Self::CallBefore => "call.before",
            Self::CallAfter => "call.after",
            Self::OutcomeBefore => "outcome.before",
            Self::OutcomeAfter => "outcome.after",
            Self::AnswerBefore => "answer.before",
            Self::AnswerAfter => "answer.after",
            Self::CommandAfter => "command.after",
            Self::ActivateAfter => "activate.after",
            Self::SnapshotBefore => "snapshot.before",
            Self::SnapshotAfter => "snapshot.after",
            Self::RetainMidway => "retain.midway",
            Self::Recovering => "recovering",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|point| point.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|point| point.name()).collect();
            format!(
                "`{text}` is no place to die at; there are {}",
                names.join(", ")
            )
        })
    }
}
