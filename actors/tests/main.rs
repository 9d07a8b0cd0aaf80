//! The dataflow over real sockets, with scripted sources, models and sinks.

mod backpressure;
mod deadlocks;
mod fairness;
mod faults;
mod funnel;
mod overflow;
mod promise;
mod world;
