//! The server of a tool asks a person while its call runs: the word is for that question, ends with its call, and is a right to nothing.
use aion_kernel::{
    CallId, Effect, Event, Kind, LiveWorker, Name, Phase, Refusal, Scope, Step, Ticket, TurnId,
    Unasked, Unheard, Word,
};

use crate::{
    approvals::{answer, asking, node, restarted, step_call, unheard, word_of},
    harness::{Node, body, driven, effects, facts, profile},
};

/// A turn with a call under way.
fn calling(node: &mut Node) -> (TurnId, CallId) {
    let turn = node.running(1, profile("home", "jarvis"));
    let call = step_call(node, turn, 1);
    let step = node.call(call).1;
    (turn, driven(&step)[0])
}

fn asks(node: &mut Node, call: CallId) -> (Ticket, Step) {
    let ticket = node.ticket();
    let step = node.feed(Event::Question {
        ticket,
        call,
        body: body(9),
        rule: Name::from("its server"),
    });
    (ticket, step)
}

/// What the driver is told.
fn said(step: &Step) -> Option<(Ticket, Result<Word, Refusal>)> {
    effects(step).into_iter().find_map(|effect| match effect {
        Effect::QuestionAnswered { ticket, said } => Some((ticket, said)),
        _ => None,
    })
}

const ONCE: Word = Word::Approved { scope: Scope::Once };

#[test]
fn the_call_goes_on_with_the_word_and_its_turn_keeps_its_worker() {
    for (yes, word) in [(Some(Scope::Once), ONCE), (None, Word::Denied)] {
        let mut node = node();
        let (turn, call) = calling(&mut node);
        let (ticket, step) = asks(&mut node, call);
        assert_eq!(facts(&step), ["approval-asked"]);
        assert_eq!(said(&step), None, "it waits");
        let phase = node.kernel.state().turn(turn).unwrap().phase;
        assert!(matches!(phase, Phase::Running { .. }), "{phase:?}");
        let step = answer(&mut node, 1, yes);
        assert_eq!(facts(&step), ["approval-answered"]);
        assert_eq!(said(&step), Some((ticket, Ok(word))));
        assert_eq!(facts(&node.finish(call)), ["call-ended"]);
    }
}

#[test]
fn a_yes_to_a_question_is_a_right_to_nothing() {
    let mut node = node();
    let turn = node.running(1, asking());
    // A call that needs no word, whose server asks what looks like one that does.
    let call = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.1"));
    let call = driven(&node.call(call).1)[0];
    asks(&mut node, call);
    for wide in [
        Scope::Turn,
        Scope::Until {
            date: aion_kernel::Date(u64::MAX),
        },
    ] {
        let step = answer(&mut node, 1, Some(wide));
        assert_eq!(unheard(&step), Some(Unheard::Once));
    }
    answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(word_of(&node, 1), Some(ONCE));
    let same = step_call(&mut node, turn, 9);
    let step = node.call(same).1;
    assert_eq!(
        facts(&step),
        ["approval-asked"],
        "a person is asked about it"
    );
    assert!(driven(&step).is_empty());
}

#[test]
fn a_wide_word_for_calls_answers_no_question() {
    let mut node = node();
    let turn = node.running(1, asking());
    // Its key is none of a step: it is held, and its turn is not set aside.
    let mut call = node.keyed(turn, Kind::ToolCall, "other");
    call.body = body(1);
    node.call(call);
    let step = answer(&mut node, 1, Some(Scope::Once));
    let call = driven(&step)[0];
    asks(&mut node, call);
    let mut other = node.keyed(turn, Kind::ToolCall, "another");
    other.body = body(2);
    node.call(other);
    let step = answer(&mut node, 3, Some(Scope::Turn));
    assert_eq!(driven(&step).len(), 1, "the call is covered");
    assert_eq!(word_of(&node, 2), None, "the question is not");
}

#[test]
fn a_question_ends_with_its_call() {
    let mut node = node();
    let (_, call) = calling(&mut node);
    let (ticket, _) = asks(&mut node, call);
    let step = node.finish(call);
    assert_eq!(facts(&step), ["approval-answered", "call-ended"]);
    assert_eq!(said(&step), Some((ticket, Ok(Word::Withdrawn))));
    let step = answer(&mut node, 1, Some(Scope::Once));
    assert!(matches!(unheard(&step), Some(Unheard::Answered(_))));
    let (ticket, step) = asks(&mut node, call);
    let over = Err(Refusal::TurnNotRunning);
    assert_eq!(said(&step), Some((ticket, over)), "the call is over");
}

#[test]
fn a_question_that_its_driver_drops_is_withdrawn() {
    let mut node = node();
    let (_, call) = calling(&mut node);
    let (ticket, _) = asks(&mut node, call);
    let step = node.feed(Event::QuestionDropped { ticket });
    assert_eq!(facts(&step), ["approval-answered"]);
    assert_eq!(word_of(&node, 1), Some(Word::Withdrawn));
    let step = node.feed(Event::QuestionDropped { ticket });
    assert!(facts(&step).is_empty(), "it is known no more: {step:?}");
    // Asked and taken back without end, it keeps nobody else from asking.
    for _ in 0..20 {
        let (ticket, step) = asks(&mut node, call);
        assert_eq!(said(&step), None, "it is asked");
        node.feed(Event::QuestionDropped { ticket });
    }
}

#[test]
fn a_call_that_is_told_to_stop_asks_no_longer() {
    let mut node = node();
    let (turn, call) = calling(&mut node);
    let (ticket, _) = asks(&mut node, call);
    let step = node.feed(Event::CancelTurn { turn });
    assert_eq!(said(&step), Some((ticket, Ok(Word::Withdrawn))), "{step:?}");
}

#[test]
fn a_question_expires_while_its_call_has_time_left() {
    let mut node = node();
    let (_, call) = calling(&mut node);
    let all = Kind::ToolCall.default_deadline_ms();
    let (ticket, _) = asks(&mut node, call);
    let step = node.wait(all - all / 10 - 1);
    assert_eq!(said(&step), None);
    let step = node.wait(1);
    assert_eq!(facts(&step), ["approval-answered"]);
    assert_eq!(said(&step), Some((ticket, Ok(Word::Expired))));
    assert_eq!(facts(&node.finish(call)), ["call-ended"]);
}

#[test]
fn after_a_restart_nobody_waits_for_the_word() {
    let mut node = node();
    let (turn, call) = calling(&mut node);
    asks(&mut node, call);
    let worker = LiveWorker {
        turn,
        incarnation: aion_kernel::Incarnation(1),
    };
    let (mut after, step) = restarted(&node, vec![worker]);
    assert!(facts(&step).contains(&"approval-answered"), "{step:?}");
    assert_eq!(word_of(&after, 1), Some(Word::Withdrawn));
    let step = answer(&mut after, 1, Some(Scope::Once));
    assert!(matches!(unheard(&step), Some(Unheard::Answered(_))));
}

#[test]
fn a_server_that_asks_without_end_is_told_that_it_asked_enough() {
    let mut node = node();
    let (_, call) = calling(&mut node);
    let mut refused = None;
    for _ in 0..1_000 {
        let (_, step) = asks(&mut node, call);
        refused = said(&step).and_then(|(_, said)| said.err());
        if refused.is_some() {
            break;
        }
    }
    let rule = Name::from("its server");
    let why = Unasked::TooManyWait;
    assert_eq!(refused, Some(Refusal::ApprovalRequired { rule, why }));
}
