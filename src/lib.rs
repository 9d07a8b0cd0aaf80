//! The node of warcdl: sources, filter, preparation, model, sink, roles.
#![warn(missing_docs)]

pub mod filter;
pub mod prepare;
pub mod source;
