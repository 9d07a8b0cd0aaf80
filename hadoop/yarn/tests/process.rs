use crate::world::{cluster, given, node_of, registered};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use warcdl_yarn::fake::{Options, processes};
use warcdl_yarn::{Credentials, Launch, LocalResource, ResourceKind, Start, TOKEN_FILE_VARIABLE, Visibility};

#[tokio::test]
async fn a_container_is_a_real_process_with_its_files_and_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("origin");
    std::fs::write(&script, "#!/bin/sh\necho \"$GREETING $1\"; stat -c %a \"$2\"; exit 7\n").unwrap();
    let cluster = cluster(Options { runner: processes(folder.path()), ..Options::default() }).await;
    let (_, mut master) = registered(&cluster).await;
    let (containers, tokens) = given(&mut master, 1).await;
    let file = LocalResource {
        url: format!("file://{}", script.display()).parse().unwrap(),
        size: 10,
        timestamp_ms: 0,
        kind: ResourceKind::File,
        visibility: Visibility::Application,
    };
    let credentials =
        Credentials { secrets: [("key".to_owned(), b"hush".to_vec())].into(), ..Credentials::default() };
    let launch = Launch {
        // Read and not executed: a process that another test is about to start may still hold it open for writing.
        command: format!(
            "test -x program && sh program $CONTAINER_ID ${TOKEN_FILE_VARIABLE} 1><LOG_DIR>/stdout"
        ),
        environment: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
        files: BTreeMap::from([("program".to_owned(), file)]),
        credentials: credentials.clone(),
        ..Launch::default()
    };
    let node = node_of(&containers[0], &tokens);
    node.start(&[Start::new(&containers[0], launch)]).await.unwrap();
    assert!(cluster.wait(|cluster| !cluster.completed().is_empty()).await);
    assert_eq!(cluster.completed()[0].exit.code(), 7);
    let own = folder.path().join(containers[0].id.to_string());
    let said = std::fs::read_to_string(own.join("logs/stdout")).unwrap();
    assert_eq!(said, format!("hello {}\n600\n", containers[0].id));
    assert_eq!(Credentials::read(&own.join("container_tokens")).unwrap(), credentials);
}

#[tokio::test]
async fn a_process_that_does_not_heed_sigterm_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster(Options { runner: processes(folder.path()), ..Options::default() }).await;
    let (_, mut master) = registered(&cluster).await;
    let (containers, tokens) = given(&mut master, 1).await;
    let ready = folder.path().join("ready");
    let command = format!("trap '' TERM; touch {}; while :; do sleep 1000; done", ready.display());
    let node = node_of(&containers[0], &tokens);
    let start = Start::new(&containers[0], Launch { command, ..Launch::default() });
    node.start(&[start]).await.unwrap();
    while !ready.exists() {
        tokio::task::yield_now().await;
    }
    let begin = Instant::now();
    node.stop(&[containers[0].id]).await.unwrap();
    assert!(cluster.wait(|cluster| cluster.running().is_empty()).await);
    assert!(begin.elapsed() >= Duration::from_millis(250), "SIGKILL came too early");
    assert_eq!(cluster.completed()[0].exit.code(), -105);
}
