//! A reader process: the part of `reader.rs`, with the worker as a machine of states.

use crate::clock::{Event, Life, Wake};
use crate::env::Env;
use crate::net::{Chunk, ConnId, Ending, MAX_FRAME, Way};
use crate::scenario::{Fate, Kind};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tokio_util::codec::Decoder;
use warcdl_actors::credit::Window;
use warcdl_actors::ledger::Tally;
use warcdl_actors::metrics::ReaderFigure;
use warcdl_actors::wire::{Frame, FrameCodec, Lease, LeaseEnd, MAX_LOST, Progress, RecordFrame, Stats};
use warcdl_actors::{Exclusion, Lost, PartId, Position, RecordKey};

/// Frames between worker and pump.
const QUEUE: usize = 4;
const STATS_EVERY: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine on which a reader process runs, one after the other.
pub struct Reader {
    /// Its number.
    pub id: usize,
    /// The process's.
    pub life: Life,
    /// Time for a record.
    pub record_time: Duration,
    /// Nothing happens until then.
    pub paused: Duration,
    /// The worker's next read fails.
    pub fetch_fails: bool,
    /// The process, once it is connected.
    pub process: Option<Process>,
}

/// A connected process.
pub struct Process {
    /// Its connection.
    pub conn: ConnId,
    codec: FrameCodec,
    inbox: BytesMut,
    window: Window,
    queue: VecDeque<Frame>,
    /// The frame that the pump holds.
    next: Option<Frame>,
    leases: VecDeque<Lease>,
    go: bool,
    fence: Option<(PartId, u32)>,
    worker: Option<Worker>,
    /// The worker does nothing any more.
    pub hangs: bool,
    /// A record is to blame for that.
    pub hangs_at_record: bool,
    pulse: u64,
    last_heard: Duration,
}

struct Worker {
    lease: Lease,
    warc: u32,
    /// The record that is read next.
    index: usize,
    careful: u32,
    pass_over: bool,
    log: ProgressLog,
    /// Frames that the queue has no room for.
    blocked: VecDeque<Frame>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Opening,
    Next,
    AwaitsGo,
    Begin,
    Reading,
    Read,
    Ended,
}

struct ProgressLog {
    next: Position,
    bytes_read: u64,
    excluded: Tally,
    lost: Vec<Lost>,
    told: Duration,
}

impl ProgressLog {
    fn take(&mut self, now: Duration) -> Progress {
        self.told = now;
        let (excluded, lost) = (self.excluded.drain(), std::mem::take(&mut self.lost));
        Progress { next: self.next, bytes_read: self.bytes_read, excluded, lost }
    }

    fn exclude(&mut self, lost: Lost) {
        self.excluded.add(lost.reason, 1);
        if lost.reason.is_listed() {
            self.lost.push(lost);
        }
    }
}

/// What a process comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fortune {
    /// It goes on.
    Lives,
    /// It ended by itself.
    Ends,
    /// A record killed it.
    Killed,
}

impl Reader {
    /// A machine whose first process is to start.
    pub fn new(id: usize, record_time: Duration) -> Reader {
        Reader { id, life: 0, record_time, paused: Duration::ZERO, fetch_fails: false, process: None }
    }

    /// The process is connected, with this window.
    pub fn connected(&mut self, env: &mut Env, conn: ConnId) {
        let mut codec = FrameCodec::new();
        codec.set_limit(MAX_FRAME);
        self.process = Some(Process {
            conn,
            codec,
            inbox: BytesMut::new(),
            window: Window::new(env.scenario.window),
            queue: VecDeque::new(),
            next: None,
            leases: VecDeque::new(),
            go: false,
            fence: None,
            worker: None,
            hangs: false,
            hangs_at_record: false,
            pulse: 0,
            last_heard: env.now(),
        });
        env.send(conn, Way::ToNode, Frame::Ready);
        for (wait, wake) in [(STATS_EVERY, Wake::Stats), (PATIENCE / 4, Wake::Watch)] {
            env.clock.after(wait, Event::Reader { reader: self.id, life: self.life, wake });
        }
    }

    /// The process is gone, and its connection ends so.
    pub fn end(&mut self, env: &mut Env, ending: Ending) {
        self.life += 1;
        self.paused = Duration::ZERO;
        self.fetch_fails = false;
        if let Some(process) = self.process.take() {
            env.end(process.conn, Way::ToNode, ending);
        }
    }

    /// Something to wake up for.
    pub fn wake(&mut self, env: &mut Env, wake: Wake) -> Fortune {
        let (reader, life) = (self.id, self.life);
        let Some(process) = &mut self.process else { return Fortune::Lives };
        match wake {
            Wake::Connect => {}
            Wake::Worked => {
                if process.hangs {
                    return Fortune::Lives;
                }
                if let Some(worker) = &mut process.worker {
                    worker.phase = match worker.phase {
                        Phase::Opening => Phase::Next,
                        _ => Phase::Read,
                    };
                }
            }
            Wake::Stats => {
                env.clock.after(STATS_EVERY, Event::Reader { reader, life, wake });
                process.tell(env);
            }
            Wake::Watch => {
                if env.now().saturating_sub(process.last_heard) > PATIENCE {
                    return Fortune::Ends;
                }
                env.clock.after(PATIENCE / 4, Event::Reader { reader, life, wake });
            }
        }
        self.run(env)
    }

    /// Something arrived.
    pub fn arrive(&mut self, env: &mut Env, chunk: Chunk) -> Fortune {
        let Some(process) = &mut self.process else { return Fortune::Lives };
        let Chunk::Bytes(bytes) = chunk else { return Fortune::Ends };
        process.inbox.extend_from_slice(&bytes);
        loop {
            match process.codec.decode(&mut process.inbox) {
                Ok(Some(received)) => {
                    process.last_heard = env.now();
                    match process.receive(received.frame) {
                        Ok(false) => {}
                        Ok(true) => return Fortune::Ends,
                        Err(why) => {
                            env.oracle.violated(format!("a reader cannot take what the node says: {why}"));
                            return Fortune::Ends;
                        }
                    }
                }
                Ok(None) => return self.run(env),
                Err(error) => {
                    env.oracle.violated(format!("a reader cannot read a frame: {error}"));
                    return Fortune::Ends;
                }
            }
        }
    }

    /// Lets worker and pump do what they can.
    fn run(&mut self, env: &mut Env) -> Fortune {
        loop {
            let Some(process) = &mut self.process else { return Fortune::Lives };
            let pumped = process.pump(env);
            let mut worked = false;
            if !process.hangs {
                let Reader { id, life, record_time, fetch_fails, .. } = self;
                let Some(process) = &mut self.process else { return Fortune::Lives };
                match process.work(env, (*id, *life), *record_time, fetch_fails) {
                    Worked::Killed => return Fortune::Killed,
                    Worked::Moved => worked = true,
                    Worked::Waits => {}
                }
            }
            if !pumped && !worked {
                return Fortune::Lives;
            }
        }
    }
}

enum Worked {
    Moved,
    Waits,
    Killed,
}

impl Process {
    /// Whether the work is over.
    fn receive(&mut self, frame: Frame) -> Result<bool, &'static str> {
        match frame {
            Frame::Grant { granted } => self.window.grant(granted),
            Frame::Lease(_) if !self.leases.is_empty() => return Err("a lease too many"),
            Frame::Lease(lease) => self.leases.push_back(lease),
            Frame::Go if self.go => return Err("a leave too many"),
            Frame::Go => self.go = true,
            Frame::Fence { part, epoch } => {
                self.fence = Some((part, epoch));
                self.go = true;
            }
            Frame::Finish => return Ok(true),
            Frame::Ping => {}
            _ => return Err("a frame out of order"),
        }
        Ok(false)
    }

    fn tell(&mut self, env: &mut Env) {
        let mut figures = vec![0; ReaderFigure::COUNT];
        figures[ReaderFigure::Pulse as usize] = self.pulse;
        env.send(self.conn, Way::ToNode, Frame::Stats(Stats(figures)));
    }

    /// Sends as far as credit goes. Whether anything was taken from the queue.
    fn pump(&mut self, env: &mut Env) -> bool {
        let mut moved = false;
        loop {
            if self.next.is_none() {
                self.next = self.queue.pop_front();
                moved |= self.next.is_some();
            }
            let Some(frame) = self.next.take() else { return moved };
            let cost = frame.cost();
            if frame.frame_type().is_data() && !self.window.spend(cost) {
                self.next = Some(frame);
                return moved;
            }
            let ended = matches!(frame, Frame::LeaseEnd(_));
            env.send(self.conn, Way::ToNode, frame);
            if ended {
                self.tell(env);
                env.send(self.conn, Way::ToNode, Frame::Ready);
            }
        }
    }

    fn work(
        &mut self,
        env: &mut Env,
        (reader, life): (usize, Life),
        record_time: Duration,
        fetch_fails: &mut bool,
    ) -> Worked {
        let now = env.now();
        let Some(worker) = &mut self.worker else {
            let Some(lease) = self.leases.pop_front() else { return Worked::Waits };
            // A leave that was given to the last lease.
            self.go = false;
            let wait = env.rng.micros(100, 5000);
            env.clock.after(wait, Event::Reader { reader, life, wake: Wake::Worked });
            let worker = Worker::new(env, lease);
            if !env.scenario.archives[worker.warc as usize].is_place(worker.lease.start) {
                env.oracle.violated(format!("{:?} does not begin between two records", worker.lease));
            }
            self.worker = Some(worker);
            return Worked::Moved;
        };
        let mut moved = false;
        while self.queue.len() < QUEUE
            && let Some(frame) = worker.blocked.pop_front()
        {
            self.queue.push_back(frame);
            moved = true;
        }
        if moved {
            return Worked::Moved;
        }
        if !worker.blocked.is_empty() {
            return Worked::Waits;
        }
        let (part, epoch) = (worker.lease.part, worker.lease.epoch);
        let fenced = self.fence == Some((part, epoch));
        let scenario = Rc::clone(&env.scenario);
        let records = &scenario.archives[worker.warc as usize].records;
        match worker.phase {
            Phase::Opening | Phase::Reading => return Worked::Waits,
            Phase::Next if fenced => worker.end(None, now),
            Phase::Next if worker.careful > 0 => {
                worker.careful -= 1;
                let progress = worker.log.take(now);
                worker.blocked.push_back(Frame::Attempt { part, epoch, progress });
                worker.phase = Phase::AwaitsGo;
            }
            Phase::Next => worker.phase = Phase::Begin,
            Phase::AwaitsGo if !self.go => return Worked::Waits,
            Phase::AwaitsGo => {
                self.go = false;
                worker.phase = Phase::Begin;
                if fenced {
                    worker.end(None, now);
                }
            }
            Phase::Begin => {
                let mut time = Duration::ZERO;
                while records.get(worker.index).is_some_and(|record| record.at.offset < worker.lease.from) {
                    worker.index += 1;
                    self.pulse += 1;
                    time += record_time / 10;
                    env.count("record walked over");
                }
                if std::mem::take(fetch_fails) {
                    worker.end(Some("the store does not answer".into()), now);
                    return Worked::Moved;
                }
                match records.get(worker.index) {
                    Some(record) if record.at.offset < worker.lease.end => {
                        if !worker.pass_over {
                            match record.kind {
                                Kind::Kills => return Worked::Killed,
                                Kind::Hangs => {
                                    self.hangs = true;
                                    self.hangs_at_record = true;
                                    return Worked::Waits;
                                }
                                _ => {}
                            }
                        }
                        worker.phase = Phase::Reading;
                        time += record_time.mul_f64(env.rng.within(20, 180) as f64 / 100.0);
                        env.clock.after(time, Event::Reader { reader, life, wake: Wake::Worked });
                    }
                    _ => worker.end(None, now),
                }
            }
            Phase::Read => {
                let record = &records[worker.index];
                self.pulse += 1;
                worker.index += 1;
                worker.log.next = record.next;
                worker.log.bytes_read = record.bytes_read;
                let passed_over = std::mem::take(&mut worker.pass_over);
                match record.fate(scenario.max_record) {
                    _ if passed_over => {
                        let key = RecordKey { warc: worker.warc, position: record.at };
                        let boot = env.net.conns[self.conn].boot;
                        env.oracle.passed_over(boot, part, worker.lease.start, key);
                        env.count("record passed over");
                        worker.log.exclude(record.lost(Exclusion::Quarantined));
                    }
                    Fate::Excluded(reason)
                        if !matches!(reason, Exclusion::ModelError | Exclusion::ScoreNan) =>
                    {
                        worker.log.exclude(record.lost(reason));
                    }
                    _ => {
                        let progress = worker.log.take(now);
                        let prepared = record.prepared(worker.warc);
                        let frame = RecordFrame { part, epoch, at: record.at, progress, prepared };
                        worker.blocked.push_back(Frame::Record(Box::new(frame)));
                    }
                }
                let is_late = now.saturating_sub(worker.log.told) >= PROGRESS_EVERY;
                if is_late && !worker.log.excluded.is_empty() || worker.log.lost.len() == MAX_LOST {
                    let progress = worker.log.take(now);
                    worker.blocked.push_back(Frame::Progress { part, epoch, progress });
                }
                worker.phase = Phase::Next;
            }
            Phase::Ended => self.worker = None,
        }
        Worked::Moved
    }
}

impl Worker {
    fn new(env: &Env, lease: Lease) -> Worker {
        let warc: u32 = lease.name.parse().expect("archives are named by their numbers");
        let records = &env.scenario.archives[warc as usize].records;
        let log = ProgressLog {
            next: lease.start,
            bytes_read: lease.start.offset,
            excluded: Tally::default(),
            lost: Vec::new(),
            told: env.now(),
        };
        Worker {
            warc,
            index: records.partition_point(|record| record.at < lease.start),
            careful: lease.careful,
            pass_over: lease.pass_over,
            log,
            blocked: VecDeque::new(),
            phase: Phase::Opening,
            lease,
        }
    }

    fn end(&mut self, failure: Option<String>, now: Duration) {
        let Lease { part, epoch, .. } = self.lease;
        let progress = self.log.take(now);
        self.blocked.push_back(Frame::LeaseEnd(LeaseEnd { part, epoch, progress, failure }));
        self.phase = Phase::Ended;
    }
}
