//! A process under test, which ends with its owner.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_warcdl-node");
/// How often is looked at what is waited for.
const TICK: Duration = Duration::from_millis(10);

/// Leaves the cores to the processes under test, which run in real time, until the next look. What a test asserts never
/// depends on how long that is.
pub fn tick() {
    thread::sleep(TICK);
}

pub struct Process(Child);

impl Process {
    /// Starts `warcdl-node` with this environment beside the suite's own; what it says is added to the log.
    pub fn start(arguments: &[String], environment: &[(&str, &str)], log: &Path) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(arguments).envs(environment.iter().copied()).env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Process(command.spawn().unwrap())
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// How it ended; `None` if it did not within this time.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            match self.ended() {
                None if Instant::now() < deadline => tick(),
                ended => return ended,
            }
        }
    }

    /// `kill -9`. `false` if it had ended by itself.
    pub fn kill(&mut self) -> bool {
        if self.ended().is_some() {
            return false;
        }
        self.0.kill().unwrap();
        self.0.wait().unwrap().code().is_none()
    }

    /// Sends a signal by its name. Nothing happens if it has ended: its number may be another's by now.
    pub fn signal(&mut self, name: &str) {
        if self.ended().is_some() {
            return;
        }
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), self.0.id().to_string()]).stderr(Stdio::null());
        kill.status().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
