use std::net::SocketAddr;

use tokio::net::TcpListener;
use warcdl_actors::wire::JobSecret;

use super::{
    Answer, Control, ControlError, Ending, FromMaster, MasterSaid, NodeLink, Progress, Standing, ToMaster,
    scale,
};

const APPLICATION: &str = "application_1763812345678_0042";

async fn listen(readers: u32) -> (Control, String) {
    let socket = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let control = Control::start(socket, secret(), APPLICATION.to_owned(), readers).unwrap();
    let address = control.address().to_string();
    (control, address)
}

fn secret() -> JobSecret {
    JobSecret::new(b"0123456789abcdef")
}

fn hello(attempt: u32) -> MasterSaid {
    MasterSaid::Arrived { application: APPLICATION.to_owned(), attempt }
}

/// The next thing but signs of life.
async fn told(master: &mut NodeLink) -> ToMaster {
    loop {
        match master.hear().await.unwrap() {
            ToMaster::Progress(_) => {}
            said => return said,
        }
    }
}

#[tokio::test]
async fn the_master_hears_what_is_wanted_at_once_and_when_it_changes() {
    let (mut control, address) = listen(3).await;
    let mut master = NodeLink::dial(&address, &secret(), APPLICATION, 1).await.unwrap();
    assert_eq!(control.hear().await, hello(1));
    assert_eq!(told(&mut master).await, ToMaster::Target { readers: 3 });
    let standing = FromMaster::Standing(Standing { running: 1, pending: 2 });
    master.say(&standing).await.unwrap();
    assert_eq!(control.hear().await, MasterSaid::Message(standing));
    let finish = ToMaster::Finish { ending: Ending::Succeeded, diagnostics: String::new() };
    control.want(finish.clone());
    assert_eq!(told(&mut master).await, finish);
    drop(master);
    assert_eq!(control.hear().await, MasterSaid::Lost);
}

#[tokio::test]
async fn the_newest_master_counts_and_is_told_everything_anew() {
    let (mut control, address) = listen(1).await;
    let mut first = NodeLink::dial(&address, &secret(), APPLICATION, 1).await.unwrap();
    assert_eq!(control.hear().await, hello(1));
    control.want(ToMaster::Target { readers: 7 });
    let mut second = NodeLink::dial(&address, &secret(), APPLICATION, 2).await.unwrap();
    assert_eq!(control.hear().await, hello(2));
    assert_eq!(told(&mut second).await, ToMaster::Target { readers: 7 });
    // The first one is hung up on, however much of what was said to it before it reads first.
    let error = loop {
        match first.hear().await {
            Ok(ToMaster::Target { .. } | ToMaster::Progress(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ControlError::Closed | ControlError::Io(_)), "{error}");
    second.say(&FromMaster::Standing(Standing::default())).await.unwrap();
    assert_eq!(control.hear().await, MasterSaid::Message(FromMaster::Standing(Standing::default())));
    // It calls again and again; so might one of another run. Neither is heard, nor is the second one disturbed.
    for (application, attempt) in [(APPLICATION, 1), ("application_1763812345678_0041", 9)] {
        let error = NodeLink::dial(&address, &secret(), application, attempt).await.err();
        let unwelcome = matches!(error, Some(ControlError::Unwelcome | ControlError::Io(_)));
        assert!(unwelcome, "{application} {attempt}: {error:?}");
    }
    second.say(&FromMaster::Standing(Standing::default())).await.unwrap();
    assert_eq!(control.hear().await, MasterSaid::Message(FromMaster::Standing(Standing::default())));
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_not_listened_to() {
    let (mut control, address) = listen(1).await;
    let wrong = JobSecret::new(b"fedcba9876543210");
    let refused = NodeLink::dial(&address, &wrong, APPLICATION, 1).await.err();
    assert!(matches!(refused, Some(ControlError::Handshake(_))), "{refused:?}");
    let _right = NodeLink::dial(&address, &secret(), APPLICATION, 2).await.unwrap();
    assert_eq!(control.hear().await, hello(2));
}

#[tokio::test]
async fn an_operator_may_change_the_number_of_readers_until_the_end() {
    let (mut control, address) = listen(3).await;
    let mut master = NodeLink::dial(&address, &secret(), APPLICATION, 1).await.unwrap();
    assert_eq!(control.hear().await, hello(1));
    assert_eq!(told(&mut master).await, ToMaster::Target { readers: 3 });
    assert_eq!(scale(&address, &secret(), 5).await.unwrap(), Answer::Target { readers: 5 });
    assert_eq!(control.hear().await, MasterSaid::Scaled { readers: 5 });
    assert_eq!(told(&mut master).await, ToMaster::Target { readers: 5 });
    assert!(matches!(scale(&address, &secret(), 0).await.unwrap(), Answer::Refused { .. }));
    assert!(scale(&address, &JobSecret::new(b"fedcba9876543210"), 6).await.is_err());

    let refused = Answer::Refused { why: "the run is ending".to_owned() };
    control.want_none();
    assert_eq!(told(&mut master).await, ToMaster::Target { readers: 0 });
    assert_eq!(scale(&address, &secret(), 9).await.unwrap(), refused, "nothing is left to read");
    let finish = ToMaster::Finish { ending: Ending::Killed, diagnostics: "enough".to_owned() };
    control.want(finish.clone());
    assert_eq!(told(&mut master).await, finish);
    assert_eq!(scale(&address, &secret(), 9).await.unwrap(), refused);
    control.want_none();
    assert_eq!(*control.seat().wanted.borrow(), finish);
}

#[tokio::test]
async fn the_master_hears_how_far_the_run_is() {
    let (control, address) = listen(1).await;
    let progress = Progress { permille: 250, records: 7 };
    control.set_progress(progress);
    let mut master = NodeLink::dial(&address, &secret(), APPLICATION, 1).await.unwrap();
    while master.hear().await.unwrap() != ToMaster::Progress(progress) {}
}
