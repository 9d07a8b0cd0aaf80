//! What the ResourceManager is told, and when again.

use super::*;

#[test]
fn asks_are_for_what_is_missing_and_the_surplus_goes_back() {
    let mut script = Script::registered(3);
    let request = script.reply(AllocateReply { allocated: vec![on("a", 1)], ..AllocateReply::default() });
    assert_eq!(request.asks.iter().map(|ask| ask.count).collect::<Vec<_>>(), [3]);
    assert_eq!(script.started(), [1]);
    let more = vec![on("b", 2), on("c", 3), on("d", 4)];
    let request = script.reply(AllocateReply { allocated: more, ..AllocateReply::default() });
    assert!(request.asks.is_empty(), "the ResourceManager has counted down by itself: {request:?}");
    assert_eq!(script.started(), [2, 3]);
    assert_eq!(script.ended(Vec::new()).releases, [id(4)], "it gave one too many");
    script.tell(Event::TargetSet { readers: 5, idle: Vec::new() });
    assert_eq!(script.asked(), 2);
    script.tell(Event::TargetSet { readers: 4, idle: Vec::new() });
    assert_eq!(script.asked(), 1, "absolute, not more or fewer");
}

#[test]
fn a_heartbeat_without_an_answer_is_sent_again_as_it_was() {
    for fault in [RmFault::Connection, RmFault::Retriable] {
        let mut script = Script::running(2);
        script.tell(Event::TargetSet { readers: 4, idle: Vec::new() });
        script.reply(AllocateReply::default());
        let sent = script.heartbeat();
        script.tell(Event::TargetSet { readers: 1, idle: Vec::new() });
        script.tell(Event::AllocateFailed(fault));
        assert_eq!(script.heartbeat(), sent, "the ResourceManager may have read it");
        script.response_id += 1;
        let response_id = script.response_id;
        script.tell(Event::Allocated(Box::new(AllocateReply { response_id, ..AllocateReply::default() })));
        assert_eq!(script.asked(), 0, "what is new comes with the next");
    }
}

#[test]
fn a_restarted_manager_is_told_everything_anew_and_readers_stay() {
    for by_transport in [false, true] {
        a_restarted_manager(by_transport);
    }
}

/// `by_transport`: it is what carries heartbeats that registers anew.
fn a_restarted_manager(by_transport: bool) {
    let mut script = Script::running(4);
    // A listed host, a container that is given back, an ask.
    script.ended(vec![over(4, -101)]);
    script.tell(Event::GivenUp { container: id(3), reason: "hangs".into() });
    script.tell(Event::StopResult { container: id(3), result: Err("no route".into()) });
    let request = script.ended(Vec::new());
    assert_eq!((request.releases, request.blacklist_additions), (vec![id(3)], vec!["d".to_owned()]));
    for _ in 0..5 {
        script.heartbeat();
        script.tell(Event::AllocateFailed(RmFault::Connection));
    }
    script.heartbeat();
    assert!(script.stopped().contains(&3));
    script.actions.clear();
    if !by_transport {
        script.tell(Event::AllocateFailed(RmFault::NotRegistered));
        script.pass(seconds(2));
        assert!(script.take(|action| matches!(action, Action::Register)).is_some());
    }
    let largest = Resource { memory_mb: 8192, vcores: 8 };
    let previous = vec![on("a", 1), on("c", 3), on("d", 4)];
    script.tell(Event::Registered(Registered { largest, previous, nm_tokens: Vec::new() }));
    assert!(script.reported(|report| *report == Report::Resynced));
    script.response_id = 0;
    let request = script.ended(vec![over(4, -101), over(77, 1)]);
    assert_eq!(request.asks[0].count, 2);
    assert_eq!(request.releases, [id(3)]);
    assert_eq!(request.blacklist_additions, ["d"]);
    assert_eq!(script.engine.census().running, 2);
    assert!(script.stopped().is_empty() && script.drained().is_empty());
    assert!(!script.reported(|report| matches!(report, Report::Ended { .. })), "that was told before");
}

#[test]
fn a_restarted_manager_that_knows_few_nodes_is_asked_again() {
    // It may be silent for less time than its nodes take to come back.
    let patience = Settings { rm_patience: seconds(120), ..Script::settings() };
    let mut script = Script::with(patience, 2).filled();
    script.heartbeat();
    script.tell(Event::AllocateFailed(RmFault::NotRegistered));
    script.pass(seconds(2));
    // The large nodes have not called yet.
    let largest = Resource { memory_mb: 1024, vcores: 1 };
    let restarted = script.now;
    script.tell(Event::Registered(Registered { largest, previous: Vec::new(), nm_tokens: Vec::new() }));
    script.response_id = 0;
    let refused = || RmFault::Refused { message: "larger than the largest".into() };
    while script.now - restarted < seconds(295) {
        script.heartbeat();
        script.tell(Event::AllocateFailed(refused()));
    }
    let told = |report: &Report| matches!(report, Report::RefusedForNow { .. });
    assert!(script.reported(told) && !script.reported(told), "once");
    let goes_on = |script: &Script| script.engine.census().running == 2;
    assert!(goes_on(&script) && script.stopped().is_empty() && script.drained().is_empty());
    let request = script.ended(vec![over(1, -100)]);
    assert_eq!(request.asks.first().map(|ask| ask.count), Some(0), "what was refused is said anew");
    assert_eq!(script.asked(), 1);
    // By now they have.
    script.pass(seconds(10));
    script.heartbeat();
    script.tell(Event::AllocateFailed(refused()));
    assert!(script.reported(|report| matches!(report, Report::Ending { .. })));
}

#[test]
fn what_was_refused_is_said_again_and_the_blacklist_with_it() {
    let mut script = Script::running(3);
    // A listed host, and a container that is given back.
    assert!(script.ended(vec![over(3, -101)]).blacklist_additions.is_empty());
    assert_eq!(script.ended(Vec::new()).blacklist_additions, ["c"]);
    script.heartbeat();
    script.tell(Event::AllocateFailed(RmFault::NotRegistered));
    script.pass(seconds(2));
    let largest = Resource { memory_mb: 1024, vcores: 1 };
    script.tell(Event::Registered(Registered { largest, previous: Vec::new(), nm_tokens: Vec::new() }));
    script.response_id = 0;
    for _ in 0..2 {
        let request = script.heartbeat();
        assert_eq!(request.asks.iter().map(|ask| ask.count).collect::<Vec<_>>(), [1]);
        assert_eq!(request.blacklist_additions, ["c"]);
        let message = "larger than the largest".into();
        script.tell(Event::AllocateFailed(RmFault::Refused { message }));
    }
    assert_eq!(script.ended(Vec::new()).blacklist_additions, ["c"]);
    assert!(script.ended(Vec::new()).blacklist_additions.is_empty(), "told");
    // The cluster shrinks: nobody may be listed any more.
    script.heartbeat();
    script.response_id += 1;
    let (response_id, cluster_nodes) = (script.response_id, 1);
    let reply = AllocateReply { response_id, cluster_nodes, ..AllocateReply::default() };
    script.tell(Event::Allocated(Box::new(reply)));
    assert_eq!(script.heartbeat().blacklist_removals, ["c"]);
    let message = "larger than the largest".into();
    script.tell(Event::AllocateFailed(RmFault::Refused { message }));
    assert_eq!(script.ended(Vec::new()).blacklist_removals, ["c"]);
}

#[test]
fn a_container_that_nothing_runs_in_does_not_outlive_the_manager() {
    let mut script = Script::registered(1);
    script.tell(Event::GpuLost);
    script.reply(AllocateReply::default());
    script.tell(Event::GpuBack);
    script.heartbeat();
    script.tell(Event::GpuLost);
    script.response_id += 1;
    let (response_id, allocated) = (script.response_id, vec![on("a", 1)]);
    script.tell(Event::Allocated(Box::new(AllocateReply {
        response_id,
        allocated,
        ..AllocateReply::default()
    })));
    script.heartbeat();
    script.tell(Event::AllocateFailed(RmFault::NotRegistered));
    script.pass(seconds(2));
    let largest = Resource { memory_mb: 8192, vcores: 8 };
    script.tell(Event::Registered(Registered { largest, previous: Vec::new(), nm_tokens: Vec::new() }));
    script.tell(Event::GpuBack);
    assert!(script.started().is_empty());
    script.response_id = 0;
    let request = script.ended(Vec::new());
    assert_eq!((request.releases, request.asks[0].count), (vec![id(1)], 1));
}

#[test]
fn an_ask_that_brings_nothing_is_said_again() {
    let mut script = Script::running(1);
    script.tell(Event::TargetSet { readers: 2, idle: Vec::new() });
    assert_eq!(script.asked(), 1);
    let first = script.now;
    assert_eq!(script.asked(), 1);
    assert!((seconds(60)..seconds(65)).contains(&(script.now - first)));
}

#[test]
fn the_next_attempt_takes_over_what_runs() {
    let mut engine = Engine::new(Settings::new(READER), Duration::ZERO);
    assert!(engine.handle(seconds(0), Event::Tick).contains(&Action::Register));
    let registered = Registered {
        largest: Resource { memory_mb: 8192, vcores: 8 },
        previous: vec![on("a", 1), on("b", 2)],
        nm_tokens: vec![(node("a"), token("NMToken")), (node("b"), token("NMToken"))],
    };
    let actions = engine.handle(seconds(1), Event::Registered(registered));
    let adopted = Report::Registered { adopted: 2, largest: Some(Resource { memory_mb: 8192, vcores: 8 }) };
    assert!(actions.contains(&Action::Report(adopted)), "{actions:?}");
    assert_eq!(engine.census().running, 2);
    // Before the GPU node has said what it wants nobody is sent away, and nobody asked for.
    let actions = engine.handle(seconds(5), Event::Tick);
    assert!(
        actions
            .iter()
            .all(|action| matches!(action, Action::Allocate(request) if request.asks[0].count == 0))
    );
    engine.handle(seconds(6), Event::GpuBack);
    let actions = engine.handle(seconds(6), Event::TargetSet { readers: 1, idle: vec![id(1)] });
    assert_eq!(actions, [Action::Drain { container: id(1), within: seconds(10) }], "the idle one");
}

#[test]
fn a_new_token_is_taken_once() {
    let mut script = Script::running(1);
    for _ in 0..3 {
        let amrm_token = Some(token("YARN_AM_RM_TOKEN"));
        script.reply(AllocateReply { amrm_token, ..AllocateReply::default() });
    }
    assert!(script.take(|action| matches!(action, Action::UseToken(_))).is_some());
    assert!(script.take(|action| matches!(action, Action::UseToken(_))).is_none());
}
