//! The event log: the port, its conformance suite, and the memory and file backends.
