//! The HTTP API: types of its own, OpenAPI, server-sent events.
//!
//! A request meets, in this order:
//!
//! ```text
//! serve    connection limits: how many, how long for headers, how long without progress
//! guard    path shape, origin, person: everything not listed as open needs one
//! router   exact paths only; each route is described where it is served
//! body     a byte cap and a time limit, after the headers were judged
//! routes   the node answers; nothing here keeps state of its own
//! problem  every refusal as RFC 9457
//! ```

mod body;
mod convert;
mod guard;
mod problem;
mod query;
mod room;
mod router;
mod routes;
mod serve;
mod settings;
#[cfg(test)]
mod tests;
pub mod types;

pub use router::{openapi, router};
pub use serve::serve;
pub use settings::ServerSettings;
