//! The node of warcdl: sources, filter, preparation, model, sink, roles.
#![warn(missing_docs)]

pub mod kind;
pub mod source;
