//! Checkpoints: the roots that were signed once, which the entries must still lead to.

use edsr_model::Digest;
use rusqlite::Rows;

use super::{FindingKind, VerifyOptions, VerifyReport};
use crate::note::PublicKey;
use crate::sqlite::end::HeadRow;
use crate::sqlite::schema::Meta;

/// All checkpoints, by size: those stored beside the entries, and the few from elsewhere.
pub(super) struct Anchors<'r> {
    stored: Rows<'r>,
    next_stored: Option<Stored>,
    others: std::vec::IntoIter<Anchor>,
    next_other: Option<Anchor>,
    key: PublicKey,
    interval: u64,
    /// The last size that has a stored checkpoint because of the interval.
    milestone: u64,
    /// The last size whose checkpoint fitted.
    fitted: u64,
    /// Only the first stored checkpoint that does not fit is reported; all after it must fail.
    broken: bool,
    /// The largest size that a stored checkpoint covers.
    longest: u64,
}

struct Stored {
    size: u64,
    note: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Head,
    Witness,
    Kept,
}

struct Anchor {
    origin: Origin,
    size: u64,
    root: Digest,
}

impl<'r> Anchors<'r> {
    /// Those beyond the first `done` entries, which were compared before; all where there are none.
    pub(super) fn new(
        stored: Rows<'r>,
        head: Option<&HeadRow>,
        meta: &Meta,
        options: &VerifyOptions,
        done: u64,
        report: &mut VerifyReport,
    ) -> rusqlite::Result<Self> {
        let key = options.public_key.clone();
        let notes = head.map(|head| (Origin::Head, &head.note)).into_iter();
        let notes = notes.chain(options.witness.iter().map(|note| (Origin::Witness, note)));
        let notes = notes.chain(options.also.iter().map(|note| (Origin::Kept, note)));
        let mut others = Vec::new();
        for (origin, note) in notes {
            match key.open(note) {
                Ok(checkpoint) => {
                    let (size, root) = (checkpoint.size, checkpoint.root);
                    others.push(Anchor { origin, size, root });
                }
                Err(error) => {
                    let size = head
                        .filter(|_| origin == Origin::Head)
                        .map_or(0, |head| head.seq);
                    report.add(
                        FindingKind::Signature,
                        size,
                        format!("{}: {error}", origin.name()),
                    );
                }
            }
        }
        if let Some(head) = head
            && let Some(anchor) = others.iter().find(|anchor| anchor.origin == Origin::Head)
            && anchor.size != head.seq
        {
            let text = format!(
                "the head names seq {}, its checkpoint covers {}",
                head.seq, anchor.size
            );
            report.add(FindingKind::Head, head.seq, text);
        }
        others.retain(|anchor| done == 0 || anchor.size > done);
        others.sort_by_key(|anchor| anchor.size);
        let mut others = others.into_iter();
        let milestone = done - done % meta.checkpoint_every;
        let mut anchors = Self {
            stored,
            next_stored: None,
            next_other: others.next(),
            others,
            key,
            interval: meta.checkpoint_every,
            milestone,
            fitted: milestone,
            broken: false,
            longest: head.map_or(0, |head| head.seq),
        };
        anchors.read_stored()?;
        if done == 0 {
            anchors.reached(0, Some(crate::merkle::empty_root()), report)?;
        }
        Ok(anchors)
    }

    /// Whether a checkpoint of `size` entries or less is still to be compared.
    pub(super) fn is_due(&self, size: u64) -> bool {
        let stored = self.next_stored.as_ref().map(|stored| stored.size);
        let other = self.next_other.as_ref().map(|anchor| anchor.size);
        stored.is_some_and(|due| due <= size) || other.is_some_and(|due| due <= size)
    }

    /// The walk has come to `size` entries; their root is known unless places before are unknown.
    pub(super) fn reached(
        &mut self,
        size: u64,
        root: Option<Digest>,
        report: &mut VerifyReport,
    ) -> rusqlite::Result<()> {
        while let Some(stored) = self.next_stored.take_if(|stored| stored.size <= size) {
            self.check_stored(&stored, size, root, report);
            self.read_stored()?;
        }
        while let Some(anchor) = self.next_other.take_if(|anchor| anchor.size <= size) {
            self.check(&anchor, size, root, report);
            self.next_other = self.others.next();
        }
        Ok(())
    }

    /// After the last entry; gives the largest size that a stored checkpoint covers.
    pub(super) fn finish(&mut self, end: u64, report: &mut VerifyReport) -> rusqlite::Result<u64> {
        self.milestones_up_to(end, report);
        while let Some(stored) = self.next_stored.take() {
            if self.opens(&stored, report).is_some() {
                self.longest = self.longest.max(stored.size);
            }
            self.read_stored()?;
        }
        while let Some(anchor) = self.next_other.take() {
            let Anchor { origin, size, .. } = anchor;
            if origin == Origin::Head {
                self.longest = self.longest.max(size);
            } else {
                let text = format!("{} saw {size} entries, {end} are there", origin.name());
                report.add(FindingKind::RolledBack, end, text);
            }
            self.next_other = self.others.next();
        }
        Ok(self.longest)
    }

    fn read_stored(&mut self) -> rusqlite::Result<()> {
        self.next_stored = match self.stored.next()? {
            None => None,
            Some(row) => Some(Stored {
                size: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                note: row.get(1)?,
            }),
        };
        Ok(())
    }

    fn check_stored(
        &mut self,
        stored: &Stored,
        size: u64,
        root: Option<Digest>,
        report: &mut VerifyReport,
    ) {
        if stored.size > 0 {
            self.milestones_up_to(stored.size - 1, report);
            self.milestone = stored.size - stored.size % self.interval;
        }
        if let Some(signed) = self.opens(stored, report) {
            let anchor = Anchor {
                origin: Origin::Head,
                size: stored.size,
                root: signed,
            };
            self.check(&anchor, size, root, report);
        }
    }

    /// The root the stored checkpoint vouches for.
    fn opens(&self, stored: &Stored, report: &mut VerifyReport) -> Option<Digest> {
        let size = stored.size;
        match self.key.open(&stored.note) {
            Ok(checkpoint) if checkpoint.size == size => Some(checkpoint.root),
            Ok(checkpoint) => {
                let text = format!("the checkpoint in this place covers {}", checkpoint.size);
                report.add(FindingKind::CheckpointMismatch, size, text);
                None
            }
            Err(error) => {
                report.add(FindingKind::Signature, size, error.to_string());
                None
            }
        }
    }

    fn check(
        &mut self,
        anchor: &Anchor,
        size: u64,
        root: Option<Digest>,
        report: &mut VerifyReport,
    ) {
        report.checkpoints += 1;
        if anchor.size == size && root == Some(anchor.root) {
            self.fitted = size;
            return;
        }
        let first = self.fitted + 1;
        let text = match root {
            Some(_) if anchor.size == size => {
                format!("something in entries {first} to {size} was rewritten")
            }
            _ => format!("entries {first} to {} are not whole", anchor.size),
        };
        if anchor.origin != Origin::Head {
            let text = format!("{} does not fit: {text}", anchor.origin.name());
            report.add(FindingKind::RolledBack, anchor.size, text);
        } else if !self.broken {
            self.broken = true;
            let text = format!("the signed checkpoint does not fit: {text}");
            report.add(FindingKind::CheckpointMismatch, anchor.size, text);
        }
    }

    fn milestones_up_to(&mut self, size: u64, report: &mut VerifyReport) {
        let missing = (size - size % self.interval).saturating_sub(self.milestone) / self.interval;
        if missing > 0 {
            let first = self.milestone + self.interval;
            let text = format!(
                "{missing} checkpoints are missing from here on, one every {} entries",
                self.interval
            );
            report.add(FindingKind::CheckpointMissing, first, text);
            self.milestone += missing * self.interval;
        }
    }
}

impl Origin {
    const fn name(self) -> &'static str {
        match self {
            Self::Head => "the checkpoint of the head",
            Self::Witness => "the witness",
            Self::Kept => "a kept checkpoint",
        }
    }
}
