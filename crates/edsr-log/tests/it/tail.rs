//! The end of a write that a crash cut short is dropped, and nothing else.

use std::collections::BTreeMap;

use edsr_log::{EventLog, FileLog, LogError, MemDisk};
use edsr_model::Lsn;

use crate::support::{append, group, open, read_all, records, settings};

type Image = BTreeMap<String, Vec<u8>>;

/// The files after `acknowledged` records, and the same with one more commit of three records that
/// nobody was told of: its bytes are there, the mark is as it was.
fn cut_short(acknowledged: u64) -> (Image, Image) {
    let disk = MemDisk::new(1);
    let mut log = open(&disk).unwrap();
    for number in 1..=acknowledged {
        group(&mut log, number, number);
    }
    let before = disk.image();
    group(&mut log, acknowledged + 1, acknowledged + 3);
    let mut after = disk.image();
    after.insert("log.mark".to_owned(), before["log.mark"].clone());
    (before, after)
}

fn last_segment(image: &Image) -> String {
    let mut names = image.keys().filter(|name| *name != "log.mark");
    names.next_back().unwrap().clone()
}

/// Opens the image; what is kept must be records 1.. up to some end between the two; returns that end.
fn check(image: &Image, from: u64, to: u64, case: &str) -> u64 {
    let disk = MemDisk::from_image(1, image);
    let mut log = open(&disk).unwrap_or_else(|error| panic!("{case}: {error}"));
    let end = log.end().0;
    assert!((from..=to).contains(&end), "{case}: ends with {end}");
    assert_eq!(read_all(&log).unwrap(), records(1, end), "{case}");
    // It goes on, and what was cut does not come back.
    group(&mut log, end + 1, end + 2);
    drop(log);
    disk.crash();
    assert_eq!(
        read_all(&open(&disk).unwrap()).unwrap(),
        records(1, end + 2),
        "{case}"
    );
    end
}

/// A commit into the segment that is there, and one that begins a new segment.
fn both_places() -> [(u64, Image, Image); 2] {
    let made = |new_segments| {
        (8..30)
            .map(|count| (count, cut_short(count)))
            .find(|(_, (before, after))| after.len() - before.len() == new_segments)
            .map(|(count, (before, after))| (count, before, after))
            .unwrap()
    };
    [made(0), made(1)]
}

#[test]
fn a_tail_of_every_length_is_cut() {
    for (count, before, after) in both_places() {
        let name = last_segment(&after);
        let whole = after[&name].clone();
        let durable = before.get(&name).map_or(0, Vec::len);
        let mut ends = Vec::new();
        for len in durable..=whole.len() {
            for filler in ["nothing", "zeros", "garbage"] {
                let mut torn = whole[..len].to_vec();
                match filler {
                    "nothing" => {}
                    "zeros" => torn.resize(whole.len() + 300, 0),
                    _ => torn.extend((0..400_u32).map(|n| ((n * n * 31) >> 3) as u8)),
                }
                let mut image = after.clone();
                image.insert(name.clone(), torn);
                let case = format!("{len} of {} bytes, then {filler}", whole.len());
                if durable == 0 && (1..44).contains(&len) {
                    // Only its header is torn: the creation did not finish.
                    assert_eq!(check(&image, count, count, &case), count);
                } else {
                    ends.push(check(&image, count, count + 3, &case));
                }
            }
        }
        ends.dedup();
        assert!(
            ends.contains(&count) && ends.contains(&(count + 3)),
            "{ends:?}"
        );
    }
}

#[test]
fn a_hole_in_the_last_commit_is_no_damage() {
    let (before, after) = cut_short(9);
    let name = last_segment(&after);
    for at in before[&name].len()..after[&name].len() {
        let mut image = after.clone();
        image.get_mut(&name).unwrap()[at] ^= 0x55;
        let end = check(&image, 9, 12, &format!("byte {at}"));
        assert!(end < 12, "the record with byte {at} is gone");
    }
}

#[test]
fn the_same_hole_is_damage_once_the_mark_says_so() {
    let (before, after) = cut_short(9);
    let disk = MemDisk::from_image(1, &after);
    let mut log = open(&disk).unwrap();
    assert_eq!(log.recovery().unacknowledged, 3);
    assert!(log.recovery().rewritten_bytes > 0);
    log.close().unwrap();
    let image = disk.image();
    let name = last_segment(&image);
    for at in before[&name].len()..image[&name].len() {
        let mut image = image.clone();
        image.get_mut(&name).unwrap()[at] ^= 0x55;
        let refused = open(&MemDisk::from_image(1, &image)).map(|log| log.end());
        assert!(
            matches!(refused, Err(LogError::Damaged(_))),
            "byte {at}: {refused:?}"
        );
    }
}

#[test]
fn a_payload_that_imitates_records_is_not_taken_for_them() {
    // Someone who knows the format but not the identity writes records into a payload.
    let stranger = MemDisk::new(1);
    let other = edsr_log::FileLogSettings {
        identity: 1,
        segment_bytes: 1 << 20,
        ..settings()
    };
    let mut log = FileLog::open(stranger.clone(), other).unwrap();
    for number in 1..=40 {
        group(&mut log, number, number);
    }
    let imitation = stranger.image()[&last_segment(&stranger.image())].clone();

    let disk = MemDisk::new(2);
    let mut log = open(&disk).unwrap();
    group(&mut log, 1, 5);
    let mark = disk.image()["log.mark"].clone();
    append(&mut log, 6, 0).unwrap();
    log.append(crate::support::time(7), &imitation).unwrap();
    log.commit().unwrap();
    let mut image = disk.image();
    image.insert("log.mark".to_owned(), mark);
    let name = last_segment(&image);
    let bytes = image.get_mut(&name).unwrap();
    bytes.truncate(bytes.len() - 10);
    let log = open(&MemDisk::from_image(3, &image)).unwrap();
    assert_eq!(
        log.end(),
        Lsn(6),
        "a torn payload is a torn tail, whatever it holds"
    );
}

#[test]
fn what_later_records_prove_durable_is_not_written_again() {
    let (before, after) = cut_short(9);
    let fresh = MemDisk::new(1);
    open(&fresh).unwrap();
    let mut image = after.clone();
    image.insert("log.mark".to_owned(), fresh.image()["log.mark"].clone());
    let log = open(&MemDisk::from_image(1, &image)).unwrap();
    let name = last_segment(&after);
    let last_commit = after[&name].len() - before[&name].len();
    assert_eq!(
        log.recovery().unacknowledged,
        3,
        "the mark knows nothing, the records do"
    );
    assert_eq!(log.recovery().rewritten_bytes, last_commit as u64);
}

/// A log whose newest segment was begun and holds no record, because the first write to it failed; with a
/// mark that knows nothing. Returns the first places of the last two segments too.
fn begun() -> (MemDisk, Image, u64, u64) {
    let disk = MemDisk::new(1);
    let mut log = open(&disk).unwrap();
    let mark = disk.image()["log.mark"].clone();
    // The record that begins the third segment.
    let new = {
        let rehearsal = MemDisk::new(1);
        let mut log = open(&rehearsal).unwrap();
        let mut number = 0;
        while rehearsal.image().len() < 4 {
            number += 1;
            group(&mut log, number, number);
        }
        number
    };
    for number in 1..new {
        group(&mut log, number, number);
    }
    let old = last_segment(&disk.image());
    append(&mut log, new, 0).unwrap();
    // Creating, writing and syncing the header, syncing the directory: then the records.
    disk.fail_call(disk.calls() + 4, edsr_log::Fault::Eio);
    log.commit().unwrap_err();
    let mut image = disk.image();
    assert_eq!(image.len(), 4);
    image.insert("log.mark".to_owned(), mark);
    let old = old.trim_end_matches(".log").parse().unwrap();
    (disk, image, old, new)
}

#[test]
fn a_segment_without_records_proves_the_ones_before() {
    let (_, image, old, new) = begun();
    let log = open(&MemDisk::from_image(1, &image)).unwrap();
    assert_eq!(log.end(), Lsn(new - 1));
    assert_eq!(log.recovery().unacknowledged, 0);
    assert_eq!(check(&image, new - 1, new - 1, "begun"), new - 1);

    let closed = format!("{old:020}.log");
    for longer in [1, 40, 500] {
        let mut image = image.clone();
        let bytes = image.get_mut(&closed).unwrap();
        bytes.resize(bytes.len() + longer, 0);
        let refused = open(&MemDisk::from_image(1, &image)).map(|log| log.end());
        assert!(
            matches!(refused, Err(LogError::Damaged(_))),
            "{longer}: {refused:?}"
        );
    }
}

#[test]
fn a_log_of_nothing_but_a_begun_segment_goes_on() {
    let (disk, _, _, new) = begun();
    let mut log = open(&disk).unwrap();
    let everything = edsr_log::Retention {
        bytes_max: Some(0),
        ..edsr_log::Retention::default()
    };
    let kept = log
        .retain(&everything, Lsn(new), crate::support::time(new))
        .unwrap();
    assert_eq!(kept.first, Lsn(new));
    drop(log);
    disk.crash();
    let log = open(&disk).unwrap();
    assert_eq!((log.first(), log.end()), (Lsn(new), Lsn(new - 1)));
    assert_eq!(
        log.last_at(),
        crate::support::time(new - 1),
        "time goes on too"
    );
    assert_eq!(read_all(&log).unwrap(), []);

    // Its header is all there is to go on from, and was durable before the others went.
    let mut image = disk.image();
    image.insert(last_segment(&image), Vec::new());
    let refused = open(&MemDisk::from_image(1, &image)).map(|log| log.end());
    assert!(matches!(refused, Err(LogError::Damaged(_))), "{refused:?}");
    let mut log = open(&disk).unwrap();
    group(&mut log, new, new + 5);
    assert_eq!(read_all(&log).unwrap(), records(new, new + 5));
}
