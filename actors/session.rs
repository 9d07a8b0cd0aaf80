//! The session: one connected reader, on the GPU node.
//!
//! It checks every frame of the data lane against its lease ([`Gate`]) and its credit. What is accepted it tells the writer,
//! which will wait for the verdict, then passes the record to the interleaver, then tells the dispatcher: so nobody hears of
//! a record before those who need to know. The session is the only one that ends its lease, be it that its reader is gone
//! or that the dispatcher wants the lease back: what it has accepted by then is exactly what the successor will not read.
//!
//! The writing half is a task of its own ([`send`]), so that grants and heartbeats leave however busy the mailbox is.

use crate::credit::Issuer;
use crate::dispatcher::{Advanced, Dispatcher, Ending, Gone, Ready, Work, Yielded};
use crate::estate::Estate;
use crate::exit::{FaultSender, Vital};
use crate::gate::{Gate, Held, Passed};
use crate::interleaver::{Arrived, Interleaver};
use crate::lease::SessionId;
use crate::message::{Accepted, Admitted};
use crate::metrics::{ReaderFigure, ReaderMetrics, SessionMetrics};
use crate::patience::{GivenUp, Patience};
use crate::wire::codec::Received;
use crate::wire::{Frame, FrameCodec, Lease, Stats, WireError};
use crate::writer::Writer;
use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, StreamHandler};
use futures_util::{SinkExt, StreamExt};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::codec::Framed;

/// How long freed credit may wait for company before it is granted.
const GRANT_EVERY: Duration = Duration::from_millis(20);
/// How often a session that waits for room asks for it.
const ADMIT_EVERY: Duration = Duration::from_millis(20);
/// The node's heartbeat.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Frames to the reader that may queue: a lease, a fence, a go, the end; grants and pings are made by the sending task.
const OUTBOX: usize = 16;

/// Why a reader left that was told that all is done.
const FINISHED: &str = "finished";

/// What all sessions of a node share.
#[derive(Clone)]
pub struct SessionContext {
    /// Bytes of each reader's window.
    pub window: u64,
    /// What the largest data frame costs, in bytes of credit.
    pub max_cost: u64,
    /// Silence, or work without progress, after which a reader is given up.
    pub patience: Duration,
    /// What sessions that are over have left.
    pub estate: Arc<Estate>,
    /// Where records go.
    pub interleaver: Addr<Interleaver>,
    /// Who waits for their verdicts.
    pub writer: Addr<Writer>,
    /// Where progress goes.
    pub dispatcher: Addr<Dispatcher>,
    /// The sessions' figures.
    pub metrics: SessionMetrics,
    /// The readers' figures.
    pub reader_metrics: ReaderMetrics,
    /// Where faults go.
    pub faults: FaultSender,
    /// Held by every session, so that its other end tells when the last one is gone.
    pub alive: mpsc::Sender<Infallible>,
}

/// The actor.
pub struct Session {
    id: SessionId,
    /// The reader's name for itself.
    name: Arc<str>,
    /// Where it connected from.
    peer: String,
    context: SessionContext,
    issuer: Rc<RefCell<Issuer>>,
    outbox: mpsc::Sender<Frame>,
    gate: Gate,
    stats: Vec<u64>,
    start: Instant,
    patience: Patience,
    admitted: bool,
    finishing: bool,
    end_reason: String,
    _vital: Vital,
}

impl Session {
    /// Starts a session on the current arbiter, over a connection whose handshake is done.
    pub fn start_on<IO>(
        framed: Framed<IO, FrameCodec>,
        id: SessionId,
        name: Arc<str>,
        peer: String,
        context: SessionContext,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        Session::create(|ctx| {
            let (sink, stream) = framed.split();
            let issuer = Rc::new(RefCell::new(Issuer::new(context.window)));
            let (outbox, frames) = mpsc::channel(OUTBOX);
            ctx.add_stream(stream);
            let gauge =
                CreditGauge { metrics: context.metrics.clone(), last: 0, _alive: context.alive.clone() };
            let link = send(sink, frames, Rc::clone(&issuer), gauge);
            ctx.spawn(actix::fut::wrap_future::<_, Session>(link).map(|result, session, ctx| {
                if let Err(error) = result {
                    session.end(ctx, format!("cannot send: {error}"));
                }
            }));
            let vital = context.faults.vital("session");
            let patience = Patience::new(context.patience, Duration::ZERO);
            Session {
                id,
                name,
                peer,
                context,
                issuer,
                outbox,
                gate: Gate::default(),
                stats: Vec::new(),
                start: Instant::now(),
                patience,
                admitted: false,
                finishing: false,
                end_reason: String::new(),
                _vital: vital,
            }
        });
    }

    fn end(&mut self, ctx: &mut Context<Self>, reason: String) {
        if self.end_reason.is_empty() {
            self.end_reason = reason;
        }
        ctx.stop();
    }

    fn receive(
        &mut self,
        Received { frame, cost }: Received,
        ctx: &mut Context<Self>,
    ) -> Result<(), WireError> {
        let credit = if frame.frame_type().is_data() {
            self.context.metrics.received_bytes.inc_by(cost);
            let overdrawn = |e: crate::credit::Overdrawn| WireError::CreditExceeded {
                sent: e.received,
                granted: e.granted,
            };
            Some(self.issuer.borrow_mut().receive(cost).map_err(overdrawn)?)
        } else {
            None
        };
        let now = self.start.elapsed();
        match self.gate.receive(frame)? {
            Passed::Ready => self.wants_work(ctx),
            Passed::Stats(Stats(stats)) => {
                self.context.reader_metrics.add(&self.stats, &stats);
                self.patience.pulse(stats.get(ReaderFigure::Pulse as usize).copied().unwrap_or(0), now);
                self.stats = stats;
            }
            Passed::Record(accepted, key, prepared) => {
                let Some(credit) = credit else { return Err(WireError::OutOfOrder { frame: "RECORD" }) };
                self.patience.moved(now);
                self.context.writer.do_send(accepted.clone());
                self.context.interleaver.do_send(Arrived {
                    session: self.id,
                    record: Admitted { part: accepted.part, key, prepared: *prepared, credit },
                });
                self.tell(accepted, Ending::None);
            }
            Passed::Progress(accepted) => {
                self.patience.moved(now);
                self.context.writer.do_send(accepted.clone());
                self.tell(accepted, Ending::None);
            }
            Passed::Attempt(accepted) => {
                self.patience.moved(now);
                self.context.writer.do_send(accepted.clone());
                // The dispatcher is told before the reader: it must know whom to blame.
                self.tell(accepted, Ending::Attempt);
                self.say(Frame::Go)?;
            }
            Passed::Failed(accepted, reason) => {
                self.patience.moved(now);
                self.context.writer.do_send(accepted.clone());
                self.tell(accepted, Ending::Failed(reason));
            }
            Passed::Fenced => self.context.metrics.fenced.inc(),
        }
        Ok(())
    }

    /// Asks the dispatcher for work; before the first time it waits until there is room for its window.
    fn wants_work(&mut self, ctx: &mut Context<Self>) {
        if !self.admitted && !self.context.estate.admit() {
            ctx.run_later(ADMIT_EVERY, Session::wants_work);
            return;
        }
        self.admitted = true;
        let (name, answer) = (Arc::clone(&self.name), ctx.address().recipient());
        self.context.dispatcher.do_send(Ready { session: self.id, name, answer });
    }

    fn tell(&self, accepted: Accepted, ending: Ending) {
        self.context.dispatcher.do_send(Advanced { session: self.id, accepted, ending });
    }

    fn say(&self, frame: Frame) -> Result<(), WireError> {
        // Full: the reader does not take what it is sent.
        let name = frame.frame_type().name();
        self.outbox.try_send(frame).map_err(|_| WireError::NotTaken { frame: name })
    }

    /// Gives the reader up if it is silent or stuck.
    fn watch(&mut self, ctx: &mut Context<Self>) {
        let issuer = self.issuer.borrow();
        let may_send = issuer.available() >= self.context.max_cost;
        drop(issuer);
        let limit = self.context.patience.as_secs_f64();
        let reason = match self.patience.check(self.start.elapsed(), self.gate.is_busy(), may_send) {
            None => return,
            Some(GivenUp::Silent) => format!("silent for more than {limit} s (transport.progress_timeout_s)"),
            Some(GivenUp::Stuck) => {
                format!("no progress for more than {limit} s (transport.progress_timeout_s)")
            }
        };
        self.end(ctx, reason);
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let metrics = &self.context.metrics;
        metrics.connected.inc();
        metrics.accepted.inc();
        metrics.credit_window.add(self.context.window as i64);
        tracing::info!(session = self.id, reader = %self.name, peer = %self.peer, "reader connected");
        ctx.run_interval(self.context.patience / 4, Session::watch);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        if self.admitted {
            self.context.estate.depart(&self.issuer.borrow());
        }
        self.context.reader_metrics.add(&self.stats, &[]);
        let metrics = &self.context.metrics;
        metrics.connected.dec();
        metrics.credit_window.sub(self.context.window as i64);
        tracing::info!(session = self.id, reader = %self.name, peer = %self.peer, "reader left: {}", self.end_reason);
        let reason = std::mem::take(&mut self.end_reason);
        self.context.dispatcher.do_send(Gone { session: self.id, reason });
    }
}

impl StreamHandler<Result<Received, WireError>> for Session {
    fn handle(&mut self, received: Result<Received, WireError>, ctx: &mut Context<Self>) {
        if !self.end_reason.is_empty() {
            return;
        }
        self.patience.heard(self.start.elapsed());
        match received.and_then(|received| self.receive(received, ctx)) {
            Ok(()) => {}
            // It closed before it had read all, such as a heartbeat.
            Err(WireError::Io(error)) if self.finishing && error.kind() == ErrorKind::ConnectionReset => {
                self.end(ctx, FINISHED.to_owned());
            }
            Err(error) => self.end(ctx, error.to_string()),
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        let reason = if self.finishing { FINISHED } else { "the reader closed the connection" };
        self.end(ctx, reason.to_owned());
    }
}

impl Handler<Work> for Session {
    type Result = ();

    fn handle(&mut self, work: Work, ctx: &mut Context<Self>) {
        let said = match work {
            Work::Lease(warc, lease) => {
                let Lease { part, epoch, start: frontier, .. } = lease;
                self.gate.lease(Held { warc, part, epoch, frontier });
                self.patience.moved(self.start.elapsed());
                self.say(Frame::Lease(lease))
            }
            Work::Revoke { part, epoch } => {
                if !self.gate.fence(part, epoch) {
                    // It ended by itself, and the dispatcher knows.
                    return;
                }
                self.context.dispatcher.do_send(Yielded { session: self.id, part, epoch });
                self.say(Frame::Fence { part, epoch })
            }
            Work::Finish => {
                self.finishing = true;
                self.say(Frame::Finish)
            }
        };
        if let Err(error) = said {
            self.end(ctx, error.to_string());
        }
    }
}

/// Sends what the session says, grants what is freed, and pings; ends with the session or the connection.
async fn send<S>(
    mut sink: S,
    mut frames: mpsc::Receiver<Frame>,
    issuer: Rc<RefCell<Issuer>>,
    mut gauge: CreditGauge,
) -> Result<(), WireError>
where
    S: futures_util::Sink<Frame, Error = WireError> + Unpin,
{
    let watch = issuer.borrow().watch();
    let mut grants = tokio::time::interval(GRANT_EVERY);
    let mut pings = tokio::time::interval(PING_EVERY);
    for interval in [&mut grants, &mut pings] {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let frame = tokio::select! {
            biased;
            frame = frames.recv() => match frame {
                Some(frame) => Some(frame),
                None => return Ok(()),
            },
            () = watch.quarter_free() => None,
            _ = grants.tick() => None,
            _ = pings.tick() => Some(Frame::Ping),
        };
        if let Some(frame) = frame {
            sink.send(frame).await?;
        }
        let granted = {
            let mut issuer = issuer.borrow_mut();
            gauge.set(issuer.in_use());
            issuer.next_grant()
        };
        if let Some(granted) = granted {
            sink.send(Frame::Grant { granted }).await?;
        }
    }
}

/// One session's part of the gauge of credit in use; takes it out when the session ends.
struct CreditGauge {
    metrics: SessionMetrics,
    last: u64,
    /// The actor drops what it has spawned after itself: the session is not over before its figures are right.
    _alive: mpsc::Sender<Infallible>,
}

impl CreditGauge {
    fn set(&mut self, now: u64) {
        self.metrics.credit_in_use.add(now as i64 - self.last as i64);
        self.last = now;
    }
}

impl Drop for CreditGauge {
    fn drop(&mut self) {
        self.set(0);
    }
}
