//! What a word for more than one call covers: what waits already, and what was asked too late.
use crate::{
    approvals::{LAYERS, answer, asking, killed, node, parked, step_call, word_of},
    harness::{Node, body, driven, facts, started, uid},
};
use aion_kernel::{ApprovalId, Date, Incarnation, Kind, Scope, TurnId, Word};

/// The turn has asked twice.
fn asked_twice(node: &mut Node) -> TurnId {
    let turn = node.running(1, asking());
    let write = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.write"));
    let begun = node.call(write).1;
    for n in [8, 9] {
        let call = step_call(node, turn, n);
        node.call(call);
    }
    node.finish(driven(&begun)[0]);
    killed(node, turn, 1);
    turn
}

#[test]
fn a_yes_for_the_turn_answers_what_waits_already() {
    let mut node = node();
    let turn = asked_twice(&mut node);
    let step = answer(&mut node, 1, Some(Scope::Turn));
    assert_eq!(started(&step), [(turn, Incarnation(2))], "{step:?}");
    let row = node.kernel.state().approval(ApprovalId(2)).unwrap();
    assert_eq!(row.covered_by, Some(ApprovalId(1)));
    let once = Word::Approved { scope: Scope::Once };
    assert_eq!(word_of(&node, 2), Some(once));
}

#[test]
fn a_yes_until_a_date_answers_what_other_turns_wait_for() {
    let mut node = node();
    let first = parked(&mut node);
    let (second, incarnation) = started(&node.invoke(1).1)[0];
    node.ready(second, incarnation.0, &LAYERS);
    let call = step_call(&mut node, second, 7);
    node.call(call);
    let held = node.plain(second, Kind::ToolCall);
    node.call(held);
    killed(&mut node, second, incarnation.0);
    let date = Date(node.now.0 + 60_000);
    answer(&mut node, 1, Some(Scope::Until { date }));
    assert!(
        node.kernel
            .state()
            .approvals()
            .all(|(_, row)| !row.is_pending())
    );
    let phases: Vec<_> = node.kernel.state().turns().map(|(turn, _)| turn).collect();
    assert_eq!(phases, [first, second]);
    assert_eq!(node.kernel.load().parked_turns, 0);
}

#[test]
fn a_no_and_a_yes_for_one_call_answer_nothing_else() {
    for yes in [None, Some(Scope::Once)] {
        let mut node = node();
        asked_twice(&mut node);
        answer(&mut node, 1, yes);
        assert_eq!(word_of(&node, 2), None);
    }
}

#[test]
fn a_wider_yes_counts_for_what_was_asked_too_late() {
    let mut node = node();
    let turn = parked(&mut node);
    let day = aion_kernel::Limits::default().approval_ms;
    node.wait(day);
    assert_eq!(word_of(&node, 1), Some(Word::Expired));
    node.ready(turn, 2, &LAYERS);
    let other = step_call(&mut node, turn, 5);
    assert_eq!(facts(&node.call(other).1)[0], "approval-asked");
    killed(&mut node, turn, 2);
    answer(&mut node, 2, Some(Scope::Turn));
    node.ready(turn, 3, &LAYERS);
    let call = step_call(&mut node, turn, 9);
    assert_eq!((call.body, driven(&node.call(call).1).len()), (body(9), 1));
    assert_eq!(
        node.kernel.state().instance(uid(1)).unwrap().turn,
        Some(turn)
    );
}
