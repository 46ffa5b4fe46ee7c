//! Opening: what a start does between having folded both logs and taking the first event.

use std::time::Duration;

use edsr_model::{Actor, EffectRequest, Fact, Lsn, Outcome, Pause, Seq, Timestamp};

use super::{Counts, Desk, SnapshotEvery};
use crate::admit::Dedupe;
use crate::desk::intake::{Answers, Watched};
use crate::desk::snapshot::Snapshots;
use crate::drive::{Drive, Recovered};
use crate::engine::Input;

/// Calls that were decided but not intended durably when the node went down are made only if it was down no longer.
pub const RESUME_MAX: Duration = Duration::from_secs(300);

/// What a start found.
#[derive(Debug)]
pub struct Opening {
    /// The engine, caught up with both logs.
    pub recovered: Recovered,
    /// Which events were taken lately.
    pub dedupe: Dedupe,
    /// The last durable event.
    pub durable: Lsn,
    /// The last durable entry.
    pub head: Seq,
    /// The latest time on record in either log.
    pub recorded: Timestamp,
    /// What time it is.
    pub now: Timestamp,
    /// The pause that was written down while the node was down.
    pub pause: Option<Pause>,
    /// Version of the program.
    pub version: String,
    /// When snapshots are due.
    pub snapshot_every: SnapshotEvery,
}

impl<T> Desk<T> {
    /// Goes on after a start, and states that it started.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        let mut recovered = opening.recovered;
        let last = opening.recorded.max(recovered.engine.now());
        let paused = opening.pause.is_some();
        // What recovery derived anew is not called with a pause there, nor when it was decided too long ago.
        let asleep = opening.now.since(recovered.engine.now());
        let held = if paused || asleep > RESUME_MAX {
            std::mem::take(&mut recovered.output.calls)
        } else {
            Vec::new()
        };
        let mut drive = Drive::recovered(recovered, opening.durable, opening.head);
        if let Some(pause) = opening.pause {
            honour(&mut drive, pause);
        }
        hold_back(&mut drive, held);
        let since = drive.engine().now();
        let (lsn, seq) = (drive.engine().lsn(), drive.engine().seq());
        let mut desk = Self {
            drive,
            dedupe: opening.dedupe,
            lsn,
            last,
            ready: std::collections::VecDeque::new(),
            answers: Answers::default(),
            watched: Watched::default(),
            counts: Counts::default(),
            failed: None,
            pause_file_seen: paused,
            stopping: false,
            snapshots: Snapshots::new(opening.snapshot_every, lsn, seq, since),
        };
        let at = desk.stamp(opening.now);
        desk.drive.offer(Input::Stated {
            at,
            actor: Actor::Node,
            fact: Fact::NodeStarted {
                since,
                version: opening.version,
                durable: opening.head,
            },
        });
        desk
    }
}

/// Honours a pause before time goes on, so that nothing which fell due while the node was down gets past it.
fn honour(drive: &mut Drive, pause: Pause) {
    let at = drive.engine().now();
    drive.offer(Input::Stated {
        at,
        actor: pause.by.clone(),
        fact: Fact::Paused(pause),
    });
}

/// Tells the engine of calls that are not made after all; it goes on from there as after any failure.
fn hold_back(drive: &mut Drive, held: Vec<(Seq, EffectRequest)>) {
    let at = drive.engine().now();
    for (_, request) in held {
        let outcome = Outcome::Failed {
            reason: "it was held back before it was sent: the node was down, or a pause came first"
                .to_owned(),
            output: serde_json::Value::Null,
        };
        drive.offer(Input::Stated {
            at,
            actor: Actor::Node,
            fact: Fact::StepOutcome {
                attempt: request.attempt,
                outcome,
            },
        });
    }
}
