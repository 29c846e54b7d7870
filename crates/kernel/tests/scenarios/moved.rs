//! How often, how far and when a device is moved: what counts is what was begun before, restarts included.
use crate::{
    approvals::restarted,
    guards::{
        HEATER, MINUTE, aimed, begun, breach, guard, hear, millionths, node, rule, words, write,
    },
    harness::{Node, facts, outcome, profile},
};
use aion_kernel::{
    Breach, Call, Check, Event, Failure, Finish, Guarding, Hours, IdempotencyKey, Incarnation,
    Kind, Limits, LiveWorker, Profile, Step, Unknown, Usage, WEEK_MINUTES,
};

#[test]
fn a_rate_counts_what_was_begun_and_goes_on_counting_after_a_restart() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let rate = || {
        let rate = Check::Rate {
            times: 2,
            within_ms: MINUTE,
        };
        vec![rule("rate", &[], vec![rate])]
    };
    guard(&mut node, rate());
    let mut call = aimed(&mut node, turn, "target", Some(20));
    call.key = IdempotencyKey::new(&format!("t{turn}.1"));
    let step = node.call(call.clone()).1;
    assert_eq!(facts(&step), ["device-moved", "call-started"]);
    node.finish(begun(&step));
    for _ in 0..3 {
        call.ticket = node.ticket();
        assert!(
            outcome(&node.call(call.clone()).1).1,
            "a replay moves nothing"
        );
    }
    node.wait(40_000);
    let step = write(&mut node, turn, "target", 21);
    node.finish(begun(&step));

    let incarnation = Incarnation(1);
    let (mut after, _) = restarted(&node, vec![LiveWorker { turn, incarnation }]);
    guard(&mut after, rate());
    let step = write(&mut after, turn, "target", 22);
    let too_often = Breach::Rate {
        times: 2,
        within_ms: MINUTE,
        retry_after_ms: 19_500,
    };
    assert_eq!(breach(&step), (Some("rate".into()), too_often));
    assert!(words(&step).contains("2 in 60 s are the most, and it can be again in 20 s"));
    let other = write(&mut after, turn, "level", 22);
    after.finish(begun(&other));
    after.wait(19_500);
    let step = write(&mut after, turn, "target", 22);
    after.finish(begun(&step));

    let device = HEATER.into();
    let step = after.feed(Event::Guard {
        device,
        guards: Guarding::Gone,
    });
    assert_eq!(facts(&step), ["moves-forgotten"]);
    assert!(guard(&mut after, rate()).facts.is_empty());
    for _ in 0..2 {
        let step = write(&mut after, turn, "target", 22);
        after.finish(begun(&step));
    }
    let step = guard(&mut after, Vec::new());
    assert_eq!(facts(&step), ["moves-forgotten"], "no rule counts it");
}

#[test]
fn calls_that_wait_together_do_not_pass_a_rate_together() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    let rate = Check::Rate {
        times: 1,
        within_ms: MINUTE,
    };
    guard(&mut node, vec![rule("rate", &["purge"], vec![rate])]);
    let first = write(&mut node, turn, "target", 20);
    for _ in 0..3 {
        let call = Call {
            kind: Kind::DeviceCommand,
            ..aimed(&mut node, turn, "purge", None)
        };
        assert!(node.call(call).1.facts.is_empty(), "it waits");
    }
    let step = node.finish(begun(&first));
    let purge = begun(&step);
    let step = node.finish(purge);
    assert_eq!(facts(&step), ["call-ended", "call-refused", "call-refused"]);
}

#[test]
fn a_change_is_held_against_all_that_the_property_was() {
    let mut node = node();
    let long = Profile {
        max_turn_seconds: 86_400,
        ..profile("home", "jarvis")
    };
    let turn = node.running(1, long);
    let change = Check::Change {
        by: 2_000_000,
        within_ms: MINUTE,
    };
    guard(
        &mut node,
        vec![rule("slow", &["target", "level"], vec![change])],
    );
    let step = write(&mut node, turn, "target", 20);
    let unknown = Breach::Unknown {
        what: Unknown::Current,
    };
    assert_eq!(breach(&step), (Some("slow".into()), unknown));
    hear(&mut node, HEATER, "target", Some(millionths(20)), None);
    for value in [22, 20] {
        let step = write(&mut node, turn, "target", value);
        node.finish(begun(&step));
    }
    let step = write(&mut node, turn, "target", 23);
    let further = Breach::Change {
        from: millionths(20),
        value: millionths(23),
        by: 2_000_000,
        within_ms: MINUTE,
    };
    assert_eq!(breach(&step).1, further);
    assert!(words(&step).contains("it was 20, and 23 is further than 2 from what it was in 60 s"));
    hear(&mut node, HEATER, "target", Some(millionths(22)), None);
    node.wait(MINUTE);
    let step = write(&mut node, turn, "target", 24);
    node.finish(begun(&step));

    // Nobody hears what this is: it is what was written last, however long ago.
    let step = write(&mut node, turn, "level", 10);
    node.finish(begun(&step));
    node.wait(60 * MINUTE);
    let step = write(&mut node, turn, "level", 13);
    assert!(matches!(breach(&step).1, Breach::Change { .. }));
    let step = write(&mut node, turn, "level", 12);
    node.finish(begun(&step));
    node.wait(MINUTE - 1);
    assert!(matches!(
        breach(&write(&mut node, turn, "level", 14)).1,
        Breach::Change { .. }
    ));
    node.wait(1);
    let step = write(&mut node, turn, "level", 14);
    node.finish(begun(&step));
}

#[test]
fn what_is_written_more_often_than_is_remembered_is_refused() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let change = Check::Change {
        by: 2_000_000,
        within_ms: MINUTE,
    };
    guard(&mut node, vec![rule("slow", &["level"], vec![change])]);
    for _ in 0..64 {
        let step = write(&mut node, turn, "level", 10);
        node.finish(begun(&step));
        node.wait(1);
    }
    let step = write(&mut node, turn, "level", 10);
    let forgotten = Breach::Forgotten { within_ms: MINUTE };
    assert_eq!(breach(&step).1, forgotten);
    node.wait(MINUTE - 64);
    begun(&write(&mut node, turn, "level", 10));
}

#[test]
fn hours_go_over_the_edge_of_the_week_and_on_while_a_call_waits() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    // From Sunday 23:00 to Monday 01:00.
    let hours = Hours {
        from: WEEK_MINUTES - 60,
        to: 60,
    };
    guard(
        &mut node,
        vec![rule("night", &[], vec![Check::Hours(vec![hours])])],
    );
    for (minute, ms, inside) in [
        (WEEK_MINUTES - 61, 59_999, false),
        (WEEK_MINUTES - 60, 0, true),
        (WEEK_MINUTES - 1, 59_999, true),
        (0, 0, true),
        (59, 59_999, true),
        (60, 0, false),
    ] {
        let mut call = aimed(&mut node, turn, "target", Some(20));
        let aim = call.aim.as_mut().unwrap();
        aim.week_ms = u32::from(minute) * 60_000 + ms;
        let step = node.call(call).1;
        match inside {
            true => {
                node.finish(begun(&step));
            }
            false => assert_eq!(breach(&step).1, Breach::Hours),
        }
    }
    let at = |node: &mut Node, week_ms| {
        let mut call = aimed(node, turn, "target", Some(20));
        call.aim.as_mut().unwrap().week_ms = week_ms;
        node.call(call).1
    };
    let first = begun(&at(&mut node, 0));
    at(&mut node, 60 * 60_000 - 5_000);
    node.wait(5_000);
    let step = node.finish(first);
    assert_eq!(
        facts(&step),
        ["call-ended", "call-refused"],
        "the night is over"
    );
}

#[test]
fn what_was_not_written_counts_and_is_not_what_the_property_was() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let change = Check::Change {
        by: 2_000_000,
        within_ms: MINUTE,
    };
    let rate = Check::Rate {
        times: 3,
        within_ms: MINUTE,
    };
    guard(
        &mut node,
        vec![rule("slow", &["level"], vec![change, rate])],
    );
    let step = write(&mut node, turn, "level", 10);
    node.finish(begun(&step));
    node.wait(1);
    let ends = |node: &mut Node, step: &Step, finish| {
        node.feed(Event::Finished {
            call: begun(step),
            finish,
            usage: Usage::default(),
        })
    };
    let failed = Finish::Failed(Failure {
        code: "unreachable".into(),
        detail: "its broker is not connected".into(),
    });
    let step = write(&mut node, turn, "level", 12);
    let step = ends(&mut node, &step, failed);
    assert_eq!(facts(&step), ["move-undone", "call-ended"]);
    let far = |node: &mut Node, value| {
        let step = write(node, turn, "level", value);
        match breach(&step).1 {
            Breach::Change { from, .. } => from,
            other => unreachable!("{other:?}"),
        }
    };
    assert_eq!(far(&mut node, 13), millionths(10), "it never was 12");
    let step = write(&mut node, turn, "level", 8);
    let step = ends(&mut node, &step, Finish::Unknown);
    assert_eq!(facts(&step), ["call-ended"], "it may be 8");
    let step = write(&mut node, turn, "level", 10);
    assert!(
        matches!(breach(&step).1, Breach::Rate { times: 3, .. }),
        "what failed counts"
    );
    node.wait(MINUTE);
    assert_eq!(far(&mut node, 11), millionths(8));
}
