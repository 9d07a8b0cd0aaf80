use crate::world::{HASTE, LIMIT, beat, client, cluster, given, node_of, registered, unmanaged, wanting};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use warcdl_yarn::fake::{Fault, Options, runner};
use warcdl_yarn::rpc::{ExceptionKind, Options as Rpc, Patience, RpcError};
use warcdl_yarn::{
    AM_RM_TOKEN, AppMaster, ApplicationState, Ask, Beat, ContainerExit, FinalStatus, Heartbeat, Launch,
    Master, MasterError, Resource, Start, Submission,
};

#[tokio::test]
async fn containers_are_asked_for_given_and_released() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    let allocation = beat(&mut master, &wanting(2)).await;
    assert_eq!(allocation.containers.len(), 2);
    assert_eq!(allocation.containers[0].resource.memory_mb, 128, "rounded up to 64s");
    assert_eq!((allocation.node_tokens.len(), allocation.cluster_nodes), (1, 2));
    let quiet = beat(&mut master, &Heartbeat::default()).await;
    assert!(quiet.containers.is_empty(), "an ask is not repeated by itself");
    let releases = vec![allocation.containers[0].id];
    let allocation =
        beat(&mut master, &Heartbeat { releases: releases.clone(), ..Heartbeat::default() }).await;
    assert_eq!(allocation.completed[0].id, releases[0]);
    assert_eq!(allocation.completed[0].exit, ContainerExit::Aborted);
}

#[tokio::test]
async fn nobody_is_given_more_than_there_is_or_what_he_does_not_want() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    let large = Resource { memory_mb: 3000, vcores: 1 };
    let heartbeat = Heartbeat {
        asks: vec![Ask::anywhere(1, large, 5)],
        blacklist: vec![cluster.nodes()[0].host.clone()],
        ..Heartbeat::default()
    };
    let allocation = beat(&mut master, &heartbeat).await;
    let places: Vec<_> = allocation.containers.iter().map(|container| container.node.clone()).collect();
    assert_eq!(places, [cluster.nodes()[1].clone()]);
    let unblacklist = vec![cluster.nodes()[0].host.clone()];
    let allocation = beat(&mut master, &Heartbeat { unblacklist, ..Heartbeat::default() }).await;
    assert_eq!(allocation.containers.len(), 1, "the ask still holds");
    let huge = Ask::anywhere(1, Resource { memory_mb: 5000, vcores: 1 }, 1);
    let error = master.heartbeat(&Heartbeat { asks: vec![huge], ..Heartbeat::default() }).await.unwrap_err();
    let MasterError::Rpc(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), Some(ExceptionKind::InvalidResourceRequest));
}

#[tokio::test]
async fn a_lost_answer_is_given_once_more() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    beat(&mut master, &Heartbeat::default()).await;
    cluster.inject("allocate", Fault::LoseReply);
    let error = master.heartbeat(&wanting(2)).await.unwrap_err();
    assert!(matches!(&error, MasterError::Rpc(error) if error.is_passing()), "{error}");
    let allocation = beat(&mut master, &wanting(2)).await;
    assert_eq!(allocation.containers.len(), 2);
    let next = beat(&mut master, &wanting(0)).await;
    assert!(next.containers.is_empty(), "the same ask did not count twice");
}

#[tokio::test]
async fn what_is_said_after_a_lost_answer_counts_and_so_does_what_was_said_before() {
    for fault in [Fault::LoseReply, Fault::LoseRequest] {
        let cluster = cluster(Options::default()).await;
        let (_, mut master) = registered(&cluster).await;
        cluster.inject("allocate", fault.clone());
        assert!(master.heartbeat(&wanting(2)).await.is_err());
        let other = Ask::anywhere(2, Resource { memory_mb: 500, vcores: 1 }, 1);
        let heartbeat = Heartbeat { asks: vec![other], ..Heartbeat::default() };
        let allocation = beat(&mut master, &heartbeat).await;
        let priorities: Vec<_> = allocation.containers.iter().map(|container| container.priority).collect();
        assert_eq!(priorities, [1, 1, 2], "{fault:?}");
        assert!(beat(&mut master, &Heartbeat::default()).await.containers.is_empty());
    }
}

#[tokio::test]
async fn an_answer_is_not_lost_with_the_heartbeat_after_it() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    cluster.inject("allocate", Fault::LoseReply);
    assert!(master.heartbeat(&wanting(2)).await.is_err());
    // The first is answered now; the second is lost, and said again before the third.
    cluster.inject("allocate", Fault::Delay(Duration::ZERO));
    cluster.inject("allocate", Fault::LoseReply);
    let second = Heartbeat { asks: wanting(3).asks, progress: 0.5, ..Heartbeat::default() };
    assert_eq!(beat(&mut master, &second).await.containers.len(), 2);
    assert_eq!(beat(&mut master, &Heartbeat::default()).await.containers.len(), 3);
}

#[tokio::test]
async fn a_lost_request_is_made_anew() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    cluster.inject("allocate", Fault::LoseRequest);
    assert!(master.heartbeat(&wanting(1)).await.is_err());
    assert_eq!(beat(&mut master, &wanting(1)).await.containers.len(), 1);
}

#[tokio::test]
async fn a_number_out_of_order_is_put_right() {
    let cluster = cluster(Options::default()).await;
    let (id, mut master) = registered(&cluster).await;
    for _ in 0..3 {
        beat(&mut master, &Heartbeat::default()).await;
    }
    // Another process with the same token does not know how far this one got.
    let token = cluster.master_token(id).unwrap();
    let mut other = AppMaster::connect(cluster.schedulers(), token, Rpc::default()).unwrap();
    assert_eq!(beat(&mut other, &wanting(1)).await.containers.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_registering_is_no_failure() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = unmanaged(&cluster).await;
    cluster.inject("registerApplicationMaster", Fault::LoseReply);
    let registration = master.register("", -1, "").await.unwrap();
    assert_eq!(registration.maximum, None, "said in the answer that was lost");
    assert_eq!(beat(&mut master, &wanting(1)).await.containers.len(), 1);
}

#[tokio::test]
async fn after_a_restart_the_master_registers_and_says_everything_again() {
    let cluster = cluster(Options::default()).await;
    let (_, mut master) = registered(&cluster).await;
    let (containers, tokens) = given(&mut master, 1).await;
    let node = node_of(&containers[0], &tokens);
    node.start(&[Start::new(&containers[0], Launch::default())]).await.unwrap();
    cluster.restart_resource_manager(false);
    let beaten = loop {
        match master.heartbeat(&wanting(1)).await {
            Ok(beaten) => break beaten,
            Err(MasterError::Rpc(RpcError::Lost { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(matches!(beaten, Beat::Registered(_)), "{beaten:?}");
    assert_eq!(beat(&mut master, &wanting(1)).await.containers.len(), 1);
    assert!(cluster.running().contains(&containers[0].id), "containers go on");
}

#[tokio::test]
async fn a_lost_answer_to_registering_again_is_told_with_the_next_heartbeat() {
    let cluster = cluster(Options::default()).await;
    let (_, master) = registered(&cluster).await;
    let mut master = master.with_patience(Patience::NONE);
    cluster.restart_resource_manager(false);
    cluster.inject("registerApplicationMaster", Fault::LoseReply);
    // The first may meet the connection that breaks; another one meets the answer that is lost.
    while cluster.faults_left() > 0 {
        assert!(master.heartbeat(&wanting(1)).await.is_err(), "nothing was answered yet");
    }
    let beaten = master.heartbeat(&wanting(1)).await.unwrap();
    assert!(matches!(&beaten, Beat::Registered(told) if told.maximum.is_none()), "{beaten:?}");
    assert_eq!(beat(&mut master, &wanting(1)).await.containers.len(), 1);
}

#[tokio::test]
async fn a_forgotten_master_must_stop() {
    let cluster = cluster(Options::default()).await;
    let (id, mut master) = registered(&cluster).await;
    client(&cluster).kill(id, "").await.unwrap();
    let error = master.heartbeat(&Heartbeat::default()).await.unwrap_err();
    assert!(matches!(error, MasterError::Forgotten(_)), "{error}");
    assert!(master.finish(FinalStatus::Killed, "", "", LIMIT).await.unwrap(), "nothing is left to be said");
    const INVALID: &str = "org.apache.hadoop.yarn.exceptions.InvalidApplicationMasterRequestException";
    let said = format!("Application doesn't exist in cache {}", master.token().attempt().unwrap());
    cluster.inject("finishApplicationMaster", Fault::Exception(INVALID, said.leak()));
    assert!(master.finish(FinalStatus::Killed, "", "", LIMIT).await.unwrap(), "nor here");
    assert_eq!(cluster.faults_left(), 0);

    let (_, mut master) = registered(&cluster).await;
    cluster.restart_resource_manager(true);
    let error = loop {
        match master.heartbeat(&Heartbeat::default()).await.unwrap_err() {
            MasterError::Rpc(RpcError::Lost { .. }) => {}
            MasterError::Rpc(error) => break error,
            error => panic!("{error}"),
        }
    };
    assert_eq!(error.kind(), Some(ExceptionKind::InvalidToken), "{error}");
}

#[tokio::test]
async fn masters_follow_the_active_resource_manager() {
    let cluster = cluster(Options { resource_managers: 2, ..Options::default() }).await;
    let (_, mut master) = registered(&cluster).await;
    cluster.fail_over(1);
    let beaten = master.heartbeat(&Heartbeat::default()).await.unwrap();
    assert!(matches!(beaten, Beat::Registered(_)), "{beaten:?}");
    assert_eq!(beat(&mut master, &wanting(1)).await.containers.len(), 1);
}

#[tokio::test]
async fn a_newer_token_is_taken_and_used() {
    let cluster = cluster(Options::default()).await;
    let (id, mut master) = registered(&cluster).await;
    let first = master.token().clone();
    cluster.roll_keys();
    beat(&mut master, &Heartbeat::default()).await;
    assert_ne!(*master.token(), first);
    assert_eq!(*master.token(), cluster.master_token(id).unwrap());
    cluster.forget_old_keys();
    cluster.break_connections();
    // The connection may break once more under the first heartbeat.
    let _ = master.heartbeat(&Heartbeat::default()).await;
    beat(&mut master, &Heartbeat::default()).await;
    let mut stale =
        AppMaster::connect(cluster.schedulers(), first, Rpc::default()).unwrap().with_patience(HASTE);
    let MasterError::Rpc(error) = stale.register("", -1, "").await.unwrap_err() else { panic!("passed") };
    assert_eq!(error.kind(), Some(ExceptionKind::InvalidToken), "{error}");
}

#[tokio::test]
async fn preemption_lost_nodes_and_repeated_statuses_are_told() {
    let cluster = cluster(Options::default()).await;
    let (id, mut master) = registered(&cluster).await;
    let (containers, _) = given(&mut master, 3).await;
    cluster.announce_preemption(containers[0].id, true);
    cluster.announce_preemption(containers[1].id, false);
    let allocation = beat(&mut master, &Heartbeat::default()).await;
    assert_eq!(allocation.will_be_preempted, [containers[0].id]);
    assert_eq!(allocation.may_be_preempted, [containers[1].id]);
    assert_eq!(allocation.to_give_back, 1);
    cluster.end_container(containers[0].id, -102, "preempted");
    let allocation = beat(&mut master, &Heartbeat::default()).await;
    assert_eq!(allocation.completed[0].exit, ContainerExit::Preempted);
    cluster.lose_node(0);
    let allocation = beat(&mut master, &Heartbeat::default()).await;
    let lost: Vec<_> = allocation.completed.iter().map(|status| (status.id, status.exit)).collect();
    assert_eq!(
        lost,
        [(containers[1].id, ContainerExit::Aborted), (containers[2].id, ContainerExit::Aborted)]
    );
    assert_eq!(allocation.cluster_nodes, 1);
    cluster.repeat_completed(id);
    assert_eq!(beat(&mut master, &Heartbeat::default()).await.completed.len(), 3);
}

#[tokio::test]
async fn the_end_is_announced_until_it_is_heard() {
    let cluster = cluster(Options::default()).await;
    let (id, mut master) = registered(&cluster).await;
    cluster.inject("finishApplicationMaster", Fault::LoseReply);
    assert!(master.finish(FinalStatus::Succeeded, "all done", "", LIMIT).await.unwrap());
    let report = client(&cluster).report(id).await.unwrap();
    assert_eq!((report.state, report.final_status), (ApplicationState::Finished, FinalStatus::Succeeded));
    assert_eq!(report.diagnostics, "all done");
}

/// A master in a container fails once; the next attempt takes its containers over.
#[tokio::test]
async fn containers_outlive_their_master() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let runner = runner({
        let tokens = tokens.clone();
        move |mut running| {
            let tokens = tokens.clone();
            async move {
                match running.credentials.token(AM_RM_TOKEN) {
                    Some(token) => tokens.lock().unwrap().push(token.clone()),
                    None => assert!(running.credentials.is_empty()),
                }
                running.stop.asked().await;
                143
            }
        }
    });
    let cluster = cluster(Options { runner, ..Options::default() }).await;
    let client = client(&cluster);
    let id = client.new_application().await.unwrap().id;
    let master =
        Master::Managed { launch: Launch::default(), resource: Resource { memory_mb: 100, vcores: 1 } };
    let submission =
        Submission { max_attempts: 2, keep_containers: true, ..Submission::new(id, "test", master) };
    client.submit(&submission).await.unwrap();

    let masters = |count| {
        let tokens = tokens.clone();
        move |_: &warcdl_yarn::fake::Cluster| tokens.lock().unwrap().len() == count
    };
    let take = || {
        let token = tokens.lock().unwrap().last().unwrap().clone();
        AppMaster::connect(cluster.schedulers(), token, Rpc::default()).unwrap().with_patience(HASTE)
    };
    while !masters(1)(&cluster) {
        tokio::task::yield_now().await;
    }
    let mut first = take();
    first.register("", -1, "").await.unwrap();
    let (containers, node_tokens) = given(&mut first, 1).await;
    let node = node_of(&containers[0], &node_tokens);
    node.start(&[Start::new(&containers[0], Launch::default())]).await.unwrap();
    let container_of_master = *cluster.running().iter().find(|&&it| it != containers[0].id).unwrap();
    cluster.end_container(container_of_master, 137, "killed");
    let limit = tokio::time::timeout(Duration::from_secs(120), async {
        while !masters(2)(&cluster) {
            tokio::task::yield_now().await;
        }
    });
    limit.await.unwrap();
    let mut second = take();
    assert_eq!(second.token().attempt().unwrap().attempt, 2);
    let registration = second.register("", -1, "").await.unwrap();
    assert_eq!(registration.containers.iter().map(|it| it.id).collect::<Vec<_>>(), [containers[0].id]);
    let node = node_of(&registration.containers[0], &registration.node_tokens);
    node.stop(&[containers[0].id]).await.unwrap();
    assert!(cluster.wait(|cluster| cluster.completed().len() == 2).await);
    let completed = beat(&mut second, &Heartbeat::default()).await.completed;
    assert_eq!(completed[0].exit, ContainerExit::StoppedByMaster);
    assert!(first.heartbeat(&Heartbeat::default()).await.is_err(), "the first attempt is over");
}
