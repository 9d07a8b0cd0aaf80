//! The simulator of the engine: seeded, in virtual time, against a model of YARN in which everything fails.
//!
//! What must hold is checked on the way (see `world`): one request at a time, heartbeats numbered and said again as
//! they were, no container started twice or after it was given back, never more readers than are wanted, each end told
//! once, a third of the nodes listed at most. When faults cease, as many readers run as are wanted. In the end it
//! exits, and no reader is left.

mod cluster;
mod rng;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds of a run; `WARCDL_SEEDS` sets another number, `WARCDL_SEED` runs one, and says what happens.
const SEEDS: u64 = 1000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_fails_readers_are_kept_and_ended() {
    let seeds = match number("WARCDL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WARCDL_SEEDS").unwrap_or(SEEDS),
    };
    let mut all = Vec::new();
    for seed in seeds.clone() {
        match catch_unwind(AssertUnwindSafe(|| world::run(seed, number("WARCDL_SEED").is_some()))) {
            Ok(seen) => all.push(seen),
            Err(_) => panic!("seed {seed}: run it alone with WARCDL_SEED={seed}"),
        }
    }
    if all.len() < 100 {
        return println!("{all:#?}");
    }
    let sum = |of: fn(&world::Seen) -> usize| all.iter().map(of).sum::<usize>();
    println!(
        "{} seeds: {} readers started, {} ended, {} starts failed, {} resyncs, {} attempts more, {} adopted, {} hosts listed, {} \
         preempted; {} given up, {} converged",
        all.len(),
        sum(|seen| seen.started),
        sum(|seen| seen.ended),
        sum(|seen| seen.start_failures),
        sum(|seen| seen.resyncs),
        sum(|seen| seen.restarts),
        sum(|seen| seen.adopted),
        sum(|seen| seen.blacklisted),
        sum(|seen| seen.preempted),
        sum(|seen| seen.given_up.into()),
        sum(|seen| seen.converged.into()),
    );
    // Seeds that meet nothing prove nothing.
    let converged = sum(|seen| seen.converged.into());
    assert!(converged * 10 >= all.len() * 9, "only {converged} of {} got through the faults", all.len());
    for (what, count) in [
        ("resyncs", sum(|seen| seen.resyncs)),
        ("attempts", sum(|seen| seen.restarts)),
        ("adopted readers", sum(|seen| seen.adopted)),
        ("failed starts", sum(|seen| seen.start_failures)),
        ("listed hosts", sum(|seen| seen.blacklisted)),
        ("preempted readers", sum(|seen| seen.preempted)),
    ] {
        assert!(count * 10 >= all.len(), "only {count} {what}");
    }
}
