//! What the operator sees: log messages, metrics, the progress line, tables.

mod console;
mod progress;
mod server;
pub mod table;

use std::net::SocketAddr;

use thiserror::Error;

pub use self::console::Console;
pub use self::progress::{Progress, Rates, Reporter, bytes, line};
pub use self::server::serve;
pub use self::table::{Column, Table};

/// Why the operator would see nothing.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The metrics address cannot be listened on.
    #[error(
        "cannot serve metrics on {address}: {source}; set \"telemetry.metrics\" to a free address of this machine, \
         or to \"\" for none"
    )]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A log filter cannot be understood.
    #[error("{origin} is not a log filter: {reason}; examples: \"info\", \"warn,warcdl=debug\"")]
    Filter {
        /// `RUST_LOG` or `"telemetry.log"`.
        origin: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else in this process already takes the log messages.
    #[error("log messages are already taken by another subscriber")]
    AlreadyInitialised,
}
