//! The sections that belong to no other module: `[batch]`, `[transport]`, `[telemetry]`, `[yarn]` and the launcher.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Who starts the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Launcher {
    /// The GPU node, as processes on its own machine.
    Local,
    /// The GPU node, as containers of a cluster under YARN.
    Yarn,
    /// The operator; the GPU node prints the command.
    None,
}

/// `[batch]`: how records are grouped for the device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Records at which a batch closes; at least 1.
    pub max_records: usize,
    /// Token ids, padding included, at which a batch closes; at least 1.
    pub max_tokens: usize,
    /// Milliseconds after which the oldest record waits no longer.
    pub max_wait_ms: u64,
    /// Records among which texts of like length are sought; at least `max_records`.
    pub window_records: usize,
}

impl BatchSettings {
    /// How long a record may wait for others.
    pub fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }
}

/// `[transport]`: the link between readers and the GPU node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSettings {
    /// Address of the data port; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// `HOST:PORT` under which readers reach it, where that differs.
    #[serde(deserialize_with = "host_and_port")]
    pub advertise: Option<String>,
    /// Holds the job secret; none has one made for the run.
    #[serde(deserialize_with = "path_if_any")]
    pub secret_file: Option<PathBuf>,
    /// Bytes that one reader may have under way.
    pub window_bytes: usize,
    /// Largest prepared record in bytes; at most `window_bytes`.
    pub max_record_bytes: usize,
    /// Seconds without a sign of life or without progress after which a reader is given up; at least 2.
    pub progress_timeout_s: u64,
    /// Each half of a part that is cut in two has so many bytes; at least 1.
    pub split_bytes: u64,
}

impl TransportSettings {
    /// How long a reader may be silent, or stand still.
    pub fn progress_timeout(&self) -> Duration {
        Duration::from_secs(self.progress_timeout_s)
    }
}

/// `[telemetry]`: what the operator sees.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Address of `/metrics`, if it is served; port 0 takes a free one.
    #[serde(deserialize_with = "address_if_any")]
    pub metrics: Option<SocketAddr>,
    /// Seconds between progress lines where the terminal is not interactive; more than 0.
    pub progress_s: f64,
    /// Filter of log messages, in the syntax of `RUST_LOG`, which wins.
    pub log: String,
}

impl TelemetrySettings {
    /// Time between progress lines.
    pub fn progress_interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.progress_s).unwrap_or(Duration::MAX)
    }
}

/// `[yarn]`: readers in containers of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YarnSettings {
    /// Where the application master works.
    pub am: MasterPlace,
    /// The queue.
    pub queue: String,
    /// Name of the application.
    pub name: String,
    /// Tags by which the application is found.
    pub tags: Vec<String>,
    /// Label of the nodes that readers may run on; empty for any.
    pub node_label: String,
    /// Memory of a reader's container, in MB; at least 64.
    pub reader_memory_mb: u64,
    /// Cores of a reader's container; at least 1.
    pub reader_vcores: u32,
    /// Memory of the application master's container, in MB; at least 64.
    pub am_memory_mb: u64,
    /// How the program gets to the nodes.
    pub staging: StagingPlace,
    /// The program for the nodes; none takes this program itself.
    #[serde(deserialize_with = "path_if_any")]
    pub artifact: Option<PathBuf>,
    /// glibc of the oldest node, such as `2.28`; empty if that is not known.
    pub nodes_glibc: String,
    /// Address from which nodes fetch the program over HTTP; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Address of the control port, which the application master dials; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub control: SocketAddr,
    /// Seconds for which the application master waits for a GPU node that is gone. Readers do not:
    /// they end, and are started anew once it is back.
    pub gpu_grace_s: u64,
}

/// Where the application master works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MasterPlace {
    /// In a container of its own, which YARN starts anew when it dies.
    Managed,
    /// In the GPU node's process.
    Unmanaged,
}

/// How the program gets to the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StagingPlace {
    /// The GPU node serves it.
    Http,
    /// It lies under the same path on every node.
    File,
    /// The GPU node puts it into HDFS.
    Hdfs,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("expected IP:PORT, such as \"0.0.0.0:7700\""))
}

fn address_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| D::Error::custom("expected IP:PORT, such as \"127.0.0.1:9464\", or \"\""))
}

fn host_and_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    if is_host_and_port(&text) {
        return Ok(Some(text));
    }
    Err(D::Error::custom("expected HOST:PORT, such as \"gpu1.example.org:7700\", or \"\""))
}

/// Whether `text` is `HOST:PORT` with a port that can be connected to.
pub(crate) fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
}

fn path_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(if text.is_empty() { None } else { Some(PathBuf::from(text)) })
}
