//! Safe states in the corners: another one than before, what comes at the same time, what runs meanwhile, what was not sent, and
//! devices that left.
use crate::{
    approvals::restarted,
    guards::{HEATER, begun, by, guard, node, rule, words},
    harness::{Node, facts, profile},
    watchdogs::{AFTER_MS, ended, made_safe, parts, purge, ready, watched, watched_as, write},
};
use aion_kernel::{
    CancelCause, Check, Effect, Event, Generation, Guarding, Kernel, Limits, Snapshot, Step, TurnId,
};
use serde_json::Value;

/// The first part was done, and nothing was sent of the other.
fn half_done() -> (Node, TurnId) {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    node.wait(AFTER_MS);
    ended(&mut node, &[0], &[]);
    (node, turn)
}

/// What is done once it is watched so, in the end.
fn done_of(node: &mut Node, what: &str) -> Vec<aion_kernel::Parts> {
    let mut all = made_safe(&watched_as(node, false, Vec::new(), 9, what));
    all.extend(made_safe(&node.wait(10 * AFTER_MS)));
    all
}

fn unknown(node: &mut Node) -> Step {
    let (device, guards) = (HEATER.into(), Guarding::Unknown);
    node.feed(Event::Guard { device, guards })
}

#[test]
fn another_safe_state_is_brought_about_in_full() {
    for what in ["", "another"] {
        let expected = if what.is_empty() {
            [1].as_slice()
        } else {
            &[0, 1]
        };
        let (mut node, _) = half_done();
        assert_eq!(done_of(&mut node, what), [parts(expected)], "at once");
        let (mut node, _) = half_done();
        unknown(&mut node);
        assert_eq!(
            done_of(&mut node, what),
            [parts(expected)],
            "after it was not known"
        );
        let (node, _) = half_done();
        let (mut node, _) = restarted(&node, Vec::new());
        assert_eq!(
            done_of(&mut node, what),
            [parts(expected)],
            "after a restart"
        );
    }
}

#[test]
fn what_was_stored_before_safe_states_were_told_apart_is_done_in_full() {
    fn strip(value: &mut Value, names: &[&str]) {
        match value {
            Value::Object(map) => {
                names.iter().for_each(|it| drop(map.remove(*it)));
                map.values_mut().for_each(|it| strip(it, names));
            }
            Value::Array(all) => all.iter_mut().for_each(|it| strip(it, names)),
            _ => {}
        }
    }
    let as_before = |node: &Node| {
        let mut stored = serde_json::to_value(node.kernel.snapshot()).unwrap();
        strip(&mut stored["state"]["watchdogs"], &["what", "meanwhile"]);
        let stored: Snapshot = serde_json::from_value(stored).unwrap();
        let mut after = self::node();
        after.kernel = Kernel::restore(stored, Limits::default()).unwrap();
        after.now = node.now.plus(500);
        after.feed(Event::Recovered {
            workers: Vec::new(),
        });
        after
    };
    let (node, _) = half_done();
    assert_eq!(done_of(&mut as_before(&node), ""), [parts(&[0, 1])]);
    // As it was being sent.
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    node.wait(AFTER_MS);
    assert_eq!(done_of(&mut as_before(&node), ""), [parts(&[0, 1])]);
}

#[test]
fn a_part_counts_only_for_the_safe_state_that_it_is_of() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let part = write(&mut node, turn, 5);
    watched_as(&mut node, false, Vec::new(), 1, "another");
    let late = node.finish(begun(&part));
    assert!(!facts(&late).contains(&"safe-part-done"), "{late:?}");
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
}

#[test]
fn what_begins_at_the_same_moment_is_told_apart_by_its_order() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let part = write(&mut node, turn, 5);
    let moved = write(&mut node, turn, 20);
    let late = node.finish(begun(&part));
    assert!(!facts(&late).contains(&"safe-part-done"), "{late:?}");
    node.finish(begun(&moved));
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
    // While the node makes it safe, too.
    let step = write(&mut node, turn, 20);
    ended(&mut node, &[0, 1], &[]);
    node.finish(begun(&step));
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
}

/// The driver may take the calls in any order, and tell of their ends in any.
#[test]
fn a_part_counts_for_nothing_while_a_call_that_leads_out_runs() {
    for leading_ends_first in [false, true] {
        let (mut node, turn) = ready();
        let leading = write(&mut node, turn, 20);
        let part = write(&mut node, turn, 5);
        let last = purge(&mut node, turn);
        let calls = match leading_ends_first {
            false => [part, last, leading],
            true => [leading, part, last],
        };
        for step in &calls {
            let end = node.finish(begun(step));
            assert!(!facts(&end).contains(&"safe-part-done"), "{end:?}");
        }
        assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
    }
    // What begins after its end counts.
    let (mut node, turn) = ready();
    for value in [20, 5] {
        let step = write(&mut node, turn, value);
        node.finish(begun(&step));
    }
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[1])]);
}

#[test]
fn a_part_of_another_safe_state_leads_out_of_this_one() {
    let armed = || {
        let (mut node, turn) = ready();
        let step = write(&mut node, turn, 20);
        node.finish(begun(&step));
        (node, turn)
    };
    let done_by_agents = |node: &mut Node, turn| {
        for step in [write(node, turn, 5), purge(node, turn)] {
            node.finish(begun(&step));
        }
    };
    // Of the one before, by an agent.
    let (mut node, turn) = armed();
    let old = write(&mut node, turn, 5);
    watched_as(&mut node, false, Vec::new(), 1, "another");
    done_by_agents(&mut node, turn);
    node.finish(begun(&old));
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
    // And by the node.
    let (mut node, turn) = armed();
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
    watched_as(&mut node, false, Vec::new(), 1, "another");
    done_by_agents(&mut node, turn);
    ended(&mut node, &[0, 1], &[]);
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
}

#[test]
fn parts_that_agents_do_behind_what_led_out_leave_nothing_to_do() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
    for value in [20, 5] {
        let step = write(&mut node, turn, value);
        node.finish(begun(&step));
    }
    let step = purge(&mut node, turn);
    node.finish(begun(&step));
    ended(&mut node, &[], &[0, 1]);
    assert_eq!(facts(&node.wait(2 * AFTER_MS)), [""; 0]);
}

#[test]
fn a_safe_state_waits_for_the_end_of_what_an_agent_is_doing() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let step = purge(&mut node, turn);
    assert_eq!(made_safe(&node.wait(AFTER_MS)), []);
    let end = node.finish(begun(&step));
    assert_eq!(made_safe(&end), [parts(&[0])], "the other part was done");
    ended(&mut node, &[0], &[]);
    // One that never ends is given up, and what makes the device safe comes behind that.
    let step = write(&mut node, turn, 20);
    let call = begun(&step);
    let mut late = Vec::new();
    for _ in 0..200 {
        let step = node.wait(5_000);
        late.extend(step.effects.into_iter().map(|it| it.effect));
        if late.iter().any(|it| matches!(it, Effect::SafeState { .. })) {
            break;
        }
    }
    let by: Option<CancelCause> = None;
    let [cancel, abort, rest @ ..] = late.as_slice() else {
        unreachable!("{late:?}")
    };
    assert_eq!(*cancel, Effect::CancelDriver { call, by });
    assert_eq!(*abort, Effect::AbortDriver { call });
    assert!(
        matches!(rest.last(), Some(Effect::SafeState { .. })),
        "{rest:?}"
    );
}

#[test]
fn one_try_at_a_time_also_of_a_device_that_was_not_watched_meanwhile() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    assert_eq!(made_safe(&node.wait(AFTER_MS)), [parts(&[0, 1])]);
    let (device, guards) = (HEATER.into(), by(Vec::new(), 1));
    node.feed(Event::Guard { device, guards });
    watched(&mut node, false, Vec::new(), 1);
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    assert_eq!(
        made_safe(&node.wait(AFTER_MS)),
        [],
        "the first is under way"
    );
    // What the first came to is not taken for what the second does.
    let end = ended(&mut node, &[0, 1], &[]);
    assert_eq!(made_safe(&end), [parts(&[0, 1])]);
}

#[test]
fn what_the_node_did_not_send_counts_for_no_rate_and_what_it_may_have_sent_does() {
    let rate = || {
        let rate = Check::Rate {
            times: 2,
            within_ms: 10 * AFTER_MS,
        };
        vec![rule("r", &["target"], vec![rate])]
    };
    for (done, unknown, counts) in [
        (&[][..], &[][..], false),
        (&[1], &[], false),
        (&[0], &[1], true),
        (&[], &[0, 1], true),
    ] {
        let mut node = node();
        let turn = node.running(1, profile("home", "jarvis"));
        watched(&mut node, false, rate(), 1);
        let step = write(&mut node, turn, 20);
        node.finish(begun(&step));
        node.wait(AFTER_MS);
        let refused = words(&write(&mut node, turn, 20));
        assert!(
            refused.contains("2 in 600 s"),
            "while it is sent: {refused}"
        );
        let end = ended(&mut node, done, unknown);
        assert_eq!(facts(&end).contains(&"move-withdrawn"), !counts, "{end:?}");
        let step = write(&mut node, turn, 20);
        match counts {
            true => assert!(words(&step).contains("2 in 600 s")),
            false => drop(begun(&step)),
        }
    }
    // Nobody knows of what was sent as the node was killed.
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    watched(&mut node, false, rate(), 1);
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    node.wait(AFTER_MS);
    let incarnation = aion_kernel::Incarnation(1);
    let (mut after, _) = restarted(&node, vec![aion_kernel::LiveWorker { turn, incarnation }]);
    guard(&mut after, rate());
    assert!(words(&write(&mut after, turn, 20)).contains("2 in 600 s"));
}

#[test]
fn a_device_that_left_while_the_node_was_down_is_watched_no_more() {
    let present = |node: &mut Node, devices: &[&str]| {
        let devices = devices.iter().map(|it| (*it).into()).collect();
        node.feed(Event::Present { devices })
    };
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    node.finish(begun(&step));
    let (mut stayed, _) = restarted(&node, Vec::new());
    let step = present(&mut stayed, &["home/lamp", HEATER]);
    assert_eq!(facts(&step), [""; 0]);
    stayed.wait(AFTER_MS);
    let step = watched(&mut stayed, false, Vec::new(), 1);
    assert_eq!(made_safe(&step), [parts(&[0, 1])]);

    let (mut left, _) = restarted(&node, Vec::new());
    assert_eq!(
        facts(&present(&mut left, &["home/lamp"])),
        ["watchdog-stopped"]
    );
    left.wait(AFTER_MS);
    let step = watched(&mut left, false, Vec::new(), 1);
    assert_eq!(
        made_safe(&step),
        [],
        "it came back as somebody else left it"
    );
    assert_eq!(facts(&left.wait(AFTER_MS)), [""; 0]);
}

#[test]
fn what_is_sent_is_of_the_description_that_was_judged() {
    let (mut node, turn) = ready();
    let step = write(&mut node, turn, 20);
    let driven = |it: &Effect| match it {
        Effect::Drive { aimed, .. } => *aimed,
        _ => None,
    };
    let aimed = step.effects.iter().find_map(|it| driven(&it.effect));
    assert_eq!(aimed, Some(Generation(1)));
    node.finish(begun(&step));
    watched(&mut node, false, Vec::new(), 7);
    let step = node.wait(AFTER_MS);
    let safe = |it: &Effect| match it {
        Effect::SafeState { generation, .. } => Some(*generation),
        _ => None,
    };
    let safe = step.effects.iter().find_map(|it| safe(&it.effect));
    assert_eq!(safe, Some(Generation(7)));
}
