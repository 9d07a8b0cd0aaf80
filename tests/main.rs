//! The node as its users meet it: real processes, real sockets, real files.

mod archive;
mod errors;
mod fault_proxy;
mod faults;
mod held_node;
mod inspect;
mod node;
mod run;
mod s3;
mod s3_server;
mod sample;
mod tidy;
mod web;
mod yarn;
mod yarn_setting;
