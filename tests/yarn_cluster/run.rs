//! A run whose readers are in containers.

use crate::cluster::USER;
use crate::container::{Container, containers, survivors};
use crate::metrics::Metrics;
use crate::port::free_port;
use crate::process::Process;
use crate::results::Results;
use crate::stage::{Crawl, Stage};
use crate::until::{PATIENCE, until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Readers that find room on every node, however they are spread.
const MOST_READERS: usize = 8;
/// Of a log that explains a failure.
const TOLD_LINES: usize = 25;

/// What a run does not have in common with the others.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    pub crawl: Crawl,
    pub readers: usize,
    /// More settings, `KEY=VALUE`.
    pub more: &'a [&'a str],
    /// The configuration of Hadoop, where it is not the cluster's own.
    pub conf: Option<&'a Path>,
}

impl Settings<'_> {
    pub const USUAL: Settings<'static> = Settings { crawl: Crawl::Many, readers: 2, more: &[], conf: None };
}

pub struct Run<'a> {
    stage: &'a Stage,
    crawl: Crawl,
    folder: PathBuf,
    config: PathBuf,
    conf: PathBuf,
    more: Vec<String>,
    metrics: u16,
    gpu: Process,
    /// Length of the log when this process was started.
    log_start: usize,
    /// Once it is known.
    pub application: String,
}

impl<'a> Run<'a> {
    /// Starts one in a folder of this name, over a narrow way, so that there is time for a fault.
    pub fn start(stage: &'a Stage, name: &str, settings: Settings<'_>) -> Run<'a> {
        let Settings { crawl, readers, more, conf } = settings;
        let folder = stage.folder.join(name);
        fs::create_dir(&folder).unwrap();
        let metrics = free_port();
        let lines = format!(
            "launcher = \"yarn\"\nreaders = {readers}\n[yarn]\nartifact = {:?}\nreader_memory_mb = 256\n\
             am_memory_mb = 256\nlisten = \"127.0.0.1:0\"\ncontrol = \"127.0.0.1:0\"\n",
            stage.program
        );
        let config = stage.configure(&folder, crawl, metrics, &lines);
        let conf = conf.map_or_else(|| stage.cluster.conf(), Path::to_owned);
        let more: Vec<_> =
            more.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]).collect();
        stage.s3.set_narrow(true);
        let gpu = gpu(&folder, &config, &conf, &more);
        Run {
            stage,
            crawl,
            folder,
            config,
            conf,
            more,
            metrics,
            gpu,
            log_start: 0,
            application: String::new(),
        }
    }

    /// Starts the same command again when it has ended, with these settings beside.
    pub fn go_on(&mut self, more: &[&str]) {
        self.log_start = self.whole_log().len();
        self.application.clear();
        self.more.extend(more.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]));
        self.gpu = gpu(&self.folder, &self.config, &self.conf, &self.more);
    }

    fn whole_log(&self) -> Vec<u8> {
        fs::read(self.folder.join("gpu.log")).unwrap_or_default()
    }

    /// What the GPU node has said since it was started.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.whole_log()[self.log_start..]).into_owned()
    }

    /// The end of what it has said, for those who look for a cause.
    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n    ")
    }

    /// Waits for what happens while the GPU node runs.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Run<'a>) -> Option<T>) -> Result<T, String> {
        let seen = until(what, PATIENCE, || {
            if let Some(seen) = look(self) {
                return Ok(Some(seen));
            }
            match self.gpu.ended() {
                Some(status) => Err(format!("{what}: the GPU node has ended before, with {status}")),
                None => Ok(None),
            }
        });
        seen.map_err(|wrong| format!("{wrong}; its last words:\n    {}", self.last_words()))
    }

    /// Waits for a line with all of these in it, which it gives.
    pub fn told(&mut self, parts: &[&str]) -> Result<String, String> {
        self.until(&format!("a line with {parts:?}"), |run| {
            let log = run.log();
            log.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }

    /// Waits until the application is submitted.
    pub fn submitted(&mut self) -> Result<(), String> {
        let line = self.told(&["yarn: submitted application_"])?;
        let word = line.split_whitespace().find(|word| word.starts_with("application_")).unwrap_or_default();
        word.trim_end_matches(|letter: char| !letter.is_ascii_digit()).clone_into(&mut self.application);
        Ok(())
    }

    /// Our processes in containers.
    pub fn containers(&self, role: &str) -> Vec<Container> {
        let mut all = containers(&self.stage.cluster.folder, &self.application);
        all.retain(|container| container.role == role);
        all
    }

    /// Waits until the application runs and this is the number of readers: of processes, and of those that the GPU node
    /// sees. Gives them.
    pub fn readers(&mut self, count: usize) -> Result<Vec<Container>, String> {
        if self.application.is_empty() {
            self.submitted()?;
        }
        self.until(&format!("{count} readers"), |run| {
            let connected = run.figure("warcdl_readers_connected")?;
            let readers = run.containers("reader");
            (connected == count as f64 && readers.len() == count).then_some(readers)
        })
    }

    /// The application master's process.
    pub fn master(&mut self) -> Result<Container, String> {
        self.until("an application master", |run| run.containers("am").pop())
    }

    /// Waits for so many readers, or somewhat more, until one is on a node where the master is not: gives it, and their
    /// number.
    pub fn spread(&mut self, mut count: usize) -> Result<(Container, usize), String> {
        let mut readers = self.midway(count)?;
        let node = self.master()?.node;
        loop {
            if let Some(reader) = readers.iter().find(|reader| reader.node != node) {
                return Ok((reader.clone(), count));
            }
            if count >= MOST_READERS {
                return Err(format!("all are on node {node}: {readers:?}"));
            }
            count += 1;
            self.operator(&["scale", &count.to_string()])?;
            readers = self.readers(count)?;
        }
    }

    /// Waits until something was scored, and gives the readers. A fault before would find nothing to break.
    pub fn midway(&mut self, readers: usize) -> Result<Vec<Container>, String> {
        let readers = self.readers(readers)?;
        self.gets_on()?;
        Ok(readers)
    }

    /// Waits until more is scored than now.
    pub fn gets_on(&mut self) -> Result<(), String> {
        let scored = |run: &Run<'_>| run.figure("warcdl_records_scored_total");
        let before = scored(self).unwrap_or_default();
        self.until("more records", |run| (scored(run)? > before).then_some(()))
    }

    fn figure(&self, name: &str) -> Option<f64> {
        Metrics::of(self.metrics)?.figure(name)
    }

    /// `kill -9` of the GPU node.
    pub fn kill(&mut self) -> Result<(), String> {
        if self.gpu.kill() { Ok(()) } else { Err("the GPU node ended by itself".to_owned()) }
    }

    /// What the ResourceManager counts of running containers, that of the master included.
    pub fn count(&self) -> Option<u64> {
        self.stage.cluster.application(&self.application)?["runningContainers"].as_u64()
    }

    /// Sends a signal to the GPU node by its name.
    pub fn signal(&mut self, name: &str) {
        self.gpu.signal(name);
    }

    /// Waits for the end of the GPU node, which must come within this time, with this exit code; `None`: by a signal.
    pub fn ends(&mut self, limit: Duration, code: Option<i32>) -> Result<(), String> {
        let words = |run: &Run<'_>| format!("its last words:\n    {}", run.last_words());
        match self.gpu.wait(limit) {
            None => {
                let (id, seconds) = (self.gpu.id(), limit.as_secs());
                Err(format!("the GPU node, process {id}, does not end within {seconds} s; {}", words(self)))
            }
            Some(status) if status.code() == code => Ok(()),
            Some(status) => Err(format!("the GPU node ended with {status}, not {code:?}; {}", words(self))),
        }
    }

    /// Where it says how it was, once it is over.
    pub fn summary(&self) -> PathBuf {
        self.folder.join("results/summary.json")
    }

    /// Lets the run come to its end in peace, which must be a good one in every respect.
    pub fn finish(mut self) -> Result<(), String> {
        if self.application.is_empty() {
            self.submitted()?;
        }
        self.stage.s3.set_narrow(false);
        self.ends(PATIENCE, Some(0))?;
        self.is_over("FINISHED", "SUCCEEDED")?;
        self.stage.compared.update(|compared| compared + 1);
        let difference = Results::read(&self.folder.join("results")).compare(self.stage.local(self.crawl)?);
        if difference.told.is_empty() {
            return Ok(());
        }
        Err(format!(
            "not as a local run: {} lost, {} doubled: {:?}",
            difference.lost, difference.doubled, difference.told
        ))
    }

    /// Waits until the application is in this state, ended in this way, and nothing of it is left.
    pub fn is_over(&mut self, state: &str, ending: &str) -> Result<(), String> {
        let mut last = Value::Null;
        let over = until(&format!("{} is {state}", self.application), PATIENCE, || {
            let Some(application) = self.stage.cluster.application(&self.application) else {
                return Ok(None);
            };
            let is_over = ["FINISHED", "FAILED", "KILLED"].iter().any(|over| application["state"] == *over);
            last = application;
            Ok(is_over.then_some(()))
        });
        over?;
        if (last["state"].as_str(), last["finalStatus"].as_str()) != (Some(state), Some(ending)) {
            return Err(format!(
                "{} is {}, {}, not {state}, {ending}: {}",
                self.application, last["state"], last["finalStatus"], last["diagnostics"]
            ));
        }
        self.leaves_nothing()
    }

    fn leaves_nothing(&self) -> Result<(), String> {
        let mut left = Vec::new();
        let gone = until("no process is left", PATIENCE, || {
            left = survivors(&self.stage.cluster.folder, &self.application);
            Ok(left.is_empty().then_some(()))
        });
        gone.map_err(|wrong| format!("{wrong}: {left:?}"))
    }

    /// One of `warcdl-node yarn`'s commands; gives what it said.
    pub fn operator(&self, words: &[&str]) -> Result<String, String> {
        let log = self.folder.join("operator.log");
        let before = fs::read(&log).unwrap_or_default().len();
        let config = self.config.display().to_string();
        let words = ["yarn"].iter().chain(words).map(|word| (*word).to_owned());
        let arguments: Vec<_> = words.chain(["--config".to_owned(), config]).collect();
        let status = start(&arguments, &self.conf, &log).wait(PATIENCE);
        let said = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()[before..]).into_owned();
        match status {
            Some(status) if status.success() => Ok(said),
            status => Err(format!("warcdl-node {}: {status:?}: {said}", arguments.join(" "))),
        }
    }
}

fn gpu(folder: &Path, config: &Path, conf: &Path, more: &[String]) -> Process {
    let mut arguments =
        ["--role", "gpu", "--config", &config.display().to_string()].map(str::to_owned).to_vec();
    arguments.extend_from_slice(more);
    start(&arguments, conf, &folder.join("gpu.log"))
}

fn start(arguments: &[String], conf: &Path, log: &Path) -> Process {
    let conf = conf.display().to_string();
    Process::start(arguments, &[("HADOOP_CONF_DIR", &conf), ("HADOOP_USER_NAME", USER)], log)
}
