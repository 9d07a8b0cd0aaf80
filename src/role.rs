//! The roles of a process.

pub mod gpu;
pub mod reader;
