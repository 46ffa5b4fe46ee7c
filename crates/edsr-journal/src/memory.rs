//! The journal in memory: the same chain and tree, gone with the process. For tests and simulations.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use edsr_model::{Draft, Entry, Seq};

use crate::chain::Chain;
use crate::error::JournalError;
use crate::mention::mentions;
use crate::merkle::CompactRange;
use crate::port::{
    Head, Journal, JournalReader, Order, QUERY_KINDS_MAX, QUERY_LIMIT_MAX, Query, READ_MAX,
};
use crate::signer::Signer;

/// A journal that lasts as long as it, or a reader of it, is held.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    /// What this writer believes; it may have been superseded.
    chain: Chain,
    store: Shared,
    signer: Option<Arc<Signer>>,
}

type Shared = Arc<RwLock<Store>>;

#[derive(Debug, Default)]
struct Store {
    chain: Chain,
    entries: Vec<Entry>,
}

impl MemoryJournal {
    /// An empty journal without a key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty journal that can sign checkpoints.
    #[must_use]
    pub fn with_signer(signer: Arc<Signer>) -> Self {
        Self {
            signer: Some(signer),
            ..Self::default()
        }
    }

    /// A writer that goes on where the journal stands, as a restart would; the other one is superseded by its first append.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self {
            chain: read(&self.store).chain.clone(),
            store: Arc::clone(&self.store),
            signer: self.signer.clone(),
        }
    }

    /// The tree over all entries.
    #[must_use]
    pub const fn tree(&self) -> &CompactRange {
        &self.chain.tree
    }

    /// The signed checkpoint of all entries; `None` without a key.
    #[must_use]
    pub fn checkpoint(&self) -> Option<String> {
        let signer = self.signer.as_ref()?;
        Some(signer.checkpoint(self.chain.tree.end(), self.chain.tree.root()))
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, drafts: &[Draft]) -> Result<Head, JournalError> {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = drafts.first()
            && store.chain.head != self.chain.head
        {
            let expected = store.chain.head.seq.next();
            let got = first.seq;
            return Err(JournalError::Sequence { expected, got });
        }
        let new = self.chain.extend(drafts, u64::MAX)?;
        store
            .entries
            .extend(new.sealed.into_iter().map(|sealed| sealed.entry));
        store.chain.clone_from(&new.chain);
        self.chain = new.chain;
        Ok(self.chain.head)
    }

    fn head(&self) -> Head {
        self.chain.head
    }

    fn reader(&self) -> Box<dyn JournalReader> {
        Box::new(MemoryReader(Arc::clone(&self.store)))
    }
}

struct MemoryReader(Shared);

fn read(store: &Shared) -> RwLockReadGuard<'_, Store> {
    store.read().unwrap_or_else(PoisonError::into_inner)
}

impl JournalReader for MemoryReader {
    fn read(&self, from: Seq, max: usize) -> Result<Vec<Entry>, JournalError> {
        let from = usize::try_from(from.0.max(1) - 1).unwrap_or(usize::MAX);
        let store = read(&self.0);
        let entries = store.entries.iter().skip(from).take(max.min(READ_MAX));
        Ok(entries.cloned().collect())
    }

    fn get(&self, seq: Seq) -> Result<Option<Entry>, JournalError> {
        let place = seq
            .0
            .checked_sub(1)
            .and_then(|place| usize::try_from(place).ok());
        Ok(place.and_then(|place| read(&self.0).entries.get(place).cloned()))
    }

    fn query(&self, query: &Query) -> Result<Vec<Entry>, JournalError> {
        let limit = query.limit.min(QUERY_LIMIT_MAX);
        let store = read(&self.0);
        let fitting = store
            .entries
            .iter()
            .filter(|entry| fits(&entry.draft, query));
        Ok(match query.order {
            Order::OldestFirst => fitting.take(limit).cloned().collect(),
            Order::NewestFirst => fitting.rev().take(limit).cloned().collect(),
        })
    }

    fn head(&self) -> Result<Head, JournalError> {
        Ok(read(&self.0).chain.head)
    }

    fn clone_box(&self) -> Box<dyn JournalReader> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}

fn fits(draft: &Draft, query: &Query) -> bool {
    let mut kinds = query.kinds.iter().take(QUERY_KINDS_MAX);
    (query.kinds.is_empty() || kinds.any(|kind| kind == draft.fact.kind()))
        && query.after.is_none_or(|after| draft.seq > after)
        && query.before.is_none_or(|before| draft.seq < before)
        && (query.correlation.is_none() || query.correlation == draft.correlation)
        && query
            .mention
            .as_ref()
            .is_none_or(|id| mentions(draft).contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Subject;
    use crate::sample;

    crate::journal_conformance!(memory, || {
        let journal = MemoryJournal::new();
        let twin = journal.reopen();
        Subject {
            journal: Box::new(journal),
            reopen: Box::new(move || Box::new(twin.reopen())),
        }
    });

    #[test]
    fn a_superseded_writer_cannot_write() {
        let mut old = MemoryJournal::new();
        let mut new = old.reopen();
        new.append(&sample::drafts(1, 1)).unwrap();
        let error = old.append(&sample::drafts(1, 1)).unwrap_err();
        assert!(matches!(
            error,
            JournalError::Sequence {
                expected: Seq(2),
                got: Seq(1)
            }
        ));
        assert_eq!(new.reader().read(Seq(1), 9).unwrap().len(), 1);
    }

    #[test]
    fn a_checkpoint_is_signed_where_there_is_a_key() {
        let signer = Arc::new(Signer::from_seed(&[3; 32]));
        let mut journal = MemoryJournal::with_signer(Arc::clone(&signer));
        journal.append(&sample::drafts(1, 5)).unwrap();
        let checkpoint = signer
            .public()
            .open(&journal.checkpoint().unwrap())
            .unwrap();
        assert_eq!(
            (checkpoint.size, checkpoint.root),
            (5, journal.tree().root())
        );
        assert_eq!(MemoryJournal::new().checkpoint(), None);
        assert_eq!(journal.reopen().tree(), journal.tree());
    }
}
