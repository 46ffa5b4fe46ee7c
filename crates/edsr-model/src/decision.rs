//! Decisions: may we act, how far, and why. "Nothing was done" is a decision too.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{DecisionId, PlanHash};
use crate::time::Timestamp;

/// What a decision says, strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It must not happen (now).
    Deny,
    /// It was worth recording; nothing more.
    Observe,
    /// A person should consider it.
    Suggest,
    /// It runs once a person agrees.
    Approve,
    /// It runs.
    Auto,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// Which rule, guard or policy spoke. Codes are stable: they are searched for and alerted on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ReasonCode { $($(#[$doc])* #[serde(rename = $text)] $variant,)+ }

        impl ReasonCode {
            /// The code as it is written everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

codes! {
    /// Policies, autonomy and guards agree.
    Permitted = "permitted",
    /// No policy permits it, or one forbids it.
    PolicyDenied = "policy.denied",
    /// Policies permit proposing it, not doing it.
    PolicyNeedsApproval = "policy.needs-approval",
    /// A policy failed while it was judged; that never widens what is allowed.
    PolicyError = "policy.error",
    /// The playbook's own `autonomy` stops short of acting.
    Autonomy = "autonomy",
    /// Too soon after the last run on this target.
    GuardCooldown = "guard.cooldown",
    /// Too many runs in the time allowed.
    GuardLimit = "guard.limit",
    /// Too many runs in a row were not verified.
    GuardBreakerOpen = "guard.breaker-open",
    /// Another run works on the target.
    GuardTargetBusy = "guard.target-busy",
    /// The evidence is older than the playbook accepts.
    GuardStaleEvidence = "guard.stale-evidence",
    /// Our own actions caused what we would act on, too many times over.
    GuardLoop = "guard.loop",
    /// A pause covers it.
    Paused = "paused",
    /// The target, an input or the playbook could not be resolved; the text says which.
    PlanInvalid = "plan.invalid",
    /// What the plan rests on is no longer so.
    PlanChanged = "plan.changed",
    /// The same plan runs or waits already.
    Duplicate = "duplicate",
    /// A person asked for it by hand.
    Manual = "manual",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason, with the figures it saw and until when it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// One sentence for people.
    pub text: String,
    /// What it saw, by name (also the ids of the policies that decided).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, String>,
    /// Until when it holds, where time alone lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Reason {
    /// A reason with a code and a sentence.
    #[must_use]
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            figures: BTreeMap::new(),
            until: None,
        }
    }

    /// Adds a figure it saw.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.figures.insert(name.to_owned(), value.to_string());
        self
    }

    /// Says until when it holds.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }
}

/// The answer to one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Derived from the plan and how often it was asked.
    pub id: DecisionId,
    /// The plan that was judged.
    pub plan: PlanHash,
    /// The answer.
    pub verdict: Verdict,
    /// Every reason, in the order they were weighed; never empty.
    pub reasons: Vec<Reason>,
    /// How often the same plan was judged before (0 for the first time).
    pub round: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_read() {
        let text = serde_json::to_string(&ReasonCode::GuardTargetBusy).unwrap();
        assert_eq!(text, "\"guard.target-busy\"");
        let back: ReasonCode = serde_json::from_str(&text).unwrap();
        assert_eq!(back, ReasonCode::GuardTargetBusy);
        assert!(
            Verdict::Deny < Verdict::Auto,
            "the strictest is the smallest"
        );
    }
}
