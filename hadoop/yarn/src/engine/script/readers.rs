//! Which readers go, and whether others come.

use super::*;

#[test]
fn what_was_allocated_on_a_listed_host_goes_back() {
    let mut script = Script::running(2);
    script.reply(AllocateReply {
        allocated: vec![on("a", 3), on("b", 4)],
        completed: vec![over(1, -101)],
        ..AllocateReply::default()
    });
    assert_eq!(script.started(), [4]);
    let request = script.ended(Vec::new());
    assert_eq!((request.releases, request.blacklist_additions), (vec![id(3)], vec!["a".to_owned()]));
}

#[test]
fn fewer_readers_the_cheapest_first() {
    let mut script = Script::running(3);
    script.tell(Event::TargetSet { readers: 5, idle: Vec::new() });
    script.reply(AllocateReply::default());
    script.reply(AllocateReply { allocated: vec![on("d", 4)], ..AllocateReply::default() });
    assert_eq!(script.started(), [4]);
    script.tell(Event::TargetSet { readers: 1, idle: vec![id(1)] });
    assert_eq!(script.drained(), [1, 3], "the idle one, then the youngest; one is only being started");
    script.tell(Event::StartResult { container: id(4), result: Ok(()) });
    assert_eq!(script.stopped(), [4], "it has nothing to finish");
    assert_eq!(script.asked(), 0);
    script.ended(vec![over(1, 0)]);
    script.pass(seconds(10));
    assert_eq!(script.stopped(), [3], "its time is over");
    script.tell(Event::StopResult { container: id(3), result: Ok(()) });
    assert_eq!(script.engine.census().running, 1);
    script.ended(vec![over(3, 137)]);
    let expected = |report: &Report| matches!(report, Report::Ended { expected: true, status: 137, .. });
    assert!(script.reported(expected), "{:?}", script.actions);
    script.tell(Event::TargetSet { readers: 2, idle: Vec::new() });
    assert!(!script.ended(Vec::new()).asks.is_empty(), "it was no failure that one should wait after");
}

#[test]
fn ends_of_readers_are_judged() {
    // status, new ones are asked for at once, the hosts are listed at once
    for (status, at_once, listed) in [
        (-100, true, false),
        (-106, true, false),
        (-101, true, true),
        (137, false, false),
        (-104, false, false),
    ] {
        let mut script = Script::running(2);
        script.ended(vec![over(1, status), over(1, status), over(2, status)]);
        let told = script.take(|action| matches!(action, Action::Report(Report::Ended { .. })));
        let Some(Action::Report(report)) = told else { panic!("{status} is not told") };
        assert!(
            report.to_string().contains("http://a:8042/node/containerlogs/container_1_0001_01_000001/janek")
        );
        assert!(
            script
                .reported(|report| matches!(report, Report::Ended { container, .. } if *container == id(2)))
        );
        assert!(!script.reported(|report| matches!(report, Report::Ended { .. })), "{status}: told twice");
        let request = script.ended(Vec::new());
        assert_eq!(!request.asks.is_empty(), at_once, "{status}");
        let hosts = if listed { vec!["a", "b"] } else { Vec::new() };
        assert_eq!(request.blacklist_additions, hosts, "{status}");
        if !at_once {
            assert_eq!(script.asked(), 2, "{status}: in a moment");
        }
    }
}

#[test]
fn the_scheduler_gets_back_what_it_wants() {
    let mut script = Script::running(4);
    let preemption =
        Preemption { strict: vec![id(2)], negotiable: vec![id(1), id(3), id(4)], negotiable_count: 1 };
    for _ in 0..3 {
        script.reply(AllocateReply { preemption: preemption.clone(), ..AllocateReply::default() });
    }
    assert_eq!(script.drained(), [2, 4], "said three times, done once");
    script.ended(vec![over(4, 0), over(2, -102)]);
    let request = script.ended(Vec::new());
    assert!(request.asks.is_empty(), "the queue is full");
    assert_eq!(script.asked(), 2);
    assert!(script.now >= seconds(30), "later: {:?}", script.now);
}

#[test]
fn a_node_that_leaves_is_left() {
    let mut script = Script::running(2);
    let nodes = vec![(node("b"), NodeChange::Decommissioning), (node("a"), NodeChange::Gone)];
    script.reply(AllocateReply { nodes, ..AllocateReply::default() });
    assert_eq!(script.drained(), [2]);
    assert_eq!(script.asked(), 1);
}

#[test]
fn a_container_that_cannot_be_started_goes_back() {
    for error in [
        StartError::Refused { message: "expired".into() },
        StartError::Unreachable { message: "no route".into() },
    ] {
        let mut script = Script::registered(1);
        script.reply(AllocateReply { allocated: vec![on("a", 1)], ..AllocateReply::default() });
        script.tell(Event::StartResult { container: id(1), result: Err(error) });
        assert!(script.reported(|report| matches!(report, Report::StartFailed { .. })));
        assert_eq!(script.ended(Vec::new()).releases, [id(1)]);
        script.tell(Event::StartResult { container: id(1), result: Ok(()) });
        assert_eq!(script.engine.census().running, 0, "it is ended anyway");
        assert_eq!(script.asked(), 1);
    }
    let mut script = Script::registered(1);
    script.reply(AllocateReply { allocated: vec![on("a", 1)], ..AllocateReply::default() });
    script.tell(Event::StartResult { container: id(1), result: Err(StartError::AlreadyStarted) });
    assert_eq!(script.engine.census().running, 1, "an answer was lost");
}

#[test]
fn a_stopped_reader_that_does_not_end_is_given_back() {
    let mut script = Script::running(1);
    script.tell(Event::GivenUp { container: id(1), reason: "hangs".into() });
    script.tell(Event::StopResult { container: id(1), result: Ok(()) });
    let mut released = Vec::new();
    while released.is_empty() && script.now < seconds(60) {
        released = script.ended(Vec::new()).releases;
    }
    assert_eq!(released, [id(1)]);
    assert!((seconds(30)..seconds(35)).contains(&script.now), "{:?}", script.now);
}

#[test]
fn what_is_not_started_in_time_goes_back() {
    let settings = Settings { max_starts: 1, allocated_patience: seconds(60), ..Settings::new(READER) };
    let mut script = Script::with(settings, 2);
    script.reply(AllocateReply { allocated: vec![on("a", 1), on("b", 2)], ..AllocateReply::default() });
    assert_eq!(script.started(), [1], "one at a time");
    let mut released = Vec::new();
    while script.now < seconds(130) {
        let request = script.ended(Vec::new());
        released.extend(request.releases.into_iter().map(|id| (id.id, script.now.as_secs())));
    }
    let [(2, second), (1, first)] = released[..] else { panic!("{released:?}") };
    assert!((60..63).contains(&second) && (120..123).contains(&first), "{released:?}");
    assert!(
        script.reported(
            |report| matches!(report, Report::StartFailed { container, .. } if *container == id(1))
        )
    );
}

#[test]
fn listed_hosts_are_welcome_again_when_too_few_readers_are_left() {
    let mut script = Script::running(4);
    let request = script.ended(vec![over(1, -101), over(2, -101), over(3, -101)]);
    assert!(request.blacklist_additions.is_empty());
    assert_eq!(script.ended(Vec::new()).blacklist_additions, ["a", "b", "c"]);
    let mut removed = Vec::new();
    while removed.is_empty() && script.now < seconds(400) {
        removed = script.ended(Vec::new()).blacklist_removals;
    }
    assert_eq!(removed, ["a", "b", "c"]);
    assert!((seconds(300)..seconds(305)).contains(&script.now), "{:?}", script.now);
}

#[test]
fn readers_that_keep_failing_end_the_job_unless_records_come() {
    for comes in [false, true] {
        let mut script = Script::registered(1);
        let mut delivered = 0;
        let given_up = (1..18).find(|&n| {
            let host = ["a", "b", "c", "d", "e", "f"][n as usize % 6];
            let mut allocated = vec![on(host, n)];
            while !allocated.is_empty() {
                let asked = script.engine.census().asked > 0;
                let allocated = if asked { std::mem::take(&mut allocated) } else { Vec::new() };
                script.reply(AllocateReply { allocated, ..AllocateReply::default() });
            }
            script.tell(Event::StartResult { container: id(n), result: Ok(()) });
            delivered += u64::from(comes);
            script.tell(Event::Progress { done: 0.1, delivered });
            script.ended(vec![over(n, 7)]);
            script.reported(|report| matches!(report, Report::Ending { diagnostics } if diagnostics.contains("11 readers")))
        });
        assert_eq!(given_up, if comes { None } else { Some(11) });
    }
}
