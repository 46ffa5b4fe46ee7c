//! The routes, by what they are about.

pub(crate) mod commands;
pub(crate) mod ingest;
pub(crate) mod lists;
pub(crate) mod logs;
pub(crate) mod node;
pub(crate) mod tail;
pub(crate) mod why;
