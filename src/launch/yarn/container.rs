//! What runs in containers: the commands, and what they need.

use std::collections::BTreeMap;

use warcdl_yarn::{Credentials, Launch, LocalResource, ResourceKind, UrlError, Visibility};

use crate::bootstrap::{MasterOrders, Program};
use crate::launch::staging::PROGRAM;

/// The launch of a reader.
pub fn reader(orders: &MasterOrders, credentials: Credentials) -> Result<Launch, UrlError> {
    let MasterOrders { program, connect, reader_threads, .. } = orders;
    let arguments =
        format!("--role reader --connect {connect} --tokens --name $CONTAINER_ID --threads {reader_threads}");
    launch(program, &arguments, credentials)
}

/// The launch of the application master.
pub fn master(program: &Program, credentials: Credentials) -> Result<Launch, UrlError> {
    launch(program, "--role am --tokens", credentials)
}

/// YARN hands `command` to `bash -c` between double quotes, so it may hold none.
///
/// What came over HTTP may be anything: it is started only if it is what was sent.
fn launch(program: &Program, arguments: &str, credentials: Credentials) -> Result<Launch, UrlError> {
    let Program { url, size, timestamp_ms, sha256 } = program;
    let command = format!(
        "{{ printf '%s  %s\\n' {sha256} {PROGRAM} | sha256sum -c --status || \
         {{ echo {PROGRAM} is not the program that was sent: its SHA-256 is wrong >&2; exit 1; }}; \
         exec ./{PROGRAM} {arguments}; }} 1><LOG_DIR>/stdout 2><LOG_DIR>/stderr"
    );
    let file = LocalResource {
        url: url.parse()?,
        size: *size,
        timestamp_ms: *timestamp_ms,
        kind: ResourceKind::File,
        visibility: Visibility::Application,
    };
    Ok(Launch {
        command,
        environment: BTreeMap::new(),
        files: BTreeMap::from([(PROGRAM.to_owned(), file)]),
        credentials,
        view_acl: None,
        modify_acl: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn only_the_program_that_was_sent_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\necho started $*\nexit 42\n";
        let path = folder.path().join(PROGRAM);
        let run = |content: &str| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
            let sha256 = Sha256::digest(script).iter().map(|byte| format!("{byte:02x}")).collect();
            let program = Program { url: "http://gpu:1/p".into(), size: 1, timestamp_ms: 0, sha256 };
            let launch = launch(&program, "--name $CONTAINER_ID", Credentials::default()).unwrap();
            assert!(!launch.command.contains('"'), "{}", launch.command);
            let logs = folder.path().display().to_string();
            let command = launch.command.replace("<LOG_DIR>", &logs);
            // As a NodeManager writes it into its script.
            let line = format!("exec /bin/bash -c \"{command}\"");
            let mut bash = Command::new("/bin/bash");
            let status = bash.args(["-c", &line]).current_dir(&folder).env("CONTAINER_ID", "c7").status();
            let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
            (status.unwrap().code(), read("stdout"), read("stderr"))
        };
        let started = "started --name c7\n".to_owned();
        assert_eq!(run(script), (Some(42), started, String::new()));
        let (code, stdout, stderr) = run("#!/bin/sh\necho something else\n");
        assert_eq!((code, &*stdout), (Some(1), ""));
        assert!(stderr.contains("SHA-256"), "{stderr}");
    }
}
