//! Containers of the fake cluster that are real processes.

use super::runner::{Runner, Running, runner};
use crate::TOKEN_FILE_VARIABLE;
use std::io::{Error, ErrorKind, Result, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Between SIGTERM and SIGKILL, as NodeManagers have it.
const GRACE: Duration = Duration::from_millis(250);
/// Largest file that is fetched, in bytes.
const MAX_FILE: u64 = 1024 * 1024 * 1024;

/// Runs containers as processes, each in a folder of its own under `folder` that is named after it: its files are fetched
/// there (`file:` and `http:`), and its command is run by `bash -c` with the variables that a NodeManager sets. Logs are in
/// `logs` of that folder.
pub fn processes(folder: impl Into<PathBuf>) -> Runner {
    let folder = folder.into();
    runner(move |running| {
        let folder = folder.join(running.id.to_string());
        async move {
            match run(&folder, running).await {
                Ok(status) => status,
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "a container could not be started");
                    1
                }
            }
        }
    })
}

async fn run(folder: &Path, mut running: Running) -> Result<i32> {
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs)?;
    for (name, url) in &running.files {
        let path = folder.join(name);
        fetch(url, &path).await?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o500))?;
    }
    let tokens = folder.join("container_tokens");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tokens)?;
    file.write_all(&running.credentials.to_bytes())?;
    drop(file);
    let command = running.command.replace("<LOG_DIR>", &logs.display().to_string());
    let mut child = Command::new("bash")
        .args(["-c", &command])
        .current_dir(folder)
        .envs(&running.environment)
        .env("CONTAINER_ID", running.id.to_string())
        .env("NM_HOST", &running.node.host)
        .env("NM_PORT", running.node.port.to_string())
        .env("LOG_DIRS", &logs)
        .env("LOCAL_DIRS", folder)
        .env("USER", &running.user)
        .env(TOKEN_FILE_VARIABLE, &tokens)
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let status = tokio::select! {
        status = child.wait() => status?,
        () = running.stop.asked() => stop(&mut child).await?,
    };
    Ok(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1))
}

/// Ends a process and its children: SIGTERM, and after a quarter of a second SIGKILL.
async fn stop(child: &mut Child) -> Result<std::process::ExitStatus> {
    let Some(pid) = child.id() else { return child.wait().await };
    let group = format!("-{pid}");
    Command::new("kill").args(["-TERM", "--", &group]).stderr(Stdio::null()).status().await?;
    let ended = tokio::time::timeout(GRACE, child.wait()).await;
    Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().await?;
    match ended {
        Ok(status) => status,
        Err(_) => child.wait().await,
    }
}

async fn fetch(url: &str, to: &Path) -> Result<()> {
    if let Some(path) = url.strip_prefix("file://") {
        tokio::fs::copy(path, to).await?;
        return Ok(());
    }
    let wrong = |what: &str| Error::new(ErrorKind::InvalidData, format!("{url}: {what}"));
    let rest = url.strip_prefix("http://").ok_or_else(|| wrong("neither file: nor http:"))?;
    let (host, path) = rest.split_once('/').ok_or_else(|| wrong("no path"))?;
    let mut io = TcpStream::connect(host).await?;
    io.write_all(format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    io.take(MAX_FILE).read_to_end(&mut bytes).await?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| wrong("no header"))?;
    let header = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if header.split(' ').nth(1) != Some("200") {
        return Err(wrong(header.lines().next().unwrap_or_default()));
    }
    let length = header.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let body = &bytes[end + 4..];
    if length.is_some_and(|length: usize| length != body.len()) {
        return Err(wrong("cut off"));
    }
    // Programs are large, and a disk may be slow: the cluster goes on meanwhile.
    tokio::fs::write(to, body).await
}
