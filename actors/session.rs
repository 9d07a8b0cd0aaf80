//! The session: one connected reader, on the GPU node.
//!
//! It checks every frame of the data lane against its lease and its credit, passes records to the interleaver and progress
//! to the dispatcher, in this order, so that the dispatcher never knows of a record that is not in the pipeline. The
//! session is the only one that ends its lease: what it has accepted when it stops is exactly what its successor will not
//! read again.
//!
//! The writing half is a task of its own ([`send`]), so that grants and heartbeats leave however busy the mailbox is.

use crate::credit::Issuer;
use crate::dispatcher::{Advanced, Dispatcher, Gone, Ready, Work};
use crate::exit::{FaultSender, Vital};
use crate::interleaver::{Arrived, Interleaver};
use crate::lease::SessionId;
use crate::message::{Admitted, Position, RecordKey, WarcId};
use crate::metrics::{ReaderMetrics, SessionMetrics};
use crate::wire::codec::Received;
use crate::wire::{Frame, FrameCodec, Progress, Stats, WireError};
use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, StreamHandler};
use futures_util::{SinkExt, StreamExt};
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::codec::Framed;

/// How long freed credit may wait for company before it is granted.
const GRANT_EVERY: Duration = Duration::from_millis(20);
/// The node's heartbeat.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Longest reason for an early end that is kept, in characters.
const MAX_REASON: usize = 500;
/// Frames to the reader that may queue: one lease and the end; grants and pings are made by the sending task itself.
const OUTBOX: usize = 8;

/// What a session is made of.
#[derive(Clone)]
pub struct SessionParts {
    /// Its number.
    pub id: SessionId,
    /// The reader's name for itself.
    pub name: String,
    /// Bytes of the reader's window.
    pub window: u64,
    /// Silence after which the reader is given up.
    pub patience: Duration,
    /// Where records go.
    pub interleaver: Addr<Interleaver>,
    /// Where progress goes.
    pub dispatcher: Addr<Dispatcher>,
    /// The sessions' figures.
    pub metrics: SessionMetrics,
    /// The readers' figures.
    pub reader_metrics: ReaderMetrics,
    /// Where faults go.
    pub faults: FaultSender,
    /// Dropped with the session.
    pub alive: mpsc::Sender<Infallible>,
}

/// The lease that the reader works on.
#[derive(Clone, Copy, Debug)]
struct Held {
    warc: WarcId,
    epoch: u32,
    frontier: Position,
}

/// The actor.
pub struct Session {
    parts: SessionParts,
    issuer: Rc<RefCell<Issuer>>,
    outbox: mpsc::Sender<Frame>,
    held: Option<Held>,
    stats: Vec<u64>,
    last_heard: Instant,
    finishing: bool,
    end_reason: String,
    _vital: Vital,
}

impl Session {
    /// Starts a session on the current arbiter, over a connection whose handshake is done.
    pub fn start_on<IO>(framed: Framed<IO, FrameCodec>, parts: SessionParts)
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        Session::create(|ctx| {
            let (sink, stream) = framed.split();
            let issuer = Rc::new(RefCell::new(Issuer::new(parts.window)));
            let (outbox, frames) = mpsc::channel(OUTBOX);
            ctx.add_stream(stream);
            let link = send(sink, frames, Rc::clone(&issuer), parts.metrics.clone());
            ctx.spawn(actix::fut::wrap_future::<_, Session>(link).map(|result, session, ctx| {
                if let Err(error) = result {
                    session.end(ctx, format!("cannot send: {error}"));
                }
            }));
            let vital = parts.faults.vital("session");
            Session {
                parts,
                issuer,
                outbox,
                held: None,
                stats: Vec::new(),
                last_heard: Instant::now(),
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
        address: Addr<Session>,
    ) -> Result<(), WireError> {
        let credit = if frame.frame_type().is_data() {
            self.parts.metrics.received_bytes.inc_by(cost);
            let overdrawn = |e: crate::credit::Overdrawn| WireError::CreditExceeded {
                sent: e.received,
                granted: e.granted,
            };
            Some(self.issuer.borrow_mut().receive(cost).map_err(overdrawn)?)
        } else {
            None
        };
        match frame {
            Frame::Ready if self.held.is_none() => {
                let ready = Ready { session: self.parts.id, answer: address.recipient() };
                self.parts.dispatcher.do_send(ready);
            }
            Frame::Stats(Stats(stats)) => {
                self.parts.reader_metrics.add(&self.stats, &stats);
                self.stats = stats;
            }
            Frame::Record(record) => {
                let record = *record;
                let held = self.check_lease("RECORD", record.warc, record.epoch, record.progress.next)?;
                if record.at < held.frontier || record.at >= record.progress.next {
                    return Err(WireError::BadValue {
                        frame: "RECORD",
                        field: "at",
                        value: record.at.offset,
                    });
                }
                let Some(credit) = credit else { return Err(WireError::OutOfOrder { frame: "RECORD" }) };
                let key = RecordKey { warc: record.warc, position: record.at };
                self.parts.interleaver.do_send(Arrived {
                    session: self.parts.id,
                    record: Admitted { key, prepared: record.prepared, credit },
                });
                self.advance(held, record.progress, 1, None);
            }
            Frame::Progress { warc, epoch, progress } => {
                let held = self.check_lease("PROGRESS", warc, epoch, progress.next)?;
                self.advance(held, progress, 0, None);
            }
            Frame::LeaseEnd(end) => {
                let held = self.check_lease("LEASE_END", end.warc, end.epoch, end.progress.next)?;
                let failure = end.failure.map(|reason| {
                    // It will be logged and printed: what could steer a terminal stays out.
                    reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
                });
                self.advance(held, end.progress, 0, Some(failure));
                self.held = None;
            }
            other => return Err(WireError::OutOfOrder { frame: other.frame_type().name() }),
        }
        Ok(())
    }

    fn check_lease(
        &self,
        frame: &'static str,
        warc: WarcId,
        epoch: u32,
        next: Position,
    ) -> Result<Held, WireError> {
        match self.held {
            Some(held) if (held.warc, held.epoch) == (warc, epoch) => {
                if next < held.frontier {
                    return Err(WireError::BadValue { frame, field: "next", value: next.offset });
                }
                Ok(held)
            }
            _ => Err(WireError::OutOfOrder { frame }),
        }
    }

    fn advance(&mut self, held: Held, progress: Progress, delivered: u64, ended: Option<Option<String>>) {
        self.held = Some(Held { frontier: progress.next, ..held });
        self.parts.dispatcher.do_send(Advanced {
            session: self.parts.id,
            warc: held.warc,
            epoch: held.epoch,
            progress,
            delivered,
            ended,
        });
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let metrics = &self.parts.metrics;
        metrics.connected.inc();
        metrics.accepted.inc();
        metrics.credit_window.add(self.parts.window as i64);
        tracing::info!(session = self.parts.id, reader = %self.parts.name, "reader connected");
        ctx.run_interval(self.parts.patience / 4, |session, ctx| {
            if session.last_heard.elapsed() > session.parts.patience {
                let patience = session.parts.patience.as_secs();
                session.end(ctx, format!("silent for more than {patience} s (transport.progress_timeout_s)"));
            }
        });
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        let metrics = &self.parts.metrics;
        metrics.connected.dec();
        metrics.credit_window.sub(self.parts.window as i64);
        tracing::info!(session = self.parts.id, reader = %self.parts.name, "reader left: {}", self.end_reason);
        let reason = std::mem::take(&mut self.end_reason);
        self.parts.dispatcher.do_send(Gone { session: self.parts.id, reason });
    }
}

impl StreamHandler<Result<Received, WireError>> for Session {
    fn handle(&mut self, received: Result<Received, WireError>, ctx: &mut Context<Self>) {
        if !self.end_reason.is_empty() {
            return;
        }
        self.last_heard = Instant::now();
        if let Err(error) = received.and_then(|received| self.receive(received, ctx.address())) {
            self.end(ctx, error.to_string());
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        let reason = if self.finishing { "finished" } else { "the reader closed the connection" };
        self.end(ctx, reason.to_owned());
    }
}

impl Handler<Work> for Session {
    type Result = ();

    fn handle(&mut self, work: Work, ctx: &mut Context<Self>) {
        let frame = match work {
            Work::Lease(lease) => {
                self.held = Some(Held { warc: lease.warc, epoch: lease.epoch, frontier: lease.start });
                Frame::Lease(lease)
            }
            Work::Finish => {
                self.finishing = true;
                Frame::Finish
            }
        };
        if self.outbox.try_send(frame).is_err() {
            self.end(ctx, "the reader does not take what it is sent".to_owned());
        }
    }
}

/// Sends what the session says, grants what is freed, and pings; ends with the session or the connection.
async fn send<S>(
    mut sink: S,
    mut frames: mpsc::Receiver<Frame>,
    issuer: Rc<RefCell<Issuer>>,
    metrics: SessionMetrics,
) -> Result<(), WireError>
where
    S: futures_util::Sink<Frame, Error = WireError> + Unpin,
{
    let watch = issuer.borrow().watch();
    let mut gauge = CreditGauge { metrics, last: 0 };
    let mut grants = tokio::time::interval(GRANT_EVERY);
    let mut pings = tokio::time::interval(PING_EVERY);
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
