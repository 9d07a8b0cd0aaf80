//! What the tests share: a cluster, and an application that is its own master.

use std::time::Duration;
use warcdl_yarn::fake::{Cluster, Options};
use warcdl_yarn::rpc::{Login, Options as Rpc, Patience};
use warcdl_yarn::{
    Allocation, AppMaster, ApplicationId, Ask, Beat, Container, Heartbeat, Master, NodeManager, NodeToken,
    Qop, Resource, Submission, YarnClient,
};

/// Long enough for everything that happens at all.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Repeats fast.
pub const HASTE: Patience =
    Patience { total: LIMIT, first: Duration::from_millis(5), longest: Duration::from_millis(20) };

pub fn rpc(protection: Qop) -> Rpc {
    Rpc { protection: vec![protection], ..Rpc::default() }
}

pub async fn cluster(options: Options) -> Cluster {
    Cluster::start(options).await.unwrap()
}

pub fn client(cluster: &Cluster) -> YarnClient {
    client_of(cluster, "anna")
}

pub fn client_of(cluster: &Cluster, user: &str) -> YarnClient {
    let login = Login::Simple { user: user.to_owned() };
    YarnClient::new(cluster.resource_managers(), login, Rpc::default()).unwrap().with_patience(HASTE)
}

/// An application that is its own master, before it registers.
pub async fn unmanaged(cluster: &Cluster) -> (ApplicationId, AppMaster) {
    let client = client(cluster);
    let id = client.new_application().await.unwrap().id;
    client.submit(&Submission::new(id, "test", Master::Unmanaged)).await.unwrap();
    let token = client.master_token(id, LIMIT).await.unwrap();
    let master = AppMaster::connect(cluster.schedulers(), token, Rpc::default()).unwrap();
    (id, master.with_patience(HASTE))
}

/// The same, registered.
pub async fn registered(cluster: &Cluster) -> (ApplicationId, AppMaster) {
    let (id, mut master) = unmanaged(cluster).await;
    let registration = master.register("", -1, "").await.unwrap();
    assert_eq!(registration.maximum, Some(Resource { memory_mb: 4096, vcores: 8 }));
    (id, master)
}

pub fn wanting(count: u32) -> Heartbeat {
    let ask = Ask::anywhere(1, Resource { memory_mb: 100, vcores: 1 }, count);
    Heartbeat { asks: vec![ask], ..Heartbeat::default() }
}

/// One heartbeat that must bring the usual answer.
pub async fn beat(master: &mut AppMaster, heartbeat: &Heartbeat) -> Allocation {
    match master.heartbeat(heartbeat).await.unwrap() {
        Beat::Allocation(allocation) => *allocation,
        other => panic!("{other:?}"),
    }
}

/// A number of containers and the tokens of their nodes.
pub async fn given(master: &mut AppMaster, count: u32) -> (Vec<Container>, Vec<NodeToken>) {
    let allocation = beat(master, &wanting(count)).await;
    assert_eq!(allocation.containers.len(), count as usize);
    (allocation.containers, allocation.node_tokens)
}

/// A connection to the node of a container.
pub fn node_of(container: &Container, tokens: &[NodeToken]) -> NodeManager {
    let token = tokens.iter().find(|token| token.node == container.node).unwrap();
    NodeManager::connect(token, Rpc::default()).unwrap()
}
