//! Callers that wait behind a called turn which a person is asked about: their ends, and their time.

use aion_kernel::{CancelCause, Event, Kernel, Kind, Limits, Phase, Step, TurnId, TurnOutcome};

use crate::{
    approvals,
    called::{asking, ended, killed, node_with, peer, run, running, slots, step_of},
    callees::careful,
    harness::{Node, facts, profile, started, uid},
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
