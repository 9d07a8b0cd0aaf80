//! Deadlocks and leaks of flow control that others have met, each by its name in the field.
//!
//! Those that are arithmetic alone are among the tests of `credit`.

use crate::world::{FnModel, Script, Stage, World, hundredths};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_util::codec::{Encoder, Framed};
use warcdl_actors::credit::Window;
use warcdl_actors::reader::serve;
use warcdl_actors::wire::handshake::{Welcome, admit, introduce, send_welcome};
use warcdl_actors::wire::{Frame, FrameCodec, JobSecret, Lease, LeaseEnd, Progress, RecordFrame, Stats};
use warcdl_actors::{Exclusion, Input, Meta, Position, Prepared};

/// With `World::window` this small, the window is that of the largest frame alone.
const SMALLEST: u64 = 1;

/// A reader whose every frame the test chooses.
struct Peer {
    framed: Framed<TcpStream, FrameCodec>,
    window: Window,
    lease: Lease,
    at: u64,
    /// Heartbeats of the node since the lease: one each 5 s.
    pings: usize,
}

impl Peer {
    async fn connect(stage: &Stage) -> Peer {
        let socket = TcpStream::connect(stage.address).await.unwrap();
        let mut framed = Framed::new(socket, FrameCodec::new());
        let welcome = introduce(&mut framed, &JobSecret::new(b"secret"), "peer").await.unwrap();
        framed.codec_mut().set_limit(1 << 20);
        framed.send(Frame::Ready).await.unwrap();
        let lease = loop {
            match framed.next().await.unwrap().unwrap().frame {
                Frame::Lease(lease) => break lease,
                other => assert_eq!(other, Frame::Ping),
            }
        };
        Peer { framed, window: Window::new(welcome.granted), at: lease.start.offset, lease, pings: 0 }
    }

    fn progress(&self, next: u64) -> Progress {
        Progress { next: Position { offset: next, ordinal: 0 }, bytes_read: next, ..Progress::default() }
    }

    /// The next record, one above the threshold, with so many bytes to keep.
    fn record(&self, keep: usize) -> Frame {
        Frame::Record(Box::new(RecordFrame {
            part: self.lease.part,
            epoch: self.lease.epoch,
            at: Position { offset: self.at, ordinal: 0 },
            progress: self.progress(self.at + 10),
            prepared: Prepared {
                meta: Meta::default(),
                input: Input::Tokens(Bytes::copy_from_slice(&90u32.to_le_bytes())),
                keep: vec![b'k'; keep].into(),
            },
        }))
    }

    /// Sends a record if there is credit for it; gives its cost.
    async fn send_record(&mut self, keep: usize) -> Option<u64> {
        let frame = self.record(keep);
        let cost = frame.cost();
        if !self.window.spend(cost) {
            return None;
        }
        self.framed.send(frame).await.unwrap();
        self.at += 10;
        Some(cost)
    }

    /// Sends records until the next one finds no credit; gives how many, and what they cost.
    async fn fill(&mut self, keep: usize) -> (u64, u64) {
        let (mut records, mut spent) = (0, 0);
        while let Some(cost) = self.send_record(keep).await {
            records += 1;
            spent += cost;
        }
        (records, spent)
    }

    /// Waits for the next grant.
    async fn grant(&mut self) -> u64 {
        loop {
            match self.framed.next().await.expect("the node closes the link").unwrap().frame {
                Frame::Grant { granted } => {
                    self.window.grant(granted);
                    return granted;
                }
                Frame::Ping => self.pings += 1,
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// Ends the lease as if the archive were read, and stays until all is over.
    async fn finish(mut self) {
        let (Lease { part, epoch, .. }, progress) = (self.lease.clone(), self.progress(self.at));
        let end = Frame::LeaseEnd(LeaseEnd { part, epoch, progress, failure: None });
        while !self.window.spend(end.encoded_len() as u64) {
            self.grant().await;
        }
        self.framed.send(end).await.unwrap();
        self.framed.send(Frame::Ready).await.unwrap();
        while self.framed.next().await.expect("the node closes the link").unwrap().frame != Frame::Finish {}
    }
}

/// A world of so many archives of so many records each, and a model that waits until what comes with it is dropped.
fn stuck(archives: usize, records: usize, keep: usize) -> (World, mpsc::Sender<()>) {
    let mut world = World::new(vec![vec![Script::Record { score: 90, keep }; records]; archives]);
    let (open, gate) = mpsc::channel::<()>();
    world.models = vec![Box::new(FnModel(move |tokens: &[u32]| {
        let _ = gate.recv();
        hundredths(tokens)
    }))];
    (world, open)
}

/// Flink: a channel with no buffer of its own starved while the shared ones were all elsewhere.
#[test]
fn a_late_reader_has_its_own_window_when_all_other_credit_is_out() {
    let (world, open) = stuck(4, 0, 0);
    let outcome = world.play(move |stage| async move {
        let mut peers = Vec::new();
        for _ in 0..3 {
            let mut peer = Peer::connect(&stage).await;
            peer.fill(50_000).await;
            peers.push(peer);
        }
        let mut late = Peer::connect(&stage).await;
        let before = stage.metrics.dispatcher.delivered.get();
        let (records, _) = late.fill(50_000).await;
        assert!(records >= 1);
        stage.until(|stage| stage.metrics.dispatcher.delivered.get() >= before + records).await;
        drop(open);
        peers.push(late);
        for peer in peers {
            spawn_local(peer.finish());
        }
    });
    assert!(outcome.unwrap().complete());
}

/// curl: one slow stream ate the window that all streams of a connection shared.
#[test]
fn a_reader_that_stops_within_a_frame_takes_nothing_from_the_others() {
    let world = World::new(vec![vec![Script::Record { score: 90, keep: 2_000 }; 1_500]; 2]);
    let outcome = world.play(|stage| async move {
        let mut slow = Peer::connect(&stage).await;
        let (mut bytes, frame) = (Default::default(), slow.record(60_000));
        slow.framed.codec_mut().encode(frame, &mut bytes).unwrap();
        slow.framed.get_mut().write_all(&bytes[..30_000]).await.unwrap();
        let fast = stage.clone();
        spawn_local(async move { fast.reader().await.unwrap() });
        stage.until(|stage| stage.metrics.writer.positives.get() == 1_500).await;
        // Its archive is read by the fast one.
        drop(slow);
    });
    let outcome = outcome.unwrap();
    assert!(outcome.complete());
    assert_eq!((outcome.total.positives, outcome.interrupted), (3_000, 1));
}

/// hyper: a sender that kept one byte in hand met a receiver that granted at exhaustion only, and both waited.
#[test]
fn credit_is_granted_long_before_the_window_is_exhausted() {
    let outcome = World::new(vec![vec![]]).play(|stage| async move {
        let mut peer = Peer::connect(&stage).await;
        for _ in 0..100 {
            // Never more than half of what is there.
            while peer.window.available() < 1 << 19 {
                peer.grant().await;
            }
            peer.send_record(40_000).await.expect("credit for it");
        }
        peer.finish().await;
    });
    assert_eq!(outcome.unwrap().total.positives, 100);
}

/// curl and hyper again: what is left of the window is less than the next frame, so that nothing more is ever sent.
#[test]
fn a_remainder_smaller_than_the_next_frame_does_not_stop_the_reader() {
    // Of a window of 128 KiB: one frame fits, two do not; the largest frame is the window itself, to a few bytes.
    for keep in [66_000, 100_000, 130_000] {
        let mut world = World::new(vec![vec![Script::Record { score: 90, keep }; 40]]);
        world.window = SMALLEST;
        let outcome = world.play(|stage| async move { stage.reader().await.unwrap() }).unwrap();
        assert!(outcome.complete());
        assert_eq!((outcome.total.positives, outcome.total.excluded.get(Exclusion::RecordTooLarge)), (40, 0));
    }
}

/// akka-http: an update was due at half of the window, which what was buffered kept it from ever reaching.
#[test]
fn less_than_the_threshold_is_granted_by_the_timer() {
    let outcome = World::new(vec![vec![]]).play(|stage| async move {
        let start = Instant::now();
        let mut peer = Peer::connect(&stage).await;
        let (window, mut spent) = (peer.window.available(), 0);
        for _ in 0..5 {
            spent += peer.send_record(100).await.unwrap();
            assert_eq!(peer.grant().await, window + spent);
        }
        let heartbeats = 1 + start.elapsed().as_secs() / 5;
        assert!(peer.pings as u64 <= heartbeats, "it was a heartbeat that took the grants along");
        peer.finish().await;
    });
    assert!(outcome.unwrap().complete());
}

/// h2o: a server that stopped reading requests never saw the updates that would have let it go on.
#[test]
fn control_frames_are_read_while_the_data_lane_is_stuck() {
    let (world, open) = stuck(1, 0, 0);
    let outcome = world.play(move |stage| async move {
        let mut peer = Peer::connect(&stage).await;
        let (_, spent) = peer.fill(30_000).await;
        stage.until(|stage| stage.metrics.session.credit_in_use.get() as u64 == spent).await;
        for told in 1..=50 {
            peer.framed.send(Frame::Stats(Stats(vec![told]))).await.unwrap();
            stage.until(|stage| stage.metrics.reader.fetched_bytes.get() == told).await;
        }
        assert_eq!(stage.metrics.writer.scored.get(), 0);
        drop(open);
        peer.finish().await;
    });
    assert!(outcome.unwrap().complete());
}

/// The same on the other side: a reader whose socket takes nothing more still hears what the node says.
#[tokio::test]
async fn a_reader_that_cannot_write_still_reads() {
    let world = World::new(vec![vec![Script::Record { score: 90, keep: 50_000 }; 100]]);
    let (source, (reader, node)) = (world.source.clone(), tokio::io::duplex(4 << 10));
    let scene = async move {
        let mut node = Framed::new(node, FrameCodec::new());
        let welcome = Welcome { session: 1, granted: 1 << 30, max_record: 1 << 20, job: Bytes::new() };
        let secret = JobSecret::new(b"secret");
        let node_side = async {
            admit(&mut node, &secret).await.unwrap();
            send_welcome(&mut node, welcome).await.unwrap();
            while node.next().await.unwrap().unwrap().frame != Frame::Ready {}
            let start = Position::default();
            let lease = lease_of("a0", start);
            node.send(Frame::Lease(lease)).await.unwrap();
            // Frames pile up in the reader, and nobody takes them.
            while source.pulled.load(std::sync::atomic::Ordering::SeqCst) < 5 {
                tokio::task::yield_now().await;
            }
            node.send(Frame::Finish).await.unwrap();
        };
        let reads = Box::new(source.clone());
        let reader_side = serve(reader, &secret, "test", || (Duration::ZERO, 0), |_| Ok(reads));
        tokio::join!(node_side, reader_side).1.unwrap();
    };
    let local = tokio::task::LocalSet::new();
    tokio::time::timeout(Duration::from_secs(20), local.run_until(scene)).await.expect("the reader hangs");
}

fn lease_of(name: &str, start: Position) -> Lease {
    Lease { epoch: 1, start, ..Lease::of_whole(name, 0) }
}

/// h2 (five leaks in its changelog): what is received and not kept (padding, cancelled and late frames) cost credit for ever.
#[test]
fn frames_that_leave_nothing_behind_give_their_credit_back() {
    let mut world = World::new(vec![vec![]]);
    world.window = SMALLEST;
    let outcome = world.play(|stage| async move {
        let mut peer = Peer::connect(&stage).await;
        let Lease { part, epoch, .. } = peer.lease;
        let mut spent = 0;
        let window = peer.window.available();
        while spent < 3 * window {
            let frame = Frame::Progress { part, epoch, progress: peer.progress(peer.at) };
            let cost = frame.cost();
            if peer.window.spend(cost) {
                peer.framed.feed(frame).await.unwrap();
                spent += cost;
            } else {
                peer.framed.flush().await.unwrap();
                peer.grant().await;
            }
        }
        peer.framed.flush().await.unwrap();
        while peer.grant().await < spent + window {}
        assert_eq!(peer.window.available(), window, "all of it came back");
        peer.finish().await;
    });
    assert!(outcome.unwrap().complete());
}

/// Our own: a batcher that waits for full batches held all credit in half-full ones, while the device idled.
#[test]
fn a_batch_larger_than_all_credit_is_closed_when_the_device_idles() {
    for devices in [1, 3] {
        let mut world = World::new(vec![vec![Script::Record { score: 90, keep: 40_000 }; 60]; 2]);
        world.window = SMALLEST;
        world.batch.max_records = 1_000;
        world.batch.window_records = 4_000;
        world.batch.max_wait = Duration::from_secs(3_600);
        world.models = (0..devices).map(|_| Box::new(FnModel(hundredths)) as _).collect();
        let outcome = world.play(|stage| async move {
            let (a, b) = tokio::join!(stage.reader(), stage.reader());
            assert!(a.is_ok() && b.is_ok());
        });
        assert_eq!(outcome.unwrap().total.positives, 120, "{devices} devices");
    }
}

/// Our own: a writer whose disk hangs stops the credit, as it must; the heartbeats must not hang with it.
#[test]
fn heartbeats_live_on_while_the_writer_is_stuck() {
    let mut world = World::new(vec![vec![]]);
    world.commit.bytes = 1;
    let stored = world.sink.stored.clone();
    let (locked, is_locked) = mpsc::channel();
    let (unlock, gate) = mpsc::channel::<()>();
    // The sink waits for this lock with its first commit.
    let disk = std::thread::spawn(move || {
        let _hung = stored.lock().unwrap();
        locked.send(()).unwrap();
        let _ = gate.recv();
    });
    is_locked.recv().unwrap();
    let outcome = world.play(move |stage| async move {
        let mut peer = Peer::connect(&stage).await;
        let (records, spent) = peer.fill(20_000).await;
        // The device has scored on while it could: what waits for the commit is counted once the writer takes no more. But for
        // what is in the commit not one byte comes back.
        stage.until(|stage| stage.metrics.writer.pending_bytes.get() > 0).await;
        let spent = spent - spent / records * stage.metrics.writer.scored.get();
        stage.until(|stage| stage.metrics.session.credit_in_use.get() as u64 == spent).await;
        for told in 1..=50 {
            peer.framed.send(Frame::Stats(Stats(vec![told]))).await.unwrap();
            stage.until(|stage| stage.metrics.reader.fetched_bytes.get() == told).await;
        }
        assert_eq!(stage.metrics.session.credit_in_use.get() as u64, spent);
        let mut late = TcpStream::connect(stage.address).await.unwrap();
        late.shutdown().await.unwrap();
        stage.until(|stage| stage.metrics.session.refused.get() == 1).await;
        drop(unlock);
        peer.finish().await;
    });
    disk.join().unwrap();
    let outcome = outcome.unwrap();
    assert!(outcome.complete());
    assert_eq!(outcome.interrupted, 0, "no lease was lost");
}

/// HTTP/2: windows beyond their largest value wrapped round. A window of the whole range is but a window.
#[test]
fn a_window_of_the_whole_range_neither_wraps_nor_stops() {
    for window in [u64::MAX, u64::MAX - 1, u64::MAX / 2 + 1] {
        let mut world = World::new(vec![vec![Script::Record { score: 90, keep: 1_000 }; 200]]);
        world.window = window;
        let metrics = world.metrics.clone();
        let outcome = world.play(|stage| async move { stage.reader().await.unwrap() }).unwrap();
        assert_eq!((outcome.total.positives, metrics.session.credit_in_use.get()), (200, 0));
    }
}

/// A peer that overdraws is cut off by the frame that does so; what it sent before counts, and its archive is read on.
#[test]
fn a_peer_that_overdraws_is_cut_off_and_costs_only_itself() {
    let (mut world, open) = stuck(1, 50, 100);
    world.window = SMALLEST;
    let metrics = world.metrics.clone();
    let outcome = world.play(move |stage| async move {
        let mut peer = Peer::connect(&stage).await;
        let (records, _) = peer.fill(40_000).await;
        assert_eq!(records, 3);
        let beyond = peer.record(40_000);
        peer.framed.send(beyond).await.unwrap();
        stage.until(|stage| stage.metrics.dispatcher.interruptions.get() == 1).await;
        assert_eq!(stage.metrics.dispatcher.delivered.get(), records);
        drop(open);
        stage.reader().await.unwrap();
    });
    let outcome = outcome.unwrap();
    assert!(outcome.complete());
    assert_eq!((outcome.total.positives, metrics.session.credit_in_use.get()), (50, 0));
    assert!(
        format!("{:?}", outcome.interruptions).contains("credit exceeded"),
        "{:?}",
        outcome.interruptions
    );
}

/// h2 and many others: a connection that dies with data under way took its credit with it.
#[test]
fn a_session_that_dies_with_records_in_batches_leaves_no_credit_in_use() {
    let (world, open) = stuck(1, 500, 2_000);
    let metrics = world.metrics.clone();
    let outcome = world.play(move |stage| async move {
        let mut peer = Peer::connect(&stage).await;
        let (records, spent) = peer.fill(2_000).await;
        stage.until(|stage| stage.metrics.session.credit_in_use.get() as u64 == spent).await;
        stage.until(|stage| stage.metrics.batcher.held.get() > 0).await;
        drop(peer);
        stage.until(|stage| stage.metrics.session.connected.get() == 0).await;
        stage.until(|stage| stage.metrics.session.credit_in_use.get() == 0).await;
        assert!(records < 500, "there is something left to read");
        drop(open);
        stage.reader().await.unwrap();
    });
    let outcome = outcome.unwrap();
    assert!(outcome.complete());
    assert_eq!((outcome.total.positives, outcome.interrupted), (500, 1));
    assert_eq!((metrics.session.credit_in_use.get(), metrics.session.credit_window.get()), (0, 0));
}

/// Our own: each successor of a reader that dies has a fresh window, while what the dead ones sent still waits.
#[test]
fn readers_that_die_in_turn_hold_no_more_than_a_window_each_at_a_time() {
    let (mut world, open) = stuck(1, 0, 0);
    world.window = SMALLEST;
    let outcome = world.play(move |stage| async move {
        let mut spent = 0;
        let window = 128 << 10;
        for death in 1..=3 {
            let patience = Duration::from_secs(2);
            let Ok(mut peer) = tokio::time::timeout(patience, Peer::connect(&stage)).await else { break };
            spent += peer.fill(40_000).await.1;
            let delivered = stage.metrics.dispatcher.delivered.get();
            assert!(spent <= window, "after {death} readers {delivered} records of {spent} bytes wait");
            stage.until(|stage| stage.metrics.session.credit_in_use.get() > 0).await;
            // Two at once would have a window each.
            drop(peer);
            stage.until(|stage| stage.metrics.session.connected.get() == 0).await;
        }
        drop(open);
        stage.stopper.stop();
    });
    drop(outcome);
}
