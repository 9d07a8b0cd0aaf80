//! The reader: pulls prepared records from its source and sends them as far as its credit goes.
//!
//! Three parts: a worker thread ([`worker`]) that has its source read, filter and prepare records; the sending task ([`Pump`])
//! that waits for credit; and the actor, which takes what the GPU node says. Between worker and pump stands a queue of
//! [`QUEUE`] frames, and the pump holds one more: when credit is out the worker stops, so the reader's memory is a few records,
//! and those that a source with threads of its own has ready.

use crate::credit::Window;
use crate::deadline::within;
use crate::metrics::ReaderFigure;
use crate::port::{Pulse, Source};
use crate::wire::codec::Received;
use crate::wire::handshake::{Welcome, introduce};
use crate::wire::{Frame, FrameCodec, HandshakeError, JobSecret, Lease, WireError};
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, StreamHandler};
use bytes::Bytes;
use crossbeam::channel::{Sender, bounded};
use futures_util::{SinkExt, StreamExt};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::codec::Framed;

mod figures;
mod worker;

use figures::Figures;
use worker::{Fence, Worker};

/// Frames between the worker and the socket: enough that neither waits for the other's hiccups.
const QUEUE: usize = 4;
/// Bytes that gather before the socket is written to.
const WRITE_BUFFER: usize = 256 * 1024;
/// How often a reader tells its figures; also its heartbeat.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// Silence after which the GPU node is given up; it pings every 5 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the handshake may take; the node gives it up before, unless it is gone.
const HANDSHAKE: Duration = Duration::from_secs(150);

/// Why a reader ends before the work does.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The two sides do not come together.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The job's description makes no sense here.
    #[error("cannot take this job: {0}")]
    Job(String),
    /// The connection broke.
    #[error("the link to the GPU node broke: {0}")]
    Wire(#[from] WireError),
    /// The GPU node went away.
    #[error("the GPU node closed the link before the work was done")]
    Closed,
    /// Nothing was heard from the GPU node for too long.
    #[error("nothing heard from the GPU node for {} s", PATIENCE.as_secs())]
    Silent,
    /// The worker thread panicked: a defect of ours.
    #[error("the worker thread died; this is a defect of warcdl, please report it with the lines above")]
    Worker,
    /// The operating system refused a thread.
    #[error("cannot start the worker thread: {0}")]
    Thread(std::io::Error),
}

/// What the operating system knows of this process; sampled for the STATS frame.
pub type ProcessFigures = fn() -> (Duration, u64);

/// Serves one GPU node over `io` until it says that nothing is left. Must run within an actix system.
///
/// `job` makes the source of the job's description, `process` gives the CPU time and the largest resident memory (bytes).
pub async fn serve<IO, F>(
    io: IO,
    secret: &JobSecret,
    name: &str,
    process: ProcessFigures,
    job: F,
) -> Result<(), ReaderError>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    F: FnOnce(Bytes) -> Result<Box<dyn Source>, String>,
{
    let mut framed = Framed::new(io, FrameCodec::new());
    let Welcome { session, granted, max_record, job: description } =
        within(HANDSHAKE, introduce(&mut framed, secret, name)).await.ok_or(HandshakeError::Late)??;
    tracing::info!(session, "connected to the GPU node");
    let source = job(description).map_err(ReaderError::Job)?;

    framed.set_backpressure_boundary(WRITE_BUFFER);
    let figures = Arc::new(Figures::default());
    let (leases, lease_queue) = bounded(1);
    let (go, goes) = bounded(1);
    let (frames, frame_queue) = mpsc::channel(QUEUE);
    let pulse = Pulse::default();
    let fence = Arc::new(Fence::default());
    let worker = Worker {
        source,
        max_record,
        leases: lease_queue,
        goes,
        fence: Arc::clone(&fence),
        frames,
        figures: Arc::clone(&figures),
        pulse: pulse.clone(),
    };
    let worker = thread::Builder::new()
        .name("worker".into())
        // Recursive parsers get room; their depth is limited all the same.
        .stack_size(16 << 20)
        .spawn(move || worker.run())
        .map_err(ReaderError::Thread)?;

    let (ended, end) = oneshot::channel();
    Reader::create(|ctx| {
        let (sink, stream) = framed.split();
        ctx.add_stream(stream);
        let credit = Rc::new(Credit { window: RefCell::new(Window::new(granted)), more: Notify::new() });
        let pump = Pump { sink, frames: frame_queue, credit: Rc::clone(&credit), figures, pulse, process };
        ctx.spawn(actix::fut::wrap_future::<_, Reader>(pump.run()).map(|result, reader, ctx| {
            reader.end(ctx, result.and(Err(ReaderError::Worker)));
        }));
        Reader {
            credit,
            work: Some((leases, go)),
            fence,
            finished: false,
            last_heard: Instant::now(),
            ended: Some(ended),
        }
    });
    let result = end.await.unwrap_or(Err(ReaderError::Closed));
    // The actor is gone and with it the queue of leases, so the worker ends with its archive at the latest; after a broken
    // link it fails at its next frame. It holds nothing that is worth waiting for.
    drop(worker);
    result
}

/// Credit, shared by the actor that receives it and the pump that spends it.
#[derive(Debug)]
struct Credit {
    window: RefCell<Window>,
    more: Notify,
}

/// The actor.
struct Reader {
    credit: Rc<Credit>,
    /// Leases for the worker, and leave to begin a record that was announced.
    work: Option<(Sender<Lease>, Sender<()>)>,
    fence: Arc<Fence>,
    finished: bool,
    last_heard: Instant,
    ended: Option<oneshot::Sender<Result<(), ReaderError>>>,
}

impl Reader {
    fn end(&mut self, ctx: &mut Context<Self>, result: Result<(), ReaderError>) {
        if let Some(ended) = self.ended.take() {
            // Whoever asked may have given up.
            let _ = ended.send(result);
        }
        self.work = None;
        ctx.stop();
    }

    fn receive(&mut self, frame: Frame) -> Result<(), WireError> {
        match frame {
            Frame::Grant { granted } => {
                self.credit.window.borrow_mut().grant(granted);
                self.credit.more.notify_one();
            }
            Frame::Lease(lease) => {
                // One lease at a time: the queue of one has room.
                if self.work.as_ref().is_some_and(|(leases, _)| leases.try_send(lease).is_err()) {
                    return Err(WireError::OutOfOrder { frame: "LEASE" });
                }
            }
            Frame::Go => {
                if self.work.as_ref().is_some_and(|(_, go)| go.try_send(()).is_err()) {
                    return Err(WireError::OutOfOrder { frame: "GO" });
                }
            }
            Frame::Fence { part, epoch } => {
                self.fence.set(part, epoch);
                // The worker may be waiting for leave to begin a record.
                if let Some((_, go)) = &self.work {
                    let _ = go.try_send(());
                }
            }
            Frame::Finish => self.finished = true,
            Frame::Ping => {}
            other => return Err(WireError::OutOfOrder { frame: other.frame_type().name() }),
        }
        Ok(())
    }
}

impl Actor for Reader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(PATIENCE / 4, |reader, ctx| {
            if reader.last_heard.elapsed() > PATIENCE {
                reader.end(ctx, Err(ReaderError::Silent));
            }
        });
    }
}

impl StreamHandler<Result<Received, WireError>> for Reader {
    fn handle(&mut self, received: Result<Received, WireError>, ctx: &mut Context<Self>) {
        self.last_heard = Instant::now();
        match received.and_then(|received| self.receive(received.frame)) {
            Ok(()) if self.finished => self.end(ctx, Ok(())),
            Ok(()) => {}
            Err(error) => self.end(ctx, Err(error.into())),
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        self.end(ctx, Err(ReaderError::Closed));
    }
}

/// The sending task.
struct Pump<S> {
    sink: S,
    frames: mpsc::Receiver<Frame>,
    credit: Rc<Credit>,
    figures: Arc<Figures>,
    pulse: Pulse,
    process: ProcessFigures,
}

impl<S> Pump<S>
where
    S: futures_util::Sink<Frame, Error = WireError> + Unpin,
{
    /// Sends until the worker is gone or the connection breaks.
    async fn run(mut self) -> Result<(), ReaderError> {
        let mut stats = tokio::time::interval(STATS_EVERY);
        // Figures that were not told in time are of no use any more.
        stats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.sink.send(Frame::Ready).await?;
        let mut next: Option<Frame> = None;
        loop {
            if let Some(frame) = next.take() {
                let cost = frame.cost();
                if frame.frame_type().is_data() && !self.credit.window.borrow_mut().spend(cost) {
                    // What is buffered must leave before we wait: its credit is what we wait for.
                    self.sink.flush().await?;
                    next = Some(frame);
                } else {
                    self.figures.add(ReaderFigure::SentBytes, frame.encoded_len() as u64);
                    let ended = matches!(frame, Frame::LeaseEnd(_));
                    self.sink.feed(frame).await?;
                    if ended {
                        // The last figures: after FINISH there is no time for them.
                        self.tell().await?;
                        self.sink.send(Frame::Ready).await?;
                    }
                }
            }
            if next.is_some() {
                tokio::select! {
                    () = self.credit.more.notified() => {}
                    _ = stats.tick() => self.tell().await?,
                }
                continue;
            }
            next = match self.frames.try_recv() {
                Ok(frame) => Some(frame),
                Err(mpsc::error::TryRecvError::Disconnected) => return Ok(()),
                Err(mpsc::error::TryRecvError::Empty) => {
                    self.sink.flush().await?;
                    tokio::select! {
                        frame = self.frames.recv() => match frame {
                            Some(frame) => Some(frame),
                            None => return Ok(()),
                        },
                        _ = stats.tick() => {
                            self.tell().await?;
                            None
                        }
                    }
                }
            };
        }
    }

    async fn tell(&mut self) -> Result<(), ReaderError> {
        let (cpu, peak_memory) = (self.process)();
        self.figures.set(ReaderFigure::CpuMicros, cpu.as_micros() as u64);
        self.figures.set(ReaderFigure::PeakMemory, peak_memory);
        self.figures.set(ReaderFigure::Pulse, self.pulse.count());
        self.figures.set(ReaderFigure::PiecesAhead, self.pulse.pieces_ahead());
        self.figures.set(ReaderFigure::RecordsAhead, self.pulse.records_ahead());
        self.figures.set(ReaderFigure::FramesAhead, self.frames.len() as u64);
        self.sink.send(Frame::Stats(self.figures.stats())).await?;
        Ok(())
    }
}
