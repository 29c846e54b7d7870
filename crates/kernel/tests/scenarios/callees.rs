//! Calls of turns that cannot be, that cross each other, or whose answer nobody takes any more.

use aion_kernel::{
    CancelCause, Effect, Event, Fact, Failure, Finish, Incarnation, Kind, Limits, Outcome, Peer,
    Phase, Profile, Refusal, Scope, TurnOutcome, Usage, Verdict,
};

use crate::{
    approvals,
    called::{
        about, asking, ended, killed, node_with, peer, restarted, run, running, slots, step_of,
    },
    harness::{Node, driven, effects, facts, profile, refusal, rule, started},
};

const LAYERS: [&str; 2] = ["seccomp", "landlock"];

pub(crate) fn stopped(node: &mut Node, call: aion_kernel::CallId) -> aion_kernel::Step {
    node.feed(Event::Finished {
        call,
        finish: Finish::Stopped,
        usage: Usage::default(),
    })
}

#[test]
fn a_call_finds_its_turn_also_where_nobody_could_take_one_now() {
    let mut node = node_with(slots(2), &["a", "b"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let b = run(&mut node, &step);
    for none in [None, Some(Peer::Nobody)] {
        (node, _) = restarted(&node, slots(2), &[(a, 1), (b, 1)]);
        let mut again = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
        again.peer = none;
        let again = step_of(again, "1");
        assert!(!node.kernel.would_begin(&again), "it has");
        let (_, step) = node.call(again);
        assert_eq!(peer(&step), Some(b));
    }
    // What is new is refused, and its key is as free as it was.
    let mut new = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    assert!(node.kernel.would_begin(&new));
    new.peer = Some(Peer::Nobody);
    let (_, step) = node.call(step_of(new, "2"));
    let agent = "b".into();
    assert_eq!(refusal(&step), Refusal::NobodyReady { agent });
    let new = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(new, "2"));
    assert!(peer(&step).is_some_and(|it| it != b));
}

#[test]
fn turns_that_would_wait_for_each_other_are_told_so() {
    let mut node = node_with(slots(4), &["a", "b"]);
    let (a, b) = (running(&mut node, 1), running(&mut node, 2));
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(call);
    let queued = peer(&step).unwrap();
    let call = asking(&mut node, b, Kind::AgentAsk, (1, "a"));
    let refused = refusal(&node.call(call).1);
    assert!(
        matches!(&refused, Refusal::AgentCycle { path, waits: true } if path.as_str() == "b → a → b"),
        "{refused}"
    );
    // To begin one is no waiting; to wait for it is.
    let call = asking(&mut node, b, Kind::AgentSpawn, (1, "a"));
    let (_, step) = node.call(call);
    let spawned = peer(&step).unwrap();
    node.finish(driven(&step)[0]);
    let wait = about(&mut node, b, Kind::AgentWait, spawned);
    let refused = refusal(&node.call(wait).1);
    assert!(matches!(refused, Refusal::AgentCycle { .. }), "{refused}");
    // Once it is over, so is the refusal; and what waited goes on.
    let step = node.exited(b, 1);
    assert_eq!(started(&step)[0].0, queued);
}

#[test]
fn a_caller_waits_for_none_that_waits_behind_what_it_began_itself() {
    let mut node = node_with(slots(8), &["a", "b", "d"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
    let (_, step) = node.call(call);
    let b = run(&mut node, &step);
    let call = asking(&mut node, a, Kind::AgentAsk, (3, "d"));
    let (_, step) = node.call(call);
    let d = run(&mut node, &step);
    let call = asking(&mut node, b, Kind::AgentAsk, (3, "d"));
    let (_, step) = node.call(call);
    assert!(peer(&step).is_some(), "it waits for d, which works");
    let call = asking(&mut node, d, Kind::AgentAsk, (2, "b"));
    let refused = refusal(&node.call(call).1);
    assert!(
        matches!(&refused, Refusal::AgentCycle { path, waits: true } if path.as_str() == "d → b → d"),
        "{refused}"
    );
}

/// It may ask, once a person has agreed.
pub(crate) fn careful(agent: &str) -> Profile {
    let mut profile = profile("home", agent);
    profile.grants = vec![rule(Verdict::Ask, Kind::AgentAsk, "*")].into();
    profile
}

#[test]
fn no_person_is_asked_about_a_call_that_cannot_be() {
    let mut node = node_with(slots(2), &["x", "b"]);
    node.apply(1, careful("a"));
    let a = running(&mut node, 1);
    let nobody = |mut call: aion_kernel::Call| {
        call.peer = Some(Peer::Nobody);
        call
    };
    let cycle = asking(&mut node, a, Kind::AgentAsk, (1, "a"));
    let absent = nobody(asking(&mut node, a, Kind::AgentSpawn, (2, "b")));
    for call in [cycle, absent] {
        let (_, step) = node.call(call);
        assert_eq!(facts(&step), ["call-refused"]);
    }
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let input = match &call.peer {
        Some(Peer::New(spawn)) => spawn.input.digest,
        _ => unreachable!(),
    };
    assert!(node.kernel.would_begin(&call), "with a word");
    let (ticket, step) = node.call(call);
    assert_eq!(facts(&step)[0], "approval-asked");
    assert!(
        node.kernel.inputs_to_come().contains(&input),
        "its question is kept for it"
    );
    node.feed(Event::Disconnected { ticket });
    assert!(!node.kernel.inputs_to_come().contains(&input));
}

#[test]
fn a_worker_that_lost_its_connection_finds_the_turn_in_the_same_run() {
    let mut node = node_with(slots(2), &["a", "b"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (ticket, step) = node.call(step_of(call, "1"));
    let (ask, b) = (driven(&step)[0], run(&mut node, &step));
    node.feed(Event::Disconnected { ticket });
    let step = stopped(&mut node, ask);
    let interrupted = |fact: &Fact| matches!(fact, Fact::CallEnded { outcome, .. } if *outcome == Outcome::Interrupted);
    assert!(step.facts.iter().any(interrupted), "{step:?}");
    assert_eq!(killed(&step), []);
    let again = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(again, "1"));
    assert_eq!(peer(&step), Some(b));
    // One without a key is made again by nobody.
    node.finish(driven(&step)[0]);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (ticket, step) = node.call(call);
    let (ask, queued) = (driven(&step)[0], peer(&step).unwrap());
    node.feed(Event::Disconnected { ticket });
    let step = stopped(&mut node, ask);
    assert_eq!(ended(&step)[0].0, queued);
}

#[test]
fn a_connection_that_is_lost_loses_no_number_and_no_end_of_a_turn() {
    let mut node = node_with(slots(2), &["a", "b"]);
    let a = running(&mut node, 1);
    let mut b = None;
    let spawn = |node: &mut Node, _| asking(node, a, Kind::AgentSpawn, (2, "b"));
    let wait = |node: &mut Node, b: Option<_>| about(node, a, Kind::AgentWait, b.unwrap());
    let calls: [&dyn Fn(&mut Node, _) -> aion_kernel::Call; 2] = [&spawn, &wait];
    for (call, key) in calls.into_iter().zip(["1", "2"]) {
        // Its driver stops as it is told to, or not in time.
        for stops in [true, false] {
            let made = step_of(call(&mut node, b), key);
            let (ticket, step) = node.call(made);
            let id = driven(&step)[0];
            assert!(b.is_none() || peer(&step) == b, "{step:?}");
            b = peer(&step);
            node.feed(Event::Disconnected { ticket });
            let step = match stops {
                true => stopped(&mut node, id),
                false => node.wait(Limits::default().cancel_grace_ms),
            };
            let interrupted = |fact: &Fact| matches!(fact, Fact::CallEnded { outcome, .. } if *outcome == Outcome::Interrupted);
            assert!(step.facts.iter().any(interrupted), "{step:?}");
            assert_eq!(killed(&step), []);
        }
        let again = step_of(call(&mut node, b), key);
        let (_, step) = node.call(again);
        assert_eq!(peer(&step), b);
        node.finish(driven(&step)[0]);
    }
}

#[test]
fn of_two_connections_with_one_call_the_one_that_stays_gets_the_driver() {
    let mut node = node_with(
        Limits {
            resource_default: 1,
            ..slots(4)
        },
        &["a", "b"],
    );
    let a = running(&mut node, 1);
    let first = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(first);
    let (ask, _) = (driven(&step)[0], run(&mut node, &step));
    let [lost, stays] = [(); 2].map(|()| {
        let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
        node.call(step_of(call, "1")).0
    });
    node.feed(Event::Disconnected { ticket: lost });
    let step = node.finish(ask);
    let to = effects(&step).into_iter().find_map(|effect| match effect {
        Effect::Drive { ticket, .. } => Some(ticket),
        _ => None,
    });
    assert_eq!(to, Some(stays));
}

#[test]
fn what_nobody_can_reach_any_more_is_stopped() {
    let mut node = node_with(slots(4), &["a", "b"]);
    let a = running(&mut node, 1);
    let by = CancelCause::CallerEnded;
    for kind in [Kind::AgentAsk, Kind::AgentSpawn] {
        // Its driver could not read the folder.
        let call = asking(&mut node, a, kind, (2, "b"));
        let (_, step) = node.call(step_of(call, kind.as_str()));
        let (call, b) = (driven(&step)[0], started(&step)[0]);
        node.ready(b.0, b.1.0, &LAYERS);
        let failure = Failure {
            code: "internal".into(),
            detail: "the folder cannot be read".into(),
        };
        let step = node.feed(Event::Finished {
            call,
            finish: Finish::Failed(failure),
            usage: Usage::default(),
        });
        assert_eq!(killed(&step), [b.0]);
        let step = node.exited(b.0, b.1.0);
        assert_eq!(ended(&step), [(b.0, TurnOutcome::Cancelled { by })]);
    }
    // The daemon died, its caller's worker lived, and there is no key to ask under.
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(call);
    let (b, incarnation) = started(&step)[0];
    node.ready(b, incarnation.0, &LAYERS);
    let lives = [(a, 1), (b, incarnation.0)];
    let (_, step) = restarted(&node, slots(4), &lives);
    assert_eq!(killed(&step), [b]);
    let kills = |step: &aion_kernel::Step, of: Incarnation| {
        effects(step).into_iter().any(
            |effect| matches!(effect, Effect::KillWorker { incarnation, .. } if incarnation == of),
        )
    };
    assert!(kills(&step, incarnation));
}

#[test]
fn a_caller_is_set_aside_with_the_turn_that_waits_for_a_person_and_goes_on_with_it() {
    let mut node = node_with(slots(2), &["a", "x", "c"]);
    node.apply(2, careful("b"));
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let b = run(&mut node, &step);
    let call = asking(&mut node, b, Kind::AgentAsk, (3, "c"));
    node.call(step_of(call, "1"));
    let step = approvals::killed(&mut node, b, 1);
    assert_eq!(killed(&step), [a], "it waits for nothing else");
    approvals::killed(&mut node, a, 1);
    let parked = |node: &Node, turn| {
        let row = node.kernel.state().turn(turn);
        row.is_some_and(|row| row.phase == Phase::Parked)
    };
    // Longer than any call may take, and over the death of the daemon.
    node.wait(10 * 3_600_000);
    node.feed(Event::Alarm);
    let (mut node, _) = restarted(&node, slots(2), &[]);
    assert!(parked(&node, a) && parked(&node, b));
    let step = approvals::answer(&mut node, 1, Some(Scope::Once));
    assert!(!parked(&node, a) && !parked(&node, b));
    let mut again = started(&step);
    again.sort();
    let [(_, of_a), (_, of_b)] = again[..] else {
        unreachable!("{again:?}")
    };
    node.ready(a, of_a.0, &LAYERS);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    assert_eq!(peer(&step), Some(b));
    node.ready(b, of_b.0, &LAYERS);
    let call = asking(&mut node, b, Kind::AgentAsk, (3, "c"));
    let (_, step) = node.call(step_of(call, "1"));
    assert!(peer(&step).is_some(), "the word is for it");
}

#[test]
fn a_word_to_ask_an_agent_is_for_the_turn_that_was_begun_however_often_its_caller_runs() {
    let mut node = node_with(slots(2), &["x", "b"]);
    node.apply(1, careful("a"));
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    node.call(step_of(call, "1"));
    approvals::killed(&mut node, a, 1);
    approvals::answer(&mut node, 1, Some(Scope::Once));
    node.ready(a, 2, &LAYERS);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let (ask, b) = (driven(&step)[0], run(&mut node, &step));
    node.feed(Event::WorkerExited {
        turn: a,
        incarnation: Incarnation(2),
        exit: aion_kernel::Exit::Evicted,
    });
    stopped(&mut node, ask);
    node.ready(a, 3, &LAYERS);
    let again = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(again, "1"));
    assert_eq!(peer(&step), Some(b), "{:?}", facts(&step));
    let other = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(other, "2"));
    assert_eq!(facts(&step)[0], "approval-asked", "another is another");
}
