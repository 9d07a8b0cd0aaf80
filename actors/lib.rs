//! The dataflow of warcdl.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod batcher;
pub mod committer;
pub mod dispatcher;
pub mod inference;
pub mod interleaver;
pub mod listener;
pub mod pipeline;
pub mod reader;
pub mod session;
pub mod writer;

pub mod batch;
pub mod books;
pub mod credit;
pub mod deadline;
pub mod disk;
pub mod estate;
pub mod exclusion;
pub mod exit;
pub mod fair;
pub mod frontier;
pub mod gate;
pub mod journal;
pub mod lease;
pub mod ledger;
pub mod message;
pub mod metrics;
pub mod mutant;
pub mod named;
pub mod part;
pub mod patience;
pub mod port;
pub mod results;
pub mod suspicion;
pub mod wire;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use exclusion::{Exclusion, LegacyCounter};
pub use message::{Accepted, Input, Lost, Meta, Position, Prepared, RecordKey, WarcId};
pub use named::{Extent, Named};
pub use part::{PartId, PartOver, PartState};
pub use port::{Listed, Model, ModelError, Positive, Sink, SinkError};
