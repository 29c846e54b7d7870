//! Quotas: who has used up what, and when to come again.

use std::collections::BTreeMap;

use aion_kernel::{
    Call, Event, Finish, Kind, Level, Limits, Profile, Quota, QuotaKind, Refusal, Usage,
};

use crate::harness::{Node, OK, driven, outcome, profile, refusal, uid};

fn quota_of(level: Level, quota: Quota) -> (Limits, Profile) {
    let (mut limits, mut profile) = (Limits::default(), profile("home", "jarvis"));
    match level {
        Level::Cluster => limits.cluster = quota,
        Level::Tenant => limits.tenants = BTreeMap::from([("home".into(), quota)]),
        Level::Agent | Level::Caller | Level::Key => profile.quota = quota,
    }
    (limits, profile)
}

#[test]
fn a_used_up_quota_names_its_level_and_when_to_retry() {
    for level in [Level::Cluster, Level::Tenant, Level::Agent] {
        let (limits, profile) = quota_of(
            level,
            Quota {
                calls_per_minute: Some(2),
                ..Quota::default()
            },
        );
        let mut node = Node::new(limits);
        let turn = node.running(1, profile);
        let null = |node: &mut Node| {
            let call = node.plain(turn, Kind::Null);
            node.call(call).1
        };
        assert_eq!(outcome(&null(&mut node)).0, OK);
        assert_eq!(outcome(&null(&mut node)).0, OK);
        let Refusal::QuotaExceeded {
            level: named,
            quota,
            limit: 2,
            retry_after_ms: Some(wait),
        } = refusal(&null(&mut node))
        else {
            unreachable!()
        };
        assert_eq!((named, quota), (level, QuotaKind::Rate));
        node.wait(wait - 1);
        refusal(&null(&mut node));
        node.wait(1);
        assert_eq!(outcome(&null(&mut node)).0, OK);
    }
}

#[test]
fn tokens_are_reserved_at_admission_and_settled_to_what_was_used() {
    let (limits, profile) = quota_of(
        Level::Agent,
        Quota {
            tokens_per_hour: Some(100),
            ..Quota::default()
        },
    );
    let mut node = Node::new(limits);
    let turn = node.running(1, profile);
    let chat = |node: &mut Node, reserve_tokens| {
        let call = Call {
            reserve_tokens,
            ..node.plain(turn, Kind::ModelChat)
        };
        node.call(call).1
    };
    let call = driven(&chat(&mut node, 80))[0];
    assert!(matches!(
        refusal(&chat(&mut node, 30)),
        Refusal::QuotaExceeded {
            quota: QuotaKind::Tokens,
            ..
        }
    ));
    let usage = Usage {
        input_tokens: 10,
        output_tokens: 10,
        ..Usage::default()
    };
    node.feed(Event::Finished {
        call,
        finish: Finish::Ok { body: None },
        usage,
    });
    assert_eq!(driven(&chat(&mut node, 80)).len(), 1);
    let [_, _, agent] = node.kernel.state().accounts_of(uid(1)).unwrap();
    assert_eq!((agent.total_calls, agent.total_tokens), (2, 20));
}

#[test]
fn bytes_of_a_connection_are_charged_to_its_turn_and_every_level_and_are_no_tokens() {
    let (limits, profile) = quota_of(
        Level::Agent,
        Quota {
            tokens_per_hour: Some(10),
            ..Quota::default()
        },
    );
    let mut node = Node::new(limits);
    let turn = node.running(1, profile);
    let usage = Usage {
        sent_bytes: 300,
        received_bytes: 7_000,
        ..Usage::default()
    };
    for _ in 0..2 {
        let call = node.plain(turn, Kind::NetConnect);
        let call = driven(&node.call(call).1)[0];
        // Cut by its end, or by the program's: what was sent was sent.
        node.feed(Event::Finished {
            call,
            finish: Finish::Stopped,
            usage,
        });
    }
    let state = node.kernel.state();
    for account in state.accounts_of(uid(1)).unwrap() {
        assert_eq!((account.total_bytes, account.total_tokens), (14_600, 0));
    }
    let used = state.turn(turn).unwrap().usage;
    assert_eq!((used.sent_bytes, used.received_bytes), (600, 14_000));
}

#[test]
fn what_a_running_stream_overuses_weighs_at_once() {
    let (limits, profile) = quota_of(
        Level::Tenant,
        Quota {
            tokens_per_hour: Some(100),
            ..Quota::default()
        },
    );
    let mut node = Node::new(limits);
    let turn = node.running(1, profile);
    let call = Call {
        reserve_tokens: 10,
        ..node.plain(turn, Kind::ModelChat)
    };
    let call = driven(&node.call(call).1)[0];
    node.feed(Event::Progress {
        call,
        usage: Usage {
            input_tokens: 5,
            output_tokens: 90,
            ..Usage::default()
        },
    });
    let next = Call {
        reserve_tokens: 10,
        ..node.plain(turn, Kind::ModelChat)
    };
    assert!(matches!(
        refusal(&node.call(next).1),
        Refusal::QuotaExceeded {
            quota: QuotaKind::Tokens,
            ..
        }
    ));
}
