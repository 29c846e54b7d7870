//! Refusals: what they weigh, and how little is recorded of many.
use std::sync::Arc;

use aion_kernel::{
    Call, Denied, Event, Exit, Failure, Finish, Incarnation, Kind, Limits, Quota, QuotaKind,
    Refusal, Snapshot, Usage,
};

use crate::harness::{Node, driven, facts, outcome, profile, refusal, started, uid};

/// A running turn of an agent that may make ten calls a minute, and only `sys.null`.
fn granted_nothing() -> (Node, aion_kernel::TurnId) {
    let mut node = Node::new(Limits::default());
    let mut profile = profile("home", "jarvis");
    profile.grants = Arc::default();
    profile.quota = Quota {
        calls_per_minute: Some(10),
        ..Quota::default()
    };
    let turn = node.running(1, profile);
    (node, turn)
}

#[test]
fn a_refused_call_leaves_a_short_record_however_long_its_target() {
    let (mut node, turn) = granted_nothing();
    let call = Call {
        target: Some("ä".repeat(500_000).as_str().into()),
        ..node.plain(turn, Kind::FsRead)
    };
    let (_, step) = node.call(call);
    assert_eq!(refusal(&step), Refusal::Denied { rule: None });
    let recorded = serde_json::to_string(&step.facts).unwrap();
    assert!(recorded.len() < 1_024, "{}", recorded.len());
    let stored = serde_json::to_string(&node.kernel.snapshot()).unwrap();
    assert!(stored.len() < 8_192, "{}", stored.len());
}

#[test]
fn a_target_that_no_rule_can_name_is_refused_though_a_rule_allows_all() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = Call {
        target: Some("m".repeat(257).as_str().into()),
        ..node.plain(turn, Kind::FsRead)
    };
    let (_, step) = node.call(call);
    assert_eq!(refusal(&step), Refusal::Denied { rule: None });
}

#[test]
fn refusals_use_up_the_rate_and_then_one_is_recorded_for_all() {
    let (mut node, turn) = granted_nothing();
    let (mut recorded, mut rate) = (0, 0);
    for _ in 0..1_000 {
        let call = node.plain(turn, Kind::FsRead);
        let (_, step) = node.call(call);
        recorded += step.facts.len();
        rate += usize::from(matches!(
            refusal(&step),
            Refusal::QuotaExceeded {
                quota: QuotaKind::Rate,
                ..
            }
        ));
    }
    assert_eq!((recorded, rate), (11, 990));
    let null = node.plain(turn, Kind::Null);
    refusal(&node.call(null).1);
    node.wait(65_000);
    let null = node.plain(turn, Kind::Null);
    assert!(!outcome(&node.call(null).1).1, "it is served again");
    let [_, _, agent] = node.kernel.state().accounts_of(uid(1)).unwrap();
    assert_eq!(agent.total_calls, 1, "a refusal is not a call that ran");
}

#[test]
fn whoever_asks_too_early_is_let_in_when_the_time_has_come() {
    let (mut node, turn) = granted_nothing();
    for _ in 0..70 {
        let call = node.plain(turn, Kind::Null);
        node.call(call);
        node.wait(1_000);
    }
    let call = node.plain(turn, Kind::Null);
    outcome(&node.call(call).1);
}

#[test]
fn of_calls_of_a_turn_that_is_over_one_is_recorded_for_all() {
    let (mut node, turn) = granted_nothing();
    node.exited(turn, 1);
    let mut recorded = Vec::new();
    for _ in 0..100 {
        let call = node.plain(turn, Kind::Null);
        let (_, step) = node.call(call);
        assert_eq!(refusal(&step), Refusal::TurnNotRunning);
        recorded.extend(facts(&step));
    }
    assert_eq!(recorded, ["call-refused"]);
}

#[test]
fn what_a_driver_refuses_is_remembered_and_what_it_cannot_do_is_not() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    for code in ["unreachable", "denied", "offline", "overloaded"] {
        let call = node.plain(turn, Kind::ToolCall);
        let call = driven(&node.call(call).1)[0];
        node.feed(Event::Finished {
            call,
            finish: Finish::Failed(Failure {
                code: code.into(),
                detail: "10.0.0.1 is an address of a private network".into(),
            }),
            usage: Usage::default(),
        });
    }
    let stored = serde_json::to_value(node.kernel.snapshot()).unwrap();
    let state = node.kernel.state();
    let codes: Vec<_> = state
        .denials(uid(1))
        .map(|it| match &it.refusal {
            Denied::Driver(failure) => failure.code.as_str().to_owned(),
            Denied::Kernel(refusal) => refusal.to_string(),
        })
        .collect();
    assert_eq!(codes, Failure::REFUSALS);
    assert!(
        state
            .denials(uid(1))
            .all(|it| it.kind == Kind::ToolCall && it.target.is_some())
    );
    let again: Snapshot = serde_json::from_value(stored).unwrap();
    assert_eq!(again, node.kernel.snapshot());
}

#[test]
fn what_is_refused_again_and_again_pushes_no_other_refusal_out() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let mut refused = |kind, code: &str| {
        let call = node.plain(turn, kind);
        let call = driven(&node.call(call).1)[0];
        node.feed(Event::Finished {
            call,
            finish: Finish::Failed(Failure {
                code: code.into(),
                detail: format!("call {call:?} is refused").as_str().into(),
            }),
            usage: Usage::default(),
        });
    };
    // Two files of one mount.
    refused(Kind::FsRead, "denied");
    refused(Kind::FsRead, "denied");
    for _ in 0..20 {
        refused(Kind::ToolCall, "overloaded");
    }
    refused(Kind::ToolCall, "denied");
    let said = node.kernel.state().denials(uid(1));
    let said: Vec<_> = said
        .map(|it| match &it.refusal {
            Denied::Driver(failure) => (it.kind, failure.code.as_str().to_owned()),
            Denied::Kernel(refusal) => (it.kind, refusal.to_string()),
        })
        .collect();
    assert_eq!(
        said,
        [
            (Kind::FsRead, "denied".to_owned()),
            (Kind::FsRead, "denied".to_owned()),
            (Kind::ToolCall, "overloaded".to_owned()),
            (Kind::ToolCall, "denied".to_owned()),
        ]
    );
}

#[test]
fn a_failure_is_recorded_in_few_words() {
    let mut node = Node::new(Limits::default());
    node.apply(1, profile("home", "jarvis"));
    let (turn, _) = started(&node.invoke(1).1)[0];
    let step = node.feed(Event::WorkerExited {
        turn,
        incarnation: Incarnation(1),
        exit: Exit::StartFailed(Failure {
            code: "internal".into(),
            detail: "x".repeat(1_000_000).as_str().into(),
        }),
    });
    let recorded = serde_json::to_string(&step.facts).unwrap();
    assert!(recorded.len() < 1_024, "{}", recorded.len());
}
