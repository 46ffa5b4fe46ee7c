//! Room for the bytes of bodies, so that many large ones at once cost no more than a few.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many bytes, shared by all who read.
#[derive(Debug)]
pub(crate) struct Room {
    bytes_max: usize,
    taken: AtomicUsize,
}

/// What one body takes of a room; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            taken: AtomicUsize::new(0),
        })
    }

    /// A share that takes nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            room: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes `more` bytes; whether there was room. A body that is larger than the room has its turn when it is alone.
    #[must_use]
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let own = self.bytes;
        let max = self.room.bytes_max;
        let fits = |taken: usize| {
            let then = taken.saturating_add(more);
            (taken == own || then <= max).then_some(then)
        };
        let taken = (self.room.taken).fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        if taken.is_ok() {
            self.bytes += more;
        }
        taken.is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_given_back_and_never_refused_to_who_is_alone() {
        let room = Room::new(10);
        let mut large = room.share();
        assert!(large.grow(100) && large.grow(1), "alone");
        let mut other = room.share();
        assert!(!other.grow(1), "nothing is left");
        drop(large);
        assert!(other.grow(9));
        let mut third = room.share();
        assert!(third.grow(1) && !third.grow(1), "ten are ten");
        assert!(!other.grow(1), "also for who came first");
        drop(third);
        assert!(other.grow(1) && other.grow(1), "alone again");
    }
}
