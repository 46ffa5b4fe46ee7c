//! The event log: the port, its conformance suite, and the memory and file backends.
//!
//! ```text
//! append -> [pending] -> commit: one write, one sync -> durable -> readers, acknowledgements
//!                                                          \-> retain drops whole old segments
//! ```
//!
//! Everything here is synchronous. A node gives the log a thread of its own ([`LogThread`]), which
//! lets many appenders share one sync.

pub mod conformance;
pub mod disk;
pub mod error;
pub mod file;
pub mod memory;
pub mod port;
pub mod rng;
pub mod writer;

pub use disk::{Disk, DiskError, DiskFile, Fault, LookDisk, MemDisk, OsDisk};
pub use error::{Damage, LogError};
pub use file::{FileLog, FileLogSettings, Recovery};
pub use memory::MemoryLog;
pub use port::{EventLog, LogReader, ReadLimit, Retained, Retention, StoredRecord};
pub use writer::{Batch, LogObserver, LogThread, LogThreadSettings, RetainRequest, TrySendError};
