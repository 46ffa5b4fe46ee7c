//! Folding the past again: from the newest snapshot that can be used, through both logs, to where they end.
//!
//! Where the past is read from is behind a small port, so that a live start, the simulator and a replay go the same way.

use std::sync::Arc;

use edsr_model::{BundleHash, Entry, Fact, Lsn, Record, Seq, Timestamp};

use super::{Broken, Recovered, Recovery};
use crate::admit::{Dedupe, DedupeSettings, Fingerprint};
use crate::bundle::Bundle;
use crate::desk::Snapshot;
use crate::detect::Looked;
use crate::engine::Engine;

/// An event of the past, and what was seen in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The event.
    pub record: Record,
    /// What detectors see in it, where that was looked up already.
    pub looked: Option<Looked>,
}

/// Both logs, the snapshots and the bundles, to read.
pub trait Past {
    /// Why something cannot be read.
    type Error;

    /// The oldest event held.
    fn first(&self) -> Lsn;

    /// The last durable event.
    fn durable(&self) -> Lsn;

    /// Events from `from` on, in order; none past the last durable one. With a bundle, what its detectors see in them
    /// may be told along, so that whoever reads can look at many at once.
    ///
    /// # Errors
    /// When they cannot be read.
    fn records(&self, from: Lsn, rules: Option<&Arc<Bundle>>) -> Result<Vec<Told>, Self::Error>;

    /// The first event held that was taken at `at` or later.
    ///
    /// # Errors
    /// When they cannot be read.
    fn lsn_at(&self, at: Timestamp) -> Result<Lsn, Self::Error>;

    /// Entries from `from` on, in order; none past the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn entries(&self, from: Seq) -> Result<Vec<Entry>, Self::Error>;

    /// Snapshots that lie beyond neither place, newest first.
    fn snapshots(&self, lsn: Lsn, seq: Seq) -> Vec<Snapshot>;

    /// The bundle with this hash.
    ///
    /// # Errors
    /// When it is not kept, or cannot be used.
    fn bundle(&self, hash: BundleHash) -> Result<Arc<Bundle>, Self::Error>;
}

/// Why the past cannot be folded again.
#[derive(Debug, thiserror::Error)]
pub enum Unfit<E> {
    /// Something cannot be read.
    #[error("{0}")]
    Unreadable(E),
    /// The journal does not follow from the events.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The journal ends before its head.
    #[error(
        "the journal ends before entry {next}, and its head is {head}; run `edsr audit verify`"
    )]
    Short {
        /// The first entry that is missing.
        next: Seq,
        /// The last entry, as the head says.
        head: Seq,
    },
    /// Events that are needed are gone.
    #[error("no snapshot can be used and the event log begins at {first}")]
    TooLate {
        /// The oldest event held.
        first: Lsn,
    },
}

/// The past, folded again.
#[derive(Debug)]
pub struct Refolded {
    /// The engine, and what it derived that is not in the journal yet.
    pub recovered: Recovered,
    /// The snapshot it began from, if any.
    pub from: Option<(Lsn, Seq)>,
    /// Snapshots that were passed over: damaged, of another version, or too old for the events that are left.
    pub passed_over: u64,
    /// Events that were folded.
    pub events: u64,
}

/// Folds the past again up to the end of both logs; `head` is the last entry of the journal, `empty` the bundle that
/// is in force before any was activated.
///
/// # Errors
/// [`Unfit`].
pub fn refold<P: Past>(
    past: &P,
    empty: &Arc<Bundle>,
    head: Seq,
) -> Result<Refolded, Unfit<P::Error>> {
    let (mut engine, from, passed_over) = restore(past, empty, head)?;
    for hash in engine.bundles_needed() {
        learn(&mut engine, past, hash)?;
    }
    // Only the empty bundle is in force without being kept, and the engine was made with it.
    let _ = engine.settle_bundle();
    let mut recovery = Recovery::new(engine, head);
    let mut events = 0;
    loop {
        // What was stated before the page may put another bundle into force.
        let wanted = recovery.wants();
        give_entries(past, &mut recovery, wanted)?;
        let rules = recovery.rules();
        let page = past
            .records(wanted, Some(&rules))
            .map_err(Unfit::Unreadable)?;
        if page.is_empty() {
            break;
        }
        events += page.len() as u64;
        for told in page {
            give_entries(past, &mut recovery, told.record.lsn)?;
            recovery.event(told)?;
        }
    }
    give_entries(past, &mut recovery, Lsn(u64::MAX))?;
    Ok(Refolded {
        recovered: recovery.finish()?,
        from,
        passed_over,
        events,
    })
}

/// Rebuilds which events were taken lately, as of `now`.
///
/// # Errors
/// When the log cannot be read.
pub fn remember<P: Past>(
    past: &P,
    settings: DedupeSettings,
    now: Timestamp,
) -> Result<Dedupe, P::Error> {
    let mut dedupe = Dedupe::new(settings);
    let mut next = past.lsn_at(now.before(settings.horizon))?;
    loop {
        let page = past.records(next, None)?;
        let Some(last) = page.last() else {
            return Ok(dedupe);
        };
        next = last.record.lsn.next();
        for Told { record, .. } in &page {
            dedupe.note(Fingerprint::of(&record.event), record.lsn, record.at);
        }
    }
}

/// The newest state that can be gone on from.
#[allow(
    clippy::type_complexity,
    reason = "a state, where it was true, and how many were passed over"
)]
fn restore<P: Past>(
    past: &P,
    empty: &Arc<Bundle>,
    head: Seq,
) -> Result<(Engine, Option<(Lsn, Seq)>, u64), Unfit<P::Error>> {
    let mut passed_over = 0;
    for snapshot in past.snapshots(past.durable(), head) {
        if snapshot.lsn.next() >= past.first()
            && let Ok(engine) = Engine::restore(&snapshot.state, Arc::clone(empty))
        {
            let from = Some((snapshot.lsn, snapshot.seq));
            return Ok((engine, from, passed_over));
        }
        passed_over += 1;
    }
    if past.first() > Lsn(1) {
        return Err(Unfit::TooLate {
            first: past.first(),
        });
    }
    Ok((Engine::new(Arc::clone(empty)), None, passed_over))
}

fn give_entries<P: Past>(
    past: &P,
    recovery: &mut Recovery,
    lsn: Lsn,
) -> Result<(), Unfit<P::Error>> {
    while let Some(from) = recovery.wants_entries(lsn) {
        let page = past.entries(from).map_err(Unfit::Unreadable)?;
        if page.is_empty() {
            return Err(Unfit::Short {
                next: from,
                head: recovery.head(),
            });
        }
        for entry in &page {
            if let Fact::BundleActivated { bundle, .. } = &entry.draft.fact {
                learn(recovery.engine_mut(), past, *bundle)?;
            }
        }
        recovery.entries(page);
    }
    Ok(())
}

fn learn<P: Past>(engine: &mut Engine, past: &P, hash: BundleHash) -> Result<(), Unfit<P::Error>> {
    if hash != BundleHash::default() {
        engine.learn(past.bundle(hash).map_err(Unfit::Unreadable)?);
    }
    Ok(())
}
