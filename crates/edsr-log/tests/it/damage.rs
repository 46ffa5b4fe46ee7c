//! Damage to what was acknowledged is reported, never used, never repaired in silence.

use std::collections::BTreeMap;

use edsr_log::{EventLog, LogError, MemDisk, StoredRecord};

use crate::support::{append, group, open, read_all, records};

type Image = BTreeMap<String, Vec<u8>>;

const LAST: u64 = 15;

/// Commits of three records, several segments; closed, or left as a killed process leaves it, or as a
/// loss of power leaves it that took every quick mark along.
fn image(end: &str) -> Image {
    let disk = MemDisk::new(1);
    let mut log = open(&disk).unwrap();
    let mark = disk.image()["log.mark"].clone();
    for from in (1..LAST).step_by(3) {
        group(&mut log, from, from + 2);
    }
    if end == "closed" {
        log.close().unwrap();
    }
    let mut image = disk.image();
    if end == "power lost" {
        image.insert("log.mark".to_owned(), mark);
    }
    assert!(image.len() >= 3, "two segments and a mark");
    image
}

fn outcome(image: &Image) -> Result<Vec<StoredRecord>, LogError> {
    let disk = MemDisk::from_image(1, image);
    let result = open(&disk).and_then(|log| read_all(&log));
    if let Err(LogError::Damaged(_)) = result {
        assert_eq!(&disk.image(), image, "a damaged log is left as it is");
    }
    result
}

/// Nothing but the whole log, or a report.
fn check_whole_or_reported(image: &Image, case: &str) -> bool {
    match outcome(image) {
        Ok(kept) => {
            assert_eq!(kept, records(1, LAST), "{case}");
            false
        }
        Err(LogError::Damaged(_)) => true,
        Err(other) => panic!("{case}: {other}"),
    }
}

fn flip_every_bit(end: &str, mut check: impl FnMut(&Image, &str)) {
    let mut image = image(end);
    let names: Vec<String> = image.keys().cloned().collect();
    for name in names {
        for at in 0..image[&name].len() {
            // Between the copies of the mark lie zeros that nobody reads: every 16th byte will do.
            if name == "log.mark" && at % 4096 >= 64 && at % 16 != 0 {
                continue;
            }
            for bit in 0..8 {
                image.get_mut(&name).unwrap()[at] ^= 1 << bit;
                check(&image, &format!("{end}: {name} byte {at} bit {bit}"));
                image.get_mut(&name).unwrap()[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    for end in ["closed", "killed"] {
        let (mut found, mut harmless) = (0, 0);
        flip_every_bit(end, |image, case| {
            let reported = check_whole_or_reported(image, case);
            let in_mark = case.contains("log.mark");
            assert_ne!(
                reported, in_mark,
                "{case}: of the mark there are copies, of records none"
            );
            if reported { found += 1 } else { harmless += 1 }
        });
        assert!(found > 8_000 && harmless > 1_000, "{found} {harmless}");
    }
}

#[test]
fn after_a_loss_of_power_a_flipped_bit_costs_the_last_commit_at_most() {
    let mut shorter = 0;
    flip_every_bit("power lost", |image, case| match outcome(image) {
        Ok(kept) => {
            let end = kept.len() as u64;
            assert!(end >= LAST - 3, "{case}: ends with {end}");
            assert_eq!(kept, records(1, end), "{case}");
            shorter += u32::from(end < LAST);
        }
        Err(LogError::Damaged(_)) => {}
        Err(other) => panic!("{case}: {other}"),
    });
    assert!(
        shorter > 500,
        "the last commit has more bits than {shorter}"
    );
}

#[test]
fn every_block_zeroed_swapped_or_doubled_is_found() {
    const BLOCK: usize = 64;
    let image = image("closed");
    let segments: Vec<&String> = image.keys().filter(|name| *name != "log.mark").collect();
    for name in &segments {
        let blocks = image[*name].len() / BLOCK;
        for one in 0..blocks {
            for other in 0..=blocks {
                let mut image = image.clone();
                let bytes = image.get_mut(*name).unwrap();
                let (from, to) = (one * BLOCK..(one + 1) * BLOCK, other * BLOCK);
                if other == blocks {
                    bytes[from].fill(0);
                } else if other == one {
                    let block = bytes[from.clone()].to_vec();
                    bytes.splice(from.start..from.start, block);
                } else {
                    bytes.copy_within(from, to);
                }
                assert!(check_whole_or_reported(
                    &image,
                    &format!("{name} {one} {other}")
                ));
            }
        }
    }
}

#[test]
fn every_cut_and_every_lost_file_is_found() {
    let image = image("closed");
    for (name, bytes) in &image {
        if name == "log.mark" {
            continue;
        }
        for len in 0..bytes.len() {
            let mut image = image.clone();
            image.insert(name.clone(), bytes[..len].to_vec());
            let reported = check_whole_or_reported(&image, &format!("{name} cut to {len}"));
            assert!(reported, "{name} cut to {len}");
        }
    }
    for name in image.keys() {
        let mut image = image.clone();
        image.remove(name);
        assert!(check_whole_or_reported(&image, &format!("without {name}")));
    }
    let mut marks_only = image.clone();
    marks_only.retain(|name, _| name == "log.mark");
    assert!(check_whole_or_reported(&marks_only, "no segment at all"));
}

/// A log of the same identity, shape and times, with other payloads.
fn twin() -> Image {
    let disk = MemDisk::new(1);
    let mut log = open(&disk).unwrap();
    for number in 1..=LAST {
        append(&mut log, number, 1).unwrap();
        if number % 3 == 0 {
            log.commit().unwrap();
        }
    }
    log.close().unwrap();
    disk.image()
}

#[test]
fn a_segment_or_record_of_another_time_is_found() {
    let (image, twin) = (image("closed"), twin());
    let names: Vec<&String> = image.keys().filter(|name| *name != "log.mark").collect();
    for name in &names {
        let mut mixed = image.clone();
        mixed.insert((*name).clone(), twin[*name].clone());
        assert!(check_whole_or_reported(&mixed, &format!("foreign {name}")));

        // Record by record, except the log's last: what follows a record names it.
        let bytes = &image[*name];
        let mut at = 44;
        while at < bytes.len() {
            let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            let end = at + 40 + len;
            if end == bytes.len() && Some(name) == names.last() {
                break;
            }
            let mut mixed = image.clone();
            mixed.get_mut(*name).unwrap()[at..end].copy_from_slice(&twin[*name][at..end]);
            assert!(check_whole_or_reported(
                &mixed,
                &format!("{name} record at {at}")
            ));
            at = end;
        }
    }
    let mut renamed = image.clone();
    let first = renamed.remove(names[0]).unwrap();
    renamed.insert(names[1].clone(), first);
    assert!(check_whole_or_reported(&renamed, "renamed"));
}

#[test]
fn one_firm_copy_of_the_mark_is_enough_and_needed() {
    // Which of the copies (firm, firm, quick) are damaged, and whether that can be borne.
    for (damaged, borne) in [
        (&[0][..], true),
        (&[1], true),
        (&[2], true),
        (&[0, 2], true),
        (&[1, 2], true),
        (&[0, 1], false),
        (&[0, 1, 2], false),
    ] {
        let mut image = image("closed");
        for copy in damaged {
            image.get_mut("log.mark").unwrap()[copy * 4096 + 30] ^= 1;
        }
        assert_ne!(
            check_whole_or_reported(&image, &format!("{damaged:?}")),
            borne
        );
    }
}

#[test]
fn a_report_says_what_and_where() {
    let mut image = image("closed");
    let name = image.keys().next().unwrap().clone();
    image.get_mut(&name).unwrap()[44 + 40 + 2] ^= 1;
    let error = outcome(&image).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{name}` is damaged at byte 44, lsn `1`: expected a payload with a matching checksum; \
             nothing was changed, restore the log from a copy"
        )
    );
}

#[test]
fn damage_after_opening_is_reported_by_the_read() {
    let disk = MemDisk::from_image(1, &image("closed"));
    let log = open(&disk).unwrap();
    let name = disk.image().keys().next().unwrap().clone();
    let file = edsr_log::Disk::open(&disk, &name).unwrap();
    edsr_log::DiskFile::write_at(&file, 44 + 40, b"!").unwrap();
    let error = read_all(&log).unwrap_err();
    assert!(matches!(error, LogError::Damaged(_)), "{error}");
    assert!(
        log.reader().get(edsr_model::Lsn(LAST)).unwrap().is_some(),
        "the rest is readable"
    );
}
