//! The dataflow of warcdl.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod exclusion;
pub mod message;
pub mod port;

pub use exclusion::{Exclusion, LegacyCounter};
pub use message::{Input, Meta, Position, Prepared, RecordKey, WarcId};
pub use port::{Model, ModelError, Positive, Sink, SinkError};
