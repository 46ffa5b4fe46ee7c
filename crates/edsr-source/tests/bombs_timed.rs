//! How long the requests that are made to hurt take. What grows much faster than its input shows here: the slowest of
//! these takes half a second without optimisation, and what blows up would take minutes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

mod common;

use std::time::{Duration, Instant};

use common::headers;
use edsr_model::Timestamp;
use edsr_source::{Adapter, Auth, Limits, Mapping, MappingSpec, ReplayWindow, Source};

/// Without optimisation, on a machine that does other things too.
const TIME_MAX: Duration = Duration::from_secs(5);

#[allow(clippy::disallowed_methods, reason = "it is measured, not decided by")]
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    let took = started.elapsed();
    println!("{what}: {took:?}");
    assert!(took < TIME_MAX, "{what}: {took:?}");
    done
}

/// A door whose mapping says this of the body.
fn door(kind: &str) -> Source {
    let spec = MappingSpec {
        kind: kind.to_owned(),
        ..MappingSpec::default()
    };
    let mapping = Mapping::compile(&spec).unwrap();
    Source::new(
        "s",
        Adapter::Webhook(Box::new(mapping)),
        Auth::None,
        Limits::default(),
    )
    .unwrap()
}

/// Checks how a body is answered: taken, or with this code.
fn check(what: &str, kind: &str, body: &str, code: &str) {
    let door = door(kind);
    let taken = timed(what, || {
        door.receive(
            &headers(&[]),
            body.as_bytes(),
            Timestamp::EPOCH,
            &mut ReplayWindow::default(),
        )
    });
    let got = match &taken {
        Ok(items) => items[0]
            .as_ref()
            .map_or_else(|refusal| refusal.code, |_| "taken"),
        Err(refused) => refused.code(),
    };
    assert_eq!(got, code, "{what}: {:.300}", format!("{taken:?}"));
}

/// Texts of so many bits that one hash used elsewhere maps to one value: `Aa` and `BB` have the same.
fn colliding(bits: u32) -> Vec<String> {
    let text = |n: u32| {
        (0..bits)
            .map(|bit| if n >> bit & 1 == 1 { "Aa" } else { "BB" })
            .collect()
    };
    (0..1 << bits).map(text).collect()
}

#[test]
fn bombs_take_no_time() {
    let keys = |keys: Vec<String>| {
        let pairs: Vec<_> = keys.iter().map(|key| format!("\"{key}\":0")).collect();
        format!("{{{}}}", pairs.join(","))
    };
    check(
        "16,384 keys that collide",
        "'t'",
        &keys(colliding(14)),
        "taken",
    );
    check(
        "80,000 keys that differ at their end",
        "'t'",
        &keys((0..80_000).map(|n| format!("{n:07}")).collect()),
        "mapping.failed",
    );
    check(
        "a million levels",
        "'t'",
        &"[".repeat(1_000_000),
        "json.depth",
    );
    check(
        "64 levels, many times",
        "'t'",
        &format!(
            "[{}0]",
            format!("{}{},", "[".repeat(60), "]".repeat(60)).repeat(1_500)
        ),
        "taken",
    );
    check(
        "a number of 300,000 digits",
        "'t'",
        &format!("[{}]", "9".repeat(300_000)),
        "json.syntax",
    );
    check(
        "one key 150,000 times",
        "'t'",
        &format!("{{{}\"a\":0}}", "\"a\":0,".repeat(150_000)),
        "json.duplicate-key",
    );
}

#[test]
fn patterns_take_time_in_proportion() {
    let nearly = format!("{{\"text\":\"{}!\"}}", "a".repeat(100_000));
    for pattern in [
        "^(a+)+$",
        "^(a|aa)+$",
        "^(a|a)*$",
        "^(.*)*$",
        "(x+x+)+y",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
    ] {
        let kind = format!("body.text.matches('{pattern}') ? 'yes' : 'no'");
        check(pattern, &kind, &nearly, "taken");
    }
    // What would take much room is refused when it is written, and a sender cannot choose a pattern.
    for pattern in [
        "'(((a{100}){100}){100}){100}'",
        "'a{1000}{1000}'",
        "'(?:(?:(?:a?){500}){500}){500}'",
        "body.pattern",
    ] {
        let spec = MappingSpec {
            kind: format!("body.text.matches({pattern}) ? 'yes' : 'no'"),
            ..MappingSpec::default()
        };
        let compiled = timed(pattern, || Mapping::compile(&spec));
        assert!(compiled.is_err(), "{pattern}");
    }
}
