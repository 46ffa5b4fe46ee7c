//! Stories, and what the views make of them.

mod bounds;
mod folding;
mod story;
mod telling;
