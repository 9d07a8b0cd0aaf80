//! A node under test: a folder of its own, a configuration, processes that die with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use warcdl_actors::results::names::QUARANTINE;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_warcdl-node");
/// A process that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes `job.toml`: a passthrough job over `*.warc.gz` of the folder, and what `more` says.
    pub fn config(&self, more: &str) -> PathBuf {
        let path = self.path("job.toml");
        let paths = self.path("*.warc.gz").display().to_string();
        let defaults = format!(
            "source.paths = [{paths:?}]\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n{more}\n",
            self.path("results")
        );
        std::fs::write(&path, defaults).unwrap();
        path
    }

    pub fn summary(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path("results/summary.json")).unwrap()).unwrap()
    }

    /// The rows of all parts.
    /// The lines of what is damaged or was passed over.
    pub fn places(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path("results").join(QUARANTINE)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of results.
    pub fn rows(&self) -> Vec<serde_json::Value> {
        let mut parts: Vec<_> = std::fs::read_dir(self.path("results"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .filter(|path| !path.ends_with(QUARANTINE))
            .collect();
        parts.sort();
        let lines = parts.iter().flat_map(|part| {
            let text = std::fs::read_to_string(part).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
        });
        lines.collect()
    }
}

/// Runs `--role gpu` to its end.
pub fn gpu(config: &Path, more: &[&str]) -> Output {
    to_its_end(command().args(["--role", "gpu", "--config"]).arg(config).args(more))
}

/// Runs `inspect` to its end.
pub fn inspect(archives: &[&Path], more: &[&str]) -> Output {
    to_its_end(command().arg("inspect").args(archives).args(more))
}

/// Runs a command of [`command`] to its end.
pub fn to_its_end(command: &mut Command) -> Output {
    let mut node = command.spawn().unwrap();
    let (stdout, stderr) = (drain(node.stdout.take()), drain(node.stderr.take()));
    let status = end(&mut node);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// How the process ends; one that hangs is killed.
fn end(process: &mut Child) -> ExitStatus {
    let id = process.id().to_string();
    let (done, is_done) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
    });
    let status = process.wait().unwrap();
    drop(done);
    watchdog.join().unwrap();
    status
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that runs beside the test.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// `--role gpu`, without readers of its own.
    pub fn gpu(config: &Path) -> Running {
        Running::start(command().args(["--role", "gpu", "--config"]).arg(config))
    }

    /// A reader, by the arguments that the GPU node printed.
    pub fn reader(arguments: &[String]) -> Running {
        Running::start(command().args(arguments))
    }

    /// Starts a command of [`command`].
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Running { child, lines }
    }

    /// The first line on standard error for which `wanted` gives something.
    pub fn line<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("not among {seen:#?}"));
            match wanted(&line) {
                Some(found) => return found,
                None => seen.push(line),
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end and gives its exit code; none if it hangs.
    pub fn wait(&mut self) -> Option<i32> {
        end(&mut self.child).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, without what this machine says about S3 and logs.
pub fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RUST_LOG"]
    {
        command.env_remove(name);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.unwrap();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}
