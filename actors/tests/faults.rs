//! What cannot be carried on ends the run, and says why.

use crate::world::{FnModel, Script, Stage, World, hundredths, mixed};
use tokio::net::TcpStream;
use warcdl_actors::exit::Fault;
use warcdl_actors::pipeline::ArchiveState;
use warcdl_actors::port::Model;
use warcdl_actors::reader::{ReaderError, serve};
use warcdl_actors::wire::JobSecret;

fn fails_with(model: impl Model + 'static) -> Fault {
    let mut world = World::new(vec![mixed(100)]);
    world.models = vec![Box::new(model)];
    world.play(|stage| async move { drop(stage.reader().await) }).unwrap_err()
}

#[test]
fn a_model_that_fails_ends_the_run_in_its_own_words() {
    let fault = fails_with(FnModel(|_: &[u32]| Err("out of memory on device 0".to_owned())));
    assert!(fault.to_string().contains("out of memory on device 0"), "{fault}");
    let fault = fails_with(FnModel(|_: &[u32]| Ok(vec![])));
    assert!(matches!(fault, Fault::ScoreCount { scores: 0, records } if records > 0));
    let fault = fails_with(FnModel(|_: &[u32]| panic!("a defect in the model")));
    assert!(matches!(fault, Fault::Panicked { actor: "model" }), "{fault}");
}

#[test]
fn an_error_of_the_disk_ends_the_run_and_names_the_file() {
    let mut world = World::new(vec![vec![Script::Record { score: 90, keep: 1 }; 50]]);
    world.sink.fails_after = Some(20);
    let fault = world.play(|stage| async move { drop(stage.reader().await) }).unwrap_err();
    assert!(fault.to_string().starts_with("cannot write results: "), "{fault}");
}

#[test]
fn a_stopped_run_stores_what_is_scored_and_tells_the_rest() {
    // Far more than fits into the reader's window while the model is stuck.
    const RECORDS: usize = 20_000;
    let mut world = World::new(vec![vec![Script::Record { score: 90, keep: 1 }; RECORDS]]);
    let (stuck, gate) = std::sync::mpsc::channel::<()>();
    let mut batches = 0;
    world.models = vec![Box::new(FnModel(move |tokens: &[u32]| {
        batches += 1;
        if batches > 3 {
            let _ = gate.recv();
        }
        hundredths(tokens)
    }))];
    let stored = world.sink.stored.clone();
    let outcome = world
        .play(|stage| async move {
            let reader = stage.clone();
            tokio::task::spawn_local(async move { drop(reader.reader().await) });
            stage.until(|stage| stage.metrics.interleaver.queued.get() > 0).await;
            stage.stopper.stop();
            drop(stuck);
        })
        .unwrap();
    outcome.check().unwrap();
    assert!(!outcome.complete());
    assert_eq!(outcome.archives[0].state, ArchiveState::Unfinished);
    let total = &outcome.total;
    assert_eq!((total.positives, total.seen), (stored.lock().unwrap().len() as u64, total.positives));
    assert!(total.seen < RECORDS as u64, "it was stopped before its end");
}

#[test]
fn a_reader_with_another_secret_gets_nothing_and_disturbs_nobody() {
    let scene = |stage: Stage| async move {
        let stream = TcpStream::connect(stage.address).await.unwrap();
        let stranger =
            serve(stream, &JobSecret::new(b"guess"), "x", Default::default, |_| Err("no".into())).await;
        assert!(matches!(stranger, Err(ReaderError::Handshake(_))), "{stranger:?}");
        stage.reader().await.unwrap();
    };
    assert!(World::new(vec![mixed(50)]).play(scene).unwrap().complete());
}
