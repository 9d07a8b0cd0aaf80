//! Against a real Hadoop, which `hadoop/local/cluster.py` starts: what the fake cluster does in the other tests is what a
//! real one does. Takes two minutes and needs a JDK and Maven, so it is no part of `cargo test`:
//!
//! ```sh
//! cargo test -p warcdl-yarn --test real
//! ```

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval};
use warcdl_yarn::rpc::{ExceptionKind, Patience};
use warcdl_yarn::{
    Allocation, AppMaster, ApplicationState, Ask, Beat, ClientError, Conf, Container, ContainerExit,
    ContainerId, ContainerState, Credentials, FinalStatus, Heartbeat, Launch, Master, MasterError,
    NodeManager, NodeToken, Resource, Start, Submission, User, YarnClient,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Between heartbeats.
const PACE: Duration = Duration::from_millis(250);
const SMALL: Resource = Resource { memory_mb: 128, vcores: 1 };

/// A cluster of two nodes, which ends with this.
struct Hadoop {
    folder: tempfile::TempDir,
}

impl Hadoop {
    fn start() -> Hadoop {
        let hadoop = Hadoop { folder: tempfile::tempdir().unwrap() };
        let owner = std::process::id().to_string();
        hadoop.run("start", [OsStr::new("--nms"), "2".as_ref(), "--owner".as_ref(), owner.as_ref()]);
        hadoop
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command<'a>(&self, command: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Command {
        let local = std::env::var_os("HADOOP_LOCAL").map(PathBuf::from);
        let local = local.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../local"));
        let mut program = Command::new(local.join("cluster.py"));
        program.arg(command).arg(self.path()).args(arguments);
        program
    }

    fn run<'a>(&self, command: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
        assert!(self.command(command, arguments).status().unwrap().success(), "{command}");
    }
}

impl Drop for Hadoop {
    fn drop(&mut self) {
        self.run("stop", []);
    }
}

/// An application that is its own master.
struct Own {
    conf: Conf,
    master: AppMaster,
    /// Tokens of the nodes so far.
    tokens: Vec<NodeToken>,
    /// What has ended so far.
    ended: HashMap<ContainerId, ContainerExit>,
    /// When heartbeats are due: a ResourceManager tells nothing unasked.
    pace: Interval,
}

impl Own {
    async fn register(conf: &Conf, client: &YarnClient) -> (warcdl_yarn::ApplicationId, Own) {
        let id = client.new_application().await.unwrap().id;
        client.submit(&Submission::new(id, "real", Master::Unmanaged)).await.unwrap();
        let token = client.master_token(id, LIMIT).await.unwrap();
        assert_eq!(token.attempt().unwrap().application, id);
        let master = AppMaster::connect(conf.schedulers().unwrap(), token, conf.rpc().unwrap()).unwrap();
        let mut master = master.with_patience(Patience::of(LIMIT));
        let registration = master.register("", -1, "").await.unwrap();
        assert_eq!(registration.maximum, Some(Resource { memory_mb: 4096, vcores: 8 }));
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        (id, Own { conf: conf.clone(), master, tokens: Vec::new(), ended: HashMap::new(), pace })
    }

    /// Heartbeats until an allocation is as wished.
    async fn until(
        &mut self,
        mut heartbeat: Heartbeat,
        mut wished: impl FnMut(&Allocation) -> bool,
    ) -> Allocation {
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < LIMIT, "what was waited for did not come");
            match self.master.heartbeat(&heartbeat).await {
                Ok(Beat::Allocation(allocation)) => {
                    heartbeat = Heartbeat::default();
                    self.tokens.extend(allocation.node_tokens.iter().cloned());
                    self.ended.extend(allocation.completed.iter().map(|status| (status.id, status.exit)));
                    if wished(&allocation) {
                        return *allocation;
                    }
                }
                Ok(other) => panic!("{other:?}"),
                Err(MasterError::Rpc(error)) if error.is_passing() => {}
                Err(error) => panic!("{error}"),
            }
            self.pace.tick().await;
        }
    }

    async fn containers(&mut self, count: u32) -> Vec<Container> {
        let mut containers = Vec::new();
        let asks = vec![Ask::anywhere(1, SMALL, count)];
        self.until(Heartbeat { asks, ..Heartbeat::default() }, |allocation| {
            containers.extend(allocation.containers.iter().cloned());
            containers.len() >= count as usize
        })
        .await;
        containers
    }

    fn node(&self, container: &Container) -> NodeManager {
        let token = self.tokens.iter().rev().find(|token| token.node == container.node).unwrap();
        NodeManager::connect(token, self.conf.rpc().unwrap()).unwrap()
    }

    async fn start(&self, container: &Container, command: &str) {
        let secrets = [("key".to_owned(), b"hush".to_vec())].into();
        let credentials = Credentials { secrets, ..Credentials::default() };
        let launch = Launch { command: command.into(), credentials, ..Launch::default() };
        let outcomes = self.node(container).start(&[Start::new(container, launch)]).await.unwrap();
        assert_eq!(outcomes, [(container.id, Ok(()))]);
    }

    /// A command, during which the master is heard, or it would be taken for dead.
    async fn beside(&mut self, command: Command) {
        let mut running = tokio::process::Command::from(command).spawn().unwrap();
        let status = loop {
            tokio::select! {
                status = running.wait() => break status.unwrap(),
                _ = self.pace.tick() => {
                    self.until(Heartbeat::default(), |_| true).await;
                }
            }
        };
        assert!(status.success());
    }

    /// The end of a container.
    async fn end(&mut self, container: &Container) -> ContainerExit {
        while !self.ended.contains_key(&container.id) {
            self.until(Heartbeat::default(), |allocation| !allocation.completed.is_empty()).await;
        }
        self.ended[&container.id]
    }
}

/// A master in a container, and its end by force.
async fn managed(client: &YarnClient) {
    let new = client.new_application().await.unwrap();
    let launch = Launch { command: "sleep 1000".into(), ..Launch::default() };
    let submission = Submission::new(new.id, "managed", Master::Managed { launch, resource: SMALL });
    client.submit(&submission).await.unwrap();
    // `sleep` never registers, so it does not get further than this.
    let report = client.wait(new.id, LIMIT, |report| report.containers == 1).await.unwrap();
    assert_eq!((report.state, &*report.name), (ApplicationState::Accepted, "managed"));
    client.kill_and_wait(new.id, "enough", LIMIT).await.unwrap();
    let report = client.report(new.id).await.unwrap();
    assert_eq!((report.state, report.final_status), (ApplicationState::Killed, FinalStatus::Killed));
    assert!(report.diagnostics.contains("enough"), "{}", report.diagnostics);
    let unknown = warcdl_yarn::ApplicationId { id: 9999, ..new.id };
    let ClientError::Rpc(error) = client.report(unknown).await.unwrap_err() else { panic!("of the call") };
    assert_eq!(error.kind(), Some(ExceptionKind::ApplicationNotFound), "{error}");
    println!("a managed master: ok");
}

async fn containers(own: &mut Own, hadoop: &Hadoop) {
    let container = own.containers(1).await.remove(0);
    own.start(&container, "grep -q hush $HADOOP_TOKEN_FILE_LOCATION; exit $((7 + $?))").await;
    assert_eq!(own.end(&container).await, ContainerExit::Failed(7));

    let container = own.containers(1).await.remove(0);
    own.start(&container, "sleep 1000").await;
    let node = own.node(&container);
    let begin = Instant::now();
    loop {
        let statuses = node.statuses(&[container.id]).await.unwrap();
        if statuses[0].1.as_ref().unwrap().state == ContainerState::Running {
            break;
        }
        assert!(begin.elapsed() < LIMIT);
        own.until(Heartbeat::default(), |_| true).await;
        own.pace.tick().await;
    }
    let launch = Launch { command: "sleep 1".into(), ..Launch::default() };
    let again = node.start(&[Start::new(&container, launch)]).await.unwrap();
    assert_eq!(again, [(container.id, Ok(()))], "runs already");
    node.stop(&[container.id]).await.unwrap();
    assert_eq!(own.end(&container).await, ContainerExit::StoppedByMaster);

    let container = own.containers(1).await.remove(0);
    own.start(&container, "sleep 1000").await;
    let releases = vec![container.id];
    own.until(Heartbeat { releases, ..Heartbeat::default() }, |_| true).await;
    assert_eq!(own.end(&container).await, ContainerExit::Aborted);

    let container = own.containers(1).await.remove(0);
    own.start(&container, "sleep 1000").await;
    let index = if container.node.host == "localhost" { "1" } else { "2" };
    own.beside(hadoop.command("kill-nm", [index.as_ref()])).await;
    assert_eq!(own.end(&container).await, ContainerExit::Aborted);
    own.beside(hadoop.command("start-nm", [index.as_ref()])).await;
    println!("containers that end, are stopped, released and lost: ok");
}

/// The ResourceManager rolls its key, starts anew, and meets a master out of step.
async fn masters(own: &mut Own, hadoop: &Hadoop) {
    let first = own.master.token().clone();
    let begin = Instant::now();
    while *own.master.token() == first {
        assert!(begin.elapsed() < LIMIT, "no newer token");
        own.until(Heartbeat::default(), |_| true).await;
        own.pace.tick().await;
    }
    own.until(Heartbeat::default(), |_| true).await;
    println!("a newer token: ok, after {:?}", begin.elapsed());

    let (schedulers, rpc) = (own.conf.schedulers().unwrap(), own.conf.rpc().unwrap());
    let mut other = AppMaster::connect(schedulers, own.master.token().clone(), rpc).unwrap();
    let beaten = other.heartbeat(&Heartbeat::default()).await.unwrap();
    assert!(
        matches!(beaten, Beat::Allocation(_)),
        "the expected number is read from the exception: {beaten:?}"
    );
    // To the ResourceManager, what this one says next is what the other has said.
    own.until(Heartbeat::default(), |_| true).await;
    println!("a number out of order: ok");

    let container = own.containers(1).await.remove(0);
    own.start(&container, "sleep 1000").await;
    hadoop.run("kill-rm", []);
    assert!(own.master.heartbeat(&Heartbeat::default()).await.is_err());
    hadoop.run("start-rm", []);
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < LIMIT);
        match own.master.heartbeat(&Heartbeat::default()).await {
            Ok(Beat::Registered(_)) => break,
            Ok(other) => panic!("{other:?}"),
            Err(MasterError::Rpc(error)) if error.is_passing() => {}
            Err(error) => panic!("{error}"),
        }
        own.pace.tick().await;
    }
    let node = own.node(&container);
    let statuses = node.statuses(&[container.id]).await.unwrap();
    assert_eq!(statuses[0].1.as_ref().unwrap().state, ContainerState::Running, "it goes on");
    println!("a ResourceManager that starts anew: ok");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let hadoop = Hadoop::start();
    let conf = Conf::load(&hadoop.path().join("conf")).unwrap();
    let client = YarnClient::connect(&conf, User::named("anna")).await.unwrap();
    assert_eq!(client.cluster_metrics().await.unwrap().active, 2);
    assert_eq!(client.nodes(&[]).await.unwrap().len(), 2);
    assert!(client.queue("default").await.unwrap().unwrap().is_running);
    managed(&client).await;
    let (id, mut own) = Own::register(&conf, &client).await;
    containers(&mut own, &hadoop).await;
    masters(&mut own, &hadoop).await;
    assert!(own.master.finish(FinalStatus::Succeeded, "all done", "", LIMIT).await.unwrap());
    let report = client.wait(id, LIMIT, |_| false).await.unwrap();
    assert_eq!((report.state, report.final_status), (ApplicationState::Finished, FinalStatus::Succeeded));
    assert_eq!(report.user, "anna");

    let (id, mut own) = Own::register(&conf, &client).await;
    client.kill_and_wait(id, "", LIMIT).await.unwrap();
    // Not at once: the part that hears masters learns of it last.
    let begin = Instant::now();
    let error = loop {
        assert!(begin.elapsed() < LIMIT, "nobody told the master");
        if let Err(error) = own.master.heartbeat(&Heartbeat::default()).await {
            break error;
        }
        own.pace.tick().await;
    };
    assert!(matches!(error, MasterError::Forgotten(_)), "{error}");
    assert!(own.master.finish(FinalStatus::Killed, "", "", Duration::ZERO).await.unwrap());
    println!("a master whose application was killed: ok");
}
