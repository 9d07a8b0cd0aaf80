//! The roles of a process.

pub mod am;
pub mod gpu;
pub mod reader;
pub mod yarn;
