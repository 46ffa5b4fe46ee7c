//! One row of the table `entry`, as it is, and what its body says.

use edsr_model::{Digest, Draft, Seq};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::chain::{Columns, entry_hash};
use crate::sqlite::rows::{bytes, digest};

pub(super) const COLUMNS: &str = "seq, kind, correlation, body, prev, hash";

#[derive(Debug)]
pub(super) struct EntryRow {
    pub(super) seq: i64,
    kind: Vec<u8>,
    correlation: Option<Vec<u8>>,
    body: Vec<u8>,
    /// `None` where it is no hash at all.
    pub(super) prev: Option<Digest>,
    pub(super) hash: Option<Digest>,
    /// What the body says, where it says anything.
    pub(super) draft: Option<Draft>,
    /// The hash of the content after the `prev` of the row.
    pub(super) own: Option<Digest>,
}

impl EntryRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text = |place: usize| row.get_ref(place).map(|value| bytes(value).to_vec());
        let body = text(3)?;
        let mut read = Self {
            seq: row.get(0)?,
            kind: text(1)?,
            correlation: match row.get_ref(2)? {
                ValueRef::Null => None,
                value => Some(bytes(value).to_vec()),
            },
            prev: digest(row.get_ref(4)?),
            hash: digest(row.get_ref(5)?),
            draft: serde_json::from_slice(&body).ok(),
            body,
            own: None,
        };
        read.own = read.prev.map(|prev| read.hash_after(prev, read.place()));
        Ok(read)
    }

    pub(super) fn place(&self) -> Seq {
        Seq(u64::try_from(self.seq).unwrap_or(0))
    }

    /// The hash of the content at the place `seq` after the entry with the hash `prev`.
    pub(super) fn hash_after(&self, prev: Digest, seq: Seq) -> Digest {
        entry_hash(prev, seq, &self.body)
    }

    /// Hash, content, place and link of the row agree with each other.
    pub(super) fn agrees(&self) -> bool {
        self.own.is_some() && self.own == self.hash
    }

    /// Where the entry was written, when that is elsewhere and the row is otherwise whole.
    pub(super) fn written_at(&self) -> Option<Seq> {
        let seq = self.draft.as_ref()?.seq;
        let elsewhere = seq != self.place() && Some(self.hash_after(self.prev?, seq)) == self.hash;
        elsewhere.then_some(seq)
    }

    /// The columns that do not say what the body says.
    pub(super) fn bent_columns(&self, draft: &Draft) -> Vec<&'static str> {
        let expected = Columns::of(draft);
        let correlation = expected.correlation.map(str::as_bytes);
        let bent = [
            ("seq", self.place() != draft.seq),
            ("kind", self.kind != expected.kind.as_bytes()),
            ("correlation", self.correlation.as_deref() != correlation),
        ];
        bent.into_iter()
            .filter_map(|(name, bent)| bent.then_some(name))
            .collect()
    }
}
