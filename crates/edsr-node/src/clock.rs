//! The node's clock: the one place where time comes from.

use std::time::{Duration, Instant};

use edsr_model::Timestamp;

/// Gives instants that never go back, whatever the system's clock does; the desk makes each its own.
///
/// It is set to the system's clock once, at start, and follows the monotonic clock from there, so a step of the
/// system's clock changes nothing while the node runs. It never starts before what is on record already.
#[derive(Debug)]
pub struct Clock {
    base: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that starts now, and after `recorded`.
    #[must_use]
    pub fn start(recorded: Timestamp) -> Self {
        let base = wall().max(recorded.after(Duration::from_micros(1)));
        #[allow(clippy::disallowed_methods, reason = "this is the clock")]
        let started = Instant::now();
        Self { base, started }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.base.after(self.started.elapsed())
    }
}

/// What the system's clock says.
#[must_use]
pub fn wall() -> Timestamp {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    let now = std::time::SystemTime::now();
    let since = now
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::EPOCH.after(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_is_on_record() {
        let recorded = wall().after(Duration::from_secs(3600));
        let clock = Clock::start(recorded);
        let first = clock.now();
        assert!(first > recorded);
        assert!(clock.now() >= first);
    }
}
