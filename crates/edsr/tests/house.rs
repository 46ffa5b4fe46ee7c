//! The rules of the house: which crate may use which, what the pure core must never touch, and that what the pages
//! say exists. Each rule names what breaks it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "house/pages.rs"]
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// No file is longer than this, in lines.
const LINES_MAX: usize = 600;

/// What each crate may use of ours: in what it ships, and beyond that in its tests.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("edsr-model", &[], &[]),
    ("edsr-expr", &["edsr-model"], &[]),
    ("edsr-engine", &["edsr-expr", "edsr-model"], &[]),
    ("edsr-log", &["edsr-model"], &[]),
    ("edsr-journal", &["edsr-model"], &[]),
    ("edsr-source", &["edsr-expr", "edsr-model"], &[]),
    ("edsr-actuate", &["edsr-model"], &[]),
    (
        "edsr-bundle",
        &["edsr-engine", "edsr-expr", "edsr-model"],
        &[],
    ),
    (
        "edsr-node",
        &[
            "edsr-actuate",
            "edsr-engine",
            "edsr-journal",
            "edsr-log",
            "edsr-model",
            "edsr-source",
        ],
        &["edsr-expr"],
    ),
    (
        "edsr-sim",
        &[
            "edsr-actuate",
            "edsr-bundle",
            "edsr-engine",
            "edsr-journal",
            "edsr-log",
            "edsr-model",
        ],
        &[],
    ),
    // Feeds every parser; nothing of it is shipped.
    (
        "edsr-fuzz",
        &[
            "edsr-bundle",
            "edsr-engine",
            "edsr-expr",
            "edsr-journal",
            "edsr-log",
            "edsr-model",
            "edsr-sim",
            "edsr-source",
        ],
        &[],
    ),
    // Its tests put a node of their own together, from the two logs in memory.
    (
        "edsr-server",
        &["edsr-model", "edsr-node"],
        &["edsr-journal", "edsr-log"],
    ),
    (
        "edsr",
        &[
            "edsr-actuate",
            "edsr-bundle",
            "edsr-engine",
            "edsr-journal",
            "edsr-log",
            "edsr-model",
            "edsr-node",
            "edsr-server",
            "edsr-sim",
            "edsr-source",
        ],
        &[],
    ),
];

/// The crates that read no clock, draw nothing at random and do no I/O.
const PURE: &[&str] = &["edsr-engine", "edsr-expr", "edsr-model"];

/// What must not stand in their source. Braces right after `std::` would hide a name from this test.
const IMPURE: &[&str] = &[
    "tokio",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::thread::",
    "std::process",
    "std::env",
    "rand::",
    "getrandom",
    "HashMap",
    "HashSet",
    "use std::{",
];

/// The one line that may: CEL takes its maps in this type, and what comes out is sorted again.
const MAP_FOR_CEL: &str = "reason = \"the type CEL takes a map as\"";

/// Packages that reach clocks, chance, files, sockets or threads. None may stand below a pure crate.
const REACHING_OUT: &[&str] = &[
    "async-std",
    "chrono",
    "getrandom",
    "hyper",
    "iana-time-zone",
    "mio",
    "rand",
    "rand_core",
    "reqwest",
    "rusqlite",
    "rustix",
    "socket2",
    "tempfile",
    "tokio",
];

/// Those that do all the same: the expression language brings them for its time type. Nothing of the engine calls
/// their clocks, and no expression can, since the functions an expression may call are listed in the engine.
const REACHING_OUT_FOR_CEL: &[&str] = &["chrono", "iana-time-zone"];

/// Where the past is told again: readers go in, and nothing is in scope that could act or write.
const REPLAYS: &[&str] = &[
    "crates/edsr-node/src/replay.rs",
    "crates/edsr-node/src/past.rs",
    "crates/edsr/src/cmd/replay.rs",
];

/// What must not stand there: actuators, writers of either log, sockets, child processes.
const ACTING: &[&str] = &[
    "edsr_actuate",
    "Registry",
    "EventLog",
    "dyn Journal>",
    "dyn Journal,",
    "SqliteJournal::open",
    "FileLog::open",
    "OsDisk",
    "fs::write",
    "std::net",
    "tokio",
    "process::Command",
];

#[test]
fn a_replay_has_nothing_at_hand_that_could_act() {
    for file in REPLAYS {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for word in ACTING {
            assert!(!text.contains(word), "{file} speaks of `{word}`");
        }
    }
}

#[test]
fn crates_use_each_other_only_along_the_arrows() {
    let allowed: BTreeMap<_, _> = ARROWS
        .iter()
        .map(|(name, ships, tests)| (*name, (ships, tests)))
        .collect();
    let crates = crates();
    let names: BTreeSet<_> = crates.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        allowed.keys().copied().collect(),
        "every crate has its line in ARROWS"
    );
    for (name, dir) in &crates {
        let manifest = read(&dir.join("Cargo.toml"));
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "the folder {name} holds another crate"
        );
        let (ships, tests) = allowed[name.as_str()];
        for (section, used) in ours(&manifest) {
            let fits = ships.contains(&used.as_str())
                || (section == "dev-dependencies" && tests.contains(&used.as_str()));
            assert!(fits, "{name} must not use {used} (in its {section})");
        }
    }
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    for (name, dir) in crates() {
        let manifest = read(&dir.join("Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true\n"),
            "{name} has no `[lints] workspace = true`"
        );
    }
}

#[test]
fn the_pure_crates_reach_for_nothing() {
    let mut exceptions = 0;
    for name in PURE {
        for file in files(&root().join("crates").join(name).join("src"), "rs") {
            let text = read(&file);
            let lines: Vec<_> = text.lines().map(code).collect();
            for (place, line) in lines.iter().enumerate() {
                let Some(word) = IMPURE.iter().find(|word| stands_in(word, line)) else {
                    continue;
                };
                let for_cel =
                    *word == "HashMap" && place > 0 && lines[place - 1].contains(MAP_FOR_CEL);
                assert!(
                    for_cel,
                    "{}:{}: `{word}` in a pure crate: {line}",
                    file.display(),
                    place + 1
                );
                exceptions += 1;
            }
        }
    }
    assert_eq!(exceptions, 1, "the one exception is gone or has company");
}

#[test]
fn nothing_below_the_pure_crates_reaches_out() {
    for name in PURE {
        let below = packages_below(name);
        assert!(
            below.contains("serde"),
            "`cargo tree` shows nothing for {name}"
        );
        for package in REACHING_OUT
            .iter()
            .filter(|package| below.contains(**package))
        {
            assert!(
                ["edsr-engine", "edsr-expr"].contains(name)
                    && REACHING_OUT_FOR_CEL.contains(package),
                "{name} stands on `{package}`; `cargo tree -p {name} -e normal -i {package}` shows through what"
            );
        }
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = files(&root().join("crates"), "rs")
        .into_iter()
        .map(|file| (read(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, file)| format!("{lines} lines: {}", file.display()))
        .collect();
    assert!(
        long.is_empty(),
        "longer than {LINES_MAX} lines:\n{}",
        long.join("\n")
    );
}

/// Clippy holds this too. Here it also holds for whoever builds without clippy.
#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut found = Vec::new();
    for dir in crates().values() {
        for file in files(&dir.join("src"), "rs")
            .iter()
            .filter(|file| !is_test(file))
        {
            let text = read(file);
            // Suites that other crates run as tests say so at their head.
            if text.contains("clippy::expect_used") && text.contains("reason = ") {
                continue;
            }
            let shipped = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            let lines = shipped.lines().map(code).enumerate();
            let bad =
                lines.filter(|(_, line)| line.contains(".unwrap()") || line.contains(".expect(\""));
            found.extend(
                bad.map(|(place, line)| format!("{}:{}: {line}", file.display(), place + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().unwrap_or(here)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The crates, by the name of their folder.
fn crates() -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let dirs = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("Cargo.toml").exists());
    dirs.map(|dir| (dir.file_name().unwrap().to_str().unwrap().to_owned(), dir))
        .collect()
}

/// Every file below `dir` with this ending, sorted.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no .{ending} below {}", dir.display());
    found.sort();
    found
}

/// The crates of ours that a manifest names, each with its section.
fn ours(manifest: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if section.ends_with("dependencies") && line.starts_with("edsr") {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            found.push((section.clone(), line[..end].to_owned()));
        }
    }
    found
}

/// Names of the packages a crate stands on in what it ships, itself included.
fn packages_below(name: &str) -> BTreeSet<String> {
    let out = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "-p",
            name,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// The line without its comment. `//` inside a text ends it too early, which hides nothing this test looks for.
fn code(line: &str) -> &str {
    line.find("//").map_or(line, |at| &line[..at])
}

/// Whether `word` stands in `line` by itself, not inside another name.
fn stands_in(word: &str, line: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part);
        let after = line[at + word.len()..].chars().next().is_some_and(part);
        let open = !word.ends_with(part);
        !before && (open || !after)
    })
}

fn is_test(file: &Path) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}
