//! A world around the pipeline: sources that follow a script, models that are functions, sinks that remember.

use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use warcdl_actors::batch::BatchRules;
use warcdl_actors::exit::Fault;
use warcdl_actors::lease::{Archive, TakeoverRules};
use warcdl_actors::listener::LinkLimits;
use warcdl_actors::metrics::Metrics;
use warcdl_actors::pipeline::{Outcome, Pipeline, Plan};
use warcdl_actors::port::{
    Listed, Model, ModelError, Positive, Pulse, RecordStream, Sink, SinkError, Source, SourceError, Step,
};
use warcdl_actors::reader::{ReaderError, serve};
use warcdl_actors::wire::{JobSecret, Lease};
use warcdl_actors::writer::{CommitRules, Decision};
use warcdl_actors::{Exclusion, Input, Lost, Meta, PartState, Position, Prepared};

/// What takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// One record of a scripted archive.
#[derive(Clone, Debug)]
pub enum Script {
    /// A record of one token, which most models here take for its score in hundredths, and of so many bytes to keep.
    Record { score: u32, keep: usize },
    /// A record that is left out.
    Excluded(Exclusion),
    /// The archive cannot be read further.
    Broken,
    /// The reader that reads it dies.
    Deadly,
    /// The stack of the reader that reads it overflows, which aborts its process.
    Overflow,
    /// The reader that reads it never comes back from it.
    Endless,
}

/// `n` records whose scores cycle through 0..100, every fifth one excluded.
pub fn mixed(n: u32) -> Vec<Script> {
    (0..n)
        .map(|i| match i % 5 {
            4 => Script::Excluded(Exclusion::WrongWarcType),
            _ => Script::Record { score: i % 100, keep: (i as usize * 37) % 500 },
        })
        .collect()
}

#[derive(Clone)]
pub struct ScriptedSource {
    archives: Arc<HashMap<String, Vec<Script>>>,
    pub pulled: Arc<AtomicUsize>,
    /// From so many records on, all readers together, a reader waits for the gate.
    pub gate: Option<(usize, Arc<Mutex<mpsc::Receiver<()>>>)>,
}

struct ScriptedStream<'a> {
    script: &'a [Script],
    at: usize,
    pass_over: bool,
    pulled: &'a AtomicUsize,
    gate: Option<&'a (usize, Arc<Mutex<mpsc::Receiver<()>>>)>,
}

impl Source for ScriptedSource {
    fn open(&mut self, lease: &Lease, _: &Pulse) -> Result<Box<dyn RecordStream + '_>, SourceError> {
        let script = &self.archives[&lease.name];
        // A record takes ten bytes of the archive.
        let at = lease.start.offset.max(lease.from.next_multiple_of(10)) as usize / 10;
        let end = script.len().min(lease.end.div_ceil(10).try_into().unwrap_or(usize::MAX));
        let pass_over = lease.pass_over;
        Ok(Box::new(ScriptedStream {
            script: &script[..end],
            at,
            pass_over,
            pulled: &self.pulled,
            gate: self.gate.as_ref(),
        }))
    }
}

impl RecordStream for ScriptedStream<'_> {
    fn next(&mut self) -> Result<Option<Step>, SourceError> {
        let Some(line) = self.script.get(self.at) else { return Ok(None) };
        let pulled = self.pulled.fetch_add(1, Ordering::SeqCst);
        if let Some((from, gate)) = self.gate
            && pulled >= *from
        {
            // Waits until the sender is dropped; then it never waits again.
            let _ = gate.lock().unwrap().recv();
        }
        let outcome = match *line {
            _ if std::mem::take(&mut self.pass_over) => Err(Exclusion::Quarantined),
            Script::Deadly => panic!("this record kills its reader"),
            Script::Overflow => panic!("{} calls deep", deeper(0)),
            Script::Endless => loop {
                std::thread::park();
            },
            Script::Record { score, keep } => Ok(Prepared {
                meta: Meta { url: format!("http://example.org/{}", self.at), ..Meta::default() },
                input: Input::Tokens(Bytes::copy_from_slice(&score.to_le_bytes())),
                keep: vec![b'k'; keep].into(),
            }),
            Script::Excluded(reason) => Err(reason),
            Script::Broken => return Err(SourceError { message: "the disk is on fire".into() }),
        };
        let at = Position { offset: self.at as u64 * 10, ordinal: 0 };
        self.at += 1;
        let next = Position { offset: self.at as u64 * 10, ordinal: 0 };
        Ok(Some(Step { at, next, bytes_read: next.offset, outcome }))
    }
}

/// Calls itself until the stack is full.
fn deeper(calls: u64) -> u64 {
    if std::hint::black_box(calls) == u64::MAX { 0 } else { std::hint::black_box(deeper(calls + 1)) + 1 }
}

/// A model that is a function of all inputs' tokens.
pub struct FnModel<F>(pub F);

impl<F: FnMut(&[u32]) -> Result<Vec<f32>, String> + Send> Model for FnModel<F> {
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError> {
        let tokens: Vec<u32> = inputs
            .iter()
            .map(|input| match input {
                Input::Tokens(data) => u32::from_le_bytes(data[..4].try_into().unwrap()),
                other => panic!("unexpected {other:?}"),
            })
            .collect();
        (self.0)(&tokens).map_err(|message| ModelError { message })
    }
}

/// The score is the token in hundredths.
pub fn hundredths(tokens: &[u32]) -> Result<Vec<f32>, String> {
    Ok(tokens.iter().map(|&token| token as f32 / 100.0).collect())
}

/// Remembers what is committed: positives as `(archive, offset, score)`, and parts.
#[derive(Clone, Default)]
pub struct MemorySink {
    pub stored: Arc<Mutex<Vec<(String, u64, f32)>>>,
    pub parts: Arc<Mutex<BTreeMap<u32, PartState>>>,
    pending: Vec<(String, u64, f32)>,
    pub places: Arc<Mutex<Vec<(String, Lost)>>>,
    pending_places: Vec<(String, Lost)>,
    /// Commits fail once so many positives are stored.
    pub fails_after: Option<usize>,
    /// The disk is full, and stays so, once so many positives are stored.
    pub full_after: Option<usize>,
    /// So many commits find the disk full.
    pub full: Arc<AtomicUsize>,
    pub finished: Arc<AtomicUsize>,
}

impl Sink for MemorySink {
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError> {
        let name = positive.warc_filename.to_string();
        self.pending.push((name, positive.key.position.offset, positive.score));
        Ok(())
    }

    fn list(&mut self, listed: &Listed) -> Result<(), SinkError> {
        let Listed { warc_filename, lost } = listed;
        self.pending_places.push((warc_filename.to_string(), *lost));
        Ok(())
    }

    fn commit(&mut self, parts: &[PartState]) -> Result<(), SinkError> {
        if self.full.load(Ordering::SeqCst) > 0 {
            self.full.fetch_sub(1, Ordering::SeqCst);
            return Err(SinkError::Full { path: "results".into() });
        }
        let mut stored = self.stored.lock().unwrap();
        if self.full_after.is_some_and(|n| stored.len() >= n) {
            return Err(SinkError::Full { path: "results".into() });
        }
        if self.fails_after.is_some_and(|n| stored.len() + self.pending.len() > n) {
            return Err(SinkError::Io {
                path: "results".into(),
                source: std::io::Error::other("the disk is on fire"),
            });
        }
        stored.append(&mut self.pending);
        self.places.lock().unwrap().append(&mut self.pending_places);
        self.parts.lock().unwrap().extend(parts.iter().map(|state| (state.part, state.clone())));
        Ok(())
    }

    fn finish(&mut self, parts: &[PartState]) -> Result<(), SinkError> {
        self.commit(parts)?;
        self.finished.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A run in the making.
pub struct World {
    pub archives: Vec<(String, Vec<Script>)>,
    pub models: Vec<Box<dyn Model>>,
    pub sink: MemorySink,
    pub window: u64,
    pub max_record: u32,
    pub batch: BatchRules,
    pub commit: CommitRules,
    /// How the parts stand, if the run goes on.
    pub parts: Option<Vec<PartState>>,
    pub takeover: TakeoverRules,
    pub patience: Duration,
    pub metrics: Metrics,
    pub source: ScriptedSource,
}

impl World {
    pub fn new(archives: Vec<Vec<Script>>) -> World {
        let archives: Vec<_> =
            archives.into_iter().enumerate().map(|(i, script)| (format!("a{i}"), script)).collect();
        let source = ScriptedSource {
            archives: Arc::new(archives.iter().cloned().collect()),
            pulled: Arc::default(),
            gate: None,
        };
        World {
            archives,
            models: vec![Box::new(FnModel(hundredths))],
            sink: MemorySink::default(),
            window: 1 << 20,
            max_record: 1 << 16,
            batch: BatchRules {
                max_records: 8,
                max_tokens: 1 << 20,
                max_wait: Duration::from_millis(50),
                window_records: 32,
            },
            commit: CommitRules {
                every: Duration::from_millis(10),
                bytes: 1 << 20,
                full_disk: Duration::from_secs(30),
            },
            parts: None,
            takeover: TakeoverRules { split_bytes: 1 << 30, settled: Duration::ZERO },
            patience: Duration::from_secs(30),
            metrics: Metrics::unscraped(),
            source,
        }
    }

    /// Starts the pipeline, does what `scene` says with it, and gives how the run ended. Fails a test that hangs.
    pub fn play<S, F>(self, scene: S) -> Result<Outcome, Fault>
    where
        S: FnOnce(Stage) -> F + 'static,
        F: Future<Output = ()> + 'static,
    {
        actix::System::new().block_on(async move {
            let archives: Vec<Archive> = self
                .archives
                .iter()
                .map(|(name, script)| Archive {
                    name: name.as_str().into(),
                    size: script.len() as u64 * 10,
                    etag: String::new(),
                    named: None,
                })
                .collect();
            let parts = self.parts.unwrap_or_else(|| PartState::all_whole(archives.len()));
            let pipeline = Pipeline::start(Plan {
                archives,
                parts,
                takeover: self.takeover,
                commit: self.commit,
                models: self.models,
                sink: Box::new(self.sink),
                decision: Decision { threshold: 0.5, label: "yes".into() },
                batch: self.batch,
                limits: LinkLimits::new(self.window, self.max_record, self.patience),
                socket: TcpListener::bind("127.0.0.1:0").await.unwrap(),
                secret: JobSecret::new(b"secret"),
                job: Bytes::from_static(b"job"),
                metrics: self.metrics.clone(),
            })
            .unwrap();
            let stage = Stage {
                address: pipeline.address(),
                name: "test",
                stopper: pipeline.stopper(),
                source: self.source,
                metrics: self.metrics,
            };
            let mut scene = tokio::task::spawn_local(scene(stage));
            let run = tokio::time::timeout(LIMIT, pipeline.wait());
            tokio::pin!(run);
            let outcome = tokio::select! {
                outcome = &mut run => outcome,
                played = &mut scene => {
                    played.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()));
                    return run.await.expect("the run hangs");
                }
            };
            let outcome = outcome.expect("the run hangs");
            // What it finds wrong at the end counts too.
            let played = tokio::time::timeout(LIMIT, scene).await.expect("the scene hangs");
            played.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()));
            outcome
        })
    }
}

/// A running pipeline, as a scene sees it.
#[derive(Clone)]
pub struct Stage {
    pub address: std::net::SocketAddr,
    /// What its readers call themselves.
    pub name: &'static str,
    pub stopper: warcdl_actors::pipeline::Stopper,
    pub source: ScriptedSource,
    pub metrics: Metrics,
}

impl Stage {
    /// A reader that works until it is told to finish.
    pub async fn reader(&self) -> Result<(), ReaderError> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.reader_over(stream).await
    }

    /// A reader over this connection.
    pub async fn reader_over<IO: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        io: IO,
    ) -> Result<(), ReaderError> {
        let source = Box::new(self.source.clone());
        serve(io, &JobSecret::new(b"secret"), self.name, || (Duration::ZERO, 0), |_| Ok(source)).await
    }

    /// Waits for a condition, giving way to the actors.
    pub async fn until(&self, condition: impl Fn(&Stage) -> bool) {
        while !condition(self) {
            tokio::task::yield_now().await;
        }
    }
}

/// A connection that dies after so many bytes were written to it, or read from it.
pub struct CutAfter<IO> {
    pub io: IO,
    pub write: usize,
    pub read: usize,
    /// Counts the bytes that were written and read.
    pub counter: Arc<Mutex<(usize, usize)>>,
}

impl<IO> CutAfter<IO> {
    pub fn written(io: IO, write: usize) -> CutAfter<IO> {
        CutAfter { io, write, read: usize::MAX, counter: Arc::default() }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for CutAfter<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.read == 0 {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        let mut part = buf.take(self.read);
        let before = part.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let n = part.filled().len() - before;
        // What was read into the part was initialised there.
        let filled = part.filled().to_vec();
        buf.put_slice(&filled);
        self.read -= n;
        self.counter.lock().unwrap().1 += n;
        result
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for CutAfter<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let n = buf.len().min(self.write);
        if n == 0 {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        let written = Pin::new(&mut self.io).poll_write(cx, &buf[..n]);
        if let Poll::Ready(Ok(n)) = written {
            self.write -= n;
            self.counter.lock().unwrap().0 += n;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
