//! The node of warcdl: sources, filter, preparation, model, sink, roles.
#![warn(missing_docs)]

pub mod cli;
pub mod config;
pub mod exit;
pub mod filter;
pub mod kind;
pub mod model;
pub mod prepare;
pub mod sink;
pub mod source;
pub mod telemetry;
