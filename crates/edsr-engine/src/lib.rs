//! The pure core of edsr. Its modules are the path of an event:
//!
//! | module | in | out | question |
//! |---|---|---|---|
//! | [`admit`] | event | event | was it taken before? |
//! | `detect` | event, time | signal | what is wrong? |
//! | `decide` | plan | decision | may we act, and why? |
//! | `execute` | decision | intents | what is done, repeated, undone, verified? |
//! | [`drive`] | entries | appends, calls | what may leave, and when? |
//!
//! There is no clock, no I/O, no randomness and no hash-map order in here, so the same events and stated facts
//! always lead to the same entries: live, after a crash, in replay and in simulation.

pub mod admit;
mod apply;
pub mod bundle;
mod decide;
pub mod desk;
mod detect;
pub mod drive;
mod engine;
mod execute;

mod judge;
pub mod policy;
mod respond;
mod state;
pub mod template;
mod timed;

pub use decide::{EXECUTIONS_MAX, RUNS_MAX, STARTS_MAX};
pub use detect::{
    DISTINCT_MAX, DetectorCounters, KEY_BYTES_MAX, Looked, Prefilter, UPDATE_EVERY, look,
};
pub use engine::{CAUSE_MEMORY, CAUSES_MAX, Engine, Input, Output, Refusal};
pub use execute::{OUTCOME_GRACE, UNKNOWN_REPEATS_MAX};
pub use judge::{ROUNDS_MAX, WAITING_MAX};
