//! The node of warcdl: what the dataflow touches. Read from top to bottom, it is the way of a record.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod source;

pub mod filter;
pub mod prepare;

pub mod identity;
pub mod intake;
pub mod job;

pub mod model;
pub mod sink;

pub mod cli;
pub mod config;
pub mod exit;
pub mod inspect;
pub mod kind;
pub mod launch;
pub mod process;
pub mod role;
pub mod secret_file;
pub mod summary;
pub mod telemetry;
