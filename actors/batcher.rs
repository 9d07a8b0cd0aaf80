//! The batcher: asks the interleaver for records as its window has room, and closes batches for one device.
//!
//! When and with what a batch closes is [`Former`]'s business; the actor counts what the device has, and keeps the timer.

use crate::batch::{BatchRules, Closed, Device, Former};
use crate::exit::{FaultSender, Vital};
use crate::inference::{IN_FLIGHT, Inference};
use crate::interleaver::{Demand, Interleaver};
use crate::message::{Admitted, Batch, BatchDone, EndOfStream};
use crate::metrics::BatcherMetrics;
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, SpawnHandle};
use std::time::{Duration, Instant};

/// Records for the batcher's window, as many as it asked for or fewer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Supply(pub Vec<Admitted>);

/// The actor.
pub struct Batcher {
    former: Former<Admitted>,
    rules: BatchRules,
    index: usize,
    interleaver: Addr<Interleaver>,
    inference: Addr<Inference>,
    metrics: BatcherMetrics,
    start: Instant,
    /// Records asked for and not supplied yet.
    asked: usize,
    in_flight: usize,
    ended: bool,
    timer: Option<SpawnHandle>,
    _vital: Vital,
}

impl Batcher {
    /// A batcher for the device behind `inference`.
    pub fn new(
        index: usize,
        rules: BatchRules,
        interleaver: Addr<Interleaver>,
        inference: Addr<Inference>,
        metrics: BatcherMetrics,
        faults: &FaultSender,
    ) -> Batcher {
        Batcher {
            former: Former::new(rules),
            rules,
            index,
            interleaver,
            inference,
            metrics,
            start: Instant::now(),
            asked: 0,
            in_flight: 0,
            ended: false,
            timer: None,
            _vital: faults.vital("batcher"),
        }
    }

    fn device(&self) -> Device {
        match self.in_flight {
            0 => Device::Idle,
            IN_FLIGHT.. => Device::Full,
            _ => Device::Hungry,
        }
    }

    /// Closes what is to be closed, asks for what there is room for, and sets the timer.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        let now = self.start.elapsed();
        while let Some((closed, records)) = self.former.close(now, self.device(), self.ended) {
            self.observe(closed, &records);
            self.in_flight += 1;
            self.inference.do_send(Batch { records, done: ctx.address().recipient() });
        }
        // In portions of a batch, so that another device's batcher finds something in the interleaver too.
        let room = self.former.room().saturating_sub(self.asked);
        if room >= self.rules.max_records.min(self.rules.window_records).div_ceil(2) && !self.ended {
            self.asked += room;
            self.interleaver.do_send(Demand {
                batcher: self.index,
                records: room,
                supply: ctx.address().recipient(),
                ended: ctx.address().recipient(),
            });
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if self.device() == Device::Hungry
            && let Some(deadline) = self.former.deadline()
        {
            let wait = deadline.saturating_sub(now).max(Duration::from_millis(1));
            self.timer = Some(ctx.run_later(wait, |batcher, ctx| {
                batcher.timer = None;
                batcher.turn(ctx);
            }));
        }
    }

    fn observe(&self, closed: Closed, records: &[Admitted]) {
        let lengths = || records.iter().map(|record| record.prepared.input.token_count());
        let longest = lengths().max().unwrap_or(0);
        self.metrics.closed.with_label_values(&[closed.name()]).inc();
        self.metrics.records.observe(records.len() as f64);
        self.metrics.tokens.inc_by(lengths().sum::<usize>() as u64);
        self.metrics.padded_tokens.inc_by((longest * records.len()) as u64);
        self.metrics.held.sub(records.len() as i64);
    }
}

impl Actor for Batcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.turn(ctx);
    }
}

impl Handler<Supply> for Batcher {
    type Result = ();

    fn handle(&mut self, Supply(records): Supply, ctx: &mut Context<Self>) {
        let now = self.start.elapsed();
        self.asked = self.asked.saturating_sub(records.len());
        self.metrics.held.add(records.len() as i64);
        for record in records {
            self.former.push(now, record.prepared.input.token_count(), record);
        }
        self.turn(ctx);
    }
}

impl Handler<BatchDone> for Batcher {
    type Result = ();

    fn handle(&mut self, _: BatchDone, ctx: &mut Context<Self>) {
        self.in_flight -= 1;
        self.turn(ctx);
        if self.ended && self.former.is_empty() && self.in_flight == 0 {
            ctx.stop();
        }
    }
}

impl Handler<EndOfStream> for Batcher {
    type Result = ();

    fn handle(&mut self, _: EndOfStream, ctx: &mut Context<Self>) {
        self.ended = true;
        self.turn(ctx);
    }
}
