//! Processes in containers, as the system knows them: by what YARN puts in their environment.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Our process in a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// Such as `container_1763812345678_0042_01_000002`.
    pub id: String,
    pub pid: u32,
    /// The NodeManager that started it, from 1.
    pub node: u32,
    /// What it does: `am` or `reader`.
    pub role: String,
}

/// Our processes in containers of an application, in the order of their containers.
pub fn containers(cluster: &Path, application: &str) -> Vec<Container> {
    let mut found: Vec<_> =
        pids().into_iter().filter_map(|pid| container(pid, cluster, application)).collect();
    found.sort();
    found
}

/// Kills a process.
pub fn kill(pid: u32) -> Result<(), String> {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    if status.success() { Ok(()) } else { Err(format!("there is no process {pid} to kill")) }
}

/// Processes that belong to an application, or work in a folder of containers, in words.
pub fn survivors(cluster: &Path, application: &str) -> Vec<String> {
    let number = number(application);
    let survives = |pid: &u32| {
        let environment = environment(*pid);
        let works_there =
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| node_of(cluster, &folder).is_some());
        works_there || environment.iter().any(|variable| variable.contains(&number))
    };
    let told = |pid| format!("{pid} ({})", command_line(pid).join(" "));
    pids().into_iter().filter(|pid| *pid != std::process::id()).filter(survives).map(told).collect()
}

fn container(pid: u32, cluster: &Path, application: &str) -> Option<Container> {
    let environment = environment(pid);
    let value = |name: &str| {
        environment
            .iter()
            .find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    let id = value("CONTAINER_ID")?;
    if !id.contains(&number(application)) {
        return None;
    }
    let folders = value("LOCAL_DIRS")?;
    let node = node_of(cluster, Path::new(folders.split(',').next()?))?;
    // The shell that becomes ours has the same environment, but one argument for all.
    let arguments = command_line(pid);
    let role = arguments.iter().skip_while(|argument| *argument != "--role").nth(1)?.clone();
    Some(Container { id, pid, node, role })
}

/// What the application's name and those of its containers share.
fn number(application: &str) -> String {
    application.trim_start_matches("application").to_owned()
}

/// The NodeManager, from 1, among whose folders for containers this one is.
fn node_of(cluster: &Path, folder: &Path) -> Option<u32> {
    let mut parts = folder.strip_prefix(cluster).ok()?.components();
    let node = parts.next()?.as_os_str().to_str()?.strip_prefix("nm")?.parse().ok()?;
    (parts.next()?.as_os_str() == "local").then_some(node)
}

fn pids() -> BTreeSet<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn words(path: PathBuf) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Empty of a process that is gone, or that waits for its parent to take note.
fn environment(pid: u32) -> Vec<String> {
    words(format!("/proc/{pid}/environ").into())
}

fn command_line(pid: u32) -> Vec<String> {
    words(format!("/proc/{pid}/cmdline").into())
}
