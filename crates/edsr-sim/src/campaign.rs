//! Campaigns: many seeds, each a story of its own, each told twice.
//!
//! A seed that breaks an invariant is shrunk to a story in the format that tests use. A campaign that never came
//! across something it should have ends badly too: what was not reached was not tested.

mod draw;
mod shrink;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use edsr_model::{Digest, ReasonCode};

pub use draw::draw;
pub use shrink::shrink;

use crate::invariant::{Invariant, Violation};
use crate::kit::Kit;
use crate::point::Point;
use crate::reach::Reached;
use crate::story::Story;
use crate::world::World;

const SHOP: &str = include_str!("campaign/shop.yaml");

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that were told.
    pub seeds: u64,
    /// Entries, calls and events of all of them.
    pub entries: u64,
    /// Calls that were made.
    pub calls: u64,
    /// What was come across.
    pub reached: Reached,
    /// The first seed that broke something, by number, and what.
    pub broken: Option<(u64, Violation)>,
}

impl Report {
    /// What should have been come across and was not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.reached.missing(&wanted())
    }
}

/// Told once: what came out.
#[derive(Debug)]
pub struct ToldStory {
    /// Identifies all of it.
    pub digest: Digest,
    /// What was come across.
    pub reached: Reached,
    /// Entries in the journal.
    pub entries: u64,
    /// Calls that were made.
    pub calls: u64,
}

/// The files of the bundles of a campaign, as a store keeps them.
#[must_use]
pub fn bundle_files() -> Vec<Vec<(String, String)>> {
    crate::kit::split(&text()).map(crate::kit::files).collect()
}

/// One with every kind of detector, guard and call, and one that differs a little.
fn text() -> String {
    let changed = SHOP
        .replace("above: 40%", "above: 30%")
        .replace("cooldown: 10s", "cooldown: 20s")
        .replace("within: 15s", "within: 12s");
    format!("{SHOP}\n=====\n{changed}")
}

/// The bundles of a campaign.
///
/// # Errors
/// The mistakes in them, which would be a mistake in the program.
pub fn kit() -> Result<Kit, String> {
    Kit::compile(&text())
}

/// Tells a story, lets it come to rest, and checks everything.
///
/// # Errors
/// What does not hold.
pub fn tell(kit: &Kit, story: &str) -> Result<ToldStory, Violation> {
    let mut world = lived(kit, story)?;
    world.fold_again()?;
    Ok(ToldStory {
        digest: world.digest(),
        reached: world.reached().clone(),
        entries: world.entries().len() as u64,
        calls: world.calls().len() as u64,
    })
}

/// A world in which the story was told, and that came to rest.
fn lived(kit: &Kit, story: &str) -> Result<World, Violation> {
    let mut world = World::with_kit(kit.clone())?;
    live(&mut world, story)?;
    Ok(world)
}

/// Tells a story in a world, and lets it come to rest.
///
/// # Errors
/// What does not hold.
pub fn live(world: &mut World, story: &str) -> Result<(), Violation> {
    let story = Story::parse(story).map_err(|why| Invariant::StoryApplies.broken(why))?;
    world.be_lenient();
    world.run(&story, false)?;
    world.settle()
}

/// Tells a story twice; both must come to the same.
///
/// # Errors
/// What does not hold.
pub fn tell_twice(kit: &Kit, story: &str) -> Result<ToldStory, Violation> {
    let first = tell(kit, story)?;
    let again = lived(kit, story)?.digest();
    Invariant::SameSeedSameStory.holds(first.digest == again, || {
        format!("{} and then {again}", first.digest)
    })?;
    Ok(first)
}

/// What some seeds come to in every build, optimised or not, on every machine.
pub const KNOWN: &[(u64, &str)] = &[
    (
        1,
        "f6683efd5e891357af534f56c0a8b61bee700cf89c5fa01e7780ebfdbe4bef58",
    ),
    (
        2,
        "ee78cd17eb40a680e795d344defb4a436502e216bfd3d9d69f309d4f37a99107",
    ),
    (
        3,
        "71ed6dcd867cfd8ab063d8d3dcd831b0dbb1636b1143cb5b90bb5485b90cd050",
    ),
];

/// Tells the known seeds; a build that tells them otherwise is another one, or a change that has to be meant.
///
/// # Errors
/// The first that comes to something else.
pub fn known(kit: &Kit) -> Result<(), Violation> {
    for (seed, digest) in KNOWN {
        let found = lived(kit, &draw(*seed))?.digest().to_string();
        Invariant::SameSeedSameStory.holds(found == *digest, || {
            format!("seed {seed} comes to {found}, and came to {digest} when it was noted")
        })?;
    }
    Ok(())
}

/// Tells the stories of `seeds` on so many threads, and stops at the first that breaks something.
#[must_use]
pub fn run(kit: &Kit, seeds: std::ops::Range<u64>, threads: usize) -> Report {
    let next = AtomicU64::new(seeds.start);
    let report = Mutex::new(Report::default());
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| work(kit, &next, seeds.end, &report));
        }
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn work(kit: &Kit, next: &AtomicU64, end: u64, report: &Mutex<Report>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let told = tell_twice(kit, &draw(seed));
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Ok(told) => {
                report.seeds += 1;
                report.entries += told.entries;
                report.calls += told.calls;
                report.reached.join(&told.reached);
            }
            Err(violation) => {
                // The smallest seed is told of, whoever comes first.
                if report
                    .broken
                    .as_ref()
                    .is_none_or(|(known, _)| seed < *known)
                {
                    report.broken = Some((seed, violation));
                }
                next.fetch_max(end, Ordering::Relaxed);
            }
        }
    }
}

/// What a campaign of some thousand seeds must come across.
#[must_use]
pub fn wanted() -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    for point in Point::ALL {
        wanted.push(format!("crash at {point}"));
        wanted.push(format!("kill at {point}"));
    }
    for status in [
        "succeeded",
        "unverified",
        "failed",
        "compensated",
        "partly-compensated",
        "in-doubt",
    ] {
        wanted.push(format!("ended {status}"));
    }
    for verdict in ["deny", "observe", "suggest", "approve", "auto"] {
        wanted.push(format!("verdict {verdict}"));
    }
    for code in [
        ReasonCode::Permitted,
        ReasonCode::PolicyNeedsApproval,
        ReasonCode::Autonomy,
        ReasonCode::GuardCooldown,
        ReasonCode::GuardLimit,
        ReasonCode::GuardBreakerOpen,
        ReasonCode::GuardTargetBusy,
        ReasonCode::GuardStaleEvidence,
        ReasonCode::GuardLoop,
        ReasonCode::Paused,
        ReasonCode::Manual,
    ] {
        wanted.push(format!("reason {code}"));
    }
    for kind in edsr_model::Fact::KINDS {
        if *kind != "note" {
            wanted.push(format!("fact {kind}"));
        }
    }
    for outcome in ["ok", "failed", "unknown"] {
        wanted.push(format!("outcome {outcome}"));
    }
    wanted.extend(
        [
            "a log fails",
            "a request comes again",
            "a request is refused",
            "a second outcome of one call",
            "a sender tries again",
            "a start derives what was lost",
            "a start finds a disk that fails",
            "a torn tail is cut",
            "clock step",
            "died with a journal commit under way",
            "events nobody was told of are kept",
            "freeze",
            "journal fails",
            "journal fails after writing",
            "log fails: Eio",
            "log fails: Enospc",
            "log fails: ShortWrite",
            "no outcome comes back",
            "old events are dropped",
            "one sync for several requests",
            "pause by file",
            "start from a snapshot",
            "start from the beginning",
        ]
        .map(ToOwned::to_owned),
    );
    wanted
}
