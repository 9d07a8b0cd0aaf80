//! A model that stops stops the readers, at a number of records that arithmetic gives.

use crate::world::{FnModel, Script, World, hundredths};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use warcdl_actors::wire::RECORD_COST;

/// Frames that a reader holds beyond its credit: four in its queue, one with the pump, one with the worker.
const BEYOND_CREDIT: usize = 6;

#[test]
fn a_stuck_model_stalls_the_readers_not_the_memory() {
    const RECORDS: usize = 2_000;
    const KEEP: usize = 10_000;
    let mut world = World::new(vec![vec![Script::Record { score: 90, keep: KEEP }; RECORDS]; 2]);
    world.window = 1 << 20;
    let (open, gate) = mpsc::channel::<()>();
    world.models = vec![Box::new(FnModel(move |tokens: &[u32]| {
        // Waits until the sender is dropped; then it never waits again.
        let _ = gate.recv();
        hundredths(tokens)
    }))];
    let stored = world.sink.stored.clone();
    let outcome = world
        .play(move |stage| async move {
            let readers = [stage.clone(), stage.clone()]
                .map(|stage| tokio::task::spawn_local(async move { stage.reader().await.unwrap() }));
            // All records cost the same but for the digits of their URL and a tally of exclusions.
            let cost = KEEP as u64 + 160 + RECORD_COST;
            let full = |stage: &crate::world::Stage| {
                stage.metrics.session.credit_in_use.get() as u64 + 2 * cost > 2 << 20
            };
            stage.until(full).await;
            let window_holds = (1 << 20) / (KEEP + RECORD_COST as usize);
            let bound = 2 * (window_holds + BEYOND_CREDIT);
            stage.until(|stage| stage.source.pulled.load(Ordering::SeqCst) >= bound - 2 * 6).await;
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
                let pulled = stage.source.pulled.load(Ordering::SeqCst);
                assert!(pulled <= bound, "{pulled} records read, at most {bound} may be");
                let in_use = stage.metrics.session.credit_in_use.get() as u64;
                assert!(in_use <= 2 << 20, "{in_use} bytes in use");
            }
            assert_eq!(stage.metrics.writer.scored.get(), 0);
            drop(open);
            for reader in readers {
                reader.await.unwrap();
            }
        })
        .unwrap();
    assert!(outcome.complete());
    assert_eq!(stored.lock().unwrap().len(), 2 * RECORDS);
}
