//! The life of a detection for one key: how long a condition must hold to open, and be gone to resolve.

use std::time::Duration;

use edsr_model::{DetectionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::reading::Reading;

/// Where one key stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) enum Life {
    /// The condition does not hold.
    #[default]
    Idle,
    /// It holds, but not yet for long enough.
    Pending { since: Timestamp },
    /// A detection is open.
    Open {
        id: DetectionId,
        /// Last time it was written about.
        told_at: Timestamp,
        /// Since when the condition is gone.
        clearing: Option<Timestamp>,
    },
}

/// What a reading changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing to tell.
    None,
    /// A detection opens: the condition holds since then.
    Open { since: Timestamp },
    /// It still holds, and nothing was said for a while.
    Update,
    /// It is over.
    Resolve,
}

/// How often an open detection is written about while it holds.
pub const UPDATE_EVERY: Duration = Duration::from_secs(60);

impl Life {
    /// What `reading` changes, and when to look again.
    pub(crate) fn step(
        &mut self,
        reading: &Reading,
        now: Timestamp,
        hold_for: Duration,
        keep_for: Duration,
    ) -> (Change, Option<Timestamp>) {
        if let Self::Idle = self
            && reading.bad
        {
            *self = Self::Pending { since: now };
        }
        match self {
            Self::Idle => (Change::None, None),
            Self::Pending { .. } if !reading.bad => {
                *self = Self::Idle;
                (Change::None, None)
            }
            Self::Pending { since } => {
                let due = since.after(hold_for);
                if now >= due {
                    (Change::Open { since: *since }, None)
                } else {
                    (Change::None, Some(due))
                }
            }
            Self::Open {
                clearing, told_at, ..
            } => {
                if reading.good {
                    let due = clearing.get_or_insert(now).after(keep_for);
                    if now >= due {
                        *self = Self::Idle;
                        return (Change::Resolve, None);
                    }
                    return (Change::None, Some(due));
                }
                *clearing = None;
                if reading.bad && now.since(*told_at) >= UPDATE_EVERY {
                    *told_at = now;
                    return (Change::Update, None);
                }
                (Change::None, None)
            }
        }
    }

    /// The detection that is open.
    pub(crate) const fn open(&self) -> Option<&DetectionId> {
        match self {
            Self::Open { id, .. } => Some(id),
            Self::Idle | Self::Pending { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOR: Duration = Duration::from_secs(10);
    const KEEP: Duration = Duration::from_secs(20);

    fn check(story: &[(i64, bool, Change)]) {
        let mut life = Life::Idle;
        for (second, bad, expected) in story {
            let now = Timestamp::from_secs(*second);
            let (change, _) = life.step(&Reading::of(*bad, !*bad), now, FOR, KEEP);
            assert_eq!(change, *expected, "at {second}");
            if let Change::Open { .. } = change {
                life = Life::Open {
                    id: DetectionId::derive([b"x".as_slice()]),
                    told_at: now,
                    clearing: None,
                };
            }
        }
    }

    #[test]
    fn it_opens_after_holding_and_resolves_after_being_gone() {
        let since = Timestamp::from_secs(5);
        check(&[
            (0, true, Change::None),
            (4, false, Change::None),
            (5, true, Change::None),
            (14, true, Change::None),
            (15, true, Change::Open { since }),
            (16, true, Change::None),
            (75, true, Change::Update),
            (80, false, Change::None),
            (90, true, Change::None),
            (91, false, Change::None),
            (110, false, Change::None),
            (111, false, Change::Resolve),
            (112, false, Change::None),
        ]);
    }
}
