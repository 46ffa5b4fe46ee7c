//! The live shell: threads, clocks, files and processes around the pure core.
//!
//! | module | what it holds |
//! |---|---|
//! | [`api`] | what the outside may ask of a node |
//! | `doors` | requests -> events |
//! | `core` | everything gets its place and its time here, one after the other |
//! | `journal_thread` | entries -> durable |
//! | [`view`] | entries -> lists, timelines and explanations |
//! | [`start`](mod@start) | opening, recovering, going on |
//! | [`snapshots`], [`bundles`] | what makes a restart short, and possible |

pub mod api;
pub mod bundles;
pub mod clock;
mod core;
mod doors;
mod durable_file;
mod journal_thread;
mod metrics;
mod node;
pub mod past;
pub mod replay;
mod shared;
pub mod snapshots;
pub mod start;
pub mod view;

pub use edsr_engine::desk::{RESUME_MAX, SnapshotEvery};
pub use node::{ActivateError, Node, Token};
pub use shared::HAPPENINGS_MAX;
pub use start::{Activation, Setup, StartError, Started, decode, start};
