//! The node of warcdl: what the dataflow touches. Read from top to bottom, it is the way of a record.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod source;

pub mod filter;
pub mod prepare;

#[cfg(feature = "node")]
pub mod identity;
#[cfg(feature = "node")]
pub mod intake;
#[cfg(feature = "node")]
pub mod job;

#[cfg(feature = "node")]
pub mod model;
#[cfg(feature = "node")]
pub mod sink;

#[cfg(feature = "node")]
pub mod bootstrap;
#[cfg(feature = "node")]
pub mod cli;
#[cfg(feature = "node")]
pub mod config;
#[cfg(feature = "node")]
pub mod control;
#[cfg(feature = "node")]
pub mod exit;
#[cfg(feature = "node")]
pub mod inspect;
pub mod kind;
#[cfg(feature = "node")]
pub mod launch;
#[cfg(feature = "node")]
pub mod process;
#[cfg(feature = "node")]
pub mod role;
#[cfg(feature = "node")]
pub mod secret_file;
#[cfg(feature = "node")]
pub mod summary;
#[cfg(feature = "node")]
pub mod telemetry;
