use crate::world::{beat, cluster, given, node_of, registered, rpc};
use std::collections::BTreeMap;
use warcdl_yarn::fake::{Fault, Options, runner};
use warcdl_yarn::rpc::{ExceptionKind, Options as Rpc};
use warcdl_yarn::{Address, ContainerExit, ContainerState, Heartbeat, Launch, NodeManager, Qop, Start};

fn launch(bytes: usize) -> Launch {
    let environment = BTreeMap::from([("LONG".to_owned(), "x".repeat(bytes))]);
    Launch { command: "run".into(), environment, ..Launch::default() }
}

#[tokio::test]
async fn containers_are_started_asked_about_and_stopped() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    let (containers, tokens) = given(&mut master, 2).await;
    let node = node_of(&containers[0], &tokens);
    let starts: Vec<Start> = containers.iter().map(|container| Start::new(container, launch(0))).collect();
    let ids: Vec<_> = containers.iter().map(|container| container.id).collect();
    for (id, outcome) in node.start(&starts).await.unwrap() {
        assert!(ids.contains(&id) && outcome == Ok(()), "{id} {outcome:?}");
    }
    assert_eq!(cluster.running(), ids);
    for (_, status) in node.statuses(&ids).await.unwrap() {
        assert_eq!(status.unwrap().state, ContainerState::Running);
    }
    // An answer that was lost: the same once more starts nothing twice.
    assert!(node.start(&starts).await.unwrap().iter().all(|(_, outcome)| outcome.is_ok()));
    assert!(node.stop(&ids).await.unwrap().iter().all(|(_, outcome)| outcome.is_ok()));
    assert!(cluster.wait(|cluster| cluster.running().is_empty()).await);
    let completed = beat(&mut master, &Heartbeat::default()).await.completed;
    assert!(completed.iter().all(|status| status.exit == ContainerExit::StoppedByMaster), "{completed:?}");
}

#[tokio::test]
async fn what_a_node_refuses_is_told_container_by_container() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    let (containers, tokens) = given(&mut master, 2).await;
    let node = node_of(&containers[0], &tokens);
    let mut forged = Start::new(&containers[1], launch(0));
    forged.token.password[0] ^= 1;
    let outcomes = node.start(&[Start::new(&containers[0], launch(0)), forged]).await.unwrap();
    let outcome = |id| outcomes.iter().find(|(other, _)| *other == id).unwrap().1.clone();
    assert_eq!(outcome(containers[0].id), Ok(()));
    let refusal = outcome(containers[1].id).unwrap_err();
    assert!(refusal.to_string().starts_with("YarnException: Unauthorized"), "{refusal}");
    cluster.inject("startContainers", Fault::Refuse("no space left"));
    let outcomes = node.start(&[Start::new(&containers[1], launch(0))]).await.unwrap();
    assert_eq!(outcomes[0].1.clone().unwrap_err().message, "no space left");
}

#[tokio::test]
async fn a_token_opens_only_its_node() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    let (_, tokens) = given(&mut master, 1).await;
    let other = cluster.nodes().into_iter().find(|node| *node != tokens[0].node).unwrap();
    let address = Address::new(other.host, other.port);
    let node = NodeManager::at(address, tokens[0].token.clone(), Rpc::default()).unwrap();
    let error = node.statuses(&[]).await;
    assert!(error.unwrap().is_empty(), "nothing is asked, so nothing is said");
    let error = node.stop(&[Default::default()]).await.unwrap_err();
    assert_eq!(error.kind(), Some(ExceptionKind::InvalidToken), "{error}");
}

#[tokio::test]
async fn a_lost_connection_is_made_anew() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    let (containers, tokens) = given(&mut master, 1).await;
    let node = node_of(&containers[0], &tokens);
    cluster.inject("startContainers", Fault::LoseReply);
    let outcomes = node.start(&[Start::new(&containers[0], launch(0))]).await.unwrap();
    assert_eq!(outcomes, [(containers[0].id, Ok(()))], "started by the call whose answer was lost");
    assert_eq!(cluster.running().len(), 1);
}

/// More than fits into one message of the layer, in many small containers and in one large, under every protection.
#[tokio::test]
async fn long_requests_pass_under_every_protection() {
    for (protection, ciphers) in
        [(Qop::Auth, ""), (Qop::Integrity, ""), (Qop::Privacy, "3des"), (Qop::Privacy, "rc4")]
    {
        let lengths = runner(|running| async move { i32::from(running.environment["LONG"].len() == 20_000) });
        let options = Options {
            protection: vec![Qop::Auth, protection],
            ciphers: ciphers.into(),
            runner: lengths,
            ..Options::default()
        };
        let cluster = cluster(options).await;
        let (_, mut master) = registered(&cluster).await;
        let (containers, tokens) = given(&mut master, 8).await;
        assert_eq!(tokens.len(), 1);
        let node = NodeManager::connect(&tokens[0], rpc(protection)).unwrap();
        let mut starts: Vec<Start> =
            containers.iter().map(|container| Start::new(container, launch(20_000))).collect();
        starts[7].launch = launch(200_000);
        let outcomes = node.start(&starts).await.unwrap();
        assert!(outcomes.len() == 8 && outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "{outcomes:?}");
        assert!(cluster.wait(|cluster| cluster.completed().len() == 8).await);
        let whole = cluster.completed().iter().filter(|status| status.exit.code() == 1).count();
        assert_eq!(whole, 7, "{protection} {ciphers}");
    }
}
