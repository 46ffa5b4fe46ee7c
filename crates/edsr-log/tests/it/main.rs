//! The log from outside: conformance, faults, crashes, damage, retention and the log's thread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails says where"
)]

mod backends;
mod beside;
mod crashes;
mod damage;
mod faults;
mod retention;
mod support;
mod tail;
mod thread;
