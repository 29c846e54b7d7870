//! Turns and workers: the life of an instance.
use crate::harness::{Node, body, driven, effects, facts, profile, started, uid};
use aion_kernel::{
    CancelCause, Effect, Event, Exit, Incarnation, Invoke, Kind, Limits, Load, Queue, Refusal,
    Step, TurnId, TurnOutcome,
};

const LAYERS: [&str; 2] = ["landlock", "seccomp"];

fn ends(step: &Step) -> Vec<TurnOutcome> {
    let of = |effect| match effect {
        Effect::TurnDone { outcome, .. } => Some(outcome),
        _ => None,
    };
    effects(step).into_iter().filter_map(of).collect()
}

#[test]
fn a_turn_goes_from_request_to_end_and_leaves_a_row() {
    let mut node = Node::new(Limits::default());
    node.apply(1, profile("home", "jarvis"));
    let (ticket, step) = node.invoke(1);
    assert_eq!(facts(&step), ["turn-queued", "turn-started"]);
    let (turn, incarnation) = started(&step)[0];
    assert_eq!(incarnation, Incarnation(1));
    let step = node.ready(turn, 1, &LAYERS);
    assert_eq!(effects(&step), [Effect::OpenGate { turn, incarnation }]);
    assert_eq!(
        node.kernel.load(),
        Load {
            running_turns: 1,
            ..Load::default()
        }
    );
    let step = node.exited(turn, 1);
    assert_eq!(facts(&step), ["turn-ended"]);
    let Effect::TurnDone {
        ticket: told,
        outcome: TurnOutcome::Completed,
        ..
    } = effects(&step)[0].clone()
    else {
        unreachable!("{step:?}")
    };
    assert_eq!(told, Some(ticket));
    assert_eq!(
        (node.kernel.load(), node.kernel.next_deadline()),
        (Load::default(), None)
    );
}

#[test]
fn without_a_required_layer_no_instruction_runs() {
    let mut node = Node::new(Limits::default());
    node.apply(1, profile("home", "jarvis"));
    let (turn, incarnation) = started(&node.invoke(1).1)[0];
    let step = node.ready(turn, 1, &["landlock"]);
    assert_eq!(effects(&step), [Effect::KillWorker { turn, incarnation }]);
    let missing = vec!["seccomp".into()];
    assert_eq!(
        ends(&node.exited(turn, 1)),
        [TurnOutcome::SandboxIncomplete { missing }]
    );
}

#[test]
fn an_instance_has_one_worker_and_each_has_its_number() {
    let mut node = Node::new(Limits::default());
    let first = node.running(1, profile("home", "jarvis"));
    let (_, step) = node.invoke(1);
    assert_eq!(started(&step), [], "the second turn waits for the first");
    let step = node.exited(first, 1);
    let (second, incarnation) = started(&step)[0];
    assert_eq!((second, incarnation), (TurnId(first.0 + 1), Incarnation(2)));
    assert_eq!(
        node.ready(first, 1, &LAYERS).facts,
        [],
        "the first worker is nobody now"
    );
    assert_eq!(
        node.exited(second, 1),
        Step::default(),
        "and cannot end the second turn"
    );
}

#[test]
fn a_worker_that_fails_says_how() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let exit = Exit::Signal(11);
    let step = node.feed(Event::WorkerExited {
        turn,
        incarnation: Incarnation(1),
        exit: exit.clone(),
    });
    assert_eq!(ends(&step), [TurnOutcome::WorkerFailed { exit }]);
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_killed_and_given_up() {
    let limits = Limits::default();
    let (start, kill) = (limits.start_timeout_ms, limits.kill_grace_ms);
    let mut node = Node::new(limits);
    node.apply(1, profile("home", "jarvis"));
    let (turn, incarnation) = started(&node.invoke(1).1)[0];
    assert_eq!(node.wait(start - 1), Step::default());
    assert_eq!(
        effects(&node.wait(1)),
        [Effect::KillWorker { turn, incarnation }]
    );
    assert_eq!(node.wait(kill - 1), Step::default());
    assert_eq!(ends(&node.wait(1)), [TurnOutcome::StartTimeout]);
}

#[test]
fn a_turn_ends_at_its_agents_bound_and_takes_its_calls_along() {
    let mut node = Node::new(Limits::default());
    let mut short = profile("home", "jarvis");
    short.max_turn_seconds = 5;
    let turn = node.running(1, short);
    let call = node.plain(turn, Kind::ToolCall);
    let call = driven(&node.call(call).1)[0];
    let step = node.wait(5_000);
    let by = Some(CancelCause::TurnEnded);
    let kill = Effect::KillWorker {
        turn,
        incarnation: Incarnation(1),
    };
    assert_eq!(effects(&step), [kill, Effect::CancelDriver { call, by }]);
    assert_eq!(ends(&node.exited(turn, 1)), [TurnOutcome::DeadlineExceeded]);
    assert_eq!(
        facts(&node.finish(call)),
        ["call-ended"],
        "its outcome is recorded all the same"
    );
}

#[test]
fn hanging_up_lets_a_turn_go_on() {
    let mut node = Node::new(Limits::default());
    node.apply(1, profile("home", "jarvis"));
    let ticket = node.ticket();
    let invoke = Invoke {
        ticket: Some(ticket),
        instance: uid(1),
        cause: "ask".into(),
        input: body(1),
        deadline_ms: None,
        payer: None,
    };
    assert_eq!(started(&node.feed(Event::Invoke(invoke))).len(), 1);
    assert_eq!(effects(&node.feed(Event::Disconnected { ticket })), []);
}

#[test]
fn a_removed_instance_ends_its_turns_and_is_told_once() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    node.invoke(1);
    let step = node.feed(Event::Remove { instance: uid(1) });
    let removed = TurnOutcome::Cancelled {
        by: CancelCause::InstanceRemoved,
    };
    assert_eq!(
        ends(&step),
        std::slice::from_ref(&removed),
        "the one that waits ends at once"
    );
    assert_eq!(effects(&node.invoke(1).1).len(), 1);
    let step = node.exited(turn, 1);
    assert_eq!(ends(&step), [removed]);
    assert_eq!(
        effects(&step).last(),
        Some(&Effect::InstanceRemoved { instance: uid(1) })
    );
    assert!(node.kernel.state().instance(uid(1)).is_none());
}

#[test]
fn a_withdrawn_instance_ends_its_turns_and_takes_those_that_come_later() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    node.invoke(1);
    let step = node.feed(Event::Withdraw {
        instance: uid(1),
        spare_running: false,
    });
    let withdrawn = TurnOutcome::Cancelled {
        by: CancelCause::Withdrawn,
    };
    assert_eq!(
        ends(&step),
        std::slice::from_ref(&withdrawn),
        "the one that waits ends at once"
    );
    let kill = Effect::KillWorker {
        turn,
        incarnation: Incarnation(1),
    };
    assert!(effects(&step).contains(&kill));
    // It is let in again while its old worker still dies: its turn waits for that, and runs.
    node.apply(1, profile("home", "jarvis"));
    assert_eq!(started(&node.invoke(1).1), []);
    let step = node.exited(turn, 1);
    assert_eq!(ends(&step), [withdrawn]);
    let [(_, incarnation)] = started(&step)[..] else {
        unreachable!("no turn was started: {step:?}");
    };
    assert_eq!(incarnation, Incarnation(2));
}

#[test]
fn a_turn_that_is_spared_ends_as_it_would_and_those_that_wait_do_not() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    node.invoke(1);
    let step = node.feed(Event::Withdraw {
        instance: uid(1),
        spare_running: true,
    });
    let withdrawn = TurnOutcome::Cancelled {
        by: CancelCause::Withdrawn,
    };
    assert_eq!(ends(&step), [withdrawn]);
    let kill = Effect::KillWorker {
        turn,
        incarnation: Incarnation(1),
    };
    assert!(!effects(&step).contains(&kill));
    assert_eq!(
        started(&node.exited(turn, 1)),
        [],
        "none of those that waited"
    );
}

#[test]
fn a_turn_for_nobody_or_one_too_many_is_refused() {
    let mut node = Node::new(Limits {
        turns_per_instance: 1,
        worker_slots: 0,
        ..Limits::default()
    });
    let refused = |step: &Step| match effects(step)[..] {
        [Effect::InvokeRefused { ref refusal, .. }] => Some(refusal.clone()),
        _ => None,
    };
    assert_eq!(refused(&node.invoke(1).1), Some(Refusal::NoSuchInstance));
    node.apply(1, profile("home", "jarvis"));
    assert_eq!(refused(&node.invoke(1).1), None);
    let full = refused(&node.invoke(1).1);
    assert!(
        matches!(
            full,
            Some(Refusal::Overloaded {
                queue: Queue::InstanceTurns,
                ..
            })
        ),
        "{full:?}"
    );
    node.feed(Event::Drain);
    assert_eq!(refused(&node.invoke(1).1), Some(Refusal::Draining));
}

#[test]
fn a_daemon_that_drains_starts_nothing_and_keeps_what_runs() {
    let mut node = Node::new(Limits {
        worker_slots: 1,
        ..Limits::default()
    });
    let turn = node.running(1, profile("home", "jarvis"));
    node.apply(2, profile("home", "librarian"));
    node.invoke(2);
    node.feed(Event::Drain);
    let call = node.plain(turn, Kind::Null);
    assert_eq!(facts(&node.call(call).1), ["call-served"]);
    assert_eq!(started(&node.exited(turn, 1)), []);
    assert_eq!(
        node.kernel.load(),
        Load {
            waiting_turns: 1,
            ..Load::default()
        }
    );
}

#[test]
fn a_tenant_with_many_turns_does_not_keep_another_from_its_first() {
    let mut node = Node::new(Limits {
        worker_slots: 1,
        ..Limits::default()
    });
    let first = node.running(1, profile("red", "jarvis"));
    for n in 2..12 {
        node.apply(n, profile("red", "jarvis"));
        node.invoke(n);
    }
    node.apply(50, profile("blue", "jarvis"));
    node.now = node.now.plus(1_000);
    let (_, step) = node.invoke(50);
    assert_eq!(started(&step), []);
    let mut order = Vec::new();
    let mut step = node.exited(first, 1);
    while let Some((turn, incarnation)) = started(&step).first().copied() {
        order.push(node.kernel.state().turn(turn).unwrap().instance);
        node.now = node.now.plus(1_000);
        step = node.exited(turn, incarnation.0);
    }
    let at = order.iter().position(|instance| *instance == uid(50));
    assert!(at.is_some_and(|at| at <= 1), "{order:?}");
}

#[test]
fn instances_of_one_agent_share_their_profile() {
    let mut node = Node::new(Limits::default());
    let first = node.apply(1, profile("home", "jarvis"));
    assert_eq!(
        facts(&first),
        [
            "account-opened",
            "account-opened",
            "profile-added",
            "instance-applied"
        ]
    );
    assert_eq!(
        facts(&node.apply(2, profile("home", "jarvis"))),
        ["instance-applied"]
    );
    assert_eq!(
        facts(&node.apply(2, profile("home", "jarvis"))),
        Vec::<&str>::new(),
        "nothing new"
    );
    let mut newer = profile("home", "jarvis");
    newer.revision = "2".into();
    node.apply(1, newer.clone());
    assert_eq!(
        facts(&node.apply(2, newer)),
        ["instance-applied", "profile-dropped"]
    );
}
