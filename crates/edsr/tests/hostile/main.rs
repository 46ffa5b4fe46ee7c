//! The real program among people who mean it ill: strangers, liars, and texts that are made to be printed.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

#[path = "../common/mod.rs"]
mod common;

mod canaries;
mod canary;
mod framing;
mod ink;
mod ink_spilled;
mod planted;
mod shapes;
mod spellings;
