//! Plans: a playbook on a target with inputs, before anybody agreed to it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::detection::Severity;
use crate::id::{BundleHash, DetectionId, IdError, IncidentId, PlanHash};
use crate::time::Timestamp;

/// What a playbook works on: `kind/name`, for example `service/checkout`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetRef {
    kind: String,
    name: String,
}

impl TargetRef {
    /// What it is: `service`, `host`, `team`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Which one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for TargetRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || IdError {
            what: "a target like `service/checkout` (neither part empty, no blanks)",
            text: text.to_owned(),
        };
        let (kind, name) = text.split_once('/').ok_or_else(fail)?;
        let plain = |part: &str| {
            !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        if !plain(kind) || !plain(name) || text.len() > 256 {
            return Err(fail());
        }
        Ok(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl Serialize for TargetRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TargetRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// The word for it, as it is written in bundles and in the journal.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

word! {
    /// How much harm a playbook can do, as its author declares it.
    Risk {
        /// Restarting a stateless process.
        Low = "low",
        /// Users may notice.
        Medium = "medium",
        /// Capacity or data paths change.
        High = "high",
        /// Something is gone afterwards.
        Destructive = "destructive",
    }
}

word! {
    /// How far a playbook may go by itself.
    Autonomy {
        /// Decide and record, nothing else.
        Observe = "observe",
        /// Put the plan in front of a person.
        Suggest = "suggest",
        /// Run after a person agreed.
        Approve = "approve",
        /// Run.
        Auto = "auto",
    }
}

/// A playbook, a target, inputs, and the evidence they rest on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Identifies the plan: a digest over everything below.
    pub hash: PlanHash,
    /// Name of the playbook.
    pub playbook: String,
    /// What it works on.
    pub target: TargetRef,
    /// Values for the playbook's inputs.
    pub inputs: BTreeMap<String, Value>,
    /// How much harm it can do.
    pub risk: Risk,
    /// The detection it answers; `None` for a manual run.
    pub detection: Option<DetectionId>,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// Severity of the detection.
    pub severity: Severity,
    /// When the evidence it rests on was seen.
    pub evidence_at: Timestamp,
    /// How many actions of ours lie behind its cause.
    pub depth: u32,
    /// The bundle that playbook and policies come from; a run stays on it.
    pub bundle: BundleHash,
    /// When it was made.
    pub made_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_kind_and_a_name() {
        let target: TargetRef = "service/checkout/eu".parse().unwrap();
        assert_eq!((target.kind(), target.name()), ("service", "checkout/eu"));
        for bad in [
            "",
            "service",
            "service/",
            "/checkout",
            "service/a b",
            "a/\n",
        ] {
            assert!(bad.parse::<TargetRef>().is_err(), "{bad:?}");
        }
    }
}
