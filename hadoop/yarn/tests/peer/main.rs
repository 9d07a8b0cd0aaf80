//! Against Hadoop's own RPC server: `hadoop/local/cluster.py peer`, at every protection; by Kerberos too where this is built
//! with the feature `kerberos`. Needs a JDK and Maven, and for Kerberos `krb5-kdc`, so it is no part of `cargo test`:
//!
//! ```sh
//! cargo test -p warcdl-yarn --test peer
//! make test-kerberos
//! ```

#[cfg(feature = "kerberos")]
mod kerberos;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use warcdl_yarn::rpc::{ExceptionKind, Login, Options, Patience};
use warcdl_yarn::{
    Address, AppMaster, ApplicationId, ApplicationState, Ask, Beat, ClientError, ContainerExit, Credentials,
    FinalStatus, Heartbeat, Launch, Master, NodeManager, Qop, Resource, Start, Submission, Token, YarnClient,
};

const QOPS: [(&str, Qop); 3] =
    [("auth", Qop::Auth), ("auth-int", Qop::Integrity), ("auth-conf", Qop::Privacy)];

/// A program that says in JSON lines what it does, and ends with its standard input.
struct Speaker {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Speaker {
    fn start(command: &mut Command) -> (Speaker, Value) {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut speaker = Speaker { process, lines };
        let first = speaker.next();
        (speaker, first)
    }

    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("the program has ended").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The call that came, which must be of this method.
    fn heard(&mut self, method: &str) -> Value {
        let call = self.next();
        assert_eq!(call["call"], method, "{call}");
        call
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // Killed, it would leave what it started itself.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn program(name: &str) -> Command {
    let local = std::env::var_os("HADOOP_LOCAL").map(PathBuf::from);
    let local = local.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../local"));
    Command::new(local.join(name))
}

fn address(service: &Value) -> Address {
    Address::new("localhost", service["port"].as_u64().unwrap().try_into().unwrap())
}

fn token(service: &Value) -> Token {
    let bytes = |field: &str| STANDARD.decode(service[field].as_str().unwrap()).unwrap();
    Token {
        identifier: bytes("identifier"),
        password: bytes("password"),
        kind: service["kind"].as_str().unwrap().into(),
        service: String::new(),
    }
}

fn options(protection: Qop) -> Options {
    Options { protection: vec![protection], ..Options::default() }
}

async fn clients(peer: &mut Speaker, at: &Address, login: Login, protection: Qop, way: &str) {
    let client = YarnClient::new(vec![at.clone()], login, options(protection)).unwrap();
    let client = client.with_patience(Patience::NONE);
    let new = client.new_application().await.unwrap();
    assert_eq!(new.id.to_string(), "application_1700000000000_0007");
    assert_eq!(new.maximum, Resource { memory_mb: 4096, vcores: 8 });
    let call = peer.heard("getNewApplication");
    assert_eq!(call["auth"], way, "{call}");
    assert!(call["user"].as_str().unwrap().starts_with("alice"), "{call}");

    let credentials = Credentials { secrets: [("key".into(), vec![1; 20])].into(), ..Credentials::default() };
    let launch = Launch { command: "run".into(), credentials, ..Launch::default() };
    let master = Master::Managed { launch, resource: Resource { memory_mb: 512, vcores: 1 } };
    let submission = Submission { tags: vec!["tag".into()], ..Submission::new(new.id, "name", master) };
    client.submit(&submission).await.unwrap();
    let call = peer.heard("submitApplication");
    let request = call["request"].as_str().unwrap();
    for part in ["application_name: \"name\"", "memory: 512", "applicationTags: \"tag\"", "command: \"run\""]
    {
        assert!(request.contains(part), "{part}: {request}");
    }
    peer.heard("getApplicationReport");

    // Answers of every length, also longer than a buffer.
    for length in [1, 7, 8, 9, 1000, 65_535, 65_536, 300_000] {
        let id = ApplicationId { cluster_timestamp: 5, id: length };
        let report = client.report(id).await.unwrap();
        assert_eq!((report.id, report.diagnostics.len()), (id, length as usize));
        assert_eq!((report.state, &*report.user), (ApplicationState::Running, "alice"));
        peer.heard("getApplicationReport");
    }
    let nobody = ApplicationId { cluster_timestamp: 0, id: 1 };
    let ClientError::Rpc(error) = client.report(nobody).await.unwrap_err() else { panic!("no exception") };
    assert_eq!(error.kind(), Some(ExceptionKind::ApplicationNotFound), "{error}");
    peer.heard("getApplicationReport");
    assert_eq!(client.cluster_metrics().await.unwrap().node_managers, 2);
    peer.heard("getClusterMetrics");
    assert!(client.kill(new.id, "why").await.unwrap());
    assert!(peer.heard("forceKillApplication")["request"].as_str().unwrap().contains("diagnostics: \"why\""));
}

async fn masters(peer: &mut Speaker, about: &Value, protection: Qop) {
    let (at, token_of_master) = (address(&about["master"]), token(&about["master"]));
    let connect =
        || AppMaster::connect(vec![at.clone()], token_of_master.clone(), options(protection)).unwrap();
    let mut master = connect();
    let registration = master.register("", -1, "http://page").await.unwrap();
    assert_eq!(registration.queue, "root.default");
    assert_eq!(registration.containers[0].id.to_string(), "container_e05_1700000000000_0007_01_000002");
    let call = peer.heard("registerApplicationMaster");
    assert_eq!(call["user"], "appattempt_1700000000000_0007_000001", "{call}");

    let asks = vec![Ask::anywhere(10, Resource { memory_mb: 128, vcores: 1 }, 2)];
    let beaten = master.heartbeat(&Heartbeat { asks, ..Heartbeat::default() }).await.unwrap();
    peer.heard("allocate");
    let Beat::Allocation(allocation) = beaten else { panic!("{beaten:?}") };
    assert_eq!((allocation.containers.len(), allocation.cluster_nodes), (2, 2));
    assert_eq!(allocation.completed[0].exit, ContainerExit::Aborted);
    assert_eq!(allocation.completed[0].diagnostics, "lost \u{fc}");
    assert_eq!(allocation.node_tokens[0].node.to_string(), "node1:45454");
    assert_eq!(master.token().identifier, [1, 2], "the token that came is the newest");
    assert!(
        master.heartbeat(&Heartbeat::default()).await.is_err(),
        "the peer does not know the token that it sent"
    );
    assert!(connect().finish(FinalStatus::Succeeded, "", "", Default::default()).await.unwrap());
    peer.heard("finishApplicationMaster");

    let (at, token) = (address(&about["containers"]), token(&about["containers"]));
    let node = NodeManager::at(at, token, options(protection)).unwrap();
    let launch = |command: &str, length| Launch {
        command: command.into(),
        environment: BTreeMap::from([("LONG".to_owned(), "x".repeat(length))]),
        ..Launch::default()
    };
    let [first, second] = &allocation.containers[..] else { unreachable!() };
    let starts = [Start::new(first, launch("run", 200_000)), Start::new(second, launch("fail", 10))];
    let outcomes = node.start(&starts).await.unwrap();
    peer.heard("startContainers");
    peer.heard("startContainers");
    assert_eq!(outcomes[0], (first.id, Ok(())));
    let refusal = outcomes[1].1.clone().unwrap_err();
    assert_eq!((outcomes[1].0, &*refusal.message), (second.id, "as was asked for"));
    assert_eq!(node.statuses(&[first.id]).await.unwrap().len(), 1);
    peer.heard("getContainerStatuses");
    assert_eq!(node.stop(&[first.id]).await.unwrap(), [(first.id, Ok(()))]);
    peer.heard("stopContainers");
}

async fn by_token() {
    for (name, protection) in QOPS {
        let (mut peer, about) = Speaker::start(program("cluster.py").args(["peer", name]));
        let login = Login::Token(token(&about["client"]));
        clients(&mut peer, &address(&about["client"]), login, protection, "TOKEN").await;
        masters(&mut peer, &about, protection).await;
        let named = Login::Simple { user: "alice".into() };
        let client = YarnClient::new(vec![address(&about["client"])], named, Options::default()).unwrap();
        let ClientError::Rpc(error) = client.cluster_metrics().await.unwrap_err() else { panic!("passed") };
        assert_eq!(error.kind(), Some(ExceptionKind::AccessDenied), "{error}");
        println!("by token, {protection}: ok");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    #[cfg(feature = "kerberos")]
    if kerberos::child().await {
        return;
    }
    by_token().await;
    #[cfg(feature = "kerberos")]
    kerberos::by_ticket();
}
