//! Who gets the device: the real rules of credit, merging and batching, in virtual time, with readers by the thousand.

use std::time::Duration;
use warcdl_actors::batch::{BatchRules, Device, Former};
use warcdl_actors::credit::{CreditLease, Issuer, Window};
use warcdl_actors::fair::Fair;

const WINDOW: u64 = 256 << 10;
/// The shortest and the longest frame, in bytes.
const SIZES: (u64, u64) = (100, 192 << 10);
/// Bytes that the device scores in a second.
const DEVICE: f64 = 100e6;
const RULES: BatchRules = BatchRules {
    max_records: 64,
    max_tokens: 1 << 20,
    max_wait: Duration::from_millis(200),
    window_records: 512,
};

/// A reader that always has a next record; `speed` in bytes a second limits how fast it reads, if anything does.
struct Reader {
    size: Box<dyn FnMut() -> u64>,
    speed: Option<f64>,
    next: u64,
    sent: u64,
    window: Window,
    issuer: Issuer,
    served: u64,
}

impl Reader {
    fn new(speed: Option<f64>, mut size: impl FnMut() -> u64 + 'static) -> Reader {
        let next = size();
        let (window, issuer) = (Window::new(WINDOW), Issuer::new(WINDOW));
        Reader { size: Box::new(size), speed, next, sent: 0, window, issuer, served: 0 }
    }
}

/// Runs until `bytes` are scored; gives the seconds that it took. The readers' links cost no time.
fn run(readers: &mut [Reader], bytes: u64) -> f64 {
    let mut queue: Fair<(usize, CreditLease)> = Fair::default();
    let mut former = Former::new(RULES);
    let (mut now, mut scored) = (0.0, 0);
    let mut awake: Vec<usize> = (0..readers.len()).collect();
    while scored < bytes {
        for &at in &awake {
            let reader = &mut readers[at];
            if let Some(granted) = reader.issuer.next_grant() {
                reader.window.grant(granted);
            }
            let read = reader.speed.map_or(u64::MAX, |speed| (speed * now) as u64);
            while reader.sent + reader.next <= read && reader.window.spend(reader.next) {
                let lease = reader.issuer.receive(reader.next).expect("the reader had credit");
                queue.push(at as u64, reader.next, (at, lease));
                reader.sent += reader.next;
                reader.next = (reader.size)();
            }
        }
        let time = Duration::from_secs_f64(now);
        while former.room() > 0
            && let Some((at, lease)) = queue.pop()
        {
            former.push(time, lease.bytes() as usize / 8, (at, lease));
        }
        let (_, batch) = former.close(time, Device::Idle, false).expect("the readers outrun the device");
        awake.clear();
        awake.extend(readers.iter().enumerate().filter(|(_, r)| r.speed.is_some()).map(|(at, _)| at));
        for (at, lease) in batch {
            scored += lease.bytes();
            now += lease.bytes() as f64 / DEVICE;
            readers[at].served += lease.bytes();
            awake.push(at);
        }
    }
    now
}

/// Jain's index (1984): 1 if all have the same, 1/n if one has all.
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// Plays so many readers, each with sizes of its own, until each could have had `rounds` windows; gives the index.
fn index(rounds: u64, readers: Vec<Reader>) -> f64 {
    let mut readers = readers;
    let share = rounds * WINDOW;
    let n = readers.len() as u64;
    let seconds = run(&mut readers, share * n);
    let shares: Vec<u64> = readers.iter().map(|reader| reader.served).collect();
    let index = jain(&shares);
    println!(
        "{} readers, {seconds:.1} s: index {index:.4}, shares {:.3} to {:.3}",
        readers.len(),
        *shares.iter().min().unwrap() as f64 / share as f64,
        *shares.iter().max().unwrap() as f64 / share as f64
    );
    index
}

/// Sizes of all orders of magnitude, the same for the same seed.
fn random_sizes(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = (state >> 11) as f64 / (1u64 << 53) as f64;
        (SIZES.0 as f64 * (SIZES.1 as f64 / SIZES.0 as f64).powf(uniform)) as u64
    }
}

#[test]
fn a_thousand_readers_with_mixed_records_share_the_device_by_bytes() {
    let readers = (0..1_000).map(|seed| Reader::new(None, random_sizes(seed))).collect();
    assert!(index(12, readers) >= 0.99);
}

#[test]
fn a_thousand_readers_each_with_one_size_share_the_device_by_bytes() {
    let size = |i: u64| SIZES.0 + (SIZES.1 - SIZES.0) * i * i / (999 * 999);
    let readers = (0..1_000).map(|i| Reader::new(None, move || size(i))).collect();
    assert!(index(12, readers) >= 0.99);
}

#[test]
fn one_slow_reader_costs_the_others_less_than_a_hundredth() {
    let bytes = 64 * 40 * WINDOW;
    let throughput = |slow: Option<f64>| {
        let mut readers: Vec<_> = (0..63).map(|seed| Reader::new(None, random_sizes(seed))).collect();
        readers.extend(slow.map(|speed| Reader::new(Some(speed), random_sizes(63))));
        let seconds = run(&mut readers, bytes);
        let others: u64 = readers[..63].iter().map(|reader| reader.served).sum();
        (others as f64 / seconds, readers.last().map_or(0, |reader| reader.served))
    };
    let (alone, _) = throughput(None);
    let (beside, of_slow) = throughput(Some(DEVICE / 64.0 / 100.0));
    println!("{:.5} of the throughput without it, which had {of_slow} bytes", beside / alone);
    assert!(of_slow > 0, "the slow one is served too");
    assert!(beside >= 0.99 * alone, "{beside} of {alone} bytes a second");
}
