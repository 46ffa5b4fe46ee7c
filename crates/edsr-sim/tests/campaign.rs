//! A campaign with every test run; longer ones by hand: `cargo run --release -p edsr-sim -- --seeds 100000`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use edsr_sim::campaign::{draw, kit, run, shrink, tell_twice};

/// How many seeds; the variable sets another number.
const SEEDS: u64 = 5000;
const SEEDS_VARIABLE: &str = "EDSR_SIM_SEEDS";

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
    assert_eq!(report.missing(), Vec::<String>::new(), "never reached");
}
