//! How it ends.

use super::*;

#[test]
fn readers_that_fail_alike_end_the_job_with_advice() {
    let mut script = Script::running(3);
    script.ended(vec![over(1, 127), over(2, 127), over(3, 127)]);
    let (status, diagnostics) = script.farewell();
    assert_eq!(status, FinalStatus::Failed);
    assert!(diagnostics.contains("glibc") && diagnostics.contains("a: exit 127: said of 1"), "{diagnostics}");
}

#[test]
fn a_reader_larger_than_the_cluster_allows_ends_the_job() {
    let mut engine = Engine::new(Settings::new(READER), Duration::ZERO);
    engine.handle(seconds(0), Event::GpuBack);
    let largest = Resource { memory_mb: 1024, vcores: 8 };
    let registered = Registered { largest, previous: Vec::new(), nm_tokens: Vec::new() };
    // Where readers run already, it is not all nodes that are known.
    let mut next = Engine::new(Settings::new(READER), Duration::ZERO);
    next.handle(seconds(0), Event::GpuBack);
    let adopting = Registered { previous: vec![on("a", 1)], ..registered.clone() };
    next.handle(seconds(1), Event::Registered(adopting));
    assert!(matches!(next.handle(seconds(2), Event::Tick)[..], [Action::Allocate(_)]));
    engine.handle(seconds(1), Event::Registered(registered));
    match &engine.handle(seconds(2), Event::Tick)[..] {
        [Action::Unregister { status: FinalStatus::Failed, diagnostics }] => {
            assert!(diagnostics.contains("lower yarn.reader_memory_mb"), "{diagnostics}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_the_gpu_node_readers_wait_and_then_everything_stops() {
    let mut script = Script::running(2);
    script.tell(Event::GpuLost);
    script.ended(vec![over(1, 7)]);
    for _ in 0..60 {
        assert!(script.ended(Vec::new()).asks.is_empty(), "nobody new is asked for");
    }
    assert!(script.now < seconds(119) && script.stopped().is_empty());
    script.tell(Event::GpuBack);
    assert_eq!(script.asked(), 1);
    script.tell(Event::GpuLost);
    script.pass(seconds(120));
    assert_eq!(script.stopped(), [2], "there is nobody who could let it finish");
    let (status, diagnostics) = script.farewell();
    assert_eq!((status, &*diagnostics), (FinalStatus::Failed, "the GPU node has been gone for 120 s"));
}

#[test]
fn the_end_has_its_steps() {
    let mut script = Script::running(3);
    let diagnostics = "all is read".to_owned();
    script.tell(Event::Finish { status: FinalStatus::Succeeded, diagnostics: diagnostics.clone() });
    assert_eq!(script.drained(), [1, 2, 3]);
    script.tell(Event::Drain);
    script.ended(vec![over(1, 0), over(2, 0)]);
    script.pass(seconds(10));
    assert_eq!(script.stopped(), [3]);
    script.ended(vec![over(3, -105)]);
    assert_eq!(script.farewell(), (FinalStatus::Succeeded, diagnostics.clone()), "the first reason counts");
    script.tell(Event::Unregistered { done: false });
    script.pass(Duration::from_millis(250));
    assert!(script.take(|action| matches!(action, Action::Unregister { .. })).is_some(), "not yet done");
    script.tell(Event::UnregisterFailed(RmFault::NotRegistered));
    script.pass(seconds(2));
    assert!(script.take(|action| matches!(action, Action::Register)).is_some(), "it was restarted meanwhile");
    let largest = Resource { memory_mb: 8192, vcores: 8 };
    script.tell(Event::Registered(Registered { largest, previous: Vec::new(), nm_tokens: Vec::new() }));
    script.pass(seconds(2));
    assert!(script.take(|action| matches!(action, Action::Unregister { .. })).is_some());
    script.tell(Event::Unregistered { done: true });
    let exit = Action::Exit { code: 0, status: FinalStatus::Succeeded, diagnostics };
    assert_eq!(script.actions.pop(), Some(exit));
    script.actions.clear();
    script.pass(seconds(10));
    assert!(script.actions.is_empty(), "{:?}", script.actions);
}

#[test]
fn killing_does_not_wait_and_hastens_an_end_that_has_begun() {
    let mut script = Script::running(2);
    script.tell(Event::Kill);
    assert_eq!((script.drained(), script.stopped()), (vec![], vec![1, 2]));
    assert_eq!(script.farewell().0, FinalStatus::Killed);

    let mut script = Script::running(2);
    script.tell(Event::Drain);
    assert_eq!((script.drained(), script.stopped()), (vec![1, 2], vec![]));
    script.tell(Event::Kill);
    assert_eq!(script.stopped(), [1, 2]);
    assert!(script.now < seconds(10) && script.farewell().0 == FinalStatus::Killed);
}

#[test]
fn a_manager_that_forgot_the_attempt_ends_it_with_its_readers_where_none_follows() {
    let mut script = Script::unmanaged(3);
    script.tell(Event::GivenUp { container: id(3), reason: "hangs".into() });
    assert_eq!(script.stopped(), [3]);
    script.tell(Event::StopResult { container: id(3), result: Err("no route".into()) });
    script.heartbeat();
    script.tell(Event::AllocateFailed(RmFault::AttemptUnknown));
    assert_eq!(script.stopped(), [1, 2, 3], "also what the ResourceManager was to end");
    script.tell(Event::StopResult { container: id(3), result: Ok(()) });
    script.tell(Event::StopResult { container: id(1), result: Ok(()) });
    script.tell(Event::StopResult { container: id(2), result: Err("timeout".into()) });
    script.pass(seconds(1));
    assert_eq!(script.stopped(), [2], "again");
    script.tell(Event::StopResult { container: id(2), result: Ok(()) });
    assert!(matches!(script.actions.pop(), Some(Action::Exit { code: 1, status: FinalStatus::Failed, .. })));
}

#[test]
fn an_attempt_that_was_replaced_leaves_its_readers_to_the_next() {
    for ending in [false, true] {
        let mut script = Script::running(3);
        script.tell(Event::GivenUp { container: id(3), reason: "hangs".into() });
        assert_eq!(script.stopped(), [3]);
        if ending {
            script.tell(Event::Drain);
            assert_eq!(script.drained(), [1, 2]);
        }
        script.heartbeat();
        script.tell(Event::AllocateFailed(RmFault::AttemptUnknown));
        assert!(matches!(script.actions.pop(), Some(Action::Exit { code: 1, .. })), "{:?}", script.actions);
        assert!(script.reported(|report| matches!(report, Report::Leaving { .. })));
        script.pass(seconds(60));
        assert_eq!((script.stopped(), script.drained()), (vec![], vec![]));
    }
}

#[test]
fn a_manager_that_stays_away_is_waited_for_and_not_for_ever() {
    for (mut script, stops) in [(Script::unmanaged(1), 1), (Script::running(1), 0)] {
        assert_eq!(stays_away(&mut script), stops);
    }
}

/// How many readers are stopped.
fn stays_away(script: &mut Script) -> usize {
    let (mut tries, mut stops) = (Vec::new(), 0);
    while script.take(|action| matches!(action, Action::Exit { .. })).is_none() {
        assert!(script.now < seconds(2000));
        if script.take(|action| matches!(action, Action::Allocate(_))).is_some() {
            tries.push(script.now);
            script.tell(Event::AllocateFailed(RmFault::Connection));
        }
        if script.take(|action| matches!(action, Action::Stop { .. })).is_some() {
            script.tell(Event::StopResult { container: id(1), result: Ok(()) });
            stops += 1;
        }
        script.pass(Duration::from_millis(250));
    }
    let pauses: Vec<_> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses[..6], [1, 2, 4, 8, 10, 10]);
    assert!((seconds(900)..seconds(915)).contains(&script.now), "{:?}", script.now);
    stops
}

#[test]
fn the_end_asks_for_nobody_and_waits_for_no_start() {
    let mut script = Script::running(1);
    script.tell(Event::TargetSet { readers: 3, idle: Vec::new() });
    script.reply(AllocateReply::default());
    script.reply(AllocateReply { allocated: vec![on("b", 2)], ..AllocateReply::default() });
    assert_eq!((script.started(), script.engine.census().asked), (vec![2], 1));
    script.tell(Event::Drain);
    let began = script.now;
    assert_eq!(script.asked(), 0);
    script.ended(vec![over(1, 0)]);
    script.actions.retain(|action| matches!(action, Action::Allocate(_)));
    assert_eq!(script.farewell().0, FinalStatus::Killed);
    assert!(script.now - began <= seconds(16), "10 s and 5 s: {:?}", script.now - began);
}

#[test]
fn a_manager_that_cannot_be_told_of_the_end_is_left_alone() {
    let mut script = Script::running(0);
    script.tell(Event::Kill);
    script.farewell();
    let began = script.now;
    script.tell(Event::UnregisterFailed(RmFault::Connection));
    while script.take(|action| matches!(action, Action::Exit { code: 1, .. })).is_none() {
        assert!(script.now - began < seconds(200));
        script.pass(Duration::from_millis(250));
        if script.take(|action| matches!(action, Action::Unregister { .. })).is_some() {
            script.tell(Event::UnregisterFailed(RmFault::Connection));
        }
    }
    assert!((seconds(119)..seconds(122)).contains(&(script.now - began)), "{:?}", script.now - began);
}

#[test]
fn an_attempt_that_is_forgotten_once_it_was_told_to_end_has_ended() {
    for (told_before, code) in [(true, 0), (false, 1)] {
        let mut script = Script::running(0);
        script.tell(Event::Finish { status: FinalStatus::Succeeded, diagnostics: "done".into() });
        script.farewell();
        if told_before {
            script.tell(Event::UnregisterFailed(RmFault::Connection));
            script.pass(seconds(2));
            assert!(script.take(|action| matches!(action, Action::Unregister { .. })).is_some());
        }
        script.tell(Event::UnregisterFailed(RmFault::AttemptUnknown));
        let (status, diagnostics) = (FinalStatus::Succeeded, "done".to_owned());
        assert_eq!(script.actions.pop(), Some(Action::Exit { code, status, diagnostics }));
    }
}

#[test]
fn nodes_that_start_nothing_are_not_taken_for_a_bad_program() {
    let mut script = Script::registered(3);
    for n in 1..=2 {
        while script.engine.census().asked == 0 {
            script.ended(Vec::new());
        }
        let allocated = vec![on(["a", "b"][n as usize - 1], n)];
        script.reply(AllocateReply { allocated, ..AllocateReply::default() });
        let message = "no route".to_owned();
        script
            .tell(Event::StartResult { container: id(n), result: Err(StartError::Unreachable { message }) });
    }
    while script.engine.census().asked == 0 {
        script.ended(Vec::new());
    }
    script.reply(AllocateReply { allocated: vec![on("c", 3)], ..AllocateReply::default() });
    script.tell(Event::StartResult { container: id(3), result: Ok(()) });
    script.ended(vec![over(3, 1)]);
    assert!(!script.reported(|report| matches!(report, Report::Ending { .. })));
}
