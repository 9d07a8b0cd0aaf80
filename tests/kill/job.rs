//! A job on fixed ports, so that a GPU node that is started again is found by its readers.

use crate::metrics::Metrics;
use crate::port::free_port;
use crate::process::Process;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The addresses of a GPU node.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    data: u16,
    metrics: u16,
}

impl Ports {
    /// Two that are free.
    pub fn free() -> Ports {
        let [data, metrics] = [(); 2].map(|()| free_port());
        if data == metrics { Ports::free() } else { Ports { data, metrics } }
    }
}

pub struct Job {
    folder: PathBuf,
    ports: Ports,
}

impl Job {
    /// A job over these archives (a glob) in a folder of its own; `more` is added to its configuration.
    pub fn new(folder: PathBuf, ports: Ports, archives: &Path, more: &str) -> Job {
        fs::create_dir(&folder).unwrap();
        let job = Job { folder, ports };
        let secret = job.path("secret");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret).unwrap();
        file.write_all(b"only for readers of this test").unwrap();
        let config = format!(
            "launcher = \"none\"\nsource.paths = [{archives:?}]\nmodel.kind = \"passthrough\"\n\
             transport.listen = \"127.0.0.1:{}\"\ntransport.secret_file = {secret:?}\n\
             telemetry.metrics = \"127.0.0.1:{}\"\noutput.path = {:?}\n{more}\n",
            ports.data,
            ports.metrics,
            job.results()
        );
        fs::write(job.path("job.toml"), config).unwrap();
        job
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn results(&self) -> PathBuf {
        self.path("results")
    }

    pub fn gpu(&self) -> Process {
        Process::start(&self.gpu_arguments(), &[], &self.path("gpu.log"))
    }

    /// A second GPU node on the same folder of results.
    pub fn intruder(&self) -> Process {
        let mut arguments = self.gpu_arguments();
        for key in ["transport.listen", "telemetry.metrics"] {
            arguments.extend(["--set".to_owned(), format!("{key}=127.0.0.1:0")]);
        }
        Process::start(&arguments, &[], &self.path("intruder.log"))
    }

    fn gpu_arguments(&self) -> Vec<String> {
        let config = self.path("job.toml").display().to_string();
        ["--role", "gpu", "--config", &config].map(str::to_owned).to_vec()
    }

    pub fn reader(&self) -> Process {
        let address = format!("127.0.0.1:{}", self.ports.data);
        let secret = self.path("secret").display().to_string();
        let arguments = ["--role", "reader", "--connect", &address, "--secret-file", &secret];
        Process::start(&arguments.map(str::to_owned), &[], &self.path("readers.log"))
    }

    /// The figures of the GPU node; `None` if it does not answer.
    pub fn figures(&self) -> Option<Figures> {
        let metrics = Metrics::of(self.ports.metrics)?;
        let figure = |name: &str| metrics.figure(name);
        Some(Figures {
            archives: figure("warcdl_archives")? as u64,
            archives_over: figure("warcdl_archives_over")? as u64,
            readers: figure("warcdl_readers_connected")? as usize,
            delivered: figure("warcdl_records_delivered_total")? as u64,
            scored: figure("warcdl_records_scored_total")? as u64,
            takeovers: figure("warcdl_lease_takeovers_total")? as u64,
        })
    }
}

/// What a GPU node tells of itself since it was started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub archives: u64,
    /// Archives that were read to their end.
    pub archives_over: u64,
    /// Readers that are connected.
    pub readers: usize,
    pub delivered: u64,
    pub scored: u64,
    /// Leases taken over for want of work.
    pub takeovers: u64,
}
