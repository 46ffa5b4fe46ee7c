//! Identifiers. They are counted or derived from content, never drawn at random, so that a replay makes the same ones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Before the first one.
            pub const ZERO: Self = Self(0);

            /// The one that follows.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

counter! {
    /// Log sequence number: the place of an event in the event log. The first event has 1; 0 is "none yet".
    Lsn
}
counter! {
    /// The place of an entry in the journal. The first entry has 1; 0 is "none yet".
    Seq
}

/// A SHA-256 digest, printed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `parts`, each preceded by its length so that no two lists of parts collide.
    #[must_use]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The plain SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(digits(&self.0, &mut [0; 64]))
    }
}

/// `bytes` as hexadecimal digits in `place`, which has room for two of them per byte.
fn digits<'p>(bytes: &[u8], place: &'p mut [u8]) -> &'p str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in place.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    // Invariant: nothing but digits, and zeros where there was no byte.
    std::str::from_utf8(place).unwrap_or_default()
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError {
            what: "a digest of 64 hexadecimal digits",
            text: text.to_owned(),
        })?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(digits(&self.0, &mut [0; 64]))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DigestVisitor)
    }
}

/// Reads the digits where they stand, without a text of its own.
struct DigestVisitor;

impl serde::de::Visitor<'_> for DigestVisitor {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest of 64 hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }
}

/// A text that is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct IdError {
    /// What was expected.
    pub what: &'static str,
    /// What was given.
    pub text: String,
}

/// The content hash of a bundle.
pub type BundleHash = Digest;
/// The content hash of a plan: playbook, target, inputs and the evidence it rests on.
pub type PlanHash = Digest;

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Derives the id from what makes the thing unique.
            #[must_use]
            pub fn derive<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
                let digest = Digest::of_parts(parts);
                let mut place = [0; 16];
                Self([Self::PREFIX, digits(&digest.0[..8], &mut place)].concat())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let digits = text.strip_prefix(Self::PREFIX).unwrap_or_default();
                if digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError {
                        what: concat!("an id like `", $prefix, "0123456789abcdef`"),
                        text: text.to_owned(),
                    })
                }
            }
        }
    };
}

derived_id! {
    /// One opening of a detector for a key.
    DetectionId, "det-"
}
derived_id! {
    /// Detections that belong together.
    IncidentId, "inc-"
}
derived_id! {
    /// One answer to one plan.
    DecisionId, "dec-"
}
derived_id! {
    /// One run of a plan.
    ExecutionId, "exe-"
}
derived_id! {
    /// One stop of automatic dispatch.
    PauseId, "pau-"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_derived_and_read_back() {
        let one = DetectionId::derive([b"a".as_slice(), b"bc"]);
        let two = DetectionId::derive([b"ab".as_slice(), b"c"]);
        assert_ne!(one, two, "the boundary between parts counts");
        assert_eq!(one.as_str().parse::<DetectionId>().unwrap(), one);
        assert!("exe-0123456789abcdef".parse::<DetectionId>().is_err());
        assert!("det-0123".parse::<DetectionId>().is_err());
        let digest = Digest::of(b"x");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }
}
