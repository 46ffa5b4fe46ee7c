use std::error::Error;
use std::path::{Path, PathBuf};

use edsr_model::Seq;

use crate::note::NoteError;

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The drafts do not continue the journal; somebody else has written since, or their seqs have a gap. Nothing was written.
    #[error(
        "the journal continues at seq {expected}, the draft has {got}; it was made by a writer that is not (or no longer) the one"
    )]
    Sequence {
        /// The seq the next entry has.
        expected: Seq,
        /// The seq the draft has.
        got: Seq,
    },
    /// More drafts at once than one append takes. Nothing was written.
    #[error("{got} drafts at once; one append takes at most {max}")]
    TooMany {
        /// How many there are.
        got: usize,
        /// [`DRAFTS_MAX`](crate::chain::DRAFTS_MAX).
        max: usize,
    },
    /// An entry is larger than the journal takes. Nothing was written.
    #[error("the draft of seq {seq} has {bytes} bytes; an entry has at most {max}")]
    TooLarge {
        /// Which draft.
        seq: Seq,
        /// Its size.
        bytes: usize,
        /// [`ENTRY_BYTES_MAX`](crate::chain::ENTRY_BYTES_MAX).
        max: usize,
    },
    /// A draft would not come back as it is (a figure that is not a number, a time without a date). Nothing was written.
    #[error("the draft of seq {seq} cannot be kept as it is: {reason}")]
    Unstorable {
        /// Which draft.
        seq: Seq,
        /// What would be lost.
        reason: String,
    },
    /// An earlier append failed. What it wrote is unknown until the journal is opened again, so nothing more is taken.
    #[error(
        "the journal takes no more entries since an append failed: {cause}; restart once the cause is mended"
    )]
    Failed {
        /// The first failure.
        cause: String,
    },
    /// The storage failed.
    #[error("cannot {action} the journal `{}`: {cause}", path.display())]
    Storage {
        /// What was tried.
        action: &'static str,
        /// The journal.
        path: PathBuf,
        /// What the storage says.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// Another process has the journal open for writing.
    #[error("the journal `{}` is being written by another process; stop that one, or use another data directory", .0.display())]
    Locked(PathBuf),
    /// The file is something else, or of a version this program does not know.
    #[error("`{}` is not a journal this program understands: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is unexpected.
        reason: String,
    },
    /// The journal was made with another key.
    #[error("the journal `{}` is signed by `{expected}`, the key at hand is `{found}`; start with the key it was made with", path.display())]
    WrongKey {
        /// The journal.
        path: PathBuf,
        /// The name of the key it was made with.
        expected: String,
        /// The name of the key given.
        found: String,
    },
    /// Head, last entry and tree do not agree.
    #[error("the journal `{}` is damaged or was tampered with: {}; run `edsr audit verify` to learn which entries are concerned", path.display(), differs.join("; "))]
    Differs {
        /// The journal.
        path: PathBuf,
        /// What does not agree, one sentence each.
        differs: Vec<String>,
    },
    /// The journal is not a continuation of what the witness file saw.
    #[error("the journal `{}` was rolled back or rewritten: {reason}; run `edsr audit verify`, and start with `--renew-witness` only if an older copy was put back on purpose", path.display())]
    RolledBack {
        /// The journal.
        path: PathBuf,
        /// How the two differ.
        reason: String,
    },
    /// The journal has entries, but the witness file is gone.
    #[error("the witness file `{}` is missing, so nobody can tell whether the journal was rolled back; put it back, or run `edsr audit verify` and then start once with `--renew-witness`", .0.display())]
    WitnessMissing(PathBuf),
    /// A stored entry is not what was written.
    #[error("entry {seq} is damaged: {reason}; run `edsr audit verify`")]
    Damaged {
        /// Which one.
        seq: Seq,
        /// What does not agree.
        reason: String,
    },
    /// A checkpoint cannot be believed.
    #[error("{what}: {cause}")]
    Note {
        /// Which checkpoint.
        what: String,
        /// Why not.
        cause: NoteError,
    },
    /// There is no such entry.
    #[error("there is no entry {seq}; the journal ends at {head}")]
    NoEntry {
        /// What was asked for.
        seq: Seq,
        /// The last entry.
        head: Seq,
    },
    /// No signed checkpoint of that size is kept.
    #[error("no checkpoint of {size} entries is kept; the nearest larger one has {nearest}")]
    NoCheckpoint {
        /// The size asked for.
        size: u64,
        /// One that will do.
        nearest: u64,
    },
    /// More kept checkpoints than one verification compares with.
    #[error("{got} checkpoints to compare with; one verification takes at most {max}")]
    TooManyCheckpoints {
        /// How many there are.
        got: usize,
        /// [`ALSO_MAX`](crate::verify::ALSO_MAX).
        max: usize,
    },
    /// A proof or export does not prove what it says.
    #[error("{0}")]
    Unproven(String),
}

impl JournalError {
    pub(crate) fn storage(
        action: &'static str,
        path: &Path,
    ) -> impl Fn(Box<dyn Error + Send + Sync>) -> Self {
        move |cause| Self::Storage {
            action,
            path: path.to_owned(),
            cause,
        }
    }
}
