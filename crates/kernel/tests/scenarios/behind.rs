//! Callers that wait behind a called turn which a person is asked about: their ends, and their time.

use aion_kernel::{
    CallId, CancelCause, Effect, Event, Kernel, Kind, Limits, Outcome, Phase, Profile, Scope, Step,
    TurnId, TurnOutcome,
};

use crate::{
    approvals,
    called::{about, asking, ended, killed, node_with, peer, run, running, slots, step_of},
    callees::{careful, stopped},
    harness::{Node, driven, effects, facts, outcome, profile, started, uid},
};

fn parked(node: &Node, turn: TurnId) -> bool {
    let row = node.kernel.state().turn(turn);
    row.is_some_and(|row| row.phase == Phase::Parked)
}

/// `a` asks `b`, which asks `c`, which asks a person whether it may ask `d`: three turns that are set aside.
fn chain() -> (Node, [TurnId; 3]) {
    let mut node = node_with(slots(2), &["a", "b", "x", "d"]);
    node.apply(3, careful("c"));
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let b = run(&mut node, &step);
    let call = asking(&mut node, b, Kind::AgentAsk, (3, "c"));
    let (_, step) = node.call(step_of(call, "1"));
    let c = run(&mut node, &step);
    let call = asking(&mut node, c, Kind::AgentAsk, (4, "d"));
    let (_, step) = node.call(step_of(call, "1"));
    assert_eq!(killed(&step), [c]);
    for (turn, above) in [(c, Some(b)), (b, Some(a)), (a, None)] {
        let step = approvals::killed(&mut node, turn, 1);
        assert_eq!(killed(&step), above.into_iter().collect::<Vec<_>>());
    }
    // The drivers of their calls are gone by then.
    node.wait(Limits::default().cancel_grace_ms);
    (node, [a, b, c])
}

fn outcomes(turns: [TurnId; 3], by: CancelCause) -> Vec<(TurnId, TurnOutcome)> {
    let below = CancelCause::CallerEnded;
    let by = turns.into_iter().zip([by, below, below]);
    by.map(|(turn, by)| (turn, TurnOutcome::Cancelled { by }))
        .collect()
}

#[test]
fn the_end_of_a_caller_that_is_set_aside_runs_nothing_again() {
    let (mut node, turns) = chain();
    let step = node.feed(Event::CancelTurn { turn: turns[0] });
    assert_eq!(ended(&step), outcomes(turns, CancelCause::Request));
    assert_eq!(started(&step), []);
    assert_eq!(facts(&step), ["turn-ended"; 3]);
    assert_eq!(node.kernel.state().turns().count(), 0);
    let idle = node.kernel.load();
    assert_eq!((idle.running_turns, idle.parked_turns), (0, 0));
}

#[test]
fn a_turn_in_the_middle_ends_and_what_waits_above_it_goes_on() {
    let (mut node, [a, b, c]) = chain();
    let step = node.feed(Event::CancelTurn { turn: b });
    let of: Vec<_> = ended(&step).into_iter().map(|(turn, _)| turn).collect();
    assert_eq!(of, [b, c]);
    let [(again, incarnation)] = started(&step)[..] else {
        unreachable!("{step:?}")
    };
    assert_eq!(again, a);
    node.ready(a, incarnation.0, &["seccomp", "landlock"]);
    // It hears how what it asked has ended.
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    assert_eq!(peer(&node.call(step_of(call, "1")).1), Some(b));
}

#[test]
fn the_deadline_of_a_caller_that_is_set_aside_ends_it_and_all_below() {
    let mut node = node_with(slots(2), &["x", "x", "d"]);
    node.apply(1, profile("home", "a"));
    node.apply(2, careful("b"));
    let ticket = node.ticket();
    let step = node.feed(Event::Invoke(aion_kernel::Invoke {
        ticket: Some(ticket),
        instance: uid(1),
        cause: "ask".into(),
        input: crate::harness::body(1),
        deadline_ms: Some(3_600_000),
        payer: None,
    }));
    let a = run(&mut node, &step);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let b = run(&mut node, &step);
    let call = asking(&mut node, b, Kind::AgentAsk, (3, "d"));
    node.call(step_of(call, "1"));
    approvals::killed(&mut node, b, 1);
    approvals::killed(&mut node, a, 1);
    assert!(parked(&node, a) && parked(&node, b));
    node.wait(Limits::default().cancel_grace_ms);
    let step = node.wait(3_600_000);
    assert_eq!(started(&step), []);
    assert_eq!(facts(&step), ["turn-ended"; 2]);
    assert_eq!(node.kernel.state().turns().count(), 0);
}

#[test]
fn who_waits_behind_another_ends_with_its_agent() {
    let (instance, by) = (uid(1), CancelCause::InstanceRemoved);
    let (mut node, turns) = chain();
    let step = node.feed(Event::Remove { instance });
    assert_eq!(ended(&step), outcomes(turns, by));
    assert_eq!(started(&step), []);
    assert!(facts(&step).contains(&"instance-removed"));
    for spare_running in [true, false] {
        let (mut node, turns) = chain();
        let step = node.feed(Event::Withdraw {
            instance,
            spare_running,
        });
        assert_eq!(ended(&step), outcomes(turns, CancelCause::Withdrawn));
        assert_eq!(started(&step), []);
    }
}

/// The node after its daemon was killed, where its journal said this besides of one of the rows.
fn where_it_says(node: &Node, rows: &str, row: &str, what: (&str, bool)) -> (Node, Step) {
    let mut kept = serde_json::to_value(node.kernel.snapshot()).unwrap();
    kept["state"][rows][row][what.0] = what.1.into();
    let mut after = Node::new(slots(2));
    let kept = serde_json::from_value(kept).unwrap();
    after.kernel = Kernel::restore(kept, slots(2)).unwrap();
    after.now = node.now.plus(500);
    let workers = Vec::new();
    let step = after.feed(Event::Recovered { workers });
    (after, step)
}

#[test]
fn a_restart_ends_who_waits_behind_another_where_its_agent_was_removed() {
    let (node, turns) = chain();
    let (node, step) = where_it_says(&node, "instances", &uid(1).to_string(), ("retiring", true));
    assert_eq!(ended(&step), outcomes(turns, CancelCause::InstanceRemoved));
    assert_eq!(started(&step), []);
    assert!(node.kernel.state().instance(uid(1)).is_none());
}

#[test]
fn a_caller_whose_answers_were_let_go_of_ends_once() {
    let (node, turns) = chain();
    let row = turns[0].0.to_string();
    let (mut node, _) = where_it_says(&node, "turns", &row, ("replayable", false));
    let step = node.feed(Event::CancelTurn { turn: turns[0] });
    assert_eq!(ended(&step), outcomes(turns, CancelCause::Request));
}

/// Calls whose drivers are told to stop.
fn told(step: &Step) -> Vec<CallId> {
    let of = |effect| match effect {
        Effect::CancelDriver { call, .. } => Some(call),
        _ => None,
    };
    effects(step).into_iter().filter_map(of).collect()
}

/// `b` asks a person whether it may ask `d`, and is set aside.
fn set_aside(node: &mut Node, b: TurnId) -> Step {
    let call = asking(node, b, Kind::AgentAsk, (4, "d"));
    node.call(step_of(call, "1"));
    let step = approvals::killed(node, b, 1);
    assert!(parked(node, b));
    step
}

fn with_careful_b() -> (Node, TurnId) {
    let mut node = node_with(slots(3), &["x", "x", "x", "d"]);
    let agents = [profile("home", "a"), careful("b"), profile("home", "c")];
    for (n, profile) in (1..).zip(agents) {
        let max_turn_seconds = 36_000;
        node.apply(
            n,
            Profile {
                max_turn_seconds,
                ..profile
            },
        );
    }
    let a = running(&mut node, 1);
    (node, a)
}

#[test]
fn a_deadline_that_a_caller_named_holds_where_a_person_is_asked_below() {
    for kind in [Kind::AgentAsk, Kind::AgentWait] {
        let (mut node, a) = with_careful_b();
        let begins = match kind {
            Kind::AgentWait => Kind::AgentSpawn,
            other => other,
        };
        let mut call = step_of(asking(&mut node, a, begins, (2, "b")), "1");
        call.deadline_ms = Some(1_000);
        let (_, step) = node.call(call);
        let (mut call, b) = (driven(&step)[0], run(&mut node, &step));
        if kind == Kind::AgentWait {
            node.finish(call);
            let mut wait = about(&mut node, a, kind, b);
            wait.deadline_ms = Some(1_000);
            call = driven(&node.call(wait).1)[0];
        }
        let step = set_aside(&mut node, b);
        assert_eq!(killed(&step), [], "it goes on at its deadline");
        assert_eq!(told(&node.wait(1_000)), [call]);
        let step = stopped(&mut node, call);
        assert_eq!(outcome(&step).0, Outcome::DeadlineExceeded);
        let by_its_deadline = vec![(b, TurnOutcome::DeadlineExceeded)];
        match kind {
            Kind::AgentWait => assert!(parked(&node, b), "it may be waited for again"),
            _ => assert_eq!(ended(&step), by_its_deadline),
        }
    }
}

#[test]
fn no_question_is_broken_off_while_its_caller_does_something_else() {
    let (mut node, a) = with_careful_b();
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let (ask, b) = (driven(&step)[0], run(&mut node, &step));
    let mut call = step_of(asking(&mut node, a, Kind::AgentAsk, (3, "c")), "2");
    call.deadline_ms = Some(Kind::AgentAsk.max_deadline_ms());
    let (_, step) = node.call(call);
    run(&mut node, &step);
    assert_eq!(killed(&set_aside(&mut node, b)), []);
    let time = Kind::AgentAsk.default_deadline_ms();
    for _ in 0..5 {
        let step = node.wait(time / 3);
        assert!(!told(&step).contains(&ask), "{step:?}");
    }
    assert!(parked(&node, b));
    // After the word it has all its time.
    node.wait(time / 3 - 1_000);
    let step = approvals::answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(started(&step)[0].0, b);
    assert!(!told(&node.wait(time / 2)).contains(&ask));
}

#[test]
fn a_caller_is_set_aside_once_what_else_it_did_has_ended() {
    let (mut node, a) = with_careful_b();
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let b = run(&mut node, &step);
    let call = node.keyed(a, Kind::ModelChat, &format!("t{a}.2"));
    let chat = driven(&node.call(call).1)[0];
    assert_eq!(killed(&set_aside(&mut node, b)), []);
    assert_eq!(killed(&node.finish(chat)), [a]);
}
