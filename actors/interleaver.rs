//! The interleaver: merges the sessions' records into one stream, fairly by bytes, and gives them to the batchers that ask.
//!
//! It never pushes: records wait here, holding their credit, until a batcher has room. So a slow device fills the sessions'
//! windows and stops the readers.

use crate::batcher::Supply;
use crate::exit::{FaultSender, Vital};
use crate::fair::Fair;
use crate::lease::SessionId;
use crate::message::{Admitted, EndOfStream};
use crate::metrics::InterleaverMetrics;
use actix::{Actor, Context, Handler, Message, Recipient};
use std::collections::BTreeMap;

/// Records that go to one batcher at a time while another one asks too.
const PORTION: usize = 32;

/// A record arrived.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Arrived {
    /// From this session.
    pub session: SessionId,
    /// The record.
    pub record: Admitted,
}

/// A batcher has room for more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Demand {
    /// Which batcher.
    pub batcher: usize,
    /// How many records more.
    pub records: usize,
    /// Where they go.
    pub supply: Recipient<Supply>,
    /// Where the end of the stream goes.
    pub ended: Recipient<EndOfStream>,
}

struct Customer {
    wanted: usize,
    supply: Recipient<Supply>,
    ended: Recipient<EndOfStream>,
}

/// The actor.
pub struct Interleaver {
    /// Boxed, since a queue's buffer has room for twice as many as it holds.
    queue: Fair<Box<Admitted>>,
    customers: BTreeMap<usize, Customer>,
    end: Option<EndOfStream>,
    metrics: InterleaverMetrics,
    _vital: Vital,
}

impl Interleaver {
    /// An empty interleaver.
    pub fn new(metrics: InterleaverMetrics, faults: &FaultSender) -> Interleaver {
        Interleaver {
            queue: Fair::default(),
            customers: BTreeMap::new(),
            end: None,
            metrics,
            _vital: faults.vital("interleaver"),
        }
    }

    fn serve(&mut self) {
        while !self.queue.is_empty() {
            let hungry = self.customers.values().filter(|customer| customer.wanted > 0).count();
            let Some(customer) = self.customers.values_mut().max_by_key(|customer| customer.wanted) else {
                break;
            };
            if customer.wanted == 0 {
                break;
            }
            let n = if hungry > 1 { customer.wanted.min(PORTION) } else { customer.wanted };
            let records: Vec<Admitted> =
                std::iter::from_fn(|| self.queue.pop().map(|record| *record)).take(n).collect();
            customer.wanted -= records.len();
            self.metrics.dequeued.inc_by(records.len() as u64);
            customer.supply.do_send(Supply(records));
        }
        self.metrics.queued.set(self.queue.len() as i64);
        if let Some(end) = self.end
            && self.queue.is_empty()
        {
            self.customers.values().for_each(|customer| customer.ended.do_send(end));
        }
    }
}

impl Actor for Interleaver {
    type Context = Context<Self>;
}

impl Handler<Arrived> for Interleaver {
    type Result = ();

    fn handle(&mut self, Arrived { session, record }: Arrived, _: &mut Context<Self>) {
        self.metrics.enqueued.inc();
        self.queue.push(session, record.credit.bytes(), Box::new(record));
        self.serve();
    }
}

impl Handler<Demand> for Interleaver {
    type Result = ();

    fn handle(&mut self, demand: Demand, _: &mut Context<Self>) {
        let Demand { batcher, records, supply, ended } = demand;
        self.customers.entry(batcher).or_insert(Customer { wanted: 0, supply, ended }).wanted += records;
        self.serve();
    }
}

impl Handler<EndOfStream> for Interleaver {
    type Result = ();

    fn handle(&mut self, end: EndOfStream, _: &mut Context<Self>) {
        self.end = Some(end);
        self.serve();
    }
}
