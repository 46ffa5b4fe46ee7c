//! edsr: an event-driven service resilience engine.

fn main() {}
