//! The journal: the port, its conformance suite, the memory and SQLite backends, hash chain and Merkle tree.
