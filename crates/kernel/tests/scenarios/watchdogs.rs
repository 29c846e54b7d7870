//! Devices that the node brings into their safe state: when no agent calls any more, once, and through restarts.
use crate::{
    approvals::restarted,
    guards::{HEATER, aimed, begun, guards, millionths, node},
    harness::{Node, effects, facts, profile},
};
use aion_kernel::{
    Barrier, Check, Effect, Event, Failure, Finish, Generation, Guarding, Parts, Rule, SafePart,
    Step, TurnId, Usage, Watchdog,
};

pub(crate) const AFTER_MS: u64 = 60_000;

pub(crate) fn watched(
    node: &mut Node,
    repeatable: bool,
    rules: Vec<Rule>,
    generation: u64,
) -> Step {
    watched_as(node, repeatable, rules, generation, "")
}

pub(crate) fn watched_as(
    node: &mut Node,
    repeatable: bool,
    rules: Vec<Rule>,
    generation: u64,
    what: &str,
) -> Step {
    let part = |point: &str, value: Option<i64>| SafePart {
        point: point.into(),
        value: value.map(millionths),
        repeatable,
    };
    let watchdog = Watchdog {
        after_ms: AFTER_MS,
        safe: vec![part("target", Some(5)), part("purge", None)],
        what: what.into(),
    };
    let guards = guards(rules).unwrap().watched(watchdog).unwrap();
    node.feed(Event::Guard {
        device: HEATER.into(),
        guards: Guarding::By {
            guards: guards.into(),
            generation: Generation(generation),
        },
    })
}

pub(crate) fn write(node: &mut Node, turn: TurnId, value: i64) -> Step {
    let mut call = aimed(node, turn, "target", Some(value));
    if let Some(aim) = &mut call.aim {
        aim.safe = (value == 5).then_some(0);
    }
    node.call(call).1
}

pub(crate) fn purge(node: &mut Node, turn: TurnId) -> Step {
    let mut call = aimed(node, turn, "purge", None);
    if let Some(aim) = &mut call.aim {
        aim.safe = Some(1);
    }
    node.call(call).1
}

/// What the shell is to do.
pub(crate) fn made_safe(step: &Step) -> Vec<Parts> {
    let effects = effects(step);
    let safe = effects.into_iter().filter_map(|it| match it {
        Effect::SafeState { device, parts, .. } => {
            assert_eq!(device.as_str(), HEATER);
            Some(parts)
        }
        _ => None,
    });
    safe.collect()
}

pub(crate) fn parts(of: &[u8]) -> Parts {
    of.iter().fold(Parts::default(), |all, it| all.with(*it))
}

pub(crate) fn ended(node: &mut Node, done: &[u8], unknown: &[u8]) -> Step {
    node.feed(Event::SafeStateEnded {
        device: HEATER.into(),
        done: parts(done),
        unknown: parts(unknown),
    })
}

pub(crate) fn ready() -> (Node, TurnId) {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    watched(&mut node, false, Vec::new(), 1);
    (node, turn)
}

#[test]
fn a_device_that_nobody_moves_any_more_is_made_safe_once() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    assert_eq!(facts(&step), ["watchdog-fed", "call-started"]);
    node.finish(begun(&step));
    node.wait(AFTER_MS - 1_000);
    // Whoever calls, its time runs anew.
    let step = write(&mut node, turn, 21);
    node.finish(begun(&step));
    assert_eq!(made_safe(&node.wait(AFTER_MS - 1)), []);
    let step = node.wait(1);
    assert_eq!(facts(&step), ["safe-state-begun"]);
    assert_eq!(made_safe(&step), [parts(&[0, 1])]);
    assert!(step.effects.iter().all(|it| it.barrier == Barrier::Durable));
    assert_eq!(made_safe(&node.wait(10 * AFTER_MS)), [], "it is under way");
    ended(&mut node, &[0, 1], &[]);
    assert_eq!(made_safe(&node.wait(10 * AFTER_MS)), []);
    // Late words change nothing.
    assert!(ended(&mut node, &[], &[0]).facts.is_empty());
}

#[test]
fn an_agent_that_makes_it_safe_itself_leaves_nothing_to_do() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 5);
    assert_eq!(facts(&step), ["call-started"], "it was safe");
    node.finish(begun(&step));
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let step = write(&mut node, turn, 5);
    let step = node.finish(begun(&step));
    assert!(facts(&step).contains(&"safe-part-done"), "{step:?}");
    // A part that failed was not done.
    let step = purge(&mut node, turn);
    node.feed(Event::Finished {
        call: begun(&step),
        finish: Finish::Failed(Failure {
            code: "unreachable".into(),
            detail: "its broker is away".into(),
        }),
        usage: Usage::default(),
    });
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[1])]);
    ended(&mut node, &[1], &[]);
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    for step in [write(&mut node, turn, 5), purge(&mut node, turn)] {
        node.finish(begun(&step));
    }
    assert_eq!(made_safe(&node.wait(AFTER_MS)), []);
}

#[test]
fn what_was_not_sent_is_tried_again_and_what_was_sent_is_not() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    node.wait(AFTER_MS);
    ended(&mut node, &[], &[0]);
    assert_eq!(made_safe(&node.wait(4_999)), []);
    assert_eq!(made_safe(&node.wait(1)), [parts(&[1])], "0 was sent");
    ended(&mut node, &[], &[]);
    assert_eq!(made_safe(&node.wait(9_999)), []);
    assert_eq!(made_safe(&node.wait(1)), [parts(&[1])]);
    ended(&mut node, &[1], &[]);
    assert_eq!(made_safe(&node.wait(AFTER_MS)), []);
}

#[test]
fn no_rate_hour_or_approval_keeps_a_device_from_its_safe_state_and_a_rate_counts_it() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let rule = |checks| Rule {
        name: "r".into(),
        reason: None,
        points: vec!["target".into()],
        checks,
    };
    let rate = Check::Rate {
        times: 2,
        within_ms: 10 * AFTER_MS,
    };
    watched(&mut node, false, vec![rule(vec![rate])], 1);
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let step = node.wait(AFTER_MS);
    assert_eq!(facts(&step), ["device-moved", "safe-state-begun"]);
    ended(&mut node, &[0, 1], &[]);
    let refused = crate::guards::words(&write(&mut node, turn, 20));
    assert!(refused.contains("2 in 600 s"), "{refused}");
}

#[test]
fn a_restart_forgets_no_watchdog_and_sends_nothing_twice() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    // The node was away beyond the time: as soon as it knows how, and not before.
    let (mut after, step) = restarted(&node, Vec::new());
    assert_eq!(made_safe(&step), []);
    assert_eq!(made_safe(&after.wait(2 * AFTER_MS)), []);
    assert_eq!(
        made_safe(&watched(&mut after, false, Vec::new(), 7)),
        [parts(&[0, 1])]
    );
    // Killed again, as it was sent.
    let (mut again, step) = restarted(&after, Vec::new());
    assert!(facts(&step).contains(&"safe-state-ended"), "{step:?}");
    assert_eq!(made_safe(&watched(&mut again, false, Vec::new(), 1)), []);
    assert_eq!(made_safe(&again.wait(10 * AFTER_MS)), []);
}

#[test]
fn what_may_be_done_twice_is_after_a_restart() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    watched(&mut node, true, Vec::new(), 1);
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    node.wait(AFTER_MS);
    let (mut after, _) = restarted(&node, Vec::new());
    assert_eq!(
        made_safe(&watched(&mut after, true, Vec::new(), 1)),
        [parts(&[0, 1])]
    );
}

#[test]
fn a_device_that_is_gone_or_watched_no_more_is_left_alone() {
    let (mut node, turn) = ready();
    for guards in [
        Guarding::Gone,
        Guarding::By {
            guards: guards(Vec::new()).unwrap().into(),
            generation: Generation(1),
        },
    ] {
        let step = write(&mut node, turn, 20);
        node.finish(begun(&step));
        let device = HEATER.into();
        let step = node.feed(Event::Guard { device, guards });
        assert_eq!(facts(&step), ["watchdog-stopped"]);
        assert_eq!(made_safe(&watched(&mut node, false, Vec::new(), 1)), []);
        assert_eq!(made_safe(&node.wait(AFTER_MS)), []);
    }
    // Of one that nobody can tell of for a while it goes on.
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let (device, guards) = (HEATER.into(), Guarding::Unknown);
    node.feed(Event::Guard { device, guards });
    assert_eq!(made_safe(&node.wait(AFTER_MS)), []);
    assert_eq!(
        made_safe(&watched(&mut node, false, Vec::new(), 1)),
        [parts(&[0, 1])]
    );
}

#[test]
fn a_part_that_is_done_late_leaves_a_device_watched_that_was_moved_meanwhile() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let part = write(&mut node, turn, 5);
    node.wait(1);
    let moved = write(&mut node, turn, 20);
    let late = node.finish(begun(&part));
    assert!(!facts(&late).contains(&"safe-part-done"), "{late:?}");
    node.finish(begun(&moved));
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
}

#[test]
fn another_guardrail_is_no_reason_to_do_a_part_again() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
    ended(&mut node, &[0], &[]);
    assert_eq!(made_safe(&watched(&mut node, false, Vec::new(), 9)), []);
    assert_eq!(made_safe(&node.wait(10 * AFTER_MS)), [parts(&[1])]);
}
