//! A person's word about a device is for one of its points, however long it counts.
use crate::{
    approvals::{LAYERS, answer},
    guards::{aimed, begun, guard, interlock, rule, window},
    harness::{self, Node, body, facts, profile, started},
};
use aion_kernel::{
    ApprovalId, Call, Check, Date, IdempotencyKey, Kind, Limits, Name, Profile, Scope, Step,
    TurnId, Verdict,
};

/// Two commands of one device, as the shell names them: the target is the device.
fn order(node: &mut Node, turn: TurnId, point: &str, n: u8) -> Call {
    Call {
        kind: Kind::DeviceCommand,
        target: Some("heater".into()),
        body: body(n),
        ..aimed(node, turn, point, None)
    }
}

fn ordered(node: &mut Node, turn: TurnId, point: &str, n: u8) -> Step {
    let call = order(node, turn, point, n);
    node.call(call).1
}

fn asks(step: &Step) -> bool {
    facts(step).first() == Some(&"approval-asked")
}

/// Both points can be commanded, and one or both need a person.
fn node(on: &[&str], profile: Profile) -> (Node, TurnId) {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile);
    guard(&mut node, vec![rule("by-hand", on, vec![Check::Approval])]);
    (node, turn)
}

fn wide(node: &Node) -> [Scope; 2] {
    let date = Date(node.now.0 + 3_600_000);
    [Scope::Turn, Scope::Until { date }]
}

#[test]
fn a_yes_to_one_command_of_a_device_is_none_to_another() {
    for n in 0..2 {
        let (mut node, turn) = node(&[], profile("home", "jarvis"));
        let step = ordered(&mut node, turn, "level", 1);
        assert!(asks(&step), "{step:?}");
        let state = node.kernel.state();
        let row = state.approval(ApprovalId(1)).unwrap();
        assert_eq!(row.point, Some(Name::from("level")), "a person sees it");
        let scope = wide(&node)[n];
        let step = answer(&mut node, 1, Some(scope));
        node.finish(begun(&step));
        let again = ordered(&mut node, turn, "level", 2);
        node.finish(begun(&again));
        let other = ordered(&mut node, turn, "purge", 3);
        assert!(asks(&other), "{scope:?}: {other:?}");
        answer(&mut node, 2, None);
        let words = node.kernel.state().standing_words();
        let points: Vec<_> = words.map(|it| it.1.point.clone()).collect();
        assert!(
            points.iter().all(|it| *it == Some("level".into())),
            "{points:?}"
        );
    }
}

#[test]
fn what_the_grant_asked_for_is_no_word_for_another_point_of_a_guardrail() {
    for n in 0..2 {
        let mut profile = profile("home", "jarvis");
        let mut grants = profile.grants.to_vec();
        let kind = Kind::DeviceCommand;
        grants.push(harness::rule(Verdict::Ask, kind, "heater"));
        profile.grants = grants.into();
        let (mut node, turn) = node(&["purge"], profile);
        assert!(asks(&ordered(&mut node, turn, "level", 1)), "by the grant");
        let scope = wide(&node)[n];
        let step = answer(&mut node, 1, Some(scope));
        node.finish(begun(&step));
        let other = ordered(&mut node, turn, "purge", 2);
        assert!(asks(&other), "{scope:?}: {other:?}");
        let scope = wide(&node)[n];
        let step = answer(&mut node, 2, Some(scope));
        node.finish(begun(&step));
        for (point, n) in [("purge", 3), ("level", 4)] {
            let step = ordered(&mut node, turn, point, n);
            node.finish(begun(&step));
        }
    }
}

#[test]
fn a_wide_yes_answers_what_waits_for_the_same_point_alone() {
    let (mut node, turn) = node(&[], profile("home", "jarvis"));
    for (point, n) in [("level", 1), ("level", 2), ("purge", 3)] {
        assert!(asks(&ordered(&mut node, turn, point, n)));
    }
    answer(&mut node, 1, Some(Scope::Turn));
    let state = node.kernel.state();
    let pending: Vec<_> = state.approvals().filter(|it| it.1.is_pending()).collect();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].1.point, Some("purge".into()));
}

#[test]
fn a_yes_for_one_call_is_spent_by_that_call_of_its_point() {
    let (mut node, turn) = node(&[], profile("home", "jarvis"));
    guard(
        &mut node,
        vec![rule("by-hand", &[], vec![Check::Approval]), interlock()],
    );
    window(&mut node, false);
    // One body for both: that the shell says the same of two points is not relied on.
    let keyed = |node: &mut Node, point: &str| Call {
        key: IdempotencyKey::new(&format!("t{turn}.1")),
        ..order(node, turn, point, 7)
    };
    let call = keyed(&mut node, "level");
    assert!(asks(&node.call(call).1));
    crate::approvals::killed(&mut node, turn, 1);
    let step = answer(&mut node, 1, Some(Scope::Once));
    let [(_, incarnation)] = started(&step)[..] else {
        unreachable!("{step:?}")
    };
    node.ready(turn, incarnation.0, &LAYERS);
    let other = keyed(&mut node, "purge");
    assert!(asks(&node.call(other).1), "it is for the other point");
}
