//! What every journal promises.

use edsr_model::{Digest, Draft, Entry, Seq, Timestamp};

use crate::error::JournalError;

/// The most entries one read gives, whatever was asked for.
pub const READ_MAX: usize = 10_000;
/// How many entries a query gives where it does not say.
pub const QUERY_LIMIT_DEFAULT: usize = 100;
/// The most entries one query gives, whatever was asked for.
pub const QUERY_LIMIT_MAX: usize = 10_000;
/// The most kinds one query names; there are fewer.
pub const QUERY_KINDS_MAX: usize = 64;

/// Where the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last entry; 0 when there is none.
    pub seq: Seq,
    /// Its hash; all zeros when there is none.
    pub hash: Digest,
    /// Its time; the epoch when there is none.
    pub at: Timestamp,
}

/// The one writer of a journal.
pub trait Journal: Send {
    /// Appends the drafts as one unit, all or none, and returns the new head.
    ///
    /// Their seqs must continue the head one by one. When this returns `Ok`, a backend that is durable
    /// has made them survive a crash of the process and of the machine, and every reader sees them.
    /// No drafts are no work.
    ///
    /// # Errors
    /// [`JournalError::Sequence`], `TooMany`, `TooLarge` and `Unstorable`: the drafts are refused, nothing
    /// was written, and the journal goes on. Any other error: either all of the drafts are in the journal
    /// or none is; it takes nothing more and answers [`JournalError::Failed`] with the first cause for good.
    /// Opening it anew tells which.
    fn append(&mut self, drafts: &[Draft]) -> Result<Head, JournalError>;

    /// As [`Self::append`], and gives what a reader would read of them now, so that nobody need read it again.
    ///
    /// # Errors
    /// As [`Self::append`]; where a reader is asked, also as [`JournalReader::read`].
    fn append_and_show(&mut self, drafts: &[Draft]) -> Result<Vec<Entry>, JournalError> {
        self.append(drafts)?;
        match drafts.first() {
            Some(first) => self.reader().read(first.seq, drafts.len()),
            None => Ok(Vec::new()),
        }
    }

    /// The end of what was appended.
    fn head(&self) -> Head;

    /// Reads beside the writer; it sees whole appends only.
    fn reader(&self) -> Box<dyn JournalReader>;

    /// Writes the latest checkpoint where someone who can write the journal cannot; call it about once a second and on stop.
    ///
    /// What a rollback can hide is what was appended since. A backend without a witness does nothing.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when it could not be written; the next call tries again.
    fn witness(&mut self) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Reads a journal. What is read was checked: an entry's hash covers it, and its place.
pub trait JournalReader: Send + Sync {
    /// At most `max` (and [`READ_MAX`]) entries from `from` on, without holes, oldest first. After the end there are none.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] names the entry that is not what was written; `Storage` where reading fails.
    fn read(&self, from: Seq, max: usize) -> Result<Vec<Entry>, JournalError>;

    /// The entry at `seq`; `None` where the journal has none.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn get(&self, seq: Seq) -> Result<Option<Entry>, JournalError>;

    /// The entries that fit, at most [`Query::limit`]. Ask on with `before` or `after` the last seq given.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn query(&self, query: &Query) -> Result<Vec<Entry>, JournalError>;

    /// The end of the journal.
    ///
    /// # Errors
    /// `Storage` where reading fails.
    fn head(&self) -> Result<Head, JournalError>;

    /// Another reader of the same journal, for another thread.
    fn clone_box(&self) -> Box<dyn JournalReader>;
}

impl Clone for Box<dyn JournalReader> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// Which end a query starts at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Which entries are asked for: those that fit everything that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// One of these kinds ([`Fact::kind`](edsr_model::Fact::kind)); every kind where empty. At most [`QUERY_KINDS_MAX`] count.
    pub kinds: Vec<String>,
    /// This correlation, exactly.
    pub correlation: Option<String>,
    /// It mentions this: the id of a detection, incident, decision, execution or pause, `event:LSN`, `entry:SEQ`, `plan:HASH` or `correlation:TEXT`.
    pub mention: Option<String>,
    /// Later than this entry.
    pub after: Option<Seq>,
    /// Earlier than this entry.
    pub before: Option<Seq>,
    /// Which end to start at.
    pub order: Order,
    /// At most this many, and at most [`QUERY_LIMIT_MAX`].
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            kinds: Vec::new(),
            correlation: None,
            mention: None,
            after: None,
            before: None,
            order: Order::default(),
            limit: QUERY_LIMIT_DEFAULT,
        }
    }
}
