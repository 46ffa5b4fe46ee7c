//! What the port promises, as tests that take any backend: `journal_conformance!(name, || Subject { .. })`.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "tests, compiled into the library so that other crates can run them"
)]

mod queries;

use std::collections::BTreeSet;

use edsr_model::{Digest, Draft, Entry, Fact, Seq, Severity};

use crate::chain::entry_hash;
use crate::error::JournalError;
use crate::mention::mentions;
use crate::port::{
    Head, Journal, JournalReader, Order, QUERY_LIMIT_DEFAULT, QUERY_LIMIT_MAX, Query, READ_MAX,
};
use crate::sample;
use queries::{naive, some_queries};

/// A backend under test.
pub struct Subject {
    /// An empty journal.
    pub journal: Box<dyn Journal>,
    /// Opens the same journal again, once the one before was dropped.
    pub reopen: Box<dyn FnMut() -> Box<dyn Journal>>,
}

/// Makes one test per promise, in a module of the name given. The expression makes a new [`Subject`].
#[macro_export]
macro_rules! journal_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            $crate::journal_conformance!(@tests $make;
                an_empty_journal_has_nothing
                entries_come_back_as_they_were_written
                an_append_is_all_or_nothing
                seqs_continue_the_head
                a_refused_draft_does_no_harm
                readers_see_whole_appends
                reads_are_bounded
                queries_find_what_fits
                pages_add_up_to_the_whole
                queries_are_bounded
                a_reopened_journal_goes_on
            );
        }
    };
    (@tests $make:expr; $($test:ident)+) => {
        $(#[test] fn $test() { $crate::conformance::$test($make()); })+
    };
}

/// Nothing there: seq 0, a hash of zeros, no entries.
pub fn an_empty_journal_has_nothing(mut subject: Subject) {
    let reader = subject.journal.reader();
    for head in [subject.journal.head(), reader.head().expect("head")] {
        assert_eq!(head, Head::default());
        assert_eq!((head.seq, head.hash), (Seq(0), Digest([0; 32])));
    }
    assert_eq!(reader.read(Seq(0), 10).expect("read"), []);
    assert_eq!(reader.get(Seq(0)).expect("get"), None);
    assert_eq!(reader.get(Seq(1)).expect("get"), None);
    assert_eq!(reader.query(&Query::default()).expect("query"), []);
    assert_eq!(
        subject.journal.append(&[]).expect("nothing"),
        Head::default()
    );
    subject.journal.witness().expect("witness");
}

/// Every kind of fact, appended in units of different sizes, comes back equal and chained.
pub fn entries_come_back_as_they_were_written(mut subject: Subject) {
    let drafts = sample::drafts(1, 60);
    append_in(&mut *subject.journal, &drafts, &[1, 2, 30, 1, 26]);
    let reader = subject.journal.reader();
    let entries = reader.read(Seq(1), 100).expect("read");
    assert_eq!(entries.len(), drafts.len());
    let mut prev = Digest::default();
    for (entry, draft) in entries.iter().zip(&drafts) {
        assert_eq!(entry.draft, *draft);
        assert_eq!(entry.prev, prev);
        let body = serde_json::to_vec(draft).expect("json");
        assert_eq!(entry.hash, entry_hash(prev, draft.seq, &body));
        assert_eq!(reader.get(draft.seq).expect("get").as_ref(), Some(entry));
        prev = entry.hash;
    }
    let end = Head {
        seq: Seq(60),
        hash: prev,
        at: drafts[59].at,
    };
    assert_eq!(subject.journal.head(), end);
    assert_eq!(reader.head().expect("head"), end);
}

/// One draft that does not fit keeps out the whole unit.
pub fn an_append_is_all_or_nothing(mut subject: Subject) {
    let head = subject
        .journal
        .append(&sample::drafts(1, 3))
        .expect("append");
    let mut unit = sample::drafts(4, 5);
    unit[3].seq = Seq(17);
    let error = subject.journal.append(&unit).expect_err("a hole");
    assert!(
        matches!(
            error,
            JournalError::Sequence {
                expected: Seq(7),
                got: Seq(17)
            }
        ),
        "{error}"
    );
    assert_eq!(subject.journal.head(), head);
    let reader = subject.journal.reader();
    assert_eq!(reader.read(Seq(1), 100).expect("read").len(), 3);
    let shown = subject
        .journal
        .append_and_show(&sample::drafts(4, 5))
        .expect("the journal goes on");
    assert_eq!(reader.read(Seq(1), 100).expect("read").len(), 8);
    assert_eq!(shown, reader.read(Seq(4), 100).expect("read"));
    let none = subject.journal.append_and_show(&[]).expect("nothing");
    assert_eq!(none, []);
}

/// Repeated, skipped and zero seqs are refused, and the right one is named.
pub fn seqs_continue_the_head(mut subject: Subject) {
    for (from, expected) in [(0, 1), (2, 1), (u64::MAX, 1)] {
        expect_sequence(&mut *subject.journal, from, expected);
    }
    subject
        .journal
        .append(&sample::drafts(1, 2))
        .expect("append");
    for (from, expected) in [(1, 3), (2, 3), (4, 3), (0, 3)] {
        expect_sequence(&mut *subject.journal, from, expected);
    }
    subject
        .journal
        .append(&sample::drafts(3, 1))
        .expect("append");
}

/// What cannot be kept as it is, is refused by name, and the journal goes on.
pub fn a_refused_draft_does_no_harm(mut subject: Subject) {
    let mut unit = sample::drafts(1, 2);
    let mut evidence = sample::evidence(1);
    evidence.figures.insert("ratio".to_owned(), f64::NAN);
    let detection = sample::detection(1).id;
    unit[1].fact = Fact::DetectionUpdated {
        detection,
        severity: Severity::Info,
        evidence,
    };
    let error = subject.journal.append(&unit).expect_err("not a number");
    assert!(
        matches!(error, JournalError::Unstorable { seq: Seq(2), .. }),
        "{error}"
    );
    assert_eq!(subject.journal.head(), Head::default());
    subject
        .journal
        .append(&sample::drafts(1, 2))
        .expect("the journal goes on");
}

/// A reader made before an append sees it, whole, and so does its clone on another thread.
pub fn readers_see_whole_appends(mut subject: Subject) {
    let reader = subject.journal.reader();
    assert_eq!(reader.read(Seq(1), 10).expect("read"), []);
    let twin = reader.clone();
    let watcher = std::thread::spawn(move || watch(&*twin, 200));
    for unit in 0..20 {
        subject
            .journal
            .append(&sample::drafts(1 + unit * 10, 10))
            .expect("append");
        assert_eq!(reader.head().expect("head"), subject.journal.head());
    }
    watcher.join().expect("the watcher saw whole appends only");
}

/// Reading starts anywhere, stops anywhere, and has a largest answer.
pub fn reads_are_bounded(mut subject: Subject) {
    let count = READ_MAX + 5;
    let drafts = notes(count);
    subject.journal.append(&drafts).expect("append");
    let reader = subject.journal.reader();
    let seqs = |from: u64, max: usize| -> Vec<u64> {
        let entries = reader.read(Seq(from), max).expect("read");
        entries.iter().map(|entry| entry.draft.seq.0).collect()
    };
    assert_eq!(seqs(0, 3), [1, 2, 3]);
    assert_eq!(seqs(7, 2), [7, 8]);
    assert!(seqs(7, 0).is_empty());
    assert_eq!(seqs(count as u64, 9), [count as u64]);
    assert!(seqs(count as u64 + 1, 9).is_empty());
    assert!(seqs(u64::MAX, 9).is_empty());
    assert_eq!(seqs(1, usize::MAX).len(), READ_MAX);
    assert_eq!(reader.get(Seq(u64::MAX)).expect("get"), None);
}

/// Every filter alone and together gives what looking at each entry gives.
pub fn queries_find_what_fits(mut subject: Subject) {
    let drafts = sample::drafts(1, 120);
    append_in(&mut *subject.journal, &drafts, &[50, 1, 69]);
    let reader = subject.journal.reader();
    let ids: BTreeSet<String> = drafts.iter().flat_map(mentions).collect();
    assert!(ids.len() > 50, "the samples mention many things");
    let mut queries: Vec<Query> = ids.into_iter().map(mentioning).collect();
    queries.extend(some_queries());
    for query in queries {
        let found = reader.query(&query).expect("query");
        let found: Vec<_> = found.into_iter().map(|entry| entry.draft).collect();
        assert_eq!(found, naive(&drafts, &query), "{query:?}");
    }
}

/// Asking on from the last seq given leaves nothing out and gives nothing twice, from either end.
pub fn pages_add_up_to_the_whole(mut subject: Subject) {
    subject
        .journal
        .append(&sample::drafts(1, 100))
        .expect("append");
    let reader = subject.journal.reader();
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let kinds = ["note", "decided", "planned"].map(str::to_owned).to_vec();
        let mut query = Query {
            kinds,
            order,
            limit: 4,
            ..Query::default()
        };
        let whole = Query {
            limit: 1000,
            ..query.clone()
        };
        let whole = reader.query(&whole).expect("query");
        let mut pages: Vec<Entry> = Vec::new();
        loop {
            let page = reader.query(&query).expect("query");
            assert!(page.len() <= 4);
            let Some(last) = page.last() else { break };
            match order {
                Order::NewestFirst => query.before = Some(last.draft.seq),
                Order::OldestFirst => query.after = Some(last.draft.seq),
            }
            pages.extend(page);
        }
        assert_eq!(pages, whole);
        assert!(whole.len() > 12, "several pages");
    }
}

/// A query has a default and a largest answer.
pub fn queries_are_bounded(mut subject: Subject) {
    subject
        .journal
        .append(&notes(QUERY_LIMIT_MAX + 5))
        .expect("append");
    let reader = subject.journal.reader();
    let count = |limit| {
        reader
            .query(&Query {
                limit,
                ..Query::default()
            })
            .expect("query")
            .len()
    };
    let by_default = reader.query(&Query::default()).expect("query").len();
    assert_eq!(by_default, QUERY_LIMIT_DEFAULT);
    assert_eq!(count(0), 0);
    assert_eq!(count(usize::MAX), QUERY_LIMIT_MAX);
}

/// After a restart: the same head, the same entries, and the next append continues them.
pub fn a_reopened_journal_goes_on(mut subject: Subject) {
    for round in 0..4_u64 {
        let head = subject
            .journal
            .append(&sample::drafts(1 + round * 7, 7))
            .expect("append");
        let entries = subject.journal.reader().read(Seq(1), 100).expect("read");
        drop(std::mem::replace(
            &mut subject.journal,
            Box::new(crate::MemoryJournal::new()),
        ));
        subject.journal = (subject.reopen)();
        assert_eq!(subject.journal.head(), head);
        let reader = subject.journal.reader();
        assert_eq!(reader.read(Seq(1), 100).expect("read"), entries);
    }
}

fn append_in(journal: &mut dyn Journal, drafts: &[Draft], units: &[usize]) {
    let mut rest = drafts;
    for size in units {
        let (unit, after) = rest.split_at(*size);
        journal.append(unit).expect("append");
        rest = after;
    }
    assert!(rest.is_empty(), "the units cover the drafts");
}

fn expect_sequence(journal: &mut dyn Journal, from: u64, expected: u64) {
    let mut draft = sample::draft(1);
    draft.seq = Seq(from);
    let error = journal.append(&[draft]).expect_err("the wrong seq");
    let named = matches!(error, JournalError::Sequence { expected: e, got: g } if (e.0, g.0) == (expected, from));
    assert!(named, "{error}");
}

/// Looks until `count` entries are there; every look shows whole units of ten.
fn watch(reader: &dyn JournalReader, count: u64) {
    let mut seen = 0;
    while seen < count {
        let head = reader.head().expect("head").seq.0;
        assert!(
            head.is_multiple_of(10) && head >= seen,
            "{seen} then {head}"
        );
        let entries = reader.read(Seq(1), 1000).expect("read").len() as u64;
        assert!(
            entries.is_multiple_of(10) && entries >= head,
            "{head} then {entries}"
        );
        seen = entries;
        std::thread::yield_now();
    }
}

fn notes(count: usize) -> Vec<Draft> {
    let mut draft = sample::draft(1);
    draft.fact = Fact::Note {
        text: "x".to_owned(),
    };
    draft.correlation = None;
    (1..=count as u64)
        .map(|n| Draft {
            seq: Seq(n),
            ..draft.clone()
        })
        .collect()
}

fn mentioning(id: String) -> Query {
    Query {
        mention: Some(id),
        ..Query::default()
    }
}
