//! A cluster in the test, with what a job on it needs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use warcdl_yarn::ContainerId;
use warcdl_yarn::fake::{Cluster, Fault, Options, Runner, Running as Container, processes, runner};

use crate::archive::{crawl, write_gz};
use crate::node::{Folder, Running, command, gpu, stderr, to_its_end};

/// A cluster with its configuration, a folder with archives, and what was started in containers.
pub struct Setting {
    pub runtime: tokio::runtime::Runtime,
    pub cluster: Cluster,
    pub folder: Folder,
    pub started: Arc<Mutex<Vec<Container>>>,
}

impl Setting {
    /// `run` says what containers do; it gets what would make processes of them.
    pub fn new(run: impl FnOnce(Runner) -> Runner) -> Setting {
        Setting::with(Options::default(), run)
    }

    pub fn with(options: Options, run: impl FnOnce(Runner) -> Runner) -> Setting {
        let folder = Folder::new();
        for (name, pages) in [("a", 30), ("b", 40), ("c", 0)] {
            write_gz(&folder.path(&format!("{name}.warc.gz")), &crawl(name, pages));
        }
        let started = Arc::new(Mutex::new(Vec::new()));
        let (log, run) = (Arc::clone(&started), run(processes(folder.path("containers"))));
        let watched = runner(move |container| {
            log.lock().unwrap().push(container.clone());
            run(container)
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = Options { runner: watched, ..options };
        let cluster = runtime.block_on(Cluster::start(options)).unwrap();
        std::fs::create_dir(folder.path("conf")).unwrap();
        let setting = Setting { runtime, cluster, folder, started };
        setting.name_managers();
        setting
    }

    /// Says in the configuration where the ResourceManagers are.
    fn name_managers(&self) {
        let managers = self.cluster.resource_managers().into_iter().zip(self.cluster.schedulers());
        let is_ha = managers.len() > 1;
        let mut properties = Vec::new();
        for (number, (manager, scheduler)) in managers.enumerate() {
            let of = if is_ha { format!(".rm{number}") } else { String::new() };
            properties.push((format!("yarn.resourcemanager.address{of}"), manager.to_string()));
            properties.push((format!("yarn.resourcemanager.scheduler.address{of}"), scheduler.to_string()));
        }
        if is_ha {
            properties.push(("yarn.resourcemanager.ha.enabled".into(), "true".into()));
            properties.push(("yarn.resourcemanager.ha.rm-ids".into(), "rm0,rm1".into()));
        }
        let properties: Vec<_> = properties.iter().map(|(key, value)| (&**key, &**value)).collect();
        self.configure("yarn-site.xml", &properties);
    }

    /// Writes a file of Hadoop's configuration.
    pub fn configure(&self, file: &str, properties: &[(&str, &str)]) {
        let property = |(name, value): &(&str, &str)| {
            format!("<property><name>{name}</name><value>{value}</value></property>")
        };
        let properties: String = properties.iter().map(property).collect();
        let site = format!("<configuration>{properties}</configuration>");
        std::fs::write(self.folder.path("conf").join(file), site).unwrap();
    }

    /// `job.toml`, with readers on the cluster.
    pub fn config(&self, more: &str) -> PathBuf {
        self.folder.config(&format!(
            "launcher = \"yarn\"\nreaders = 2\nyarn.reader_memory_mb = 256\nyarn.am_memory_mb = 256\n{more}"
        ))
    }

    pub fn command(&self) -> Command {
        let mut command = command();
        command.env("HADOOP_CONF_DIR", self.folder.path("conf")).env("HADOOP_USER_NAME", "tester");
        command
    }

    pub fn gpu(&self, more: &str) -> Output {
        self.gpu_with(&[], more)
    }

    pub fn gpu_with(&self, flags: &[&str], more: &str) -> Output {
        to_its_end(self.command().args(["--role", "gpu"]).args(flags).arg("--config").arg(self.config(more)))
    }

    /// A node that waits for the answer to its submission, which stays away until the connection breaks; the application is there.
    pub fn submitting(&self) -> Running {
        self.cluster.inject("submitApplication", Fault::Silence);
        let node = Running::start(self.command().args(["--role", "gpu", "--config"]).arg(self.config("")));
        assert!(self.wait(|cluster| !cluster.running().is_empty()), "{:?}", self.cluster.running());
        node
    }

    pub fn yarn(&self, words: &[&str]) -> Output {
        to_its_end(self.command().arg("yarn").args(words).arg("--config").arg(self.folder.path("job.toml")))
    }

    pub fn wait(&self, holds: impl FnMut(&Cluster) -> bool) -> bool {
        self.runtime.block_on(self.cluster.wait(holds))
    }

    /// The rows of a run of readers on this machine.
    pub fn local_rows(&self) -> BTreeSet<String> {
        let config = self.folder.config(&format!("output.path = {:?}", self.folder.path("local")));
        let config_text = std::fs::read_to_string(&config).unwrap();
        // The key is there twice; the second one counts here.
        let results = format!("output.path = {:?}\n", self.folder.path("results"));
        std::fs::write(&config, config_text.replacen(&results, "", 1)).unwrap();
        let output = gpu(&config, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        std::fs::rename(self.folder.path("results"), self.folder.path("remote")).unwrap();
        std::fs::rename(self.folder.path("local"), self.folder.path("results")).unwrap();
        self.rows()
    }

    pub fn rows(&self) -> BTreeSet<String> {
        self.folder.rows().iter().map(ToString::to_string).collect()
    }

    pub fn containers(&self) -> Vec<ContainerId> {
        self.started.lock().unwrap().iter().map(|container| container.id).collect()
    }
}

/// Lets masters work, and readers do nothing until they are stopped.
pub fn idle_readers(processes: Runner) -> Runner {
    runner(move |mut container: Container| {
        let processes = Arc::clone(&processes);
        async move {
            if container.command.contains("--role am") {
                return processes(container).await;
            }
            container.stop.asked().await;
            143
        }
    })
}
