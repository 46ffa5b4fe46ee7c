//! A short campaign with every test run. CI tells 5,000 seeds, and any number is told by hand, with optimised code:
//! `cargo run --release -p edsr-sim -- --seeds 100000`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use edsr_sim::campaign::{draw, kit, known, run, shrink, tell_twice};

/// How many seeds; the variable sets another number.
const SEEDS: u64 = 150;
const SEEDS_VARIABLE: &str = "EDSR_SIM_SEEDS";

#[test]
fn known_seeds_come_to_the_same_in_every_build() {
    // The campaign of CI holds the same against optimised code.
    known(&kit().unwrap()).unwrap();
}

#[test]
fn nothing_that_must_hold_is_broken_by_any_seed() {
    let seeds = std::env::var(SEEDS_VARIABLE).map_or(SEEDS, |text| text.parse().unwrap());
    let kit = kit().unwrap();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let report = run(&kit, 0..seeds, threads);
    println!(
        "{} seeds, {} entries, {} calls",
        report.seeds, report.entries, report.calls
    );
    if let Some((seed, violation)) = &report.broken {
        let tell = |story: &str| tell_twice(&kit, story).err();
        let (story, found) = shrink(&draw(*seed), violation.clone(), tell);
        panic!(
            "seed {seed} breaks {violation}\n\
             tell it again: cargo run --release -p edsr-sim -- --seed {seed}\n\
             the shortest story found ({found}):\n{story}"
        );
    }
    // A short campaign need not come across everything; the one of CI must.
    if seeds >= 5000 {
        assert_eq!(report.missing(), Vec::<String>::new(), "never reached");
    }
}
