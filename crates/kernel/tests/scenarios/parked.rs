//! Turns that wait for a person's word: set aside or held, through restarts, and how they end.
use crate::{
    approvals::{
        LAYERS, answer, asking, ended, killed, node, parked, restarted, step_call, unheard, word_of,
    },
    harness::{
        Node, answers, body, driven, effects, facts, outcome, profile, refusal, started, uid,
    },
};
use aion_kernel::{
    ApprovalId, Body, CallId, Effect, Event, Exit, Finish, Incarnation, Kind, Limits, LiveWorker,
    Phase, Refusal, Scope, Step, TurnId, TurnOutcome, Usage, Word,
};

#[test]
fn a_restart_finds_the_turn_waiting_and_the_answer_counts_after_it() {
    let mut node = node();
    let turn = parked(&mut node);
    let (mut node, step) = restarted(&node, vec![]);
    assert_eq!(started(&step), []);
    let step = answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(started(&step), [(turn, Incarnation(2))]);
}

#[test]
fn a_daemon_that_is_killed_while_the_worker_is_ended_parks_the_turn_all_the_same() {
    for lives in [true, false] {
        let mut node = node();
        let turn = node.running(1, asking());
        let call = step_call(&mut node, turn, 9);
        node.call(call);
        let worker = LiveWorker {
            turn,
            incarnation: Incarnation(1),
        };
        let (mut node, step) = restarted(&node, if lives { vec![worker] } else { vec![] });
        let kill = Effect::KillWorker {
            turn,
            incarnation: Incarnation(1),
        };
        assert_eq!(effects(&step).contains(&kill), lives);
        if lives {
            killed(&mut node, turn, 1);
        }
        let phase = node.kernel.state().turn(turn).unwrap().phase;
        assert_eq!(phase, Phase::Parked, "{lives}");
    }
}

#[test]
fn a_turn_that_cannot_run_again_is_held_and_not_ended() {
    let mut node = node();
    let turn = node.running(1, asking());
    let nameless = node.plain(turn, Kind::FsWrite);
    let begun = node.call(nameless).1;
    node.finish(driven(&begun)[0]);
    let call = step_call(&mut node, turn, 9);
    assert_eq!(facts(&node.call(call).1), ["approval-asked"]);
    let step = answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(driven(&step).len(), 1, "the call goes on where it was");

    let call = node.plain(turn, Kind::ToolCall);
    assert_eq!(
        facts(&node.call(call).1),
        ["approval-asked"],
        "it names no step"
    );
    let step = node.wait(Kind::ToolCall.default_deadline_ms());
    assert!(matches!(refusal(&step), Refusal::ApprovalExpired { .. }));
    assert_eq!(word_of(&node, 2), Some(Word::Expired));
}

#[test]
fn a_call_under_way_is_not_broken_off_by_a_question() {
    let mut node = node();
    let turn = node.running(1, asking());
    let write = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.write"));
    let begun = node.call(write).1;
    let call = step_call(&mut node, turn, 9);
    assert_eq!(facts(&node.call(call).1), ["approval-asked"]);
    let step = node.finish(driven(&begun)[0]);
    assert_eq!(facts(&step), ["call-ended", "turn-pausing"]);
}

/// A step of the turn that takes long.
fn long(node: &mut Node, turn: TurnId) -> CallId {
    let mut call = node.keyed(turn, Kind::ModelChat, &format!("t{turn}.long"));
    call.deadline_ms = Some(3_600_000);
    driven(&node.call(call).1)[0]
}

#[test]
fn a_question_beside_a_long_call_waits_for_it_beyond_its_own_deadline() {
    let mut node = node();
    let turn = node.running(1, asking());
    let under_way = long(&mut node, turn);
    let mut call = step_call(&mut node, turn, 9);
    call.deadline_ms = Some(5_000);
    node.call(call);
    let day = node.kernel.state().approval(ApprovalId(1)).unwrap().until;
    assert_eq!(day.0, node.now.0 + Limits::default().approval_ms);
    for _ in 0..4 {
        let step = node.wait(60_000);
        assert!(answers(&step).is_empty(), "{step:?}");
    }
    assert_eq!(word_of(&node, 1), None);
    let step = node.finish(under_way);
    assert_eq!(facts(&step), ["call-ended", "turn-pausing"]);
}

#[test]
fn a_call_that_waited_beside_another_has_all_its_time_after_the_word() {
    let mut node = node();
    let turn = node.running(1, asking());
    long(&mut node, turn);
    let mut call = step_call(&mut node, turn, 9);
    call.deadline_ms = Some(5_000);
    node.call(call);
    node.wait(200_000);
    let step = answer(&mut node, 1, Some(Scope::Once));
    let deadline = effects(&step).into_iter().find_map(|effect| match effect {
        Effect::Drive { deadline, .. } => Some(deadline),
        _ => None,
    });
    assert_eq!(deadline, Some(node.now.plus(5_000)));
}

#[test]
fn a_call_whose_turn_cannot_run_again_any_more_waits_no_longer_than_calls_do() {
    let mut node = node();
    let turn = node.running(1, asking());
    long(&mut node, turn);
    let call = step_call(&mut node, turn, 9);
    node.call(call);
    let nameless = node.plain(turn, Kind::FsWrite);
    node.call(nameless);
    node.wait(Kind::ToolCall.default_deadline_ms());
    assert_eq!(word_of(&node, 1), Some(Word::Expired));
}

#[test]
fn who_is_asked_about_a_call_that_is_held_is_shown_its_deadline() {
    let mut node = node();
    let turn = node.running(1, asking());
    let mut call = node.plain(turn, Kind::ToolCall);
    call.deadline_ms = Some(7_000);
    node.call(call);
    let until = node.kernel.state().approval(ApprovalId(1)).unwrap().until;
    assert_eq!(until.0, node.now.0 + 7_000);
}

#[test]
fn a_turn_that_asked_twice_waits_for_both_answers() {
    let mut node = node();
    let turn = node.running(1, asking());
    let write = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.write"));
    let begun = node.call(write).1;
    for n in [8, 9] {
        let call = step_call(&mut node, turn, n);
        node.call(call);
    }
    node.finish(driven(&begun)[0]);
    killed(&mut node, turn, 1);
    assert_eq!(started(&answer(&mut node, 1, None)), []);
    let step = answer(&mut node, 2, Some(Scope::Once));
    assert_eq!(started(&step), [(turn, Incarnation(2))]);
}

#[test]
fn a_turn_that_waits_is_cancelled_at_once_and_nobody_is_asked_any_more() {
    let ends: [&dyn Fn(&mut Node) -> Step; 3] = [
        &|node| node.feed(Event::CancelTurn { turn: TurnId(1) }),
        &|node| node.feed(Event::Remove { instance: uid(1) }),
        &|node| {
            node.feed(Event::Withdraw {
                instance: uid(1),
                spare_running: true,
            })
        },
    ];
    for end in ends {
        let mut node = node();
        parked(&mut node);
        let step = end(&mut node);
        assert!(
            matches!(ended(&step)[..], [TurnOutcome::Cancelled { .. }]),
            "{step:?}"
        );
        let closed = |effect: &Effect| matches!(effect, Effect::ApprovalClosed { .. });
        assert!(effects(&step).iter().any(closed));
        let told = unheard(&answer(&mut node, 1, Some(Scope::Once)));
        assert!(told.is_some(), "{told:?}");
    }
}

#[test]
fn other_turns_push_nothing_of_a_parked_turn_out_and_time_does_not() {
    let mut node = node();
    let turn = node.running(1, asking());
    let before = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.before"));
    let begun = node.call(before).1;
    node.finish(driven(&begun)[0]);
    let call = step_call(&mut node, turn, 9);
    node.call(call);
    killed(&mut node, turn, 1);
    let (other, _) = started(&node.invoke(1).1)[0];
    node.ready(other, 2, &LAYERS);
    for n in 0..300 {
        let call = node.keyed(other, Kind::FsWrite, &format!("t{other}.{n}"));
        let begun = node.call(call).1;
        node.finish(driven(&begun)[0]);
    }
    node.exited(other, 2);
    node.now = node.now.plus(Limits::default().approval_ms - 1);
    answer(&mut node, 1, Some(Scope::Once));
    node.ready(turn, 3, &LAYERS);
    let before = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.before"));
    assert!(outcome(&node.call(before).1).1, "it is not done again");
}

#[test]
fn a_turn_with_its_word_keeps_what_it_did_while_another_still_runs() {
    let mut node = node();
    let turn = node.running(1, asking());
    let before = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.before"));
    let begun = node.call(before).1;
    node.finish(driven(&begun)[0]);
    let call = step_call(&mut node, turn, 9);
    node.call(call);
    killed(&mut node, turn, 1);
    let (other, _) = started(&node.invoke(1).1)[0];
    node.ready(other, 2, &LAYERS);
    let step = answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(facts(&step), ["approval-answered", "turn-resumed"]);
    for n in 0..300 {
        let call = node.keyed(other, Kind::FsWrite, &format!("t{other}.{n}"));
        let begun = node.call(call).1;
        node.finish(driven(&begun)[0]);
    }
    assert_eq!(started(&node.exited(other, 2)), [(turn, Incarnation(3))]);
    node.ready(turn, 3, &LAYERS);
    let before = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.before"));
    assert!(outcome(&node.call(before).1).1, "it is not done again");
}

#[test]
fn a_turn_that_lost_what_it_did_while_it_waited_for_a_worker_does_not_run_again() {
    let mut node = node();
    let turn = node.running(1, asking());
    let large = |node: &mut Node, turn: TurnId, name: String, size: u64| {
        let call = node.keyed(turn, Kind::FsWrite, &name);
        let begun = node.call(call).1;
        node.feed(Event::Finished {
            call: driven(&begun)[0],
            finish: Finish::Ok {
                body: Some(Body { size, ..body(3) }),
            },
            usage: Usage::default(),
        });
    };
    large(&mut node, turn, format!("t{turn}.before"), 50 << 20);
    let call = step_call(&mut node, turn, 9);
    node.call(call);
    killed(&mut node, turn, 1);
    let (other, _) = started(&node.invoke(1).1)[0];
    node.ready(other, 2, &LAYERS);
    answer(&mut node, 1, Some(Scope::Once));
    // Beyond what all instances may keep: those of a turn that waits go last.
    let more = node.running(2, profile("home", "other"));
    large(&mut node, more, String::from("large"), 20 << 20);
    assert!(!node.kernel.state().turn(turn).unwrap().replayable);
    let step = node.exited(other, 2);
    assert_eq!(started(&step), []);
    let exit = Exit::Evicted;
    assert!(ended(&step).contains(&TurnOutcome::WorkerFailed { exit }));
}

#[test]
fn a_launcher_that_is_replaced_takes_no_question_back() {
    let mut node = node();
    let turn = node.running(1, asking());
    let write = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.write"));
    node.call(write);
    let call = step_call(&mut node, turn, 9);
    assert_eq!(facts(&node.call(call).1), ["approval-asked"]);
    let step = node.feed(Event::WorkerExited {
        turn,
        incarnation: Incarnation(1),
        exit: Exit::Evicted,
    });
    assert!(!facts(&step).contains(&"approval-answered"), "{step:?}");
    assert_eq!(word_of(&node, 1), None);
    assert_eq!(started(&step), [(turn, Incarnation(2))]);
    answer(&mut node, 1, Some(Scope::Once));
    node.ready(turn, 2, &LAYERS);
    let call = step_call(&mut node, turn, 9);
    assert_eq!(driven(&node.call(call).1).len(), 1);
}

#[test]
fn a_launcher_that_tells_of_no_end_loses_no_turn_that_waits_for_a_word() {
    let mut node = node();
    let turn = node.running(1, asking());
    let call = step_call(&mut node, turn, 9);
    node.call(call);
    let step = node.wait(Limits::default().kill_grace_ms);
    assert_eq!(facts(&step), ["call-refused", "turn-parked"]);
    let kill = Effect::KillWorker {
        turn,
        incarnation: Incarnation(1),
    };
    assert!(effects(&step).contains(&kill));
    let step = answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(started(&step), [(turn, Incarnation(2))]);
    assert!(facts(&killed(&mut node, turn, 1)).is_empty(), "told late");
}

#[test]
fn the_wall_clock_says_when_the_time_is_over_also_across_a_restart() {
    let mut node = node();
    parked(&mut node);
    let (mut node, _) = restarted(&node, vec![]);
    assert_eq!(word_of(&node, 1), None);
    // The machine was off: the kernel's time stood still.
    node.ahead += Limits::default().approval_ms;
    node.feed(Event::Alarm);
    assert_eq!(word_of(&node, 1), Some(Word::Expired));
}
