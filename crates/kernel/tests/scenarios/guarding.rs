//! What guards a device is not known for a while, or changes while a call waits.
use crate::{
    approvals::{LAYERS, answer, killed, restarted},
    guards::{
        HEATER, MINUTE, aimed, begun, breach, by, guard, hear, interlock, millionths, node, rule,
        window, words, write,
    },
    harness::{Node, body, driven, facts, profile},
};
use aion_kernel::{
    Aim, Breach, Call, Check, Event, Fact, Generation, Guarding, IdempotencyKey, Limits, Refusal,
    Rule, Scope, Step, TurnId, Unknown,
};

fn told(node: &mut Node, guards: Guarding) -> Step {
    node.feed(Event::Guard {
        device: HEATER.into(),
        guards,
    })
}

fn aimed_by(node: &mut Node, turn: TurnId, generation: u64) -> Call {
    let call = aimed(node, turn, "target", Some(20));
    let aim = call.aim.map(|aim| Aim {
        generation: Generation(generation),
        ..aim
    });
    Call { aim, ..call }
}

fn counted() -> Vec<Rule> {
    let rate = Check::Rate {
        times: 1,
        within_ms: MINUTE,
    };
    let change = Check::Change {
        by: 2_000_000,
        within_ms: MINUTE,
    };
    vec![
        rule("rate", &["target"], vec![rate]),
        rule("slow", &["level"], vec![change]),
    ]
}

#[test]
fn a_device_that_is_not_understood_for_a_while_goes_on_counting() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    guard(&mut node, counted());
    for (point, value) in [("target", 20), ("level", 10)] {
        let step = write(&mut node, turn, point, value);
        node.finish(begun(&step));
    }
    let step = told(&mut node, Guarding::Unknown);
    assert!(step.facts.is_empty(), "{step:?}");
    let step = write(&mut node, turn, "target", 20);
    assert!(matches!(breach(&step), (None, Breach::Unguarded { .. })));
    node.wait(1_000);
    assert!(guard(&mut node, counted()).facts.is_empty());
    let step = write(&mut node, turn, "target", 20);
    assert!(matches!(breach(&step).1, Breach::Rate { .. }));
    let step = write(&mut node, turn, "level", 13);
    assert!(matches!(breach(&step).1, Breach::Change { .. }));

    told(&mut node, Guarding::Unknown);
    let step = told(&mut node, Guarding::Gone);
    assert_eq!(facts(&step), ["moves-forgotten"], "both points");
    guard(&mut node, counted());
    for (point, value) in [("target", 20), ("level", 30)] {
        let step = write(&mut node, turn, point, value);
        node.finish(begun(&step));
    }
}

#[test]
fn what_is_not_understood_is_forgotten_as_it_gets_old() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    guard(&mut node, vec![counted().remove(0)]);
    let step = write(&mut node, turn, "target", 20);
    node.finish(begun(&step));
    told(&mut node, Guarding::Unknown);
    let moves = |node: &Node| {
        let state = serde_json::to_value(node.kernel.state()).unwrap();
        state.get("moves").is_some()
    };
    assert!(moves(&node));
    node.wait(MINUTE);
    let (after, _) = restarted(&node, Vec::new());
    assert!(!moves(&after));
}

#[test]
fn what_others_look_at_of_it_is_not_known_either() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    guard(&mut node, vec![interlock()]);
    window(&mut node, false);
    node.feed(Event::Guard {
        device: "home/window".into(),
        guards: Guarding::Unknown,
    });
    let step = write(&mut node, turn, "target", 20);
    assert!(matches!(breach(&step).1, Breach::Unknown { .. }));
}

#[test]
fn a_call_that_waits_for_its_turn_is_not_judged_by_rules_that_it_was_not_aimed_by() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    told(&mut node, by(Vec::new(), 1));
    let call = aimed_by(&mut node, turn, 1);
    let first = begun(&node.call(call).1);
    let call = aimed_by(&mut node, turn, 1);
    assert!(node.call(call).1.facts.is_empty(), "it waits");
    told(&mut node, by(Vec::new(), 2));
    let step = node.finish(first);
    assert_eq!(facts(&step), ["call-ended", "call-refused"]);
    assert!(driven(&step).is_empty());
    let changed = |fact: &Fact| {
        let why = |it: &Refusal| {
            matches!(
                it,
                Refusal::Guarded {
                    why: Breach::Changed,
                    ..
                }
            )
        };
        matches!(fact, Fact::CallRefused { refusal, .. } if why(refusal))
    };
    assert!(step.facts.iter().any(changed), "{step:?}");

    let call = aimed_by(&mut node, turn, 1);
    let step = node.call(call).1;
    assert_eq!(breach(&step), (None, Breach::Changed));
    assert!(
        words(&step).contains("changed while the call waited: make it again"),
        "{}",
        words(&step)
    );
    let call = aimed_by(&mut node, turn, 2);
    begun(&node.call(call).1);
}

#[test]
fn a_call_that_waits_for_a_person_is_made_again_where_its_device_changed() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let rules = || vec![rule("by-hand", &[], vec![Check::Approval])];
    told(&mut node, by(rules(), 1));
    let call = |node: &mut Node, generation| Call {
        body: body(9),
        ..aimed_by(node, turn, generation)
    };
    let held = call(&mut node, 1);
    assert_eq!(facts(&node.call(held).1), ["approval-asked"]);
    told(&mut node, by(rules(), 2));
    let step = answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(facts(&step), ["approval-answered", "call-refused"]);
    assert_eq!(breach(&step), (None, Breach::Changed));
    let again = call(&mut node, 2);
    let step = node.call(again).1;
    node.finish(begun(&step));
    let another = call(&mut node, 2);
    let step = node.call(another).1;
    assert_eq!(facts(&step), ["approval-asked"], "the yes is used up");
}

#[test]
fn a_turn_that_was_set_aside_makes_its_call_by_what_the_device_is_then() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let rules = || vec![rule("by-hand", &[], vec![Check::Approval])];
    told(&mut node, by(rules(), 1));
    let call = |node: &mut Node, generation| Call {
        key: IdempotencyKey::new(&format!("t{turn}.1")),
        body: body(9),
        ..aimed_by(node, turn, generation)
    };
    let held = call(&mut node, 1);
    node.call(held);
    killed(&mut node, turn, 1);
    told(&mut node, by(rules(), 2));
    answer(&mut node, 1, Some(Scope::Once));
    node.ready(turn, 2, &LAYERS);
    let again = call(&mut node, 2);
    begun(&node.call(again).1);
}

#[test]
fn what_was_heard_by_another_description_is_to_be_heard_again() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let slow = || {
        let slow = counted().remove(1);
        vec![rule("slow", &["target"], slow.checks), interlock()]
    };
    told(&mut node, by(slow(), 1));
    hear(&mut node, HEATER, "target", Some(millionths(20)), None);
    window(&mut node, false);
    told(&mut node, by(slow(), 1));
    let call = aimed_by(&mut node, turn, 1);
    let step = node.call(call).1;
    node.finish(begun(&step));
    told(&mut node, by(slow(), 2));
    let call = aimed_by(&mut node, turn, 2);
    let unknown = Breach::Unknown {
        what: Unknown::Current,
    };
    assert_eq!(breach(&node.call(call).1).1, unknown);
    hear(&mut node, HEATER, "target", Some(millionths(20)), None);
    window(&mut node, false);
    let call = aimed_by(&mut node, turn, 2);
    begun(&node.call(call).1);
}
