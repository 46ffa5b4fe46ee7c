//! The demo as a new user runs it: the real program, real processes, from the first line to the last.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers too"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// What must be told, in this order.
const OUTLINE: &[&str] = &[
    "engine (pid ",
    "20 orders a second, and all is well",
    "FAULT 1: checkout v2 is deployed",
    "detect  checkout-errors opened (critical, service=checkout): ",
    "decide  rollback-checkout on service/checkout: auto, permitted by `repairs-in-prod`",
    "act     step roll-back: exec/run shop ctl rollback checkout",
    "decide  wipe-order-cache on cache/orders: deny, forbidden by `nothing-destructive-in-prod`",
    "verify  checkout-errors is resolved",
    "done    rollback-checkout succeeded",
    "FAULT 2: the worker (pid ",
    "Its health says 200",
    "detect  orders-stuck opened (error, queue=packing): ",
    "decide  restart-worker on service/worker: auto",
    "act     step restart: exec/run shop ctl restart worker",
    "verify  orders-stuck is resolved",
    "done    restart-worker succeeded",
    "$ edsr incident get inc-",
    "$ edsr incident get inc-",
    "Why was the order cache not wiped?",
    "$ edsr explain dec-",
    "nothing-destructive-in-prod",
    "$ edsr audit verify ",
    "nothing was done twice",
    "How long it took",
    "checkout v2 leaks",
    "the worker is wedged",
];

fn demo(dir: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_edsr"))
        .args(["demo", "--plain"])
        .args(args)
        .env("TMPDIR", dir)
        // What a person has set for a server of theirs must not matter.
        .env("EDSR_SERVER", "http://127.0.0.1:1")
        .env("EDSR_LISTEN", "127.0.0.1:1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Nothing may be left: no file, and no process that has to do with the directory.
fn check_nothing_left(dir: &Path) {
    let files: Vec<_> = std::fs::read_dir(dir).unwrap().collect();
    assert!(files.is_empty(), "{files:?}");
    let place = dir.to_str().unwrap();
    for process in std::fs::read_dir("/proc").unwrap() {
        let path = process.unwrap().path();
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        assert!(
            !words.contains(place),
            "{} still runs: {words}",
            path.display()
        );
    }
}

/// Runs the demo to its end and looks for the outline.
fn check_whole(args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = demo(dir.path(), args).wait_with_output().unwrap();
    let (told, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{}\n{told}\n{said}", output.status);
    let mut rest = told.as_str();
    for part in OUTLINE {
        let at = rest.find(part);
        let at =
            at.unwrap_or_else(|| panic!("`{part}` is not told, or too early:\n{told}\n{said}"));
        rest = &rest[at + part.len()..];
    }
    assert!(
        !told.contains('\u{1b}'),
        "colour without a terminal:\n{told}"
    );
    check_nothing_left(dir.path());
    told
}

#[test]
fn the_whole_story_is_told() {
    let told = check_whole(&[]);
    assert!(told.contains("act     checkout: v2 (pid "), "{told}");
    assert!(told.contains("act     worker: v1 (pid "), "{told}");
}

#[test]
fn an_engine_that_is_killed_in_the_middle_goes_on() {
    let told = check_whole(&["--kill-engine-after", "1"]);
    let killed = told
        .find("kill -9 of the engine (pid ")
        .expect("it is killed");
    let intended = told.find("act     step roll-back").expect("it acts");
    assert!(intended < killed, "in the middle of an action:\n{told}");
    assert!(told.contains("the engine is back (pid "), "{told}");
    let whole = "nothing was done twice, though the engine was killed in the middle";
    assert!(told.contains(whole), "{told}");
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = demo(dir.path(), &[]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let well = lines.any(|line| line.unwrap().contains("all is well"));
    assert!(well, "the shop opens");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{rest:?}");
    assert!(
        rest.iter().any(|line| line.contains("interrupted")),
        "{rest:?}"
    );
    check_nothing_left(dir.path());
}
