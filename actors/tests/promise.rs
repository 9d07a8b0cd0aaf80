//! Every record one verdict, whatever dies: over real sockets, with a sink that remembers what was committed.

use crate::world::{CutAfter, FnModel, MemorySink, Script, Stage, World, hundredths, mixed};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio::net::TcpStream;
use warcdl_actors::exit::Fault;
use warcdl_actors::lease::TakeoverRules;
use warcdl_actors::pipeline::ArchiveState;
use warcdl_actors::reader::ReaderError;
use warcdl_actors::{Exclusion, PartState, SinkError};

fn positives(n: usize) -> Vec<Script> {
    vec![Script::Record { score: 90, keep: 1 }; n]
}

/// Offsets of what is stored of the one archive; fails if anything is stored twice or, within a part, out of order.
fn offsets(sink: &MemorySink) -> BTreeSet<u64> {
    let stored = sink.stored.lock().unwrap();
    let offsets: BTreeSet<u64> = stored.iter().map(|&(_, offset, _)| offset).collect();
    assert_eq!(offsets.len(), stored.len(), "doubled");
    offsets
}

/// Readers one after the other, until one is told that all is done. Gives the deaths.
async fn readers(stage: Stage) -> Vec<ReaderError> {
    let mut deaths = Vec::new();
    loop {
        match stage.reader().await {
            Ok(()) => return deaths,
            Err(death) => deaths.push(death),
        }
        assert!(deaths.len() < 20, "{deaths:?}");
    }
}

#[test]
fn a_record_that_kills_its_reader_three_times_is_quarantined() {
    let mut script = positives(100);
    script[60] = Script::Deadly;
    let world = World::new(vec![script]);
    let sink = world.sink.clone();
    let deaths = Arc::new(Mutex::new(0));
    let count = Arc::clone(&deaths);
    let outcome =
        world.play(|stage| async move { *count.lock().unwrap() = readers(stage).await.len() }).unwrap();
    assert!(outcome.complete());
    outcome.check().unwrap();
    assert_eq!(*deaths.lock().unwrap(), 3);
    assert_eq!((outcome.total.seen, outcome.total.positives), (100, 99));
    assert_eq!(outcome.total.excluded.get(Exclusion::Quarantined), 1);
    assert!(!offsets(&sink).contains(&600), "it is that record");
    assert_eq!(outcome.quarantined.iter().map(|key| key.position.offset).collect::<Vec<_>>(), [600]);
}

#[test]
fn a_record_that_hangs_its_reader_is_quarantined_though_the_reader_lives() {
    let mut script = positives(30);
    script[7] = Script::Endless;
    let mut world = World::new(vec![script]);
    // A heartbeat comes every second, or later where this machine is busy.
    world.patience = Duration::from_secs(3);
    let outcome = world
        .play(|stage| async move {
            let deaths = readers(stage).await;
            // A node that closes before it has read all, such as a heartbeat, is seen as a reset.
            let hung_up = |death: &ReaderError| matches!(death, ReaderError::Closed | ReaderError::Wire(_));
            assert!(deaths.iter().all(hung_up), "{deaths:?}");
        })
        .unwrap();
    assert!(outcome.complete());
    assert_eq!((outcome.total.excluded.get(Exclusion::Quarantined), outcome.total.positives), (1, 29));
    assert!(outcome.interrupted >= 3, "{:?}", outcome.interruptions);
    let told = format!("{:?}", outcome.interruptions);
    assert!(told.contains("no progress") && told.contains("transport.progress_timeout_s"), "{told}");
}

/// A reader stands still in the middle of its archive; another one has nothing to do.
fn taken_over(split_bytes: u64) {
    let mut world = World::new(vec![positives(1_000)]);
    world.takeover = TakeoverRules { split_bytes, settled: Duration::ZERO };
    let (open, gate) = mpsc::channel::<()>();
    let sink = world.sink.clone();
    let gate = Some((100, Arc::new(Mutex::new(gate))));
    let outcome = world
        .play(move |stage| async move {
            let mut slow = stage.clone();
            slow.source.gate = gate;
            let slow = tokio::task::spawn_local(async move { slow.reader().await });
            stage.until(|stage| stage.source.pulled.load(Ordering::SeqCst) > 100).await;
            let fast = stage.clone();
            let fast = tokio::task::spawn_local(async move { fast.reader().await });
            stage.until(|stage| stage.metrics.writer.scored.get() == 1_000).await;
            assert_eq!(stage.metrics.dispatcher.takeovers.get(), 1);
            // The slow one comes back, and what it brings counts for nothing.
            drop(open);
            slow.await.unwrap().unwrap();
            fast.await.unwrap().unwrap();
            assert!(stage.metrics.session.fenced.get() > 0);
        })
        .unwrap();
    assert!(outcome.complete());
    outcome.check().unwrap();
    assert_eq!((offsets(&sink).len(), outcome.total.positives, outcome.interrupted), (1_000, 1_000, 0));
    assert_eq!(outcome.archives[0].bytes_read, 10_000);
}

#[test]
fn the_rest_of_a_slow_readers_part_is_cut_in_two_and_its_late_frames_are_fenced() {
    taken_over(10);
}

/// Its work goes to another at once, though it stands still; it ends as one that has finished, and nothing was interrupted.
#[test]
fn a_reader_that_is_not_needed_any_more_is_let_go() {
    let mut world = World::new(vec![positives(1_000)]);
    world.takeover.settled = Duration::from_secs(3_600);
    let (open, gate) = mpsc::channel::<()>();
    let sink = world.sink.clone();
    let gate = Some((100, Arc::new(Mutex::new(gate))));
    let outcome = world
        .play(move |stage| async move {
            let mut spare = stage.clone();
            (spare.source.gate, spare.name) = (gate, "spare");
            let spare = tokio::task::spawn_local(async move { spare.reader().await });
            stage.until(|stage| stage.source.pulled.load(Ordering::SeqCst) > 100).await;
            stage.stopper.dismiss("nobody");
            stage.stopper.dismiss("spare");
            let other = stage.clone();
            let other = tokio::task::spawn_local(async move { other.reader().await });
            stage.until(|stage| stage.metrics.writer.scored.get() == 1_000).await;
            drop(open);
            spare.await.unwrap().unwrap();
            other.await.unwrap().unwrap();
        })
        .unwrap();
    assert!(outcome.complete());
    outcome.check().unwrap();
    assert_eq!((offsets(&sink).len(), outcome.total.positives, outcome.interrupted), (1_000, 1_000, 0));
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_was_committed() {
    let archives = || vec![positives(700), mixed(500)];
    let sink = MemorySink::default();
    let mut parts = None;
    let mut runs = 0;
    let outcome = loop {
        let mut world = World::new(archives());
        world.sink = sink.clone();
        world.parts = parts;
        // Less than the archives hold: the reader cannot be done before it is seen how far it is.
        world.window = 128 << 10;
        // Stops itself, until so little is left that it comes to its end before.
        let outcome = world
            .play(|stage| async move {
                let reader = stage.reader();
                tokio::pin!(reader);
                tokio::select! {
                    _ = &mut reader => return,
                    () = stage.until(|stage| stage.metrics.writer.scored.get() > 150) => stage.stopper.stop(),
                }
                let _ = reader.await;
            })
            .unwrap();
        outcome.check().unwrap();
        runs += 1;
        if outcome.complete() {
            break outcome;
        }
        assert!(outcome.archives.iter().any(|archive| archive.state == ArchiveState::Unfinished));
        let committed = sink.parts.lock().unwrap();
        let part = |part| committed.get(&part).cloned().unwrap_or_else(|| PartState::whole(part)).resumed();
        parts = Some((0..2).map(part).collect());
        assert!(runs < 20, "the run does not come forward");
    };
    assert!(runs > 1, "it was stopped at least once");
    assert_eq!(outcome.total.seen, 1_200);
    assert_eq!(sink.stored.lock().unwrap().len() as u64, outcome.total.positives);
    let keys: BTreeSet<_> =
        sink.stored.lock().unwrap().iter().map(|(name, offset, _)| (name.clone(), *offset)).collect();
    assert_eq!(keys.len() as u64, outcome.total.positives, "doubled");
}

#[test]
fn a_full_disk_holds_the_run_up_until_there_is_room() {
    let world = World::new(vec![positives(200)]);
    world.sink.full.store(1, Ordering::SeqCst);
    let sink = world.sink.clone();
    let outcome = world.play(|stage| async move { stage.reader().await.unwrap() }).unwrap();
    assert!(outcome.complete());
    assert_eq!(offsets(&sink).len(), 200);
}

#[test]
fn a_disk_that_stays_full_ends_the_run_and_what_was_committed_is_intact() {
    let mut world = World::new(vec![positives(2_000)]);
    world.commit.full_disk = Duration::ZERO;
    world.commit.bytes = 1;
    world.sink.full_after = Some(1);
    let sink = world.sink.clone();
    let fault = world.play(|stage| async move { drop(stage.reader().await) }).unwrap_err();
    assert!(!offsets(&sink).is_empty());
    assert!(matches!(fault, Fault::Sink(SinkError::Full { .. })), "{fault}");
    let parts = sink.parts.lock().unwrap();
    assert_eq!(parts[&0].account.positives, offsets(&sink).len() as u64, "books and results agree");
}

/// The connection of the first reader dies after every possible number of bytes in either direction; nothing is lost, doubled or out of order.
#[test]
fn a_connection_may_be_cut_at_every_byte() {
    let script = || {
        let mut script = positives(12);
        script[3] = Script::Excluded(Exclusion::HtmlLimits);
        script[5] = Script::Record { score: 60, keep: 40 };
        script
    };
    let run = |write: usize, read: usize| {
        let world = World::new(vec![script()]);
        let sink = world.sink.clone();
        let cut = (write, read);
        let moved = Arc::new(Mutex::new((0, 0)));
        let counter = Arc::clone(&moved);
        let outcome = world
            .play(move |stage| async move {
                let io = TcpStream::connect(stage.address).await.unwrap();
                let io = CutAfter { io, write, read, counter };
                let mut read = stage.reader_over(io).await;
                while read.is_err()
                    // By then the run may be over.
                    && let Ok(io) = TcpStream::connect(stage.address).await
                {
                    read = stage.reader_over(io).await;
                }
            })
            .unwrap();
        assert!(outcome.complete(), "cut after {cut:?}");
        outcome.check().unwrap();
        let stored = sink.stored.lock().unwrap().clone();
        assert_eq!(outcome.total.seen, 12, "cut after {cut:?}");
        let moved = *moved.lock().unwrap();
        (stored, moved)
    };
    let (calm, (written, read)) = run(usize::MAX, usize::MAX);
    assert!(calm.len() > 2 && written > 500 && read > 100, "{calm:?}");
    // Nearly all of the time is waiting.
    const THREADS: usize = 8;
    std::thread::scope(|scope| {
        for first in 0..THREADS {
            let (run, calm) = (&run, &calm);
            scope.spawn(move || {
                for cut in (first..written).step_by(THREADS) {
                    assert_eq!(run(cut, usize::MAX).0, *calm, "cut after {cut} of {written} bytes sent");
                }
                for cut in (first..read).step_by(THREADS) {
                    assert_eq!(run(usize::MAX, cut).0, *calm, "cut after {cut} of {read} bytes received");
                }
            });
        }
    });
}

#[test]
fn positives_leave_in_the_order_of_the_archive_though_batches_do_not() {
    // Records of many lengths, so that batches are formed across them, on two devices.
    let script: Vec<Script> = (0..500).map(|i| Script::Record { score: 51 + i % 49, keep: 10 }).collect();
    let mut world = World::new(vec![script]);
    world.models = vec![Box::new(FnModel(hundredths)), Box::new(FnModel(hundredths))];
    let sink = world.sink.clone();
    world.play(|stage| async move { stage.reader().await.unwrap() }).unwrap();
    let stored: Vec<u64> = sink.stored.lock().unwrap().iter().map(|&(_, offset, _)| offset).collect();
    assert_eq!(stored, (0..500).map(|i| i * 10).collect::<Vec<u64>>());
}
