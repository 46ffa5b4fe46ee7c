//! The demo: the whole loop in under a minute, on real processes that are really broken and really repaired.
//!
//! ```text
//! bundle    the documents in examples/shop, part of the program
//! shop/*    the processes that are watched, and the command that changes them
//! engine    `edsr run` on the bundle, as a child
//! follow    the journal, live and without gaps
//! story     entries                  -> lines and times
//! stage     all of these together; waits for what should happen next
//! report    timelines, the refused decision, the proof, the summary
//! ```

mod bundle;
mod engine;
mod follow;
mod narrator;
mod report;
pub(crate) mod shop;
mod stage;
mod story;

use std::path::PathBuf;
use std::time::Duration;

use edsr_model::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::cli::DemoArgs;
use crate::exit::Exit;
use crate::output::Tone;
use engine::{Home, free_port, private_dir};
use narrator::Narrator;
use shop::emitter::now;
use shop::place::Place;
use stage::{Kill, Stage};

/// How long the shop is watched while it is well.
const HEALTHY: Duration = Duration::from_secs(4);
/// How long it is watched between two repairs.
const BETWEEN: Duration = Duration::from_secs(2);
/// How long finding, repairing and verifying may take.
const REPAIR_WAIT: Duration = Duration::from_secs(60);
/// How long `--keep` keeps it.
const KEEP_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// What every service runs at first.
const FIRST: &str = "v1";

/// Shows it. Everything that was started is stopped in every case, and the directory removed.
pub(crate) async fn run(args: DemoArgs) -> Exit {
    let narrator = Narrator::new(args.plain, now());
    match demo(&args, &narrator).await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            let text = format!("the demo did not come to its end: {error}");
            narrator.say(&narrator.out().paint(Tone::Bad, &text));
            Exit::Negative
        }
    }
}

/// Runs a part of the shop; `args` are what stands after `edsr shop`.
pub(crate) async fn shop(args: Vec<std::ffi::OsString>) -> Exit {
    match shop::run(args).await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            eprintln!("{error}");
            Exit::Negative
        }
    }
}

async fn demo(args: &DemoArgs, narrator: &Narrator) -> Result<(), String> {
    let home = prepare()?;
    let kill = args.kill_engine_after.map_or(Kill::Never, |seconds| {
        Kill::After(Instant::now() + Duration::from_secs(seconds))
    });
    let mut interrupt = Interrupt::new()?;
    let mut stage = None;
    let ended = tokio::select! {
        ended = play(&home, narrator, kill, args.keep, &mut stage) => ended,
        () = interrupt.came() => Err("it was interrupted".to_owned()),
    };
    let ended = match (ended, &mut stage) {
        (Ok(()), Some(stage)) if args.keep => tokio::select! {
            watched = stage.watch(KEEP_WAIT, |_| false) => watched.map(drop),
            () = interrupt.came() => Ok(()),
        },
        (ended, _) => ended,
    };
    if ended.is_err() {
        let tail = home.log_tail();
        if !tail.is_empty() {
            narrator.heading("the end of the engine's log");
            narrator.say(&tail);
        }
    }
    let problems = match stage {
        Some(stage) => stage.close().await,
        None => stage::close_shop(&Place::new(&home.shop())).await,
    };
    let removed = std::fs::remove_dir_all(&home.dir);
    let removed = removed.map_err(|error| format!("`{}`: {error}", home.dir.display()));
    let left = problems.into_iter().chain(removed.err());
    let left: Vec<_> = left
        .map(|problem| format!("not cleaned up: {problem}"))
        .collect();
    match (ended, left.is_empty()) {
        (ended, true) => ended,
        (Ok(()), false) => Err(left.join("; ")),
        (Err(error), false) => Err(format!("{error}; {}", left.join("; "))),
    }
}

/// A directory of its own, with the bundle in it.
fn prepare() -> Result<Home, String> {
    let name = format!("edsr-demo-{}-{}", std::process::id(), now().as_micros());
    let home = Home {
        dir: temp_dir().join(name),
        port: free_port()?,
    };
    private_dir(&home.dir)?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    bundle::write(&home.bundle(), &program, &home.shop())?;
    std::fs::write(home.dir.join("cli.yaml"), "")
        .map_err(|error| format!("`{}` cannot be written: {error}", home.dir.display()))?;
    Ok(home)
}

fn temp_dir() -> PathBuf {
    let dir = std::env::temp_dir();
    dir.canonicalize().unwrap_or(dir)
}

/// When the two faults were put in.
#[derive(Debug, Clone, Copy)]
struct Faults {
    leak: Timestamp,
    wedge: Timestamp,
}

async fn play(
    home: &Home,
    narrator: &Narrator,
    kill: Kill,
    keep: bool,
    slot: &mut Option<Stage>,
) -> Result<(), String> {
    narrator.say("A small shop of real processes, an engine that watches it, and two faults.\n");
    let stage = slot.insert(Stage::open(home.clone(), narrator.clone(), kill).await?);
    let faults = perform(stage).await?;
    report::tell(stage, &faults).await?;
    if keep {
        report::keep(stage);
    } else {
        report::next(stage);
    }
    Ok(())
}

async fn perform(stage: &mut Stage) -> Result<Faults, String> {
    for name in ["checkout", "storefront", "worker", "load"] {
        let service = stage.ctl(&["deploy", name, FIRST]).await?;
        let text = format!("{name} {} (pid {})", service.version, service.process.pid);
        stage.tell(Tone::Plain, &text);
    }
    stage.tell(Tone::Plain, "20 orders a second, and all is well");
    stage.watch(HEALTHY, |_| false).await?;
    if !stage.story.is_quiet() {
        return Err("trouble was found in a shop that is well".to_owned());
    }

    let before = stage.service("checkout")?;
    let after = stage.ctl(&["deploy", "checkout", "v2"]).await?;
    let leak = now();
    let text = format!(
        "FAULT 1: checkout v2 is deployed (pid {} -> {}). It leaks memory with every request",
        before.process.pid, after.process.pid
    );
    stage.tell(Tone::Warn, &text);
    repaired(stage, "checkout-errors").await?;
    stage.watch(BETWEEN, |_| false).await?;

    let worker = stage.service("worker")?;
    let (wedge, health) = stage.wedge_worker().await?;
    let text = format!(
        "FAULT 2: the worker (pid {}) waits for a lock for ever. Its health says {health}, and nothing fails",
        worker.process.pid
    );
    stage.tell(Tone::Warn, &text);
    repaired(stage, "orders-stuck").await?;
    Ok(Faults { leak, wedge })
}

/// Waits until what a detector finds is found, repaired, and verified.
async fn repaired(stage: &mut Stage, detector: &str) -> Result<(), String> {
    let over = |story: &story::Story| {
        let found = story.finding(detector);
        found.is_some_and(story::Finding::is_over)
    };
    stage.watch(REPAIR_WAIT, over).await?;
    match stage.story.finding(detector) {
        None => Err(format!("`{detector}` found nothing within {REPAIR_WAIT:?}")),
        Some(found) if found.is_repaired() => Ok(()),
        Some(found) => Err(match found.status {
            None => format!("`{detector}` was found and nothing was done"),
            Some(status) => format!("the repair of `{detector}` is `{status}`"),
        }),
    }
}

/// Ctrl-C, or being asked to end.
struct Interrupt {
    typed: tokio::signal::unix::Signal,
    asked: tokio::signal::unix::Signal,
}

impl Interrupt {
    fn new() -> Result<Self, String> {
        let on = |kind| signal(kind).map_err(|error| format!("no signals: {error}"));
        Ok(Self {
            typed: on(SignalKind::interrupt())?,
            asked: on(SignalKind::terminate())?,
        })
    }

    async fn came(&mut self) {
        tokio::select! {
            _ = self.typed.recv() => {}
            _ = self.asked.recv() => {}
        }
    }
}
