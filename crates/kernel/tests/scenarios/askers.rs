//! How much is asked, and how much an answer covers: what one turn, one agent, one tenant and the node may have people read.
use crate::{
    approvals::{LAYERS, answer, asking, node, parked, unheard},
    harness::{Node, body, driven, facts, refusal, started},
};
use aion_kernel::{
    Date, Fact, Kind, Limits, Name, Quota, Refusal, Scope, TurnId, Unasked, Unheard,
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

#[test]
fn a_call_whose_word_ended_in_the_queue_is_told_so() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = parked(&mut node);
    let date = Date(node.now.0 + 5_000);
    answer(&mut node, 1, Some(Scope::Until { date }));
    node.ready(turn, 2, &LAYERS);
    let first = node.plain(turn, Kind::ToolCall);
    let begun = node.call(first).1;
    let second = node.plain(turn, Kind::ToolCall);
    assert!(driven(&node.call(second).1).is_empty());
    node.now = node.now.plus(6_000);
    let step = node.finish(driven(&begun)[0]);
    let refused = step.facts.iter().find_map(|fact| match fact {
        Fact::CallRefused { refusal, .. } => Some(refusal.clone()),
        _ => None,
    });
    let (rule, why) = (Name::from("test calendar.*"), Unasked::WordEnded);
    assert_eq!(refused, Some(Refusal::ApprovalRequired { rule, why }));
}

#[test]
fn one_tenant_leaves_room_for_the_questions_of_others() {
    let mut node = Node::new(Limits {
        approvals_per_agent: 1,
        approvals_per_tenant: 2,
        ..Limits::default()
    });
    let agents = [("red", "a"), ("red", "b"), ("red", "c"), ("blue", "a")];
    let asks = agents.into_iter().zip(1..).map(|((tenant, agent), n)| {
        let mut profile = asking();
        (profile.tenant, profile.agent) = (tenant.into(), agent.into());
        let turn = node.running(n, profile);
        let call = node.plain(turn, Kind::ToolCall);
        facts(&node.call(call).1) == ["approval-asked"]
    });
    assert_eq!(asks.collect::<Vec<_>>(), [true, true, false, true]);
}

#[test]
fn so_many_words_stand_on_a_node() {
    let mut node = node();
    let mut last = None;
    for n in 0..17 {
        let mut profile = asking();
        profile.agent = format!("agent-{n}").as_str().into();
        let turn = node.running(n, profile);
        for _ in 0..64 {
            // The newest of all waits, and is answered.
            let mut call = node.plain(turn, Kind::ToolCall);
            let target = format!("calendar.{}", node.kernel.state().approvals().count());
            call.target = Some(target.as_str().into());
            node.call(call);
            let approval = node.kernel.state().approvals().last().unwrap().0;
            let date = Date(node.now.0 + 3_600_000);
            last = unheard(&answer(&mut node, approval.0, Some(Scope::Until { date })));
        }
        node.exited(turn, 1);
    }
    assert_eq!(last, Some(Unheard::TooMany));
    assert_eq!(node.kernel.state().standing_words().count(), 1_024);
}
