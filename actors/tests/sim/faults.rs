//! The faults of a seed: what goes wrong, and when.

use crate::rng::Rng;
use crate::scenario::Scenario;
use std::time::Duration;
use warcdl_actors::testkit::{Fault as DiskFault, Survival};

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A reader's process is killed.
    KillReader { reader: usize, ending: usize },
    /// A reader's worker does nothing any more; its heart goes on beating.
    HangReader(usize),
    /// A reader's process stands still, and goes on later.
    PauseReader { reader: usize, time: Duration },
    /// A reader's next read fails.
    FailFetch(usize),
    /// The connection of a reader breaks after so many bytes more on one way.
    Break { reader: usize, to_node: bool, bytes: usize },
    /// The network to a reader becomes so slow.
    Delay { reader: usize, delay: Duration },
    /// Nothing passes to and from a reader for some time.
    Stall { reader: usize, time: Duration },
    /// Links stop one by one, and pass again in any order.
    Swizzle { readers: Vec<usize>, step: Duration, time: Duration },
    /// The node's machine stops, and forgets what was not synced but for what survives; perhaps again in the recovery.
    CrashNode { survival: Survival, again: Option<u64>, silent: bool },
    /// The node's process stands still, and goes on later.
    PauseNode(Duration),
    /// The node's process is killed; its machine goes on.
    KillNode,
    /// The disk fails at a call.
    Disk { calls: u64, fault: DiskFault },
    /// So many writes find no space.
    FillDisk { writes: u64 },
    /// The run is stopped by its user, and begun again.
    Stop,
    /// A reader is not needed any more, and is let go; another one comes later.
    Dismiss(usize),
}

const KINDS: usize = 15;

/// Faults with their times.
#[derive(Debug)]
pub struct Plan {
    /// In the order of time.
    pub faults: Vec<(Duration, Fault)>,
    /// When the last one is over.
    pub over: Duration,
}

impl Plan {
    /// Draws the faults of a seed.
    pub fn draw(rng: &mut Rng, scenario: &Scenario) -> Plan {
        let weights: Vec<u64> =
            (0..KINDS).map(|_| if rng.one_in(3) { 0 } else { rng.magnitude(1, 30) }).collect();
        let total: u64 = weights.iter().sum();
        let count = rng.magnitude(20, 500);
        let interval = rng.magnitude(3_000, 400_000);
        let mut plan = Plan { faults: Vec::new(), over: Duration::ZERO };
        let mut at = Duration::ZERO;
        for _ in 0..count {
            at += rng.micros(0, 2 * interval);
            let mut dice = if total == 0 { 0 } else { rng.next() % total };
            let kind = weights.iter().position(|&weight| {
                let here = dice < weight;
                dice = dice.saturating_sub(weight);
                here
            });
            let fault = Fault::draw(rng, scenario, kind.unwrap_or(0));
            plan.over = plan.over.max(at + fault.time());
            plan.faults.push((at, fault));
        }
        plan
    }
}

impl Fault {
    fn draw(rng: &mut Rng, scenario: &Scenario, kind: usize) -> Fault {
        let reader = rng.below(scenario.readers.len());
        let patience = scenario.patience.as_micros() as u64;
        let time = Duration::from_micros(rng.magnitude(1000, patience * 2));
        match kind {
            0 => Fault::KillReader { reader, ending: rng.below(5) },
            1 => Fault::HangReader(reader),
            2 => Fault::PauseReader { reader, time },
            3 => Fault::FailFetch(reader),
            4 => Fault::Break { reader, to_node: !rng.one_in(3), bytes: rng.magnitude(1, 4000) as usize },
            5 => Fault::Delay { reader, delay: rng.micros(10, 50_000) },
            6 => Fault::Stall { reader, time },
            7 => {
                let mut readers: Vec<usize> = (0..scenario.readers.len()).collect();
                (1..readers.len()).rev().for_each(|i| readers.swap(i, rng.below(i + 1)));
                Fault::Swizzle { readers, step: rng.millis(1, 200), time }
            }
            8 => Fault::CrashNode {
                survival: match rng.below(6) {
                    0 => Survival::Nothing,
                    1 => Survival::Everything,
                    _ => Survival::Random(rng.next()),
                },
                again: rng.one_in(3).then(|| rng.within(0, 15)),
                silent: rng.one_in(2),
            },
            9 => Fault::KillNode,
            10 => Fault::Disk {
                calls: rng.magnitude(1, 250) - 1,
                fault: match rng.below(6) {
                    0 | 5 => DiskFault::Io,
                    1 => DiskFault::Full,
                    _ => DiskFault::Crash,
                },
            },
            11 => Fault::FillDisk { writes: rng.within(1, 5) },
            12 => Fault::PauseNode(time * 2),
            13 => Fault::Stop,
            _ => Fault::Dismiss(reader),
        }
    }

    /// What it is called where it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::KillReader { .. } => "fault: reader killed",
            Fault::HangReader(_) => "fault: reader hangs",
            Fault::PauseReader { .. } => "fault: reader paused",
            Fault::FailFetch(_) => "fault: fetch fails",
            Fault::Break { .. } => "fault: connection breaks",
            Fault::Delay { .. } => "fault: slow network",
            Fault::Stall { .. } => "fault: stalled link",
            Fault::Swizzle { .. } => "fault: links clogged one by one",
            Fault::CrashNode { .. } => "fault: node crash",
            Fault::PauseNode(_) => "fault: node paused",
            Fault::KillNode => "fault: node killed",
            Fault::Disk { fault: DiskFault::Crash, .. } => "fault: crash at a call to the disk",
            Fault::Disk { fault: DiskFault::Full, .. } => "fault: no space at a call to the disk",
            Fault::Disk { fault: DiskFault::Io, .. } => "fault: disk error",
            Fault::FillDisk { .. } => "fault: full disk",
            Fault::Stop => "fault: run stopped",
            Fault::Dismiss(_) => "fault: reader dismissed",
        }
    }

    /// How long it lasts.
    fn time(&self) -> Duration {
        match self {
            Fault::PauseNode(time) | Fault::PauseReader { time, .. } | Fault::Stall { time, .. } => *time,
            Fault::Swizzle { readers, step, time } => *step * readers.len() as u32 + *time,
            _ => Duration::ZERO,
        }
    }
}
