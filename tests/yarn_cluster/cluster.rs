//! The Hadoop under the suite: `hadoop/local/cluster.py`.

use crate::http::get;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// NodeManagers. With fewer than three none is ever avoided.
pub const NODES: u32 = 3;
/// Who runs the application; anybody may claim to be anybody.
pub const USER: &str = "tester";

/// Settings under which a node, a master or an allocation is not given up within a minute.
const PATIENT: [&str; 4] = [
    "yarn.nm.liveness-monitor.expiry-interval-ms=60000",
    "yarn.am.liveness-monitor.expiry-interval-ms=60000",
    "yarn.resourcemanager.rm.container-allocation.expiry-interval-ms=120000",
    "yarn.resourcemanager.am-rm-tokens.master-key-rolling-interval-secs=400",
];

/// What the faults need of it.
#[derive(Clone, Copy)]
pub struct Needs {
    pub hdfs: bool,
    /// Losses are found, and keys rolled, within seconds.
    pub losses: bool,
}

pub struct Cluster {
    pub folder: PathBuf,
    /// Its addresses, by name.
    addresses: Value,
}

impl Cluster {
    /// Starts one, with HDFS if it is needed, which ends with this process at the latest. If nothing waits for losses to be
    /// found, none is found where this machine stands still for a while.
    pub fn start(folder: PathBuf, needs: Needs) -> Result<Cluster, String> {
        let nodes = NODES.to_string();
        let owner = std::process::id().to_string();
        let mut words = vec!["start", "--nms", &nodes, "--owner", &owner];
        words.extend(needs.hdfs.then_some("--hdfs"));
        if !needs.losses {
            words.extend(PATIENT.iter().flat_map(|setting| ["-D", setting]));
        }
        python(&folder, &words)?;
        let about = fs::read(folder.join("cluster.json")).map_err(|error| error.to_string())?;
        let about: Value = serde_json::from_slice(&about).map_err(|error| error.to_string())?;
        Ok(Cluster { folder, addresses: about["addresses"].clone() })
    }

    /// What clients need to know.
    pub fn conf(&self) -> PathBuf {
        self.folder.join("conf")
    }

    /// `HOST:PORT` of a service, by its name in `cluster.json`.
    pub fn address(&self, name: &str) -> &str {
        self.addresses[name].as_str().expect("an address")
    }

    /// One of `cluster.py`'s commands on it, such as `kill-nm 1`.
    pub fn command(&self, words: &[&str]) -> Result<(), String> {
        python(&self.folder, words)
    }

    /// What the ResourceManager's web service tells; `None` if it does not answer.
    pub fn rest(&self, path: &str) -> Option<Value> {
        let text = get(self.address("rm_web"), &format!("/ws/v1/cluster/{path}?user.name={USER}"))?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    /// What it tells of an application.
    pub fn application(&self, id: &str) -> Option<Value> {
        self.rest(&format!("apps/{id}")).map(|mut answer| answer["app"].take())
    }

    /// Names in a folder of HDFS; `None` if there is no such folder.
    pub fn hdfs(&self, folder: &str) -> Option<Vec<String>> {
        let query = format!("/webhdfs/v1{folder}?op=LISTSTATUS&user.name={USER}");
        let text = get(self.address("nn_web"), &query)?;
        let answer: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
        let files = answer["FileStatuses"]["FileStatus"].as_array()?;
        Some(files.iter().filter_map(|file| Some(file["pathSuffix"].as_str()?.to_owned())).collect())
    }

    /// Text of a daemon's log.
    pub fn log(&self, daemon: &str) -> String {
        let bytes = fs::read(self.folder.join(daemon).join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.command(&["stop"]) {
            eprintln!("the cluster in {} does not stop: {error}", self.folder.display());
        }
    }
}

fn python(folder: &Path, words: &[&str]) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hadoop/local/cluster.py");
    let [verb, arguments @ ..] = words else { return Err("no command".to_owned()) };
    let mut command = Command::new("python3");
    command.arg(script).arg(verb).arg(folder).args(arguments).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("python3: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
