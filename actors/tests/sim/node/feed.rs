//! The parts of `interleaver.rs`, `batcher.rs` and `inference.rs`.

use super::mail::{Mail, Message};
use crate::clock::{Actor, Event, Timer};
use crate::env::Env;
use crate::scenario::MODEL_FAILS;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use warcdl_actors::Exclusion;
use warcdl_actors::batch::{BatchRules, Device as Standing, Former};
use warcdl_actors::fair::Fair;
use warcdl_actors::inference::IN_FLIGHT;
use warcdl_actors::message::Admitted;

/// Records that go to one batcher at a time while another one asks too.
const PORTION: usize = 32;

/// Merges the sessions' records.
#[derive(Default)]
pub struct Interleaver {
    queue: Fair<Admitted>,
    /// Records that each batcher wants.
    customers: BTreeMap<usize, usize>,
    end: Option<u64>,
}

impl Interleaver {
    /// Takes a message.
    pub fn handle(&mut self, env: &mut Env, mail: &mut Mail, message: Message) {
        match message {
            Message::Arrived { session, record } => self.queue.push(session, record.credit.bytes(), record),
            Message::Demand { batcher, records } => *self.customers.entry(batcher).or_default() += records,
            Message::EndOfStream(delivered) => self.end = Some(delivered),
            other => unreachable!("not for the interleaver: {other:?}"),
        }
        while !self.queue.is_empty() {
            let hungry = self.customers.values().filter(|&&wanted| wanted > 0).count();
            let Some((&batcher, wanted)) = self.customers.iter_mut().max_by_key(|(_, wanted)| **wanted)
            else {
                break;
            };
            if *wanted == 0 {
                break;
            }
            let n = if hungry > 1 { PORTION.min(*wanted) } else { *wanted };
            let records: Vec<Admitted> = std::iter::from_fn(|| self.queue.pop()).take(n).collect();
            *wanted -= records.len();
            mail.send(env, Actor::Batcher(batcher), Message::Supply(records));
        }
        if let Some(delivered) = self.end
            && self.queue.is_empty()
        {
            for &batcher in self.customers.keys() {
                mail.send(env, Actor::Batcher(batcher), Message::EndOfStream(delivered));
            }
        }
    }
}

/// Closes batches for one device.
pub struct Batcher {
    index: usize,
    rules: BatchRules,
    former: Former<Admitted>,
    asked: usize,
    in_flight: usize,
    ended: bool,
    /// The timer that counts.
    pub timer: u64,
}

impl Batcher {
    /// An empty one.
    pub fn new(index: usize, rules: BatchRules) -> Batcher {
        Batcher { index, rules, former: Former::new(rules), asked: 0, in_flight: 0, ended: false, timer: 0 }
    }

    /// Takes a message.
    pub fn handle(&mut self, env: &mut Env, mail: &mut Mail, device: &mut Device, message: Message) {
        match message {
            Message::Supply(records) => {
                self.asked = self.asked.saturating_sub(records.len());
                for record in records {
                    self.former.push(env.now(), record.prepared.input.token_count(), record);
                }
            }
            Message::BatchDone => self.in_flight -= 1,
            Message::EndOfStream(_) => self.ended = true,
            other => unreachable!("not for a batcher: {other:?}"),
        }
        self.turn(env, mail, device);
    }

    fn standing(&self) -> Standing {
        match self.in_flight {
            0 => Standing::Idle,
            IN_FLIGHT.. => Standing::Full,
            _ => Standing::Hungry,
        }
    }

    /// Closes what is to be closed, asks for what there is room for, and sets the timer.
    pub fn turn(&mut self, env: &mut Env, mail: &mut Mail, device: &mut Device) {
        let now = env.now();
        while let Some((_, records)) = self.former.close(now, self.standing(), self.ended) {
            self.in_flight += 1;
            device.take(env, mail, records);
        }
        let room = self.former.room().saturating_sub(self.asked);
        if room >= self.rules.max_records.min(self.rules.window_records).div_ceil(2) && !self.ended {
            self.asked += room;
            mail.send(env, Actor::Interleaver, Message::Demand { batcher: self.index, records: room });
        }
        self.timer += 1;
        if self.standing() == Standing::Hungry
            && let Some(deadline) = self.former.deadline()
        {
            let wait = deadline.saturating_sub(now).max(Duration::from_millis(1));
            let timer = Timer::Batch(self.index, self.timer);
            env.clock.after(wait, Event::Tick { boot: mail.boot(), timer });
        }
    }
}

/// A device and its thread.
pub struct Device {
    index: usize,
    batches: VecDeque<Vec<Admitted>>,
}

impl Device {
    /// An idle one.
    pub fn new(index: usize) -> Device {
        Device { index, batches: VecDeque::new() }
    }

    fn take(&mut self, env: &mut Env, mail: &mut Mail, records: Vec<Admitted>) {
        self.batches.push_back(records);
        if self.batches.len() > IN_FLIGHT {
            env.oracle.violated("a device has too many batches");
        }
        if self.batches.len() == 1 {
            self.begin(env, mail);
        }
    }

    fn begin(&mut self, env: &mut Env, mail: &mut Mail) {
        if let Some(batch) = self.batches.front() {
            let (each, record) = env.scenario.device_time;
            let timer = Timer::Device(self.index);
            env.clock.after(each + record * batch.len() as u32, Event::Tick { boot: mail.boot(), timer });
        }
    }

    /// A batch is scored.
    pub fn done(&mut self, env: &mut Env, mail: &mut Mail) {
        let Some(records) = self.batches.pop_front() else { return };
        let scores = records.iter().map(|record| score(&record.prepared.keep)).collect();
        mail.send(env, Actor::Writer, Message::Scored { records, scores });
        mail.send(env, Actor::Batcher(self.index), Message::BatchDone);
        self.begin(env, mail);
    }
}

/// The score that lies in what is kept.
fn score(keep: &[u8]) -> Result<f32, Exclusion> {
    match keep.first_chunk() {
        Some(&MODEL_FAILS) | None => Err(Exclusion::ModelError),
        Some(&bytes) => Ok(f32::from_le_bytes(bytes)),
    }
}
