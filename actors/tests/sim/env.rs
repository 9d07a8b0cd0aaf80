//! What everybody in the simulated world has at hand.

use crate::clock::Clock;
use crate::net::{ConnId, Ending, Net, Way};
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::scenario::Scenario;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use warcdl_actors::wire::Frame;

/// See the module.
pub struct Env {
    /// The setting.
    pub scenario: Rc<Scenario>,
    /// Virtual time.
    pub clock: Clock,
    /// Chance.
    pub rng: Rng,
    /// The network.
    pub net: Net,
    /// Who knows what must come out.
    pub oracle: Oracle,
    /// How often what came to pass.
    pub seen: BTreeMap<&'static str, u64>,
    /// Whether what happens is told on standard error.
    pub trace: bool,
}

impl Env {
    /// The time.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Counts something that is worth to be tried.
    pub fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Writes a frame to a connection.
    pub fn send(&mut self, conn: ConnId, way: Way, frame: Frame) {
        if self.trace {
            let said = match &frame {
                Frame::Record(record) => format!(
                    "Record part {} epoch {} at {:?} progress {:?}",
                    record.part, record.epoch, record.at, record.progress
                ),
                Frame::Stats(_) | Frame::Ping => String::new(),
                frame => format!("{frame:?}"),
            };
            if !said.is_empty() {
                self.say(|| format!("  {conn} {way:?}: {said}"));
            }
        }
        self.net.send(&mut self.clock, &mut self.rng, conn, way, frame);
    }

    /// Ends one way of a connection.
    pub fn end(&mut self, conn: ConnId, way: Way, ending: Ending) {
        self.net.end(&mut self.clock, &mut self.rng, conn, way, ending);
    }

    /// Tells what happens, if somebody wants to know.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12.6} {}", self.now().as_secs_f64(), what());
        }
    }
}
