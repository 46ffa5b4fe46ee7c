//! The views: what the journal adds up to. A fold over entries and nothing else, so that they can always be made anew.
//!
//! A copy is cheap and shares what did not change; whoever holds one sees one moment. Each kind keeps the newest
//! [`ITEMS_MAX`]; what is older stands in the journal.

mod explain;
mod fold;
mod items;
pub mod read;
mod sentence;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use edsr_model::{
    BundleHash, DecisionId, DetectionId, ExecutionId, IncidentId, Lsn, Pause, PauseId, PlanHash,
    Seq,
};

pub use explain::{Explanation, Situation, SituationKind};
pub use items::{
    Answer, BundleView, Counts, DecisionView, DetectionView, ExecutionView, IncidentCounts,
    IncidentView, PlanView, StartView, StepView, Verification,
};
pub use sentence::sentence;
pub use table::Table;

/// How many detections, incidents, decisions, executions and plans are kept, of each.
pub const ITEMS_MAX: usize = 10_000;
/// How many events are remembered as evidence: a few for each detection that is kept.
pub const EVENTS_MAX: usize = 4 * ITEMS_MAX;
/// How many ids one item lists of another kind (detections of an incident); counts go on.
pub const LINKS_MAX: usize = 500;
/// How many detections are remembered for one event.
pub const DETECTIONS_PER_EVENT_MAX: usize = 64;
/// How many steps, by role, are kept of one run.
pub const STEPS_MAX: usize = 200;
/// How many bundles that came into force are kept.
pub const BUNDLES_MAX: usize = 100;
/// How many pauses are listed. All of them hold, listed or not.
pub const PAUSES_MAX: usize = 10_000;
/// How many candidates an ambiguous reference is answered with.
pub const CANDIDATES_MAX: usize = 10;

/// What the journal adds up to.
#[derive(Debug, Clone)]
pub struct Views {
    seq: Seq,
    lsn: Lsn,
    detections: Table<DetectionId, DetectionView>,
    incidents: Table<IncidentId, IncidentView>,
    decisions: Table<DecisionId, DecisionView>,
    executions: Table<ExecutionId, ExecutionView>,
    plans: Table<PlanHash, PlanView>,
    by_event: Table<Lsn, Vec<DetectionId>>,
    pauses: Arc<BTreeMap<PauseId, Arc<Pause>>>,
    bundles: Arc<VecDeque<BundleView>>,
    started: Option<Arc<StartView>>,
}

impl Default for Views {
    fn default() -> Self {
        Self::new()
    }
}

impl Views {
    /// Before the first entry.
    #[must_use]
    pub fn new() -> Self {
        Self::with_max(ITEMS_MAX, EVENTS_MAX)
    }

    /// With bounds of its own for items of each kind, and for events.
    #[must_use]
    pub fn with_max(items: usize, events: usize) -> Self {
        Self {
            seq: Seq::ZERO,
            lsn: Lsn::ZERO,
            detections: Table::new(items),
            incidents: Table::new(items),
            decisions: Table::new(items),
            executions: Table::new(items),
            plans: Table::new(items),
            by_event: Table::new(events),
            pauses: Arc::default(),
            bundles: Arc::default(),
            started: None,
        }
    }

    /// The last entry that is in here.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The last event the engine had seen by that entry.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Detections.
    #[must_use]
    pub fn detections(&self) -> &Table<DetectionId, DetectionView> {
        &self.detections
    }

    /// Incidents.
    #[must_use]
    pub fn incidents(&self) -> &Table<IncidentId, IncidentView> {
        &self.incidents
    }

    /// Decisions.
    #[must_use]
    pub fn decisions(&self) -> &Table<DecisionId, DecisionView> {
        &self.decisions
    }

    /// Executions.
    #[must_use]
    pub fn executions(&self) -> &Table<ExecutionId, ExecutionView> {
        &self.executions
    }

    /// Plans by their hash.
    #[must_use]
    pub fn plans(&self) -> &Table<PlanHash, PlanView> {
        &self.plans
    }

    /// The detections that rest, or rested, on an event.
    #[must_use]
    pub fn detections_of(&self, event: Lsn) -> &[DetectionId] {
        self.by_event
            .get(&event)
            .map_or(&[], |detections| detections.as_slice())
    }

    /// The pauses that hold.
    #[must_use]
    pub fn pauses(&self) -> &BTreeMap<PauseId, Arc<Pause>> {
        &self.pauses
    }

    /// The bundles that came into force, oldest first; the last one is in force.
    #[must_use]
    pub fn bundles(&self) -> &VecDeque<BundleView> {
        &self.bundles
    }

    /// The bundle in force.
    #[must_use]
    pub fn bundle(&self) -> Option<BundleHash> {
        self.bundles.back().map(|activated| activated.bundle)
    }

    /// The last start of the node.
    #[must_use]
    pub fn started(&self) -> Option<&StartView> {
        self.started.as_deref()
    }

    /// How much there is that wants attention.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |number: usize| number as u64;
        Counts {
            open_detections: count(
                (self.detections.iter())
                    .filter(|(_, view)| items::is_open(view))
                    .count(),
            ),
            open_incidents: count(
                (self.incidents.iter())
                    .filter(|(_, view)| view.is_open())
                    .count(),
            ),
            running_executions: count(
                (self.executions.iter())
                    .filter(|(_, view)| !view.status.is_ended())
                    .count(),
            ),
            waiting_decisions: count(
                (self.decisions.iter())
                    .filter(|(_, view)| view.is_waiting())
                    .count(),
            ),
            pauses: count(self.pauses.len()),
        }
    }

    /// A detection by its id, or by a beginning of it that no other has.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn detection(&self, text: &str) -> Result<&Arc<DetectionView>, LookupError> {
        find(&self.detections, "detection", DetectionId::PREFIX, text)
    }

    /// An incident by its id, or by a beginning of it that no other has.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn incident(&self, text: &str) -> Result<&Arc<IncidentView>, LookupError> {
        find(&self.incidents, "incident", IncidentId::PREFIX, text)
    }

    /// A decision by its id, or by a beginning of it that no other has.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn decision(&self, text: &str) -> Result<&Arc<DecisionView>, LookupError> {
        find(&self.decisions, "decision", DecisionId::PREFIX, text)
    }

    /// An execution by its id, or by a beginning of it that no other has.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn execution(&self, text: &str) -> Result<&Arc<ExecutionView>, LookupError> {
        find(&self.executions, "execution", ExecutionId::PREFIX, text)
    }

    /// A pause that holds, by its id or by a beginning of it that no other has.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn pause(&self, text: &str) -> Result<&Arc<Pause>, LookupError> {
        let found = (self.pauses.iter()).filter(|(id, _)| id.as_str().starts_with(text));
        one("pause", PauseId::PREFIX, text, found)
    }
}

/// Why a reference leads to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such thing among those kept.
    #[error(
        "there is no {what} `{text}` among the newest that are kept; older ones stand in the journal"
    )]
    None {
        /// The kind of thing.
        what: &'static str,
        /// What was asked for.
        text: String,
    },
    /// More than one is meant.
    #[error("`{text}` may be {count} {what}s; give more of the id")]
    Many {
        /// The kind of thing.
        what: &'static str,
        /// What was asked for.
        text: String,
        /// How many it may be.
        count: usize,
        /// The first few of them, in order.
        candidates: Vec<String>,
    },
    /// It does not look like an id.
    #[error(
        "`{text}` is not the id of a {what}; write it like `{prefix}0123456789abcdef`, or a beginning of that"
    )]
    Malformed {
        /// The kind of thing.
        what: &'static str,
        /// What every id of it starts with.
        prefix: &'static str,
        /// What was asked for.
        text: String,
    },
}

fn find<'a, K, V>(
    table: &'a Table<K, V>,
    what: &'static str,
    prefix: &'static str,
    text: &str,
) -> Result<&'a Arc<V>, LookupError>
where
    K: Clone + Ord + Hash + fmt::Display + FromStr + AsText,
    V: Clone,
{
    if let Some(found) = text.parse::<K>().ok().and_then(|id| table.get(&id)) {
        return Ok(found);
    }
    let found = (table.iter()).filter(|(id, _)| id.as_text().starts_with(text));
    one(what, prefix, text, found)
}

/// The one thing among `found`, or why there is not one.
fn one<'a, K: fmt::Display + 'a, V>(
    what: &'static str,
    prefix: &'static str,
    text: &str,
    found: impl Iterator<Item = (&'a K, &'a Arc<V>)>,
) -> Result<&'a Arc<V>, LookupError> {
    let text = shortened(text);
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(LookupError::Malformed { what, prefix, text });
    }
    let mut found: Vec<_> = found.collect();
    match found.pop() {
        None => Err(LookupError::None { what, text }),
        Some((_, only)) if found.is_empty() => Ok(only),
        Some((last, _)) => {
            let mut candidates: Vec<String> = (found.iter().map(|(id, _)| id.to_string()))
                .chain([last.to_string()])
                .collect();
            candidates.sort();
            let count = candidates.len();
            candidates.truncate(CANDIDATES_MAX);
            Err(LookupError::Many {
                what,
                text,
                count,
                candidates,
            })
        }
    }
}

/// No error carries more of what was asked than an id can be long.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// An id whose text needs no copy.
trait AsText {
    fn as_text(&self) -> &str;
}

macro_rules! as_text {
    ($($id:ident)+) => { $(impl AsText for $id {
        fn as_text(&self) -> &str {
            self.as_str()
        }
    })+ };
}

as_text!(DetectionId IncidentId DecisionId ExecutionId);
