//! Deadlines, cancels and closed connections.

use aion_kernel::{
    Call, CancelCause, Effect, Event, Finish, Kind, Limits, Outcome, Refusal, Step, Usage,
};

use crate::harness::{Node, answers, driven, effects, facts, outcome, profile, refusal};

#[test]
fn a_waiting_call_ends_at_its_deadline_without_having_run() {
    let mut node = Node::new(Limits {
        resource_default: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    let first = node.plain(turn, Kind::ToolCall);
    let (_, step) = node.call(first);
    let running = driven(&step)[0];
    let call = Call {
        deadline_ms: Some(50),
        ..node.keyed(turn, Kind::ToolCall, "k")
    };
    node.call(call);
    assert_eq!(node.kernel.next_deadline(), Some(node.now.plus(50)));
    assert_eq!(node.wait(49), Step::default());
    assert_eq!(refusal(&node.wait(1)), Refusal::DeadlineExceeded);
    node.finish(running);
    let retry = node.keyed(turn, Kind::ToolCall, "k");
    assert_eq!(
        driven(&node.call(retry).1).len(),
        1,
        "it did not run, so its key is free"
    );
}

/// What becomes of a call that is told to stop, and of its driver's last word.
fn stopped(kind: Kind, last_word: Option<Finish>) -> (Outcome, bool) {
    let limits = Limits::default();
    let grace = limits.cancel_grace_ms;
    let mut node = Node::new(limits);
    let turn = node.running(1, profile("home", "jarvis"));
    let call = Call {
        deadline_ms: Some(50),
        ..node.plain(turn, kind)
    };
    let (_, step) = node.call(call);
    let call = driven(&step)[0];
    assert_eq!(
        effects(&node.wait(50)),
        [Effect::CancelDriver { call, by: None }]
    );
    let mut aborted = false;
    let step = match last_word {
        Some(finish) => node.feed(Event::Finished {
            call,
            finish,
            usage: Usage::default(),
        }),
        None => {
            assert_eq!(node.wait(grace - 1), Step::default());
            let step = node.wait(1);
            aborted = effects(&step).contains(&Effect::AbortDriver { call });
            step
        }
    };
    assert_eq!(
        node.finish(call),
        Step::default(),
        "a late completion changes nothing"
    );
    (outcome(&step).0, aborted)
}

#[test]
fn a_running_call_is_told_to_stop_at_its_deadline_and_ends_as_its_driver_says() {
    let done = Outcome::Ok { body: None };
    assert_eq!(
        stopped(Kind::FsWrite, Some(Finish::Stopped)),
        (Outcome::DeadlineExceeded, false)
    );
    assert_eq!(
        stopped(Kind::FsWrite, Some(Finish::Ok { body: None })),
        (done, false)
    );
    assert_eq!(
        stopped(Kind::FsWrite, Some(Finish::Unknown)),
        (Outcome::Unknown, false)
    );
    assert_eq!(stopped(Kind::FsWrite, None), (Outcome::Unknown, true));
    assert_eq!(
        stopped(Kind::FsRead, None),
        (Outcome::DeadlineExceeded, true)
    );
}

#[test]
fn a_wish_for_a_long_deadline_is_cut() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = Call {
        deadline_ms: Some(u64::MAX),
        ..node.plain(turn, Kind::FsRead)
    };
    let (_, step) = node.call(call);
    let Effect::Drive { deadline, .. } = effects(&step)[0] else {
        unreachable!()
    };
    assert_eq!(deadline, node.now.plus(Kind::FsRead.max_deadline_ms()));
}

#[test]
fn who_hangs_up_cancels_unless_somebody_else_waits_for_the_same() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let first = node.keyed(turn, Kind::ToolCall, "k");
    let (one, step) = node.call(first);
    let call = driven(&step)[0];
    let retry = node.keyed(turn, Kind::ToolCall, "k");
    let (two, _) = node.call(retry);
    assert_eq!(
        node.feed(Event::Disconnected { ticket: one }),
        Step::default()
    );
    let by = Some(CancelCause::Disconnect);
    let step = node.feed(Event::Disconnected { ticket: two });
    assert_eq!(effects(&step), [Effect::CancelDriver { call, by }]);
    let step = node.feed(Event::Finished {
        call,
        finish: Finish::Stopped,
        usage: Usage::default(),
    });
    assert_eq!(
        (facts(&step), answers(&step).len()),
        (vec!["call-ended"], 0)
    );
    let retry = node.keyed(turn, Kind::ToolCall, "k");
    let cancelled = Outcome::Cancelled {
        by: CancelCause::Disconnect,
    };
    assert_eq!(outcome(&node.call(retry).1), (cancelled, true));
}

#[test]
fn an_end_that_is_here_counts_though_the_alarm_is_late() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = node.plain(turn, Kind::FsWrite);
    let call = driven(&node.call(call).1)[0];
    node.wait(Kind::FsWrite.default_deadline_ms());
    node.now = node.now.plus(60_000);
    let step = node.finish(call);
    assert!(matches!(outcome(&step).0, Outcome::Ok { .. }));
    node.now = node.now.plus(86_400_000);
    let step = node.exited(turn, 1);
    assert_eq!(facts(&step), ["turn-ended"]);
}
