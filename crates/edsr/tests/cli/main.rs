//! The command line as scripts and people meet it.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

mod audit;
mod client;
mod commands;
mod emit;
mod offline;
mod stub;
