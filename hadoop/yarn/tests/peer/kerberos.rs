//! By tickets of a realm on loopback, `hadoop/local/kdc.py`: at every protection, and what is refused, with its cure.
//!
//! MIT Kerberos is told by its environment where tickets lie, so each login is a process of its own.

use super::{QOPS, Speaker, address, clients, options, program};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use warcdl_yarn::rpc::{Login, Patience, ServerPrincipal};
use warcdl_yarn::{Address, Qop, YarnClient};

const SERVER: &str = "yarn/localhost@WARCDL.TEST";
const USER: &str = "alice@WARCDL.TEST";
/// How long a ticket of a second is waited for until it is refused.
const LIMIT: Duration = Duration::from_secs(60);

/// A realm, with a keytab for the server and one for the user.
struct Realm {
    folder: tempfile::TempDir,
    about: Value,
    _process: Speaker,
}

impl Realm {
    fn start() -> Realm {
        let folder = tempfile::tempdir().unwrap();
        let (process, about) = Speaker::start(program("kdc.py").arg(folder.path().join("kdc")));
        Realm { folder, about, _process: process }
    }

    fn keytab(&self, principal: &str) -> &str {
        self.about["keytabs"][principal].as_str().unwrap()
    }

    /// A command of this realm, with the tickets of this name and no keytab.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>, tickets: &str) -> Command {
        let mut command = Command::new(program);
        command.env("KRB5_CONFIG", self.about["krb5_conf"].as_str().unwrap());
        command.env("KRB5CCNAME", self.folder.path().join(tickets));
        command.env("KRB5_CLIENT_KTNAME", self.folder.path().join("no-keytab"));
        command
    }

    /// A server of this realm.
    fn peer(&self, protection: &str) -> (Speaker, Value) {
        let mut command = program("cluster.py");
        command.args(["peer", protection, SERVER, self.keytab("yarn/localhost")]);
        command.env("KRB5_CONFIG", self.about["krb5_conf"].as_str().unwrap());
        Speaker::start(&mut command)
    }

    /// Gets a ticket that lasts as long as is said.
    fn kinit(&self, tickets: &str, lasts: &str) {
        let mut command = self.command("kinit", tickets);
        let status = command.args(["-k", "-t", self.keytab("alice"), "-l", lasts, USER]).status();
        assert!(status.expect("kinit, of krb5-user").success());
    }
}

fn login(principal: &str) -> Login {
    let server = ServerPrincipal {
        key: "yarn.resourcemanager.principal".into(),
        principal: principal.into(),
        pattern: None,
    };
    Login::Kerberos { user: "alice".into(), fallback: false, server }
}

/// Does a child's part, if this process is one.
pub(super) async fn child() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(|argument| &**argument).collect::<Vec<_>>() {
        ["kerberos-calls", keytab] => calls(keytab).await,
        ["kerberos-call", port, principal] => call(port.parse().unwrap(), principal).await,
        _ => return false,
    }
    true
}

/// Every call at every protection.
async fn calls(keytab: &str) {
    for (name, protection) in QOPS {
        let (mut peer, about) = Speaker::start(program("cluster.py").args(["peer", name, SERVER, keytab]));
        let at = address(&about["client"]);
        clients(&mut peer, &at, login("yarn/_HOST@WARCDL.TEST"), protection, "KERBEROS").await;
        println!("by ticket, {protection}: ok");
    }
}

/// One call; prints what came of it.
async fn call(port: u16, principal: &str) {
    let at = Address::new("localhost", port);
    let client = YarnClient::new(vec![at], login(principal), options(Qop::Privacy)).unwrap();
    match client.with_patience(Patience::NONE).cluster_metrics().await {
        Ok(metrics) => println!("{} nodes", metrics.node_managers),
        Err(error) => println!("{error}"),
    }
}

pub(super) fn by_ticket() {
    let realm = Realm::start();
    let this = std::env::current_exe().unwrap();
    let mut command = realm.command(&this, "of-keytab");
    command.args(["kerberos-calls", realm.keytab("yarn/localhost")]);
    let status = command.env("KRB5_CLIENT_KTNAME", realm.keytab("alice")).status().unwrap();
    assert!(status.success(), "{status}");

    realm.kinit("good", "1h");
    realm.kinit("expired", "1s");
    let (_peer, about) = realm.peer("auth-conf");
    let port = about["client"]["port"].to_string();
    let call = |tickets: &str, principal: &str| {
        let mut command = realm.command(&this, tickets);
        let done =
            command.args(["kerberos-call", &port, principal]).stderr(Stdio::inherit()).output().unwrap();
        assert!(done.status.success(), "{tickets}, {principal}: {}", done.status);
        String::from_utf8(done.stdout).unwrap()
    };
    // The libraries add what they took for the offset of the server's clock, in whole seconds, to the time that klist
    // and this process see: only the call itself tells that a ticket has expired.
    let begin = Instant::now();
    while call("expired", "yarn/_HOST@WARCDL.TEST").contains("2 nodes") {
        assert!(begin.elapsed() < LIMIT, "a ticket of a second is good after {LIMIT:?}");
    }
    let check = |tickets: &str, principal: &str, expected: &[&str]| {
        let said = call(tickets, principal);
        for part in expected {
            assert!(said.contains(part), "{tickets}, {principal}: {part:?} is not in {said:?}");
        }
        println!("{tickets} ticket, server {principal}: {}", said.trim());
    };
    check("good", "yarn/_HOST@WARCDL.TEST", &["2 nodes"]);
    check("good", "yarn/localhost", &["2 nodes"]);
    check(
        "good",
        "yarn/elsewhere@WARCDL.TEST",
        &["calls itself yarn/localhost", "yarn.resourcemanager.principal names yarn/elsewhere@WARCDL.TEST"],
    );
    check("good", "hdfs/_HOST@WARCDL.TEST", &["calls itself yarn/localhost"]);
    check(
        "good",
        "yarn/_HOST@ELSEWHERE.TEST",
        &["cannot authenticate", "ELSEWHERE.TEST", "yarn.resourcemanager.principal"],
    );
    check("expired", "yarn/_HOST@WARCDL.TEST", &["the ticket has expired", "kinit"]);
    check("no", "yarn/_HOST@WARCDL.TEST", &["there is no ticket", "kinit", "KRB5_CLIENT_KTNAME"]);
}
