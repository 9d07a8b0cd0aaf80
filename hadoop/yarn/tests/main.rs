//! Clients against the fake cluster: real sockets on loopback, tokens that are checked, faults on purpose.

mod client;
mod driver;
mod master;
mod node;
mod process;
mod world;
