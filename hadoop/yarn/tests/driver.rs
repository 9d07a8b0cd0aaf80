//! The driver of the rules, against the fake cluster and what may stand in its place.

use crate::world::{LIMIT, cluster, unmanaged};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use warcdl_yarn::driver::{Outcome, Plan, Told, drive};
use warcdl_yarn::engine::{Event, Report, Settings};
use warcdl_yarn::fake::{Cluster, Options};
use warcdl_yarn::rpc::{Options as Rpc, Patience};
use warcdl_yarn::{Address, AppMaster, FinalStatus, Launch, Resource, Token};

const SECOND: Duration = Duration::from_secs(1);

/// A master that is driven, until it ends or is dropped.
struct Driven {
    events: mpsc::Sender<Event>,
    told: mpsc::Receiver<Told>,
    outcome: tokio::task::JoinHandle<Outcome>,
}

fn driven(schedulers: Vec<Address>, token: Token, change: impl FnOnce(&mut Settings)) -> Driven {
    let master = AppMaster::connect(schedulers, token, Rpc::default()).unwrap().with_patience(Patience::NONE);
    let mut settings = Settings::new(Resource { memory_mb: 100, vcores: 1 });
    settings.drain_budget = SECOND;
    change(&mut settings);
    let (launch, options) = (Launch::default(), Rpc::default());
    let plan = Plan { settings, launch, host: String::new(), tracking_url: String::new(), options };
    let (events, heard) = mpsc::channel(16);
    let (telling, told) = mpsc::channel(64);
    Driven { events, told, outcome: tokio::spawn(drive(master, plan, heard, telling)) }
}

impl Driven {
    async fn report(&mut self, is: impl Fn(&Report) -> bool) -> bool {
        let found = async {
            while let Some(told) = self.told.recv().await {
                if matches!(&told, Told::Report(report) if is(report)) {
                    return true;
                }
            }
            false
        };
        timeout(LIMIT, found).await.unwrap_or(false)
    }

    async fn end(self) -> Outcome {
        timeout(LIMIT, self.outcome).await.expect("it ends").unwrap()
    }
}

async fn token(cluster: &Cluster) -> Token {
    unmanaged(cluster).await.1.token().clone()
}

/// What a load balancer answers while what it stands for is away.
async fn unavailable() -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.read(&mut [0; 1000]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    address
}

#[tokio::test]
async fn what_answers_in_place_of_the_resource_manager_is_borne_for_a_while() {
    let cluster = cluster(Options::default()).await;
    let token = token(&cluster).await;
    let strange = unavailable().await;
    // It is there too.
    let schedulers = [strange.clone()].into_iter().chain(cluster.schedulers()).collect();
    let mut master = driven(schedulers, token.clone(), |_| {});
    assert!(master.report(|report| *report == Report::RmLost).await);
    assert!(master.report(|report| matches!(report, Report::Registered { .. })).await);
    // It never comes.
    let Outcome { status, diagnostics, .. } =
        driven(vec![strange.clone()], token, |settings| settings.rm_patience = SECOND).end().await;
    assert_eq!(status, FinalStatus::Failed);
    let why = format!("the ResourceManager has not answered for 1 s; in its place {strange} sent ");
    assert!(diagnostics.starts_with(&why), "{diagnostics}");
}

/// However long the ResourceManager would be waited for.
#[tokio::test]
async fn a_token_that_is_not_taken_ends_it_at_once_and_is_told() {
    let cluster = cluster(Options::default()).await;
    let mut token = token(&cluster).await;
    token.password.push(0);
    let Outcome { status, diagnostics, .. } = driven(cluster.schedulers(), token, |_| {}).end().await;
    assert_eq!(status, FinalStatus::Failed);
    assert!(diagnostics.starts_with("the ResourceManager "), "{diagnostics}");
    assert!(!diagnostics.contains("has not answered"), "{diagnostics}");
}

#[tokio::test]
async fn a_master_whose_owner_is_gone_ends_after_the_grace() {
    let cluster = cluster(Options::default()).await;
    let token = token(&cluster).await;
    let mut master = driven(cluster.schedulers(), token, |settings| settings.gpu_grace = SECOND);
    master.events.send(Event::GpuBack).await.unwrap();
    assert!(master.report(|report| *report == Report::GpuBack).await);
    let Driven { events, told, outcome } = master;
    drop(events);
    let Outcome { status, diagnostics, .. } =
        Driven { events: mpsc::channel(1).0, told, outcome }.end().await;
    assert_eq!((status, &*diagnostics), (FinalStatus::Failed, "the GPU node has been gone for 1 s"));
}
