//! Nothing is lost, nothing is doubled, and the books say so.

use crate::world::{CutAfter, FnModel, Script, Stage, World, hundredths, mixed};
use std::collections::BTreeSet;
use tokio::net::TcpStream;
use warcdl_actors::Exclusion;
use warcdl_actors::pipeline::{ArchiveState, Outcome};
use warcdl_actors::wire::MAX_LOST;

/// Positives of the scripts: archive and offset.
fn expected(archives: &[(String, Vec<Script>)]) -> BTreeSet<(String, u64)> {
    let mut expected = BTreeSet::new();
    for (name, script) in archives {
        for (i, line) in script.iter().enumerate() {
            if matches!(line, Script::Record { score, .. } if *score > 50) {
                expected.insert((name.clone(), i as u64 * 10));
            }
        }
    }
    expected
}

/// Plays and checks that the sink holds exactly the positives, that every archive is done and that the books balance.
fn check<S, F>(world: World, scene: S) -> Outcome
where
    S: FnOnce(Stage) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    let (stored, finished) = (world.sink.stored.clone(), world.sink.finished.clone());
    let places = world.sink.places.clone();
    let damaged: Vec<(String, u64)> = world
        .archives
        .iter()
        .flat_map(|(name, script)| script.iter().zip(0..).map(move |(line, i)| (name, line, i)))
        .filter(|(_, line, _)| matches!(line, Script::Excluded(reason) if reason.is_listed()))
        .map(|(name, _, i)| (name.clone(), i * 10))
        .collect();
    let expected = expected(&world.archives);
    let records: usize = world.archives.iter().map(|(_, script)| script.len()).sum();
    let outcome = world.play(scene).unwrap();
    let stored = stored.lock().unwrap();
    let keys: BTreeSet<_> = stored.iter().map(|(name, offset, _)| (name.clone(), *offset)).collect();
    assert_eq!(keys.len(), stored.len(), "doubled");
    assert_eq!(keys, expected);
    outcome.check().unwrap();
    assert!(outcome.complete());
    assert_eq!(outcome.total.seen, records as u64);
    assert_eq!(outcome.total.positives, expected.len() as u64);
    assert_eq!(finished.load(std::sync::atomic::Ordering::SeqCst), 1);
    let mut listed: Vec<_> =
        places.lock().unwrap().iter().map(|(name, lost)| (name.clone(), lost.at.offset)).collect();
    listed.sort();
    assert_eq!(listed, damaged, "places of damage");
    assert_eq!(outcome.listed, damaged.len() as u64);
    outcome
}

#[test]
fn damage_is_listed_by_its_place_however_much_there_is() {
    let damaged = |n| vec![Script::Excluded(Exclusion::BadCrc); n];
    let record = Script::Record { score: 90, keep: 3 };
    let alone = damaged(2 * MAX_LOST + 3);
    let before = [damaged(MAX_LOST - 1), vec![record.clone()]].concat();
    let around = [vec![record.clone()], damaged(MAX_LOST), vec![record], damaged(1)].concat();
    let outcome = check(World::new(vec![alone, before, around]), |stage| async move {
        let (a, b) = tokio::join!(stage.reader(), stage.reader());
        assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
    });
    assert_eq!(outcome.listed, 4 * MAX_LOST as u64 + 3);
}

#[test]
fn three_readers_and_seven_archives_add_up() {
    let world = World::new((0..7).map(|i| mixed(150 + 13 * i)).collect());
    let outcome = check(world, |stage| async move {
        let (a, b, c) = tokio::join!(stage.reader(), stage.reader(), stage.reader());
        assert!(a.is_ok() && b.is_ok() && c.is_ok(), "{a:?} {b:?} {c:?}");
    });
    assert_eq!(outcome.archives[0].account.excluded.get(Exclusion::WrongWarcType), 30);
    assert_eq!((outcome.archives[0].bytes_read, outcome.interrupted), (1500, 0));
}

#[test]
fn the_last_batch_is_scored_whatever_its_size() {
    for records in 0..20 {
        let script = vec![Script::Record { score: 90, keep: 0 }; records];
        check(World::new(vec![script]), |stage| async move { stage.reader().await.unwrap() });
    }
}

#[test]
fn a_reader_that_dies_is_told_and_nothing_is_lost_or_doubled() {
    for cut_after in [0, 1, 60, 100, 101, 500, 5_000, 20_000] {
        let outcome = check(World::new(vec![mixed(300), mixed(300)]), move |stage| async move {
            let io = CutAfter::written(TcpStream::connect(stage.address).await.unwrap(), cut_after);
            assert!(stage.reader_over(io).await.is_err(), "{cut_after}");
            // Its successor comes late.
            stage.reader().await.unwrap();
        });
        if cut_after >= 500 {
            assert_eq!(outcome.interrupted, 1, "cut after {cut_after}: {:?}", outcome.interruptions);
        }
    }
}

#[test]
fn an_archive_that_cannot_be_read_on_is_named_and_what_came_before_counts() {
    let mut broken = mixed(10);
    broken.push(Script::Broken);
    let world = World::new(vec![broken, mixed(20)]);
    let outcome = world.play(|stage| async move { stage.reader().await.unwrap() }).unwrap();
    outcome.check().unwrap();
    assert!(!outcome.complete());
    assert_eq!(outcome.archives[0].state, ArchiveState::Failed("the disk is on fire".into()));
    assert_eq!(
        (outcome.archives[0].account.seen, outcome.archives[1].state.clone()),
        (10, ArchiveState::Done)
    );
    assert_eq!(outcome.interrupted, 3);
}

#[test]
fn two_devices_share_the_work() {
    let mut world = World::new((0..4).map(|_| mixed(500)).collect());
    world.models = vec![Box::new(FnModel(hundredths)), Box::new(FnModel(hundredths))];
    check(world, |stage| async move {
        let (a, b) = tokio::join!(stage.reader(), stage.reader());
        assert!(a.is_ok() && b.is_ok());
    });
}

#[test]
fn records_that_cannot_be_scored_or_sent_are_counted() {
    let script = vec![
        Script::Record { score: 13, keep: 0 },
        Script::Record { score: 90, keep: 0 },
        Script::Record { score: 90, keep: 1 << 20 },
    ];
    let mut world = World::new(vec![script]);
    world.models = vec![Box::new(FnModel(|tokens: &[u32]| {
        Ok(tokens.iter().map(|&t| if t == 13 { f32::NAN } else { 1.0 }).collect())
    }))];
    let outcome = world.play(|stage| async move { stage.reader().await.unwrap() }).unwrap();
    outcome.check().unwrap();
    let excluded: Vec<_> = outcome.total.excluded.iter().collect();
    assert_eq!(excluded, [(Exclusion::RecordTooLarge, 1), (Exclusion::ScoreNan, 1)]);
    assert_eq!((outcome.total.seen, outcome.total.positives), (3, 1));
}

#[test]
fn a_record_on_which_the_model_fails_costs_itself_alone() {
    let mut world = World::new(vec![mixed(400)]);
    world.models = vec![Box::new(FnModel(|tokens: &[u32]| match tokens.contains(&13) {
        true => Err("cannot take 13".to_owned()),
        false => hundredths(tokens),
    }))];
    let stored = world.sink.stored.clone();
    let outcome = world.play(|stage| async move { stage.reader().await.unwrap() }).unwrap();
    outcome.check().unwrap();
    assert!(outcome.complete());
    // Of each hundred records one has the score 13, and one in five is left out before.
    assert_eq!(outcome.total.excluded.get(Exclusion::ModelError), 4);
    assert_eq!((outcome.total.positives, stored.lock().unwrap().len()), (156, 156));
    assert_eq!(outcome.total.negatives, 320 - 4 - 156);
}
