//! Findings: where a system stopped behaving, since when, and on what evidence.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{BundleHash, DetectionId, IncidentId, Lsn};
use crate::time::Timestamp;

/// A value that can be part of a key or an extension attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Str(String),
}

impl Scalar {
    /// The value as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => Value::from(*number),
            Self::Str(text) => Value::String(text.clone()),
        }
    }

    /// From JSON; a number that is not whole becomes text, and what is no scalar is `None`.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Bool(*flag)),
            Value::Number(number) => Some(
                number
                    .as_i64()
                    .map_or_else(|| Self::Str(number.to_string()), Self::Int),
            ),
            Value::String(text) => Some(Self::Str(text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Str(text) => f.write_str(text),
        }
    }
}

/// What a detector runs one state machine per: named values, sorted by name. In JSON, an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(pub Vec<(String, Scalar)>);

impl Key {
    /// The key with these parts, sorted by name.
    #[must_use]
    pub fn new(mut parts: Vec<(String, Scalar)>) -> Self {
        parts.sort();
        Self(parts)
    }

    /// The key as a JSON object, for expressions.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(
            self.0
                .iter()
                .map(|(name, value)| (name.clone(), value.to_value()))
                .collect(),
        )
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
        Ok(Self(parts.into_iter().collect()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (place, (name, value)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{name}={value}")?;
        }
        Ok(())
    }
}

/// How bad it is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look today.
    #[default]
    Warning,
    /// Users notice.
    Error,
    /// Users are without service.
    Critical,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// 0 for info to 3 for critical, for policies that compare.
    #[must_use]
    pub const fn level(self) -> i64 {
        self as i64
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a detection still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectionState {
    /// It holds.
    Open,
    /// It no longer holds.
    Resolved,
}

/// The most event places an [`Evidence`] names; older ones give way, the first one stays.
pub const EVIDENCE_LSNS_MAX: usize = 8;

/// What a detection rests on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The first event that counted, then the latest ones, at most [`EVIDENCE_LSNS_MAX`].
    pub lsns: VecDeque<Lsn>,
    /// When the latest of them was logged; the opening time where there is none (absence).
    pub at: Timestamp,
    /// The figures that crossed the line, by name, for example `ratio` and `count`.
    pub figures: BTreeMap<String, f64>,
    /// The finding in one sentence.
    pub text: String,
}

impl Evidence {
    /// Notes one more event, keeping the first and the latest.
    pub fn note(&mut self, lsn: Lsn, at: Timestamp) {
        if self.lsns.back() == Some(&lsn) {
            return;
        }
        if self.lsns.len() >= EVIDENCE_LSNS_MAX {
            self.lsns.remove(1);
        }
        self.lsns.push_back(lsn);
        self.at = at;
    }
}

/// One opening of a detector for a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Derived from detector, key and the opening.
    pub id: DetectionId,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// Name of the detector.
    pub detector: String,
    /// Who owns the detector.
    pub owner: String,
    /// The key it opened for.
    pub key: Key,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it still holds.
    pub state: DetectionState,
    /// Since when the condition held.
    pub since: Timestamp,
    /// When it opened (`since` plus the detector's `for`).
    pub opened_at: Timestamp,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// Why it was resolved: `cleared`, or `detector-changed`.
    pub resolution: Option<String>,
    /// What it rests on.
    pub evidence: Evidence,
    /// How many actions of ours lie behind the events it rests on.
    pub depth: u32,
    /// The correlation id its first event carried.
    pub correlation: Option<String>,
    /// The W3C trace context its first event carried, so that a repair shows up in the trace of what it repairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The bundle the detector came from.
    pub bundle: BundleHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_keeps_the_first_and_the_latest() {
        let mut evidence = Evidence::default();
        for lsn in 1..=20 {
            evidence.note(Lsn(lsn), Timestamp::from_secs(lsn as i64));
        }
        assert_eq!(evidence.lsns.len(), EVIDENCE_LSNS_MAX);
        assert_eq!(evidence.lsns.front(), Some(&Lsn(1)));
        assert_eq!(evidence.lsns.back(), Some(&Lsn(20)));
        assert_eq!(evidence.at, Timestamp::from_secs(20));
    }
}
