//! Syscalls: authorised, charged, scheduled, answered once.
use std::sync::Arc;

use crate::harness::{
    Node, OK, answers, body, driven, effects, facts, outcome, profile, refusal, rule, uid,
};
use aion_kernel::{
    Barrier, Call, CallId, Denied, Effect, Kind, Limits, Outcome, Queue, Refusal, Resource, Step,
    Unasked, Verdict,
};

#[test]
fn null_is_one_fact_and_one_reply() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = node.plain(turn, Kind::Null);
    let (_, step) = node.call(call);
    assert_eq!(facts(&step), ["call-served"]);
    assert_eq!(outcome(&step), (OK, false));
    assert_eq!(step.effects[0].barrier, Barrier::Written);
}

#[test]
fn an_effect_waits_for_its_intent_and_its_answer_for_the_outcome() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    for (kind, drive, reply) in [
        (Kind::FsWrite, Barrier::Durable, Barrier::Durable),
        (Kind::FsRead, Barrier::None, Barrier::Written),
    ] {
        let call = node.plain(turn, kind);
        let (_, step) = node.call(call);
        assert_eq!(facts(&step), ["call-started"]);
        assert_eq!(step.effects[0].barrier, drive);
        let step = node.finish(driven(&step)[0]);
        assert_eq!(facts(&step), ["call-ended"]);
        assert_eq!(
            outcome(&step),
            (
                Outcome::Ok {
                    body: Some(body(3))
                },
                false
            )
        );
        assert_eq!(step.effects[0].barrier, reply);
    }
}

#[test]
fn a_denied_syscall_is_answered_once_with_its_rule_and_remembered() {
    let mut node = Node::new(Limits {
        approvals: 0,
        ..Limits::default()
    });
    let mut profile = profile("home", "jarvis");
    let grants = Arc::make_mut(&mut profile.grants);
    grants.push(rule(Verdict::Deny, Kind::ToolCall, "calendar.*"));
    grants.push(rule(Verdict::Ask, Kind::FsWrite, "notes"));
    grants.retain(|rule| rule.kind != Kind::MemoryForget);
    let turn = node.running(1, profile);
    let denied = |rule: Option<&str>| Refusal::Denied {
        rule: rule.map(Into::into),
    };
    let expected = [
        (Kind::ToolCall, denied(Some("test calendar.*"))),
        (
            Kind::FsWrite,
            Refusal::ApprovalRequired {
                rule: "test notes".into(),
                why: Unasked::TooManyWait,
            },
        ),
        (Kind::MemoryForget, denied(None)),
    ];
    for (kind, expected) in &expected {
        let call = node.plain(turn, *kind);
        let (_, step) = node.call(call);
        assert_eq!(facts(&step), ["call-refused"]);
        assert_eq!(refusal(&step), *expected);
    }
    let remembered: Vec<_> = node
        .kernel
        .state()
        .denials(uid(1))
        .map(|d| (d.kind, d.refusal.clone()))
        .collect();
    let expected = expected.map(|(kind, refusal)| (kind, Denied::Kernel(refusal)));
    assert_eq!(remembered, expected);
}

#[test]
fn a_call_of_a_turn_that_does_not_run_is_refused() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    node.exited(turn, 1);
    let call = node.plain(turn, Kind::Null);
    let (_, step) = node.call(call);
    assert_eq!(refusal(&step), Refusal::TurnNotRunning);
}

#[test]
fn a_retry_in_flight_joins_and_a_later_one_gets_the_recorded_outcome() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let first = node.keyed(turn, Kind::ToolCall, "k");
    assert!(!node.kernel.is_made_again(&first));
    let (one, step) = node.call(first);
    let call = driven(&step)[0];
    let retry = node.keyed(turn, Kind::ToolCall, "k");
    assert!(node.kernel.is_made_again(&retry), "it is in flight");
    let (two, step) = node.call(retry);
    assert_eq!(step, Step::default());
    let step = node.finish(call);
    let told: Vec<_> = answers(&step)
        .into_iter()
        .map(|(ticket, _)| ticket)
        .collect();
    assert_eq!(told, [one, two]);
    let retry = node.keyed(turn, Kind::ToolCall, "k");
    assert!(node.kernel.is_made_again(&retry), "it ended");
    let (_, step) = node.call(retry);
    assert_eq!(
        outcome(&step),
        (
            Outcome::Ok {
                body: Some(body(3))
            },
            true
        )
    );
    assert!(facts(&step).is_empty());
}

#[test]
fn a_key_belongs_to_one_request_of_one_instance() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let other = node.running(2, profile("home", "jarvis"));
    let first = node.keyed(turn, Kind::ToolCall, "k");
    let (_, step) = node.call(first);
    let recorded = driven(&step)[0];
    let changed = Call {
        body: body(9),
        ..node.keyed(turn, Kind::ToolCall, "k")
    };
    assert_eq!(
        refusal(&node.call(changed).1),
        Refusal::IdempotencyMismatch { recorded }
    );
    let apart = node.keyed(other, Kind::ToolCall, "k");
    assert!(!node.kernel.is_made_again(&apart));
    assert_eq!(driven(&node.call(apart).1).len(), 1);
}

#[test]
fn a_slow_endpoint_holds_up_nobody_else() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    for _ in 0..5 {
        let call = node.plain(turn, Kind::ModelChat);
        node.call(call);
    }
    let tool = node.plain(turn, Kind::ToolCall);
    assert_eq!(driven(&node.call(tool).1).len(), 1);
    let resource = Resource::Model("another".into());
    let model = Call {
        resource,
        ..node.plain(turn, Kind::ModelChat)
    };
    assert_eq!(driven(&node.call(model).1).len(), 1);
}

#[test]
fn a_full_queue_refuses_one_tenant_and_says_when_to_retry() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        queue_per_tenant: 2,
        ..Limits::default()
    });
    let red = node.running(1, profile("red", "jarvis"));
    let blue = node.running(2, profile("blue", "jarvis"));
    let mut last = Step::default();
    for _ in 0..4 {
        let call = node.plain(red, Kind::ModelChat);
        last = node.call(call).1;
    }
    let refused = refusal(&last);
    assert!(
        matches!(
            refused,
            Refusal::Overloaded {
                queue: Queue::TenantCalls,
                retry_after_ms: 100..
            }
        ),
        "{refused:?}"
    );
    let call = node.plain(blue, Kind::ModelChat);
    assert_eq!(
        answers(&node.call(call).1),
        [],
        "the other tenant's call waits"
    );
}

#[test]
fn a_grant_taken_back_stops_what_waits() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    let first = node.plain(turn, Kind::ToolCall);
    let running = driven(&node.call(first).1)[0];
    let second = node.plain(turn, Kind::ToolCall);
    node.call(second);
    let mut narrower = profile("home", "jarvis");
    Arc::make_mut(&mut narrower.grants).retain(|rule| rule.kind != Kind::ToolCall);
    node.apply(1, narrower);
    let step = node.finish(running);
    assert_eq!(driven(&step), []);
    assert_eq!(facts(&step), ["call-ended", "call-refused"]);
}

#[test]
fn answers_carry_numbers_that_rise() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let mut last = CallId(0);
    for kind in Kind::ALL {
        let call = node.plain(turn, kind);
        let (_, step) = node.call(call);
        let mut released = effects(&step);
        released.extend(
            driven(&step)
                .first()
                .map(|call| node.finish(*call))
                .iter()
                .flat_map(effects),
        );
        for effect in released {
            if let Effect::Reply { call, .. } = effect {
                assert!(call > last);
                last = call;
            }
        }
    }
}
