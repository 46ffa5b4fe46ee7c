//! What the user wrote, turned into what the engine runs.
//!
//! ```text
//! files      directory -> SourceFile      bounded, sorted, nothing from outside
//! parse      SourceFile -> tree           YAML that knows where everything stands
//! envelope   tree -> kind, name, spec     and from there one reader per kind:
//!            detector, playbook, target, source, node
//! links      names -> names               across documents
//! policies   *.cedar -> policies          checked as one set
//! problem    everything that is wrong     at once, each with its place and a way out
//! ```
//!
//! The tables in `shape` say which keys there are; the readers and the JSON Schema for editors both follow them.

mod auth;
mod catalog;
mod detector;
mod envelope;
mod expressions;
mod files;
mod lines;
mod links;
mod load;
mod node;
mod parse;
mod playbook;
mod policies;
mod problem;
mod read;
mod scalars;
mod settings;
mod shape;
#[cfg(test)]
mod shape_tests;
mod source;
mod steps;
mod target;
mod tree;
mod window;

pub use auth::{Auth, SecretRef};
pub use catalog::{ActuatorCatalog, testing};
pub use envelope::{API_VERSION, Kind, kinds, schema};
pub use files::{BUNDLE_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, NODE_FILE, SourceFile};
pub use load::{Compiled, DOCUMENTS_MAX, Document, load, load_files};
pub use problem::{Code, PROBLEMS_MAX, Problem, Report};
pub use settings::{Dedupe, Retention, Settings, Token};
pub use source::{SourceKind, SourceLimits, SourceSpec, WebhookMap};
pub use tree::{DEPTH_MAX, EXPANDED_MAX};
