//! What guards a device holds of every write and command: as it is asked for, and again as it is begun.
use crate::{
    approvals::{LAYERS, answer, killed, restarted},
    harness::{Node, body, driven, facts, outcome, profile, refusal},
};
use aion_kernel::{
    Aim, Breach, Call, CallId, Check, Clause, Comparison, Condition, Denied, Event, Fact,
    Generation, Guarding, Guards, Hours, IdempotencyKey, Incarnation, Kind, Limits, LiveWorker,
    Measure, Millis, Misguided, Name, Point, Refusal, Resource, Rule, Scope, Step, Term, TurnId,
    Unknown, WEEK_MINUTES, WEEK_MS,
};

pub(crate) const HEATER: &str = "home/heater";
pub(crate) const MINUTE: u64 = 60_000;

pub(crate) fn node() -> Node {
    Node::new(Limits::default())
}

pub(crate) fn millionths(number: i64) -> Measure {
    Measure(number * 1_000_000)
}

pub(crate) fn rule(name: &str, points: &[&str], checks: Vec<Check>) -> Rule {
    Rule {
        name: name.into(),
        reason: Some("it is so".into()),
        points: points.iter().map(|it| Name::from(*it)).collect(),
        checks,
    }
}

/// Of a heater whose target is heard, whose level is not, and that can be told to purge.
pub(crate) fn guards(rules: Vec<Rule>) -> Result<Guards, Misguided> {
    let points = [("target", true), ("level", false), ("purge", false)];
    let points = points.map(|(name, heard)| Point {
        name: name.into(),
        heard,
    });
    Guards::new(points.to_vec(), rules)
}

pub(crate) fn by(rules: Vec<Rule>, generation: u64) -> Guarding {
    Guarding::By {
        guards: guards(rules).unwrap().into(),
        generation: Generation(generation),
    }
}

pub(crate) fn guard(node: &mut Node, rules: Vec<Rule>) -> Step {
    node.feed(Event::Guard {
        device: HEATER.into(),
        guards: by(rules, 1),
    })
}

pub(crate) fn hear(
    node: &mut Node,
    device: &str,
    point: &str,
    value: Option<Measure>,
    until: Option<Millis>,
) {
    node.feed(Event::Sensed {
        device: device.into(),
        point: point.into(),
        value,
        until,
    });
}

pub(crate) fn window(node: &mut Node, open: bool) {
    let value = Some(Measure(i64::from(open)));
    hear(node, "home/window", "open", value, None);
}

/// Not while the window is open.
pub(crate) fn interlock() -> Rule {
    let open = Term::Sensed {
        device: "home/window".into(),
        point: "open".into(),
    };
    let open = Clause::Compare(open, Comparison::Equal, Term::Constant(Measure(1)));
    let forbid = Check::Forbid(Condition::new(open).unwrap());
    rule("window", &["target"], vec![forbid])
}

pub(crate) fn aimed(node: &mut Node, turn: TurnId, point: &str, value: Option<i64>) -> Call {
    let week_ms = (node.now.0 % u64::from(WEEK_MS)) as u32;
    Call {
        target: Some(format!("heater.{point}").into()),
        resource: Resource::Devices("home/mosquitto".into()),
        aim: Some(Aim {
            device: HEATER.into(),
            generation: Generation(1),
            point: point.into(),
            value: value.map(millionths),
            safe: None,
            week_ms,
        }),
        ..node.plain(turn, Kind::DeviceWrite)
    }
}

pub(crate) fn write(node: &mut Node, turn: TurnId, point: &str, value: i64) -> Step {
    let call = aimed(node, turn, point, Some(value));
    node.call(call).1
}

pub(crate) fn begun(step: &Step) -> CallId {
    let driven = driven(step);
    assert_eq!(driven.len(), 1, "{step:?}");
    driven[0]
}

/// The rule and why.
pub(crate) fn breach(step: &Step) -> (Option<String>, Breach) {
    match refusal(step) {
        Refusal::Guarded { rule, why, .. } => (rule.map(|it| it.as_str().to_owned()), why),
        other => unreachable!("{other:?}"),
    }
}

pub(crate) fn words(step: &Step) -> String {
    refusal(step).to_string()
}

#[test]
fn a_device_of_which_nothing_is_known_is_left_alone() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let step = write(&mut node, turn, "target", 20);
    let unguarded = |point: &str| Breach::Unguarded {
        device: HEATER.into(),
        point: point.into(),
    };
    assert_eq!(breach(&step), (None, unguarded("target")));
    assert_eq!(
        words(&step),
        "nothing is known of what guards target of device home/heater, so nothing is done to it"
    );
    guard(&mut node, Vec::new());
    let step = write(&mut node, turn, "target", 20);
    node.finish(begun(&step));
    let step = write(&mut node, turn, "colour", 20);
    assert_eq!(breach(&step), (None, unguarded("colour")));
    let call = Call {
        aim: None,
        ..aimed(&mut node, turn, "target", Some(20))
    };
    assert_eq!(breach(&node.call(call).1), (None, Breach::Aimless));
    let device = HEATER.into();
    node.feed(Event::Guard {
        device,
        guards: Guarding::Gone,
    });
    let step = write(&mut node, turn, "target", 20);
    assert_eq!(breach(&step), (None, unguarded("target")), "it is gone");
}

#[test]
fn bounds_hold_and_a_refusal_says_which_and_is_remembered() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let checks = vec![
        Check::Minimum(Measure(5_250_000)),
        Check::Maximum(millionths(22)),
    ];
    guard(&mut node, vec![rule("range", &["target"], checks)]);
    let step = write(&mut node, turn, "target", 5);
    assert_eq!(
        words(&step),
        "guardrail range does not let it pass: 5 is less than 5.25, the least that is written (it is there since: it is so)"
    );
    let step = write(&mut node, turn, "target", 23);
    let above = Breach::Above {
        value: millionths(23),
        maximum: millionths(22),
    };
    assert_eq!(breach(&step), (Some("range".into()), above));
    write(&mut node, turn, "target", 24);
    let denials = node.kernel.state().denials(crate::harness::uid(1));
    let denials: Vec<_> = denials.map(|it| it.refusal.clone()).collect();
    assert_eq!(denials.len(), 2, "one for each way that it was refused");
    assert!(matches!(
        &denials[1],
        Denied::Kernel(Refusal::Guarded {
            why: Breach::Above {
                value: Measure(24_000_000),
                ..
            },
            ..
        })
    ));
    let call = aimed(&mut node, turn, "target", None);
    let unknown = Breach::Unknown {
        what: Unknown::Wanted,
    };
    assert_eq!(breach(&node.call(call).1).1, unknown);
    for (point, value) in [("target", 22), ("level", 90)] {
        let step = write(&mut node, turn, point, value);
        node.finish(begun(&step));
    }
}

#[test]
fn a_window_that_opens_while_the_call_waits_stops_it() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    guard(&mut node, vec![interlock()]);
    window(&mut node, false);
    let first = begun(&write(&mut node, turn, "target", 20));
    let waits = write(&mut node, turn, "target", 21);
    assert!(driven(&waits).is_empty() && waits.facts.is_empty());
    window(&mut node, true);
    let step = node.finish(first);
    assert_eq!(facts(&step), ["call-ended", "call-refused"]);
    assert!(driven(&step).is_empty());
    let refused = step.facts.iter().find_map(|fact| match fact {
        Fact::CallRefused { refusal, .. } => Some(refusal.to_string()),
        _ => None,
    });
    assert_eq!(
        refused.unwrap(),
        "guardrail window does not let it pass: what it forbids is so (it is there since: it is so)"
    );
    window(&mut node, false);
    let again = write(&mut node, turn, "target", 21);
    node.finish(begun(&again));
}

#[test]
fn what_is_not_known_forbids_and_stays_unknown_after_a_restart() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    guard(&mut node, vec![interlock()]);
    let looked_at = guards(vec![interlock()])
        .unwrap()
        .looks_at(&Name::from(HEATER));
    assert_eq!(
        looked_at.into_iter().collect::<Vec<_>>(),
        [(Name::from("home/window"), Name::from("open"))]
    );
    let unknown = Breach::Unknown {
        what: Unknown::Sensed {
            device: "home/window".into(),
            point: "open".into(),
        },
    };
    let step = write(&mut node, turn, "target", 20);
    assert_eq!(breach(&step), (Some("window".into()), unknown.clone()));
    assert!(words(&step).contains("open of device home/window is not known, or is stale"));
    let until = Some(node.now.plus(1_000));
    hear(&mut node, "home/window", "open", Some(Measure(0)), until);
    let step = write(&mut node, turn, "target", 20);
    node.finish(begun(&step));
    node.wait(999);
    let step = write(&mut node, turn, "target", 20);
    node.finish(begun(&step));
    node.wait(1);
    assert_eq!(
        breach(&write(&mut node, turn, "target", 20)).1,
        unknown,
        "it is stale"
    );
    window(&mut node, false);
    hear(&mut node, "home/window", "open", None, None);
    assert_eq!(breach(&write(&mut node, turn, "target", 20)).1, unknown);

    window(&mut node, false);
    let incarnation = Incarnation(1);
    let (mut after, _) = restarted(&node, vec![LiveWorker { turn, incarnation }]);
    let step = write(&mut after, turn, "target", 20);
    assert!(matches!(breach(&step).1, Breach::Unguarded { .. }));
    guard(&mut after, vec![interlock()]);
    assert_eq!(breach(&write(&mut after, turn, "target", 20)).1, unknown);
    window(&mut after, false);
    begun(&write(&mut after, turn, "target", 20));
}

#[test]
fn a_device_that_goes_takes_what_was_heard_of_it_with_it() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    guard(&mut node, vec![interlock()]);
    window(&mut node, false);
    guard(
        &mut node,
        vec![
            interlock(),
            rule("all", &[], vec![Check::Maximum(millionths(30))]),
        ],
    );
    let step = write(&mut node, turn, "target", 20);
    node.finish(begun(&step));
    node.feed(Event::Guard {
        device: "home/window".into(),
        guards: Guarding::Gone,
    });
    let step = write(&mut node, turn, "target", 20);
    assert!(matches!(breach(&step).1, Breach::Unknown { .. }));
}

#[test]
fn a_person_is_asked_by_a_guardrail_once_and_it_is_done_once() {
    let mut node = node();
    let turn = node.running(1, profile("home", "jarvis"));
    let approval = rule("by-hand", &["target"], vec![Check::Approval]);
    guard(&mut node, vec![approval.clone(), interlock()]);
    let call = |node: &mut Node| Call {
        key: IdempotencyKey::new(&format!("t{turn}.1")),
        body: body(9),
        ..aimed(node, turn, "target", Some(20))
    };
    window(&mut node, true);
    let refused = call(&mut node);
    let step = node.call(refused).1;
    assert_eq!(
        breach(&step).0.as_deref(),
        Some("window"),
        "nobody is asked about what cannot be"
    );
    window(&mut node, false);
    let asked = call(&mut node);
    let step = node.call(asked).1;
    assert_eq!(facts(&step), ["approval-asked", "turn-pausing"]);
    assert!(
        matches!(&step.facts[0], Fact::ApprovalAsked { rule, .. } if rule.as_str() == "by-hand")
    );
    killed(&mut node, turn, 1);
    answer(&mut node, 1, Some(Scope::Once));
    node.ready(turn, 2, &LAYERS);

    window(&mut node, true);
    let again = call(&mut node);
    let step = node.call(again).1;
    assert_eq!(
        breach(&step).0.as_deref(),
        Some("window"),
        "a yes opens no window"
    );
    window(&mut node, false);
    let again = call(&mut node);
    let step = node.call(again).1;
    node.finish(begun(&step));
    let replayed = call(&mut node);
    assert!(outcome(&node.call(replayed).1).1);
    let other = Call {
        key: IdempotencyKey::new(&format!("t{turn}.2")),
        ..call(&mut node)
    };
    assert!(
        facts(&node.call(other).1).contains(&"approval-asked"),
        "the yes is used up"
    );
}

#[test]
fn who_is_asked_by_the_grant_is_not_asked_again_by_a_guardrail() {
    let mut node = node();
    let mut profile = profile("home", "jarvis");
    let mut rules = profile.grants.to_vec();
    rules.push(crate::harness::rule(
        aion_kernel::Verdict::Ask,
        Kind::DeviceWrite,
        "heater.*",
    ));
    profile.grants = rules.into();
    let turn = node.running(1, profile);
    guard(&mut node, vec![rule("by-hand", &[], vec![Check::Approval])]);
    let call = aimed(&mut node, turn, "target", Some(20));
    let step = node.call(call).1;
    assert!(
        matches!(&step.facts[0], Fact::ApprovalAsked { rule, .. } if rule.as_str() == "test heater.*")
    );
    let step = answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(facts(&step), ["approval-answered", "call-started"]);
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let rate = |times, within_ms| Check::Rate { times, within_ms };
    let hours = |from, to| Check::Hours(vec![Hours { from, to }]);
    for checks in [
        vec![],
        vec![rate(0, MINUTE)],
        vec![rate(65, MINUTE)],
        vec![rate(1, 0)],
        vec![rate(1, 86_400_001)],
        vec![hours(5, 5)],
        vec![hours(WEEK_MINUTES, 5)],
    ] {
        assert!(
            guards(vec![rule("r", &[], checks.clone())]).is_err(),
            "{checks:?}"
        );
    }
    let nowhere = guards(vec![rule("r", &["colour"], vec![Check::Approval])]);
    assert_eq!(
        nowhere.unwrap_err().to_string(),
        "guardrail r is about colour, which cannot be written or commanded"
    );
    let many = (0..1_025).map(|_| rule("r", &[], vec![Check::Approval]));
    assert_eq!(guards(many.collect()), Err(Misguided::TooMany(1_025)));
}
