//! Queries over what is settled and what is recent, held against the journal in memory, which looks at every entry.

use super::*;
use crate::mention::mentions;
use crate::sqlite::mentions::{SETTLED_EVERY, settled};
use crate::{MemoryJournal, Order, Query};

/// Two settlings, the second in the middle of an append, and a rest.
const ENTRIES: u64 = 2 * SETTLED_EVERY + 700;

fn both() -> (Place, Vec<Box<dyn JournalReader>>) {
    let place = Place::new();
    let mut journals: [Box<dyn Journal>; 2] = [
        Box::new(place.open().unwrap()),
        Box::new(MemoryJournal::new()),
    ];
    let mut from = 1;
    for unit in [SETTLED_EVERY - 1, 1, 1, SETTLED_EVERY - 500, 900, 299] {
        for journal in &mut journals {
            journal
                .append(&sample::drafts(from, unit as usize))
                .unwrap();
        }
        from += unit;
    }
    assert_eq!(from, ENTRIES + 1);
    let readers = journals.iter().map(|journal| journal.reader()).collect();
    (place, readers)
}

fn kinds(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What to ask for, by every filter that goes by what is mentioned or by kind.
fn asked() -> Vec<Query> {
    // Groups of entries are about the same things: some are settled, some recent, and one is both.
    let seqs = [
        1,
        9,
        SETTLED_EVERY,
        settled(ENTRIES) - 1,
        settled(ENTRIES) + 1,
        ENTRIES,
    ];
    let ids = seqs.iter().flat_map(|seq| mentions(&sample::draft(*seq)));
    let mut all: Vec<_> = ids
        .map(|id| Query {
            mention: Some(id),
            ..Query::default()
        })
        .collect();
    for names in [
        &["note"][..],
        &["note", "note", "decided", "no-such-kind"],
        &["paused", "resumed", "step-outcome"],
    ] {
        all.push(Query {
            kinds: kinds(names),
            ..Query::default()
        });
    }
    for correlation in [
        "order-3".to_owned(),
        sample::detection(ENTRIES).incident.to_string(),
    ] {
        all.push(Query {
            correlation: Some(correlation.clone()),
            ..Query::default()
        });
        all.push(Query {
            correlation: Some(correlation),
            kinds: kinds(&["note", "planned"]),
            ..Query::default()
        });
    }
    all
}

#[test]
fn what_is_settled_and_what_is_recent_make_one_answer() {
    let (_place, readers) = both();
    let middle = Some(Seq(settled(ENTRIES)));
    for asked in asked() {
        for (after, before) in [
            (None, None),
            (middle, None),
            (None, middle),
            (Some(Seq(90)), middle),
        ] {
            for (order, limit) in [
                (Order::NewestFirst, 7),
                (Order::OldestFirst, 7),
                (Order::NewestFirst, 10_000),
                (Order::OldestFirst, 10_000),
            ] {
                let query = Query {
                    after,
                    before,
                    order,
                    limit,
                    ..asked.clone()
                };
                let found: Vec<_> = readers
                    .iter()
                    .map(|reader| reader.query(&query).unwrap())
                    .collect();
                assert_eq!(found[0], found[1], "{query:?}");
            }
        }
    }
}
