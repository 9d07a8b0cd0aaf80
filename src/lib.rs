//! The node of warcdl: sources, filter, preparation, model, sink, roles.
#![warn(missing_docs)]

pub mod source;

pub mod filter;
pub mod prepare;

pub mod model;
pub mod sink;

pub mod cli;
pub mod config;
pub mod exit;
pub mod kind;
pub mod telemetry;
