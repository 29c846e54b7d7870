//! How much is asked: what one turn, one agent, one tenant and the node may have people read.
use crate::{
    approvals::{LAYERS, answer, asking, killed, node, parked, step_call, unheard},
    harness::{Node, body, driven, facts, profile, refusal, rule, started},
};
use aion_kernel::{
    Date, Kind, Limits, Name, Quota, Refusal, Scope, TurnId, Unasked, Unheard, Verdict,
};

/// Asks about something new, and nobody answers in time.
fn ask_and_let_go(node: &mut Node, turn: TurnId, n: u8) -> Option<Refusal> {
    let mut call = node.plain(turn, Kind::ToolCall);
    (call.body, call.deadline_ms) = (body(n), Some(1));
    let step = node.call(call).1;
    if facts(&step)[..] == ["approval-asked"] {
        node.wait(1);
        return None;
    }
    Some(refusal(&step))
}

#[test]
fn a_turn_asks_so_often_and_what_it_asked_is_not_kept_for_ever() {
    let mut node = node();
    let turn = node.running(1, asking());
    let mut done = None;
    let asked = (0..=255).take_while(|n| {
        done = ask_and_let_go(&mut node, turn, *n);
        done.is_none()
    });
    assert_eq!(asked.count(), 128);
    let (rule, why) = (Name::from("test calendar.*"), Unasked::TurnAskedEnough);
    assert_eq!(done, Some(Refusal::ApprovalRequired { rule, why }));
    node.exited(turn, 1);
    let (turn, incarnation) = started(&node.invoke(1).1)[0];
    node.ready(turn, incarnation.0, &LAYERS);
    for n in 0..100 {
        assert_eq!(ask_and_let_go(&mut node, turn, n), None);
    }
    assert_eq!(node.kernel.state().approvals().count(), 129);
}

#[test]
fn a_question_is_within_the_rate_as_a_call_is() {
    let mut node = node();
    let mut narrow = asking();
    narrow.quota = Quota {
        calls_per_minute: Some(3),
        ..Quota::default()
    };
    let turn = node.running(1, narrow);
    for n in 0..3 {
        assert_eq!(ask_and_let_go(&mut node, turn, n), None);
    }
    let refused = ask_and_let_go(&mut node, turn, 3);
    assert!(
        matches!(refused, Some(Refusal::QuotaExceeded { .. })),
        "{refused:?}"
    );
}
