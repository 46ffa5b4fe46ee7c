//! How effects leave: actuators for processes, HTTP, events and notifications.
//!
//! An actuator takes one [`edsr_model::EffectRequest`], whose expressions are evaluated already, and answers with one
//! [`edsr_model::Outcome`]. It journals nothing and repeats nothing: whoever calls it has made the intent durable
//! before, and decides afterwards what an `unknown` means for the class of the call.
//!
//! ```text
//! args      Value         -> typed arguments     every mistake at once, with its path
//! secret    reference     -> value               only while a call is performed
//! registry  EffectRequest -> Outcome             by name, bounded, panics caught
//! exec      exec/run                             a process group, never a shell
//! http      http/request                         one request, never to an address that is not allowed
//! notify    notify/webhook                       a message as JSON
//! emit      event/emit                           an event back into the loop
//! echo      debug/echo                           nothing, and what it was given comes back
//! redact    output        -> output              without the secrets of the call, in any encoding
//! scripted  EffectRequest -> [(after, Outcome)]  the same port for tests and simulation, synchronous
//! ```

mod actuator;
mod args;
mod capture;
pub mod catalog;
pub mod echo;
pub mod emit;
pub mod exec;
pub mod http;
pub mod notify;
mod redact;
mod registry;
pub mod scripted;
mod secret;

pub use actuator::{Actuator, ArgError, BoxFuture};
pub use catalog::{check, class, names, schema};
pub use echo::Echo;
pub use emit::{Emit, Sink};
pub use exec::{Exec, ExecSettings};
pub use http::{Connector, HostRule, Http, HttpPolicy};
pub use notify::Webhook;
pub use registry::{Limits, Registry, Settings};
pub use scripted::Scripted;
