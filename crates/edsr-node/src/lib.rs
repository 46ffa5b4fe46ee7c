//! The live shell: threads, clocks, files and processes around the pure core.
