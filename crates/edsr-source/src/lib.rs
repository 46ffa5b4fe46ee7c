//! How events arrive: CloudEvents, webhooks, authentication and bounds.
//!
//! Everything here is a function from headers and bytes to events; sockets and clocks belong to the caller. The modules
//! stand in the order in which a request meets them.

pub mod attributes; // event         -> an event with clean attributes and our stamp
pub mod auth; // headers, body -> who may speak here, once
pub mod cloudevents; // headers, body -> events the sender already calls events
pub mod error; // what a refusal says, to code and to people
pub mod hook; // headers, body -> events made out of somebody else's payload
pub mod json; // bytes         -> a JSON value inside its bounds
pub mod limits; // how much is too much
mod quoted; // input that may be quoted in a text
pub mod source; // all of the above, in order

pub use attributes::stamp;
pub use auth::{Auth, AuthError, AuthSetupError, ReplayKey, ReplayWindow, Secret, same_digest};
pub use error::{Item, Kind, ParseError, Refusal};
pub use hook::{Adapter, Mapping, MappingError, MappingSpec};
pub use json::{JsonError, JsonFault};
pub use limits::Limits;
pub use source::{Refused, Source, SourceError};
