use crate::world::{LIMIT, client, client_of, cluster, unmanaged};
use warcdl_yarn::fake::{Fault, Options};
use warcdl_yarn::rpc::ExceptionKind;
use warcdl_yarn::{
    ApplicationState, ClientError, ClusterMetrics, Conf, FinalStatus, Launch, Master, NodeState, Resource,
    Submission, User, YarnClient,
};

const SMALL: Resource = Resource { memory_mb: 100, vcores: 1 };

fn managed() -> Master {
    Master::Managed { launch: Launch { command: "sleep 1000".into(), ..Launch::default() }, resource: SMALL }
}

#[tokio::test]
async fn the_configuration_leads_to_the_cluster() {
    let cluster = cluster(Options { nodes: 3, ..Options::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let address = &cluster.resource_managers()[0];
    let text = format!(
        "<configuration><property><name>yarn.resourcemanager.address</name><value>{address}</value></property></configuration>"
    );
    std::fs::write(folder.path().join("yarn-site.xml"), text).unwrap();
    let conf = Conf::load(folder.path()).unwrap();
    let client = YarnClient::connect(&conf, User::named("anna")).await.unwrap();
    let expected = ClusterMetrics { node_managers: 3, active: 3, ..ClusterMetrics::default() };
    assert_eq!(client.cluster_metrics().await.unwrap(), expected);
    cluster.lose_node(1);
    assert_eq!(client.cluster_metrics().await.unwrap().lost, 1);
    let lost = client.nodes(&[NodeState::Lost]).await.unwrap();
    assert_eq!(lost.iter().map(|node| &node.id).collect::<Vec<_>>(), [&cluster.nodes()[1]]);
    assert!(client.queue("default").await.unwrap().unwrap().is_running);
    assert_eq!(client.queue("other").await.unwrap(), None);
}

#[tokio::test]
async fn an_application_is_submitted_reported_and_killed() {
    let cluster = cluster(Options::default()).await;
    let client = client(&cluster);
    let new = client.new_application().await.unwrap();
    assert_eq!(new.maximum, Resource { memory_mb: 4096, vcores: 8 });
    let submission = Submission { tags: vec!["tag".into()], ..Submission::new(new.id, "test", managed()) };
    let report = client.submit(&submission).await.unwrap();
    assert_eq!((report.id, report.state), (new.id, ApplicationState::Accepted));
    assert_eq!((&*report.user, &*report.name, report.containers), ("anna", "test", 1));
    assert_eq!(client.applications(&["YARN"], &[ApplicationState::Accepted]).await.unwrap().len(), 1);
    assert_eq!(client.applications(&["other"], &[]).await.unwrap().len(), 0);
    client.kill_and_wait(new.id, "enough", LIMIT).await.unwrap();
    let report = client.report(new.id).await.unwrap();
    assert_eq!((report.state, report.final_status), (ApplicationState::Killed, FinalStatus::Killed));
    assert_eq!(report.diagnostics, "enough");
    assert!(cluster.wait(|cluster| cluster.running().is_empty()).await);
}

#[tokio::test]
async fn what_the_resource_manager_refuses_is_told_at_once() {
    let cluster = cluster(Options::default()).await;
    let client = client(&cluster);
    let id = client.new_application().await.unwrap().id;
    let submission = Submission { queue: "nowhere".into(), ..Submission::new(id, "test", Master::Unmanaged) };
    let error = client.submit(&submission).await.unwrap_err();
    assert!(error.to_string().contains("unknown queue: nowhere"), "{error}");
    let ClientError::Rpc(error) = client.report(id).await.unwrap_err() else { panic!("not of the call") };
    assert_eq!(error.kind(), Some(ExceptionKind::ApplicationNotFound));
}

#[tokio::test]
async fn a_master_that_fails_too_often_fails_its_application() {
    let runner = warcdl_yarn::fake::runner(|_| async { 3 });
    let cluster = cluster(Options { runner, ..Options::default() }).await;
    let client = client(&cluster);
    let id = client.new_application().await.unwrap().id;
    let submission = Submission { max_attempts: 4, ..Submission::new(id, "test", managed()) };
    client.submit(&submission).await.unwrap();
    let report = client.wait(id, LIMIT, |_| false).await.unwrap();
    assert_eq!(report.state, ApplicationState::Failed);
    assert_eq!(report.attempt.unwrap().attempt, 2, "the cluster allows two");
    assert!(report.diagnostics.contains("exitCode: 3"), "{}", report.diagnostics);
}

#[tokio::test]
async fn calls_are_repeated_until_they_are_answered() {
    let cluster = cluster(Options::default()).await;
    let client = client(&cluster);
    let id = client.new_application().await.unwrap().id;
    cluster.inject("submitApplication", Fault::LoseRequest);
    cluster.inject("submitApplication", Fault::LoseReply);
    cluster
        .inject("submitApplication", Fault::Exception("org.apache.hadoop.ipc.RetriableException", "later"));
    // Another took over before the application was written down.
    let forgotten = "org.apache.hadoop.yarn.exceptions.ApplicationNotFoundException";
    cluster.inject("getApplicationReport", Fault::Exception(forgotten, "never heard of"));
    cluster.inject("getApplicationReport", Fault::LoseReply);
    client.submit(&Submission::new(id, "test", Master::Unmanaged)).await.unwrap();
    assert_eq!(cluster.faults_left(), 0);
    assert_eq!(client.applications(&[], &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_active_resource_manager_is_found() {
    let cluster = cluster(Options { resource_managers: 3, ..Options::default() }).await;
    let client = client(&cluster);
    for active in [1, 0, 2, 2] {
        cluster.fail_over(active);
        client.cluster_metrics().await.unwrap();
    }
}

#[tokio::test]
async fn a_resource_manager_that_is_away_is_waited_for() {
    let cluster = cluster(Options::default()).await;
    let client = client(&cluster);
    client.cluster_metrics().await.unwrap();
    cluster.set_resource_managers_up(false);
    let waiting = client.cluster_metrics();
    let returning = async {
        assert!(cluster.wait(|cluster| cluster.turned_away() >= 2).await);
        cluster.set_resource_managers_up(true);
    };
    let (metrics, ()) = tokio::join!(waiting, returning);
    metrics.unwrap();
}

#[tokio::test]
async fn the_token_of_an_unmanaged_master_is_for_the_submitter_until_it_registers() {
    let cluster = cluster(Options::default()).await;
    let (id, mut master) = unmanaged(&cluster).await;
    assert!(client_of(&cluster, "bert").report(id).await.unwrap().am_rm_token.is_none());
    let token = client(&cluster).report(id).await.unwrap().am_rm_token.unwrap();
    assert_eq!(token.attempt().unwrap().application, id);
    master.register("", -1, "http://page").await.unwrap();
    let report = client(&cluster).report(id).await.unwrap();
    assert!(report.am_rm_token.is_none());
    assert_eq!((report.state, &*report.tracking_url), (ApplicationState::Running, "http://page"));
}
