//! Kept inputs, and seeded mutations of them. More by hand: `EDSR_FUZZ_ROUNDS=1000000 cargo test -p edsr-fuzz`; guided by
//! coverage: `.ci/fuzz`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use edsr_fuzz::{Mutator, TARGETS, Target};

/// Mutations for each target; the variable sets another number.
const ROUNDS: u64 = 400;
const ROUNDS_VARIABLE: &str = "EDSR_FUZZ_ROUNDS";

/// Set it to find the last input before the program died, in the folder for temporary files as `edsr-fuzz-last`.
const NOTE_VARIABLE: &str = "EDSR_FUZZ_NOTE";

/// Fewer kept inputs than this are no beginning.
const KEPT_MIN: usize = 3;

fn kept(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn nothing_that_comes_in_makes_a_parser_panic_or_lie() {
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |text| text.parse().unwrap());
    for (number, target) in TARGETS.iter().enumerate() {
        println!("{}", target.name);
        let kept = kept(target);
        assert!(kept.len() >= KEPT_MIN, "{} has {}", target.name, kept.len());
        let mut mutator = Mutator::new(number as u64);
        let mutated = (0..rounds).map(|_| mutator.next(&kept));
        for input in kept.iter().cloned().chain(mutated) {
            if std::env::var_os(NOTE_VARIABLE).is_some() {
                // What overflows the stack or never ends leaves no other trace.
                fs::write(std::env::temp_dir().join("edsr-fuzz-last"), &input).unwrap();
            }
            if catch_unwind(|| (target.run)(&input)).is_err() {
                let file = std::env::temp_dir().join(format!("edsr-fuzz-{}", target.name));
                fs::write(&file, &input).unwrap();
                panic!(
                    "{} fails on {}: keep it in its corpus",
                    target.name,
                    file.display()
                );
            }
        }
    }
}
