//! The pure core: admit, detect, decide, execute, and the order in which their results may leave.
