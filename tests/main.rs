//! The node as its users meet it: real processes, real sockets, real files.

mod archive;
mod errors;
mod inspect;
mod node;
mod run;
mod s3;
mod sample;
mod tidy;
