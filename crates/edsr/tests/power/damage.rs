//! Bytes that were durable are changed or gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::chance::{Chance, setting};
use crate::common::{Place, told};
use crate::ledger::{Ledger, acknowledged, batch};
use crate::repairs::{check_runs, place};

/// How many bits are flipped, one a start; set it to flip more.
const FLIPS: (&str, u64) = ("EDSR_FLIPS", 60);

/// How many lengths a file is cut to.
const CUTS: u64 = 16;

/// What a start says that does not trust what it finds.
const BROKEN: i32 = 7;

/// A data directory made by real use, and what was acknowledged meanwhile.
struct Original {
    place: Place,
    ledger: Ledger,
}

impl Original {
    /// Two lives; the second is ended in peace, or not.
    fn new(peace: bool) -> Self {
        let place = place();
        let mut ledger = Ledger::default();
        let mut next = 0;
        for life in 0..2 {
            let node = place.start();
            for size in [1, 3, 20, 1, 50] {
                let (request, ids) = batch(1, next, size);
                assert!(acknowledged(&node.send(&request), ids.len()));
                ledger.add(ids);
                next += size;
            }
            check_runs(&node);
            if life == 0 || peace {
                node.stop();
            } else {
                node.kill();
            }
        }
        Self { place, ledger }
    }

    /// The same once more, elsewhere.
    fn copy(&self) -> Place {
        let copy = place();
        copy_dir(&self.place.path("home"), &copy.path("home"));
        copy
    }

    /// The files that hold what counts, from the root of the place.
    fn files(&self, part: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        list(&self.place.path("home/data"), &mut found);
        let root = self.place.root();
        let found = found
            .iter()
            .map(|path| path.strip_prefix(root).unwrap().to_owned());
        let mut found: Vec<_> = found
            .filter(|path| path.to_string_lossy().contains(part))
            .filter(|path| fs::metadata(root.join(path)).unwrap().len() > 0)
            .collect();
        found.sort();
        assert!(!found.is_empty(), "{part}");
        found
    }
}

/// What a start made of the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// The start was refused, with the reason.
    Refused,
    /// The node runs, and everything acknowledged is there.
    Whole,
}

/// Starts a node on it: it refuses and says what, where and what to do, or it has everything.
fn check(original: &Original, damaged: &Place, file: &Path, what: &str) -> Came {
    let node = match damaged.try_start(&[]) {
        Err(refusal) => {
            assert_eq!(refusal.code, Some(BROKEN), "{what}: {refusal:?}");
            let name = file.file_name().unwrap().to_string_lossy();
            // Files beside the journal are spoken of by the journal's name.
            let name = name.trim_end_matches("-wal").trim_end_matches("-shm");
            let folder = file.parent().unwrap().to_string_lossy();
            let named = refusal.told.contains(name) || refusal.told.contains(&*folder);
            assert!(named, "{what}: says where: {}", refusal.told);
            let helps = ["restore", "edsr audit verify", "--renew-witness"];
            let helped = helps.iter().any(|help| refusal.told.contains(help));
            assert!(helped, "{what}: says what to do: {}", refusal.told);
            return Came::Refused;
        }
        Ok(node) => node,
    };
    let lost = original.ledger.differences(&node);
    assert!(lost.is_empty(), "{what}: started, and {lost}");
    node.stop();
    Came::Whole
}

#[test]
fn flipped_bits_are_found_or_harm_nothing() {
    let mut chance = Chance::new("flips");
    let mut came: BTreeMap<(String, Came, Option<i32>), usize> = BTreeMap::new();
    let originals = [Original::new(true), Original::new(false)];
    for n in 0..setting(FLIPS.0, FLIPS.1) {
        let original = &originals[usize::try_from(n % 2).unwrap()];
        let parts = [
            "events/",
            "journal.db",
            "journal.db",
            "events/",
            "snapshots/",
        ];
        let part = parts[usize::try_from(n / 2 % 5).unwrap()];
        let files = original.files(part);
        let file = &files[usize::try_from(chance.below(files.len() as u64)).unwrap()];
        let copy = original.copy();
        let path = copy.path(file.to_str().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        let bit = chance.below(bytes.len() as u64 * 8);
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        let what = format!("bit {bit} of {}", file.display());
        let audit = copy.audit();
        let code = audit.status.code();
        let says = told(&audit);
        assert!([Some(0), Some(BROKEN)].contains(&code), "{what}: {says}");
        if part != "journal.db" {
            assert_eq!(code, Some(0), "{what}: the journal is whole: {says}");
        }
        let result = check(original, &copy, file, &what);
        *came.entry((part.to_owned(), result, code)).or_default() += 1;
    }
    for ((part, came, code), times) in &came {
        println!("{times} x {part}: {came:?}, audit verify ended with {code:?}");
    }
}

#[test]
fn a_log_that_was_cut_short_is_never_taken_for_whole() {
    for peace in [true, false] {
        let original = Original::new(peace);
        let mut came: BTreeMap<Came, usize> = BTreeMap::new();
        for file in original.files("events/") {
            if file
                .extension()
                .is_none_or(|ending| ending == "lock" || ending == "mark")
            {
                continue;
            }
            let whole = fs::metadata(original.place.path(file.to_str().unwrap()))
                .unwrap()
                .len();
            for cut in 0..CUTS {
                let copy = original.copy();
                let length = whole * cut / CUTS;
                let path = copy.path(file.to_str().unwrap());
                let cut = fs::OpenOptions::new().write(true).open(&path).unwrap();
                cut.set_len(length).unwrap();
                let what = format!(
                    "{} cut to {length} of {whole}, peace {peace}",
                    file.display()
                );
                *came
                    .entry(check(&original, &copy, &file, &what))
                    .or_default() += 1;
            }
        }
        println!("cut, after a clean end: {peace}: {came:?}");
        assert!(came.contains_key(&Came::Refused), "{came:?}");
    }
}

#[test]
fn a_journal_that_was_cut_or_replaced_is_found() {
    let original = Original::new(true);
    for (what, cut) in [("cut", true), ("gone", false)] {
        let copy = original.copy();
        let path = copy.data_dir().join("journal.db");
        let whole = fs::metadata(&path).unwrap().len();
        if cut {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(whole / 2 / 4096 * 4096).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let audit = copy.audit();
        assert!(!audit.status.success(), "{what}: {}", told(&audit));
        let came = check(&original, &copy, Path::new("home/data/journal.db"), what);
        assert_eq!(came, Came::Refused, "{what}");
    }
}

fn list(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &to);
        } else {
            // With its rights: the key is for its owner only.
            fs::copy(&path, &to).unwrap();
        }
    }
}
