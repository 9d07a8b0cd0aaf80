//! The messages on the wire, by the names and the numbers that Hadoop 3.5 gives their fields.
//!
//! Only what this crate sends or reads is here: whatever else a server sends is skipped, as protocol buffers allow. The
//! numbers are the same since Hadoop 2.9. They are public so that a caller can reach what the plain types leave out.

pub mod application;
pub mod message;
pub mod record;
pub mod rpc;
