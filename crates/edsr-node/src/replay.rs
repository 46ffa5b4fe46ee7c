//! Replay: fold a stored past again, and hold every entry of the journal against what follows from the events.
//!
//! There is nothing in here that could act: readers go in, a report comes out. Neither a writer of a log nor an
//! actuator is in scope.

use std::sync::Arc;

use edsr_engine::bundle::Bundle;
use edsr_engine::drive::{Broken, Past as _, Refolded, Unfit, refold};
use edsr_journal::merkle::{CompactRange, leaf_hash};
use edsr_journal::port::READ_MAX;
use edsr_journal::{JournalError, JournalReader};
use edsr_model::{Digest, Draft, Lsn, Seq};
use serde_json::Value;

use crate::past::Kept;
use crate::start::StartError;

/// What a replay came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The snapshot it began from; none is the beginning of both logs. Not known where it differs.
    pub from: Option<(Lsn, Seq)>,
    /// Events that were folded; 0 where it differs.
    pub events: u64,
    /// Entries that were held against what was derived; 0 where it differs.
    pub entries: u64,
    /// The last event and the last entry on record.
    pub end: (Lsn, Seq),
    /// Root of the tree over the journal, recomputed from its entries.
    pub root: Digest,
    /// How it ended.
    pub end_state: EndState,
}

/// How a replay ended.
#[derive(Debug, Clone, PartialEq)]
pub enum EndState {
    /// Everything on record follows from the events.
    Same {
        /// Identifies the state at the end.
        state: Digest,
        /// Entries that follow from the events and are not on record: the node died before it wrote them.
        unwritten: u64,
    },
    /// It does not, from this entry on.
    Differs(Difference),
}

/// The first entry that is not what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which entry.
    pub seq: Seq,
    /// One sentence.
    pub text: String,
    /// The entry on record and the one that follows, where there are two to compare.
    pub drafts: Option<Box<(Draft, Draft)>>,
}

impl Difference {
    /// Where the two differ: path, what is on record, what follows. A field that one side lacks is null there.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, Value, Value)> {
        let mut fields = Vec::new();
        if let Some(drafts) = &self.drafts {
            let value = |draft: &Draft| serde_json::to_value(draft).unwrap_or_default();
            compare("", &value(&drafts.0), &value(&drafts.1), &mut fields);
        }
        fields
    }
}

/// Replays a past up to the end of both logs.
///
/// # Errors
/// [`StartError`] when something cannot be read. That the record does not fit is no error but the answer.
pub fn replay(past: &Kept<'_>, head: Seq) -> Result<Replayed, StartError> {
    let empty = Arc::new(Bundle::empty().map_err(StartError::Schema)?);
    let root = root(past.journal, head)?;
    let (from, events, entries, end_state) = match refold(past, &empty, head) {
        Ok(refolded) => same(refolded)?,
        Err(Unfit::Broken(broken)) => (None, 0, 0, EndState::Differs(difference(broken))),
        Err(unfit) => return Err(unfit.into()),
    };
    Ok(Replayed {
        from,
        events,
        entries,
        end: (past.durable(), head),
        root,
        end_state,
    })
}

type Ended = (Option<(Lsn, Seq)>, u64, u64, EndState);

fn same(refolded: Refolded) -> Result<Ended, StartError> {
    let recovered = refolded.recovered;
    let state = recovered
        .engine
        .digest()
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let end = EndState::Same {
        state,
        unwritten: recovered.output.drafts.len() as u64,
    };
    Ok((refolded.from, refolded.events, recovered.compared, end))
}

fn difference(broken: Broken) -> Difference {
    let text = broken.to_string();
    match broken {
        Broken::Differs { seq, detail, .. } => Difference {
            seq,
            text,
            drafts: Some(detail),
        },
        Broken::Unexplained { seq, .. } | Broken::Refused { seq, .. } => Difference {
            seq,
            text,
            drafts: None,
        },
    }
}

/// The root of the tree over every entry (RFC 6962), as a checkpoint of the whole would state it. Each entry has to follow
/// the one before, up to `head`.
fn root(journal: &dyn JournalReader, head: Seq) -> Result<Digest, StartError> {
    let mut tree = CompactRange::default();
    let (mut next, mut prev) = (Seq(1), Digest::default());
    while next <= head {
        let page = journal.read(next, READ_MAX)?;
        if page.is_empty() {
            return Err(StartError::Short { next, head });
        }
        for entry in &page {
            if entry.prev != prev {
                let reason = "it does not follow the one before".to_owned();
                let seq = entry.draft.seq;
                return Err(JournalError::Damaged { seq, reason }.into());
            }
            tree.push(leaf_hash(&entry.hash.0), |_| {});
            (next, prev) = (entry.draft.seq.next(), entry.hash);
        }
    }
    Ok(tree.root())
}

/// Collects what differs between two JSON values, by path.
fn compare(path: &str, a: &Value, b: &Value, fields: &mut Vec<(String, Value, Value)>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for name in names {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(name).cloned().unwrap_or_default()
                };
                compare(&path, &of(a), &of(b), fields);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (place, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{place}]"), a, b, fields);
            }
        }
        (a, b) if a != b => fields.push((path.to_owned(), a.clone(), b.clone())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_named() {
        let mut fields = Vec::new();
        let a = json!({"at": 1, "fact": {"kind": "x", "list": [1, 2]}, "gone": true});
        let b = json!({"at": 1, "fact": {"kind": "y", "list": [1, 3]}});
        compare("", &a, &b, &mut fields);
        let paths: Vec<_> = fields.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(paths, ["fact.kind", "fact.list[1]", "gone"]);
    }
}
