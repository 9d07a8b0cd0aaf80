//! What a GPU node tells of itself.

use crate::http::get;

/// The text of its metrics.
pub struct Metrics(String);

impl Metrics {
    /// Of the GPU node whose metrics are on this port of loopback; `None` if it does not answer.
    pub fn of(port: u16) -> Option<Metrics> {
        get(&format!("127.0.0.1:{port}"), "/metrics").map(Metrics)
    }

    /// A metric without labels, by its name.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}
