//! Memory for real: what a GPU node grows by when every reader's window is full and the model is stuck.
//!
//! A target of its own, since it reads the resident memory of the whole process. Each size of frame is measured in a child
//! process, so that none inherits the heap of another. The readers speak the protocol and keep nothing but their socket;
//! what the kernel buffers is in no process's resident memory, and empty anyway once the node has read all.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Encoder, Framed};
use warcdl_actors::batch::BatchRules;
use warcdl_actors::credit::Window;
use warcdl_actors::lease::{Archive, TakeoverRules};
use warcdl_actors::listener::LinkLimits;
use warcdl_actors::metrics::Metrics;
use warcdl_actors::pipeline::{Pipeline, Plan};
use warcdl_actors::port::{Listed, Model, ModelError, Positive, Sink, SinkError};
use warcdl_actors::wire::handshake::introduce;
use warcdl_actors::wire::{Frame, FrameCodec, JobSecret, Lease, Progress, RECORD_OVERHEAD, RecordFrame};
use warcdl_actors::writer::{CommitRules, Decision};
use warcdl_actors::{Input, Meta, PartState, Position, Prepared};

/// As many readers as the limit of open files admits: each is two sockets here.
const READERS: usize = 1_000;
const WINDOW: u64 = 256 << 10;
/// The measurements: most readers, and bytes of a frame. The last one is what archives of texts are like.
const CASES: [(usize, usize); 5] =
    [(100, 100), (READERS, 2 << 10), (250, 5 << 10), (250, 192 << 10), (READERS, 16 << 10)];
/// What one session may cost with an empty window: its actor, its timers, the buffers of its codec (8 KiB to read into and
/// 8 KiB to write from), and the share of both sides' connection that the runtime holds.
const SESSION: u64 = 64 << 10;
/// How far the formula may be exceeded.
const TOLERANCE: f64 = 1.15;
/// So often it is tried.
const TRIES: u32 = 6;
/// Tells the child process how many readers are to send which frames.
const CHILD: &str = "WARCDL_TEST_MEMORY_CASE";

struct Stuck(mpsc::Receiver<()>);

impl Model for Stuck {
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError> {
        let _ = self.0.recv();
        Ok(vec![0.0; inputs.len()])
    }
}

struct NoSink;

impl Sink for NoSink {
    fn put(&mut self, _: &Positive) -> Result<(), SinkError> {
        Ok(())
    }

    fn list(&mut self, _: &Listed) -> Result<(), SinkError> {
        Ok(())
    }

    fn commit(&mut self, _: &[PartState]) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(&mut self, _: &[PartState]) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A number of `/proc/self/status` or `/proc/self/limits`: the first one on the line that starts so.
fn proc_number(file: &str, line: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).ok()?;
    text.lines().find_map(|l| l.strip_prefix(line)?.split_whitespace().next()?.parse().ok())
}

fn resident_bytes() -> u64 {
    proc_number("status", "VmRSS:").expect("a Linux with /proc") * 1024
}

fn plan(readers: usize, model: Stuck, socket: TcpListener, metrics: Metrics) -> Plan {
    let archive =
        |i| Archive { name: format!("a{i}").into(), size: 1 << 30, etag: String::new(), named: None };
    Plan {
        archives: (0..readers).map(archive).collect(),
        parts: PartState::all_whole(readers),
        takeover: TakeoverRules { split_bytes: u64::MAX, settled: Duration::MAX },
        commit: CommitRules { every: Duration::MAX, bytes: u64::MAX, full_disk: Duration::MAX },
        models: vec![Box::new(model)],
        sink: Box::new(NoSink),
        decision: Decision { threshold: 0.5, label: "yes".into() },
        batch: BatchRules {
            max_records: 32,
            max_tokens: 32 * 512,
            max_wait: Duration::from_millis(200),
            window_records: 256,
        },
        limits: LinkLimits::new(WINDOW, WINDOW as u32 - RECORD_OVERHEAD as u32, Duration::from_secs(600)),
        socket,
        secret: JobSecret::new(b"secret"),
        job: Bytes::from_static(b"job"),
        metrics,
    }
}

/// A connected reader: its socket, its lease, its credit.
struct Reader {
    socket: TcpStream,
    lease: Lease,
    window: Window,
}

async fn connect(pipeline: &Pipeline) -> Reader {
    let socket = TcpStream::connect(pipeline.address()).await.unwrap();
    let mut framed = Framed::new(socket, FrameCodec::new());
    let welcome = introduce(&mut framed, &JobSecret::new(b"secret"), "reader").await.unwrap();
    framed.send(Frame::Ready).await.unwrap();
    loop {
        if let Frame::Lease(lease) = framed.next().await.unwrap().unwrap().frame {
            return Reader { socket: framed.into_inner(), lease, window: Window::new(welcome.granted) };
        }
    }
}

/// A record whose frame has about so many bytes: a tenth of them of a URL and a digest, at most 200.
fn prepared(frame: usize) -> Prepared {
    let empty = RecordFrame {
        part: 0,
        epoch: 0,
        at: Position::default(),
        progress: Progress::default(),
        prepared: Prepared { meta: Meta::default(), input: Input::Tokens(Bytes::new()), keep: Bytes::new() },
    };
    let payload = frame.saturating_sub(1 + empty.encoded_len());
    let text = (payload / 10).min(200);
    let input = payload / 8 * 4;
    Prepared {
        meta: Meta {
            url: "u".repeat(text / 2),
            content_digest: "d".repeat(text - text / 2),
            ..Meta::default()
        },
        input: Input::Tokens(vec![1; input].into()),
        keep: vec![b'k'; payload - text - input].into(),
    }
}

/// Sends until the next frame finds no credit; gives the records and the bytes that were spent.
async fn fill(
    reader: &mut Reader,
    prepared: &Prepared,
    codec: &mut FrameCodec,
    wire: &mut BytesMut,
) -> (u64, u64) {
    let (mut records, mut spent) = (0, 0);
    for offset in 0.. {
        let position = |offset| Position { offset, ordinal: 0 };
        let progress = Progress { next: position(offset + 1), bytes_read: offset + 1, ..Progress::default() };
        let frame = Frame::Record(Box::new(RecordFrame {
            part: reader.lease.part,
            epoch: reader.lease.epoch,
            at: position(offset),
            progress,
            prepared: prepared.clone(),
        }));
        let cost = frame.cost();
        let more = reader.window.spend(cost);
        if more {
            records += 1;
            spent += cost;
            codec.encode(frame, wire).unwrap();
        }
        if !more || wire.len() >= 64 << 10 {
            reader.socket.write_all(wire).await.unwrap();
            wire.clear();
        }
        if !more {
            break;
        }
    }
    (records, spent)
}

/// The measurement, in the child process.
async fn measure(readers: usize, frame: usize) -> Value {
    let (release, stuck) = mpsc::channel();
    let metrics = Metrics::unscraped();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pipeline = Pipeline::start(plan(readers, Stuck(stuck), socket, metrics.clone())).unwrap();
    let prepared = prepared(frame);
    let mut codec = FrameCodec::new();
    codec.set_limit(WINDOW as usize);
    let mut wire = BytesMut::with_capacity(512 << 10);

    let before = resident_bytes();
    let mut connected = Vec::with_capacity(readers);
    for _ in 0..readers {
        connected.push(connect(&pipeline).await);
    }
    let session = (resident_bytes().saturating_sub(before)) / readers as u64;

    let (mut records, mut spent) = (0, 0);
    for reader in &mut connected {
        let (more, cost) = fill(reader, &prepared, &mut codec, &mut wire).await;
        records += more;
        spent += cost;
    }
    let patience = Duration::from_secs(120);
    let full = async {
        while metrics.session.credit_in_use.get() as u64 != spent
            || metrics.dispatcher.delivered.get() != records
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, full).await.expect("the windows do not fill");
    assert_eq!(metrics.writer.scored.get(), 0, "the model is stuck");

    let growth = resident_bytes() - before;
    let formula = readers as u64 * (WINDOW + session);
    let ratio = |bytes: u64| (growth as f64 / bytes as f64 * 1_000.0).round() / 1_000.0;
    let figures = json!({
        "readers": readers,
        "window_bytes": WINDOW,
        "frame_bytes": frame,
        "credit_in_use_bytes": spent,
        "session_bytes": session,
        "formula_bytes": formula,
        "rss_growth_bytes": growth,
        "ratio": ratio(formula),
        "records": records,
    });
    drop(release);
    figures
}

/// Runs this program again for frames of `frame` bytes; nothing if it does not get through.
fn in_child(readers: usize, frame: usize) -> Option<Value> {
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .env(CHILD, format!("{readers} {frame}"))
        .output()
        .expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    if last.is_none() {
        println!("frames of {frame} bytes: {}\n{text}\n{errors}", output.status);
    }
    last
}

fn main() -> ExitCode {
    if let Ok(case) = std::env::var(CHILD) {
        let files = proc_number("limits", "Max open files").unwrap_or(1024) as usize;
        let [readers, frame] =
            case.split(' ').map(|n| n.parse().expect("a number")).collect::<Vec<usize>>()[..]
        else {
            panic!("not two numbers: {case}");
        };
        let readers = readers.min(files.saturating_sub(100) / 2);
        println!("{}", actix::System::new().block_on(measure(readers, frame)));
        return ExitCode::SUCCESS;
    }
    // `cargo test NAME` runs every target with NAME; `--list` is asked by editors.
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    if named.is_some_and(|name| !"memory".contains(&name)) || std::env::args().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    if proc_number("status", "VmRSS:").is_none() {
        println!("memory: not measured, there is no /proc/self/status here");
        return ExitCode::SUCCESS;
    }
    let mut passed = true;
    for (readers, frame) in CASES {
        // A thread that this machine holds up has more in its mailbox, never less: the least counts.
        passed &= (0..TRIES).any(|_| {
            let Some(figures) = in_child(readers, frame) else { return false };
            println!("{figures}");
            let number = |key: &str| figures[key].as_f64().expect("a number");
            number("ratio") <= TOLERANCE && number("session_bytes") <= SESSION as f64
        });
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
