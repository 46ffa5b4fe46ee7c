//! How entries are hashed and chained, and how the chain grows; the same for every backend.

use edsr_model::{Digest, Draft, Entry, Seq};

use crate::error::JournalError;
use crate::mention::mentions;
use crate::merkle::{CompactRange, Subtree, leaf_hash};
use crate::port::Head;

/// The most drafts one append takes.
pub const DRAFTS_MAX: usize = 65_536;
/// The largest entry that is taken, in bytes of JSON.
pub const ENTRY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Keeps an entry's hash from ever being the hash of something else.
const DOMAIN: &[u8] = b"edsr.dev/journal/entry/v1";

/// The hash of the entry at `seq` whose draft is `body` (its JSON as stored), after the entry with the hash `prev`.
#[must_use]
pub fn entry_hash(prev: Digest, seq: Seq, body: &[u8]) -> Digest {
    Digest::of_parts([DOMAIN, &prev.0, &seq.0.to_be_bytes(), body])
}

/// An entry as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) entry: Entry,
    pub(crate) body: String,
    pub(crate) mentions: Vec<String>,
}

impl Sealed {
    fn new(draft: &Draft, prev: Digest) -> Result<Self, JournalError> {
        let (body, draft) = body(draft)?;
        let hash = entry_hash(prev, draft.seq, body.as_bytes());
        Ok(Self {
            mentions: mentions(&draft).into_iter().collect(),
            entry: Entry { draft, prev, hash },
            body,
        })
    }
}

/// The journal's end and the tree over all of it: all that is needed to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) head: Head,
    pub(crate) tree: CompactRange,
}

/// What an append adds.
#[derive(Debug)]
pub(crate) struct Extension {
    pub(crate) sealed: Vec<Sealed>,
    /// The chain with them.
    pub(crate) chain: Chain,
    /// Subtrees completed on the way, leaves included.
    pub(crate) subtrees: Vec<Subtree>,
    /// Size and root each time the size was a multiple of the interval.
    pub(crate) milestones: Vec<(u64, Digest)>,
}

impl Chain {
    /// The chain with the drafts, unless they may not be appended.
    pub(crate) fn extend(
        &self,
        drafts: &[Draft],
        interval: u64,
    ) -> Result<Extension, JournalError> {
        if drafts.len() > DRAFTS_MAX {
            return Err(JournalError::TooMany {
                got: drafts.len(),
                max: DRAFTS_MAX,
            });
        }
        let mut new = Extension {
            sealed: Vec::with_capacity(drafts.len()),
            chain: self.clone(),
            subtrees: Vec::new(),
            milestones: Vec::new(),
        };
        for draft in drafts {
            new.push(draft, interval)?;
        }
        Ok(new)
    }
}

impl Extension {
    fn push(&mut self, draft: &Draft, interval: u64) -> Result<(), JournalError> {
        let expected = self.chain.head.seq.next();
        if draft.seq != expected {
            return Err(JournalError::Sequence {
                expected,
                got: draft.seq,
            });
        }
        let sealed = Sealed::new(draft, self.chain.head.hash)?;
        let Self {
            chain, subtrees, ..
        } = self;
        chain
            .tree
            .push(leaf_hash(&sealed.entry.hash.0), |done| subtrees.push(done));
        chain.head = Head {
            seq: draft.seq,
            hash: sealed.entry.hash,
            at: draft.at,
        };
        if draft.seq.0.is_multiple_of(interval.max(1)) {
            self.milestones.push((draft.seq.0, self.chain.tree.root()));
        }
        self.sealed.push(sealed);
        Ok(())
    }
}

/// The JSON that is stored, and the draft as it reads back: what cannot come back from it as it was is refused now, not
/// found out after a crash.
fn body(draft: &Draft) -> Result<(String, Draft), JournalError> {
    let refuse = |reason: &str| JournalError::Unstorable {
        seq: draft.seq,
        reason: reason.to_owned(),
    };
    let signed = |number: u64| i64::try_from(number).is_ok();
    if !signed(draft.seq.0) || !signed(draft.lsn.0) {
        return Err(refuse("its seq or lsn exceeds 2^63 - 1"));
    }
    let body = serde_json::to_string(draft).map_err(|error| refuse(&error.to_string()))?;
    if body.len() > ENTRY_BYTES_MAX {
        let (bytes, max) = (body.len(), ENTRY_BYTES_MAX);
        return Err(JournalError::TooLarge {
            seq: draft.seq,
            bytes,
            max,
        });
    }
    match serde_json::from_str::<Draft>(&body) {
        Ok(back) if back == *draft => Ok((body, back)),
        Ok(_) => Err(refuse("it reads back as something else")),
        Err(error) => Err(refuse(&format!("it does not read back ({error})"))),
    }
}

/// The columns beside the body, all taken from it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Columns<'d> {
    pub(crate) kind: &'static str,
    pub(crate) correlation: Option<&'d str>,
}

impl<'d> Columns<'d> {
    pub(crate) fn of(draft: &'d Draft) -> Self {
        Self {
            kind: draft.fact.kind(),
            correlation: draft.correlation.as_deref(),
        }
    }
}

/// Checks an entry that was read before it is given to anyone.
pub(crate) fn open_entry(
    seq: Seq,
    prev: Digest,
    hash: Digest,
    body: &[u8],
) -> Result<Entry, JournalError> {
    let damaged = |reason: String| JournalError::Damaged { seq, reason };
    if entry_hash(prev, seq, body) != hash {
        return Err(damaged("its hash does not fit its content".to_owned()));
    }
    let draft: Draft = serde_json::from_slice(body)
        .map_err(|error| damaged(format!("its body is not an entry ({error})")))?;
    if draft.seq != seq {
        return Err(damaged(format!("its body belongs to seq {}", draft.seq)));
    }
    Ok(Entry { draft, prev, hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use edsr_model::{Fact, Lsn, Severity, Timestamp};

    fn refusal(bend: impl FnOnce(&mut Draft)) -> JournalError {
        let mut draft = sample::drafts(1, 1).remove(0);
        bend(&mut draft);
        Chain::default().extend(&[draft], 256).unwrap_err()
    }

    #[test]
    fn a_draft_that_would_not_come_back_is_refused() {
        let figure = |value: f64| {
            refusal(|draft| {
                let mut evidence = sample::evidence(3);
                evidence.figures.insert("ratio".into(), value);
                draft.fact = Fact::DetectionUpdated {
                    detection: sample::detection(3).id,
                    severity: Severity::Info,
                    evidence,
                };
            })
        };
        for error in [
            figure(f64::NAN),
            figure(f64::INFINITY),
            refusal(|draft| draft.at = Timestamp::MAX),
            refusal(|draft| draft.lsn = Lsn(u64::MAX)),
        ] {
            assert!(matches!(error, JournalError::Unstorable { .. }), "{error}");
        }
    }

    #[test]
    fn an_entry_has_a_largest_size() {
        let room = |bytes: usize| Fact::Note {
            text: "x".repeat(bytes),
        };
        let mut draft = sample::drafts(1, 1).remove(0);
        draft.fact = room(0);
        let used = body(&draft).unwrap().0.len();
        draft.fact = room(ENTRY_BYTES_MAX - used);
        assert_eq!(body(&draft).unwrap().0.len(), ENTRY_BYTES_MAX);
        draft.fact = room(ENTRY_BYTES_MAX - used + 1);
        assert!(matches!(body(&draft), Err(JournalError::TooLarge { .. })));
    }

    #[test]
    fn an_append_has_a_largest_number_of_drafts() {
        let draft = sample::drafts(1, 1).remove(0);
        let drafts = vec![draft; DRAFTS_MAX + 1];
        let error = Chain::default().extend(&drafts, 256).unwrap_err();
        assert!(matches!(error, JournalError::TooMany { .. }), "{error}");
    }

    #[test]
    fn the_hash_covers_place_predecessor_and_body() {
        let base = entry_hash(Digest([1; 32]), Seq(2), b"body");
        assert_ne!(base, entry_hash(Digest([2; 32]), Seq(2), b"body"));
        assert_ne!(base, entry_hash(Digest([1; 32]), Seq(3), b"body"));
        assert_ne!(base, entry_hash(Digest([1; 32]), Seq(2), b"Body"));
    }
}
