//! Fuzz targets: one plain function for each parser, which takes any bytes and panics only where something is wrong.
//!
//! The same functions serve the tests (kept inputs and seeded mutations of them) and libFuzzer, guided by coverage:
//! `.ci/fuzz`.

mod mutate;
mod targets;

pub use mutate::Mutator;
pub use targets::{TARGETS, Target, target};
