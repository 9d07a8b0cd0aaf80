//! What the system knows of a reader's work.

use crate::process::Process;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

impl Process {
    /// The archive that it has open.
    pub fn archive(&self) -> Option<PathBuf> {
        let files = fs::read_dir(format!("/proc/{}/fd", self.id())).ok()?;
        files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .find(|path| path.to_string_lossy().ends_with(".warc.gz"))
    }

    /// The CPU time of the thread that reads archives.
    pub fn worker_time(&self) -> Option<Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).ok()?;
        threads.filter_map(|thread| Some(thread.ok()?.path())).find_map(|thread| {
            let is_worker = fs::read_to_string(thread.join("comm")).ok()?.trim() == "worker";
            let schedule = fs::read_to_string(thread.join("schedstat")).ok().filter(|_| is_worker)?;
            Some(Duration::from_nanos(schedule.split(' ').next()?.parse().ok()?))
        })
    }
}
