//! The same core under virtual time, with scripted effects.
//!
//! A story is text: a bundle, what happens when, and the transcript that must come out.
//! [`check`] runs it in milliseconds through the very engine and drive that run live, and then once more with a
//! crash after every line, which must give the same transcript as far as nothing was under way.
//!
//! | module | what it holds |
//! |---|---|
//! | [`story`] | text -> what happens when |
//! | [`world`] | a node's desk, its log on a simulated disk, its journal, scripted actuators, virtual time |
//! | [`invariant`] | what must hold in every world, by name |
//! | [`point`] | where a node may die |
//! | [`transcript`] | entries -> one line each |

pub mod campaign;
pub mod invariant;
pub mod kit;
pub mod point;
pub mod reach;
pub mod story;
pub mod transcript;
mod watch;
pub mod world;

pub use invariant::{Invariant, Violation};
pub use kit::Kit;
pub use story::Story;
pub use world::World;

/// Runs a story and compares its transcript.
///
/// # Panics
/// When the bundle or the story is wrong, or something else comes out; the message shows both transcripts.
pub fn check(bundle: &str, story: &str, expected: &str) {
    let found = transcript_of(bundle, story, false);
    let expected: Vec<_> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        expected,
        "\n--- what came out\n{}\n--- what was expected\n{}\n",
        found.join("\n"),
        expected.join("\n")
    );
}

/// Runs a story with a restart from the logs before every line, and once more from snapshots; the transcript must be
/// the one that [`check`] compares. For stories in which no call is under way at a line.
///
/// # Panics
/// As [`check`].
pub fn check_restarts(bundle: &str, story: &str) {
    let plain = transcript_of(bundle, story, false);
    let restarted = transcript_of(bundle, story, true);
    let first = plain.iter().zip(&restarted).position(|(a, b)| a != b);
    let first = first.unwrap_or(plain.len().min(restarted.len()));
    assert!(
        plain == restarted,
        "a restart changed what came out, from line {first}:\n--- without\n{}\n--- with\n{}\n--- the story\n{story}",
        plain[first.saturating_sub(3)..].join("\n"),
        restarted[first.saturating_sub(3)..].join("\n"),
    );
}

fn transcript_of(bundle: &str, story: &str, restarts: bool) -> Vec<String> {
    let story = Story::parse(story).unwrap_or_else(|error| panic!("{error}"));
    let mut world = World::new(bundle).unwrap_or_else(|error| panic!("{error}"));
    world
        .run(&story, restarts)
        .unwrap_or_else(|error| panic!("{error}"));
    transcript::lines(world.entries(), world.epoch())
}
