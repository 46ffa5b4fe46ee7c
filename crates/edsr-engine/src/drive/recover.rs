//! Recovery: fold the two logs again from a snapshot, and hold every entry that is derived against the journal.
//!
//! Recovery is replay: what the journal holds already is compared and not written again, what it does not hold yet
//! is new. Calls whose intents are in the journal are never handed out here, so recovering cannot act twice.

use std::collections::VecDeque;
use std::sync::Arc;

use edsr_model::{Draft, Entry, Fact, Lsn, Seq};

use super::past::Told;
use crate::bundle::Bundle;
use crate::engine::{Engine, Input, Output};

/// The journal says something else than what follows from the events.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Broken {
    /// An entry differs from what is derived in its place.
    #[error(
        "entry {seq} of the journal ({recorded}) is not what follows from the events and bundles on record ({derived})"
    )]
    Differs {
        /// The entry.
        seq: Seq,
        /// What kind the journal holds.
        recorded: &'static str,
        /// What kind follows.
        derived: &'static str,
        /// Both in full.
        detail: Box<(Draft, Draft)>,
    },
    /// An entry is on record that nothing leads to.
    #[error("nothing on record leads to entry {seq} of the journal ({recorded})")]
    Unexplained {
        /// The entry.
        seq: Seq,
        /// Its kind.
        recorded: &'static str,
    },
    /// A stated fact on record is refused.
    #[error("entry {seq} of the journal cannot be taken: {refusal}")]
    Refused {
        /// The entry.
        seq: Seq,
        /// Why.
        refusal: String,
    },
}

/// An engine that has caught up with both logs.
#[derive(Debug)]
pub struct Recovered {
    /// The engine.
    pub engine: Engine,
    /// What it derived that is not in the journal yet.
    pub output: Output,
    /// Entries that were held against what was derived.
    pub compared: u64,
}

/// A recovery under way. Events and entries are given page by page; neither log has to fit into memory.
#[derive(Debug)]
pub struct Recovery {
    engine: Engine,
    /// Entries that nothing was held against yet.
    expected: VecDeque<Entry>,
    /// The stated ones among them that were not taken in yet.
    stated: VecDeque<Draft>,
    fresh: Output,
    /// The last entry of the journal.
    head: Seq,
    /// The last entry that was given.
    given: Seq,
    /// What the engine had seen by then.
    given_lsn: Lsn,
    /// Entries that were held against what was derived.
    compared: u64,
}

impl Recovery {
    /// Starts from an engine, new or restored from a snapshot. `head` is the last entry of the journal.
    #[must_use]
    pub fn new(engine: Engine, head: Seq) -> Self {
        Self {
            given: engine.seq(),
            given_lsn: engine.lsn(),
            head: head.max(engine.seq()),
            engine,
            expected: VecDeque::new(),
            stated: VecDeque::new(),
            fresh: Output::default(),
            compared: 0,
        }
    }

    /// The first entry that has to be given before the event at `lsn` can be, if any.
    #[must_use]
    pub fn wants_entries(&self, lsn: Lsn) -> Option<Seq> {
        (self.given < self.head && self.given_lsn <= lsn).then(|| self.given.next())
    }

    /// Takes the next entries of the journal in. The bundles they name must be known to the engine.
    pub fn entries(&mut self, page: Vec<Entry>) {
        if let Some(last) = page.last() {
            self.given = last.draft.seq;
            self.given_lsn = last.draft.lsn;
        }
        let stated = page.iter().filter(|entry| entry.draft.fact.is_stated());
        self.stated.extend(stated.map(|entry| entry.draft.clone()));
        self.expected.extend(page);
    }

    /// The last entry of the journal.
    #[must_use]
    pub const fn head(&self) -> Seq {
        self.head
    }

    /// The bundle that will be in force at the next event, as far as entries were given.
    #[must_use]
    pub fn rules(&self) -> Arc<Bundle> {
        let wants = self.wants();
        let stated = self.stated.iter();
        let activated =
            stated
                .take_while(|draft| draft.lsn < wants)
                .filter_map(|draft| match &draft.fact {
                    Fact::BundleActivated { bundle, .. } => Some(*bundle),
                    _ => None,
                });
        match activated.last() {
            Some(hash) => self.engine.bundle_of(hash),
            None => Arc::clone(self.engine.bundle()),
        }
    }

    /// The engine, to make bundles known to it.
    pub const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The event that is wanted next.
    #[must_use]
    pub fn wants(&self) -> Lsn {
        self.engine.lsn().next()
    }

    /// Takes the next event of the log in.
    ///
    /// # Errors
    /// When the journal does not fit.
    pub fn event(&mut self, told: Told) -> Result<(), Broken> {
        self.state_facts_before(told.record.lsn)?;
        self.apply(match told.looked {
            Some(looked) => Input::Looked(told.record, looked),
            None => Input::Event(told.record),
        })
    }

    /// No more events, and every entry was given: takes in what the journal holds beyond the events.
    ///
    /// # Errors
    /// When the journal does not fit.
    pub fn finish(mut self) -> Result<Recovered, Broken> {
        self.state_facts_before(Lsn(u64::MAX))?;
        if let Some(last) = self.expected.back() {
            let at = last.draft.at;
            self.apply(Input::Tick(at))?;
        }
        if let Some(entry) = self.expected.front() {
            return Err(Broken::Unexplained {
                seq: entry.draft.seq,
                recorded: entry.draft.fact.kind(),
            });
        }
        Ok(Recovered {
            engine: self.engine,
            output: self.fresh,
            compared: self.compared,
        })
    }

    /// Facts that were stated before an event are taken in before it.
    fn state_facts_before(&mut self, lsn: Lsn) -> Result<(), Broken> {
        while let Some(draft) = self.next_stated(lsn) {
            // What fell due before it was stated happened before it, and it may speak of that. A start is told of
            // before time goes on.
            if !matches!(draft.fact, Fact::NodeStarted { .. }) {
                self.apply(Input::Tick(draft.at))?;
            }
            self.engine
                .check(&draft.fact)
                .map_err(|refusal| Broken::Refused {
                    seq: draft.seq,
                    refusal: refusal.to_string(),
                })?;
            self.apply(Input::Stated {
                at: draft.at,
                actor: draft.actor,
                fact: draft.fact,
            })?;
        }
        Ok(())
    }

    fn next_stated(&mut self, before: Lsn) -> Option<Draft> {
        self.stated.pop_front_if(|draft| draft.lsn < before)
    }

    fn apply(&mut self, input: Input) -> Result<(), Broken> {
        let output = self.engine.apply(input);
        for draft in output.drafts {
            self.hold_against_journal(draft)?;
        }
        let head = self.head;
        let calls = output.calls.into_iter();
        self.fresh
            .calls
            .extend(calls.filter(|(seq, _)| *seq > head));
        Ok(())
    }

    fn hold_against_journal(&mut self, draft: Draft) -> Result<(), Broken> {
        let Some(entry) = self.expected.pop_front() else {
            self.fresh.drafts.push(draft);
            return Ok(());
        };
        self.compared += 1;
        if same(&entry.draft, &draft) {
            return Ok(());
        }
        Err(Broken::Differs {
            seq: entry.draft.seq,
            recorded: entry.draft.fact.kind(),
            derived: draft.fact.kind(),
            detail: Box::new((entry.draft, draft)),
        })
    }
}

/// Compares as written, since that is what is on record.
fn same(recorded: &Draft, derived: &Draft) -> bool {
    serde_json::to_vec(recorded).ok() == serde_json::to_vec(derived).ok()
}
