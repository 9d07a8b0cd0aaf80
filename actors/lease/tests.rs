//! Leases, their ends, and takeovers.

use super::*;
use crate::Exclusion;
use crate::named::Extent;
use crate::part::TO_THE_END;
use crate::suspicion::{CAREFUL_RECORDS, DEATHS_APART, MAX_DEATHS};
use crate::wire::Progress;

const NOW: Duration = Duration::ZERO;

fn table(sizes: &[u64], split_bytes: u64) -> LeaseTable {
    let archive =
        |(i, &size)| Archive { name: format!("a{i}").into(), size, etag: String::new(), named: None };
    let archives: Vec<Archive> = sizes.iter().enumerate().map(archive).collect();
    let parts = PartState::all_whole(archives.len());
    LeaseTable::new(archives, &parts, rules(split_bytes))
}

fn rules(split_bytes: u64) -> TakeoverRules {
    TakeoverRules { split_bytes, settled: Duration::from_secs(5) }
}

fn accepted(lease: &Lease, offset: u64, record: bool) -> Accepted {
    let next = Position { offset, ordinal: 0 };
    Accepted {
        part: lease.part,
        epoch: lease.epoch,
        record: record.then_some(Position { offset: offset - 1, ordinal: 0 }),
        progress: Progress {
            next,
            bytes_read: offset,
            excluded: vec![(Exclusion::WrongWarcType, 1)],
            ..Progress::default()
        },
        over: None,
    }
}

fn over(lease: &Lease, offset: u64) -> Accepted {
    Accepted { over: Some(PartOver::Done), ..accepted(lease, offset, false) }
}

fn lease(offer: Offer) -> Lease {
    match offer {
        Offer::Lease(_, lease) => lease,
        other => panic!("expected a lease, got {other:?}"),
    }
}

#[test]
fn a_dead_readers_successor_goes_on_at_the_frontier_and_the_dead_one_is_fenced() {
    let mut table = table(&[100], 1000);
    let first = lease(table.ready(1, NOW));
    assert_eq!(table.ready(2, NOW), Offer::Wait, "the only archive is taken");
    assert_eq!(table.accept(1, &accepted(&first, 40, true), false, NOW), Ok(40));
    assert_eq!(table.gone(1, "connection lost", NOW), Some((0, Returned::Pending)));
    let second = lease(table.ready(2, NOW));
    assert_eq!((second.start.offset, second.epoch), (40, 1));
    let stale = table.accept(1, &accepted(&first, 50, true), false, NOW);
    assert_eq!(stale, Err(Fenced { session: 1, part: 0, epoch: 0 }));
    table.accept(2, &accepted(&second, 100, true), false, NOW).unwrap();
    table.accept(2, &over(&second, 100), false, NOW).unwrap();
    assert!(table.finished() && table.all_over());
    assert_eq!(table.ready(2, NOW), Offer::Finish);
    assert_eq!((table.delivered(), table.archives_over()), (2, 1));
    let (interruptions, all) = table.interruptions();
    assert_eq!((interruptions[0].at.offset, all), (40, 1));
}

#[test]
fn a_dismissed_reader_gives_its_work_back_and_gets_no_more() {
    let mut table = table(&[100, 100], 1000);
    let first = lease(table.ready(1, NOW));
    lease(table.ready(2, NOW));
    assert_eq!(table.ready(3, NOW), Offer::Wait);
    assert_eq!((table.dismiss(3), table.ready(3, NOW)), (None, Offer::Finish), "it had nothing");
    table.accept(1, &accepted(&first, 40, true), false, NOW).unwrap();
    assert_eq!(table.dismiss(1), Some(Takeover { session: 1, part: 0, epoch: 0 }));
    assert_eq!(table.ready(1, NOW), Offer::Wait, "it still holds it");
    assert_eq!(table.revoked(1, 0, 0, NOW), Ok(Returned::Pending));
    assert_eq!(table.ready(1, NOW), Offer::Finish);
    let next = lease(table.ready(4, NOW));
    assert_eq!((next.part, next.start.offset, next.epoch), (0, 40, 1));
    assert_eq!((table.gone(1, "finished", NOW), table.interruptions().1), (None, 0));
}

#[test]
fn a_part_is_given_up_after_three_failures_at_the_same_place_only() {
    let mut table = table(&[100, 100], 1000);
    let mut ends = Vec::new();
    for offset in [10, 20, 20, 20] {
        let lease = loop {
            let lease = lease(table.ready(1, NOW));
            if lease.part == 0 {
                break lease;
            }
            table.accept(1, &over(&lease, 100), false, NOW).unwrap();
        };
        table.accept(1, &accepted(&lease, offset, false), false, NOW).unwrap();
        ends.push(table.failed(1, 0, lease.epoch, "broken", NOW).unwrap());
    }
    assert_eq!(ends, [Returned::Pending, Returned::Pending, Returned::Pending, Returned::GivenUp(4)]);
    assert!(table.finished() && table.archives_over() == 2);
}

#[test]
fn a_session_holds_one_lease_at_a_time() {
    let mut table = table(&[100, 100], 1000);
    let held = lease(table.ready(1, NOW));
    assert_eq!(table.ready(1, NOW), Offer::Wait);
    assert_eq!(table.gone(7, "never had one", NOW), None);
    assert!(table.failed(1, 1, 0, "", NOW).is_err(), "it does not hold the other archive");
    assert!(
        table.accept(1, &over(&Lease { part: 99, ..held }, 1), false, NOW).is_err(),
        "there is no such part"
    );
}

#[test]
fn a_record_that_kills_its_reader_three_times_is_passed_over() {
    let mut table = table(&[100], 1000);
    // The first reader dies with 40 as its last word, the others as they begin the record at 70.
    let first = lease(table.ready(1, NOW));
    table.accept(1, &accepted(&first, 40, true), false, NOW).unwrap();
    table.gone(1, "killed", NOW);
    for session in [2, 3] {
        let lease = lease(table.ready(session, NOW));
        assert_eq!((lease.careful, lease.pass_over), (CAREFUL_RECORDS, false), "session {session}");
        table.accept(session, &accepted(&lease, 70, true), true, NOW).unwrap();
        table.gone(session, "killed", NOW);
    }
    let last = lease(table.ready(4, NOW));
    assert_eq!((last.start.offset, last.pass_over), (70, true));
    assert_eq!(table.quarantined(), [RecordKey { warc: 0, position: last.start }]);
    // Were it to kill even those that pass it over, the part is given up in the end.
    let mut returned = Returned::Pending;
    table.gone(4, "killed", NOW);
    for session in 5.. {
        let now = DEATHS_APART * session as u32;
        let Offer::Lease(..) = table.ready(session, now) else { break };
        returned = table.gone(session, "killed", now).unwrap().1;
        assert!(session <= 5 + u64::from(MAX_DEATHS));
    }
    assert!(matches!(returned, Returned::GivenUp(_)) && table.finished());
}

#[test]
fn the_largest_rest_is_cut_in_two_when_others_are_idle() {
    let later = Duration::from_secs(6);
    let mut table = table(&[1000, 400], 100);
    let (one, two) = (lease(table.ready(1, NOW)), lease(table.ready(2, NOW)));
    table.accept(1, &accepted(&one, 200, true), false, later).unwrap();
    assert_eq!(table.rebalance(&[], later), None, "nobody is idle");
    assert_eq!(table.rebalance(&[3], Duration::from_secs(1)), None, "too early to tell");
    let takeover = table.rebalance(&[3], later).unwrap();
    assert_eq!(takeover, Takeover { session: 1, part: 0, epoch: 0 });
    assert_eq!(table.rebalance(&[3], later), None, "one is enough for one");
    // What it accepts until it hears of it still counts.
    table.accept(1, &accepted(&one, 300, true), false, later).unwrap();
    let Returned::Cut(rest) = table.revoked(1, 0, 0, later).unwrap() else { panic!("not cut") };
    assert_eq!((rest.part, rest.from, rest.end, rest.frontier.offset), (2, 600, TO_THE_END, 300));
    let (left, right) = (lease(table.ready(3, later)), lease(table.ready(1, later)));
    assert_eq!((left.part, left.start.offset, left.from, left.end, left.epoch), (0, 300, 0, 600, 1));
    assert_eq!((right.part, right.start.offset, right.from, right.end), (2, 300, 600, TO_THE_END));
    for (session, lease, end) in [(3, left, 600), (1, right, 1000), (2, two, 400)] {
        assert!(!table.finished());
        table.accept(session, &over(&lease, end), false, later).unwrap();
    }
    assert!(table.all_over() && table.archives_over() == 2);
}

#[test]
fn a_rest_too_small_to_cut_goes_to_a_session_that_is_much_faster() {
    let at = Duration::from_secs;
    let mut table = table(&[1000, 1000], 10_000);
    let (slow, fast) = (lease(table.ready(1, NOW)), lease(table.ready(2, NOW)));
    table.accept(1, &accepted(&slow, 10, true), false, at(10)).unwrap();
    table.accept(2, &over(&fast, 1000), false, at(10)).unwrap();
    let takeover = table.rebalance(&[2], at(10)).unwrap();
    assert_eq!((takeover.session, takeover.part), (1, 0));
    assert_eq!(table.revoked(1, 0, 0, at(10)), Ok(Returned::Pending));
    let taken = lease(table.ready(2, at(10)));
    assert_eq!((taken.start.offset, taken.epoch), (10, 1));
    assert_eq!(table.rebalance(&[1], at(30)), None, "the slow one gets nothing back");
}

#[test]
fn a_takeover_of_a_reader_that_dies_meanwhile_is_done_all_the_same() {
    let mut table = table(&[1000], 100);
    let held = lease(table.ready(1, NOW));
    table.accept(1, &accepted(&held, 10, true), false, Duration::from_secs(6)).unwrap();
    table.rebalance(&[2], Duration::from_secs(6)).unwrap();
    let (part, returned) = table.gone(1, "killed", Duration::from_secs(6)).unwrap();
    assert_eq!(part, 0);
    assert!(matches!(returned, Returned::Cut(_)), "{returned:?}");
}

#[test]
fn a_reader_that_has_stopped_is_not_taken_over_and_one_that_is_careful_is() {
    let at = Duration::from_secs;
    let mut table = table(&[1000], 100);
    let first = lease(table.ready(1, NOW));
    table.accept(1, &accepted(&first, 10, true), false, at(1)).unwrap();
    assert_eq!(table.rebalance(&[2], at(6)), None, "it may hang at a record, which must answer for it");
    table.gone(1, "no progress", at(60));
    let second = lease(table.ready(2, at(60)));
    assert_eq!(table.rebalance(&[3], at(65)), None, "it hangs at the same one");
    table.accept(2, &accepted(&second, 20, true), true, at(66)).unwrap();
    assert!(table.rebalance(&[3], at(70)).is_some(), "it gets on, however carefully");
}

#[test]
fn draining_takes_every_lease_back_and_hands_out_none() {
    let mut table = table(&[100, 100, 100], 1000);
    let one = lease(table.ready(1, NOW));
    lease(table.ready(2, NOW));
    let takeovers = table.drain();
    assert_eq!(takeovers.len(), 2);
    assert_eq!(table.ready(3, NOW), Offer::Wait);
    table.accept(1, &accepted(&one, 50, true), false, NOW).unwrap();
    assert!(!table.finished(), "leases are out");
    table.revoked(1, one.part, one.epoch, NOW).unwrap();
    table.gone(2, "stopped", NOW);
    assert!(table.finished() && !table.all_over());
    assert_eq!(table.ready(3, NOW), Offer::Finish);
}

#[test]
fn a_resumed_table_leases_only_what_is_not_over() {
    let archives: Vec<Archive> = (0..3)
        .map(|i| Archive { name: format!("a{i}").into(), size: 100, etag: String::new(), named: None })
        .collect();
    let mut parts = PartState::all_whole(3);
    parts[0].over = Some(PartOver::Done);
    parts[1].over = Some(PartOver::Failed("the disk was on fire".into()));
    parts[2].frontier = Position { offset: 30, ordinal: 2 };
    let parts: Vec<_> = parts.into_iter().map(PartState::resumed).collect();
    let mut table = LeaseTable::new(archives, &parts, rules(1000));
    let leases = [lease(table.ready(1, NOW)), lease(table.ready(2, NOW))];
    assert_eq!(
        leases.clone().map(|lease| (lease.part, lease.epoch, lease.start.offset)),
        [(1, 1, 0), (2, 1, 30)]
    );
    assert_eq!(table.ready(3, NOW), Offer::Wait);
}

#[test]
fn a_lease_names_what_is_left_of_the_records_that_an_index_names() {
    let extents: Vec<Extent> = (0..10).map(|i| Extent { offset: i * 100 + 7, length: 50 }).collect();
    let archive = Archive {
        name: "a".into(),
        size: 1000,
        etag: String::new(),
        named: Some(Named::new(extents.iter().copied())),
    };
    let part = PartState {
        from: 300,
        end: 800,
        frontier: Position { offset: 407, ordinal: 1 },
        ..PartState::whole(0)
    };
    let mut table = LeaseTable::new(vec![archive], &[part], rules(1));
    let Offer::Lease(_, lease) = table.ready(1, NOW) else { panic!("there is work") };
    // The member at 407 holds more than the record before the frontier.
    assert_eq!(lease.named.unwrap().into_iter().collect::<Vec<_>>(), extents[4..8]);
}
