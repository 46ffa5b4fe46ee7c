//! What stands after the power went, the disk failed, bits flipped, or far too much came in: what was acknowledged is
//! there, once; what was begun is never done twice; and nothing grows without end.
//!
//! ```text
//! kill      the process ends at any moment, two hundred times
//! windows   detectors go on where they were
//! disk      every kind of call to the disk fails, at every place
//! damage    bytes that were durable are changed or gone
//! overload  more than can be taken, and bodies without end
//! ```
//!
//! `EDSR_KILLS`, `EDSR_SEED`, `EDSR_DISK_CASES`, `EDSR_FLIPS` and `EDSR_OVERLOAD_SECONDS` make it longer.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

#[path = "../common/mod.rs"]
mod common;

mod chance;
mod damage;
mod disk;
mod kill;
mod ledger;
mod overload;
mod repairs;
mod shim;
mod windows;
