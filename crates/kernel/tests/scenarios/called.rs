//! Turns that call turns: slots, rights, budgets, ends, and what a crash leaves of them.

use aion_kernel::{
    Answer, Call, CancelCause, Delegated, Effect, Event, IdempotencyKey, Incarnation, Kernel, Kind,
    Level, Limits, LiveWorker, Peer, Profile, Quota, QuotaKind, Refusal, Resource, Spawn, Step,
    TargetPattern, TurnId, TurnOutcome, Usage,
};

use crate::harness::{
    Node, answers, body, driven, effects, outcome, profile, refusal, started, uid,
};

const LAYERS: [&str; 2] = ["seccomp", "landlock"];

pub(crate) fn slots(worker_slots: u32) -> Limits {
    Limits {
        worker_slots,
        ..Limits::default()
    }
}

/// Agents `a`, `b`, … of one namespace, one instance each, with the numbers 1, 2, …
pub(crate) fn node_with(limits: Limits, agents: &[&str]) -> Node {
    let mut node = Node::new(limits);
    for (n, agent) in (1..).zip(agents) {
        node.apply(n, profile("home", agent));
    }
    node
}

pub(crate) fn run(node: &mut Node, step: &Step) -> TurnId {
    let (turn, incarnation) = started(step)[0];
    node.ready(turn, incarnation.0, &LAYERS);
    turn
}

pub(crate) fn running(node: &mut Node, n: u128) -> TurnId {
    let (_, step) = node.invoke(n);
    run(node, &step)
}

pub(crate) fn asking(node: &mut Node, turn: TurnId, kind: Kind, (n, agent): (u128, &str)) -> Call {
    let spawn = Spawn {
        instance: uid(n),
        input: body(9),
        deadline_ms: None,
        delegated: None,
    };
    Call {
        target: Some(agent.into()),
        resource: Resource::Turns(turn),
        peer: Some(Peer::New(spawn)),
        ..node.plain(turn, kind)
    }
}

pub(crate) fn about(node: &mut Node, turn: TurnId, kind: Kind, of: TurnId) -> Call {
    Call {
        target: None,
        resource: Resource::Turns(turn),
        peer: Some(Peer::Begun(of)),
        ..node.plain(turn, kind)
    }
}

fn delegating(mut call: Call, to: &[(Kind, &str)]) -> Call {
    if let Some(Peer::New(spawn)) = &mut call.peer {
        let to = to.iter().map(|(kind, target)| Delegated {
            kind: *kind,
            target: TargetPattern::parse(target),
        });
        spawn.delegated = Some(to.collect());
    }
    call
}

pub(crate) fn step_of(mut call: Call, name: &str) -> Call {
    call.key = IdempotencyKey::new(&format!("t{}.{name}", call.turn));
    call
}

/// The turn that a step's driver waits for.
pub(crate) fn peer(step: &Step) -> Option<TurnId> {
    effects(step).into_iter().find_map(|effect| match effect {
        Effect::Drive { peer, .. } => peer.map(|it| it.turn),
        _ => None,
    })
}

pub(crate) fn ended(step: &Step) -> Vec<(TurnId, TurnOutcome)> {
    let of = |effect| match effect {
        Effect::TurnDone { turn, outcome, .. } => Some((turn, outcome)),
        _ => None,
    };
    effects(step).into_iter().filter_map(of).collect()
}

pub(crate) fn killed(step: &Step) -> Vec<TurnId> {
    let of = |effect| match effect {
        Effect::KillWorker { turn, .. } => Some(turn),
        _ => None,
    };
    effects(step).into_iter().filter_map(of).collect()
}

/// The same node after its daemon was killed, with these workers left.
pub(crate) fn restarted(node: &Node, limits: Limits, lives: &[(TurnId, u32)]) -> (Node, Step) {
    let mut after = Node::new(limits.clone());
    after.kernel = Kernel::restore(node.kernel.snapshot(), limits).unwrap();
    after.now = node.now.plus(500);
    let workers = lives.iter().map(|(turn, incarnation)| LiveWorker {
        turn: *turn,
        incarnation: Incarnation(*incarnation),
    });
    let workers = workers.collect();
    let step = after.feed(Event::Recovered { workers });
    (after, step)
}

#[test]
fn with_one_slot_an_agent_asks_an_agent_that_asks_an_agent() {
    let mut node = node_with(slots(1), &["a", "b", "c"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (a_waits, step) = node.call(call);
    let a_asks = driven(&step)[0];
    let b = run(&mut node, &step);
    assert_eq!(peer(&step), Some(b));
    let call = asking(&mut node, b, Kind::AgentAsk, (3, "c"));
    let (_, step) = node.call(call);
    let b_asks = driven(&step)[0];
    let c = run(&mut node, &step);
    // Somebody else waits for the slot meanwhile, and gets it when all three have done with it.
    node.apply(9, profile("home", "z"));
    let (_, step) = node.invoke(9);
    assert_eq!(started(&step), []);
    let step = node.exited(c, 1);
    assert_eq!(
        (ended(&step), started(&step)),
        (vec![(c, TurnOutcome::Completed)], vec![])
    );
    node.finish(b_asks);
    let step = node.exited(b, 1);
    assert_eq!(started(&step), []);
    let step = node.finish(a_asks);
    assert_eq!(answers(&step)[0].0, a_waits);
    let step = node.exited(a, 1);
    assert_eq!(started(&step).len(), 1, "the one that waited");
    assert_eq!(node.kernel.load().running_turns, 1);
}

#[test]
fn a_call_made_again_after_a_crash_finds_the_turn_that_it_began() {
    let mut node = node_with(slots(2), &["a", "b"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let b = run(&mut node, &step);
    for _ in 0..2 {
        (node, _) = restarted(&node, slots(2), &[(a, 1), (b, 1)]);
        let again = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
        let (_, step) = node.call(step_of(again, "1"));
        assert_eq!(peer(&step), Some(b));
        assert_eq!(node.kernel.load().running_turns, 2);
    }
    // Also where it has ended meanwhile; and the key is for this request alone.
    node.exited(b, 1);
    (node, _) = restarted(&node, slots(2), &[(a, 1)]);
    let again = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(again, "1"));
    assert_eq!((peer(&step), started(&step)), (Some(b), vec![]));
    node.finish(driven(&step)[0]);
    let mut other = step_of(asking(&mut node, a, Kind::AgentAsk, (2, "b")), "1");
    other.body = body(7);
    let (_, step) = node.call(other);
    assert!(matches!(
        refusal(&step),
        Refusal::IdempotencyMismatch { .. }
    ));
}

#[test]
fn a_cycle_is_refused_by_its_names_and_a_chain_has_an_end() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut node = node_with(slots(16), &names);
    let mut turn = running(&mut node, 1);
    for n in 2..=9 {
        let call = asking(
            &mut node,
            turn,
            Kind::AgentSpawn,
            (n, names[n as usize - 1]),
        );
        let (_, step) = node.call(call);
        turn = run(&mut node, &step);
        if n == 3 {
            let back = asking(&mut node, turn, Kind::AgentAsk, (1, "a"));
            let refused = refusal(&node.call(back).1);
            assert!(refused.to_string().contains("a → b → c → a"), "{refused}");
        }
    }
    let call = asking(&mut node, turn, Kind::AgentSpawn, (10, "j"));
    let refused = refusal(&node.call(call).1);
    assert!(
        matches!(refused, Refusal::TooManyTurns { limit: 8, .. }),
        "{refused}"
    );
}

#[test]
fn a_turn_begins_so_many_turns_and_no_more() {
    let mut node = node_with(slots(2), &["a", "b"]);
    let a = running(&mut node, 1);
    let limits = Limits {
        turns_per_instance: 100,
        ..slots(2)
    };
    node.feed(Event::SetLimits(limits));
    let mut last = None;
    for _ in 0..33 {
        let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
        let (_, step) = node.call(call);
        if let Some(call) = driven(&step).first() {
            node.finish(*call);
        }
        last = answers(&step).pop().map(|(_, answer)| answer);
    }
    assert!(
        matches!(
            last,
            Some(Answer::Refused(Refusal::TooManyTurns { limit: 32, .. }))
        ),
        "{last:?}"
    );
}

#[test]
fn namespaces_are_not_crossed_and_an_agent_is_who_the_grant_names() {
    let mut node = node_with(slots(4), &["a", "b"]);
    node.apply(7, profile("work", "b"));
    let a = running(&mut node, 1);
    for (n, agent) in [(7, "b"), (2, "c"), (6, "b")] {
        let call = asking(&mut node, a, Kind::AgentAsk, (n, agent));
        let refused = refusal(&node.call(call).1);
        assert!(matches!(refused, Refusal::NobodyReady { .. }), "{refused}");
    }
}

#[test]
fn what_a_caller_does_not_delegate_is_denied_also_to_those_below_and_after_a_restart() {
    let mut node = node_with(slots(4), &["a", "b", "c"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
    let to = [(Kind::ToolCall, "calendar.*"), (Kind::AgentAsk, "c")];
    let (_, step) = node.call(delegating(call, &to));
    let b = run(&mut node, &step);
    node.finish(driven(&step)[0]);
    let call = asking(&mut node, b, Kind::AgentSpawn, (3, "c"));
    let (_, step) = node.call(call);
    let c = run(&mut node, &step);
    node.finish(driven(&step)[0]);
    let (mut node, _) = restarted(&node, slots(4), &[(a, 1), (b, 1), (c, 1)]);
    for turn in [b, c] {
        let allowed = node.plain(turn, Kind::ToolCall);
        assert_eq!(driven(&node.call(allowed).1).len(), 1);
        for kind in [Kind::FsRead, Kind::MemoryRecall] {
            let call = node.plain(turn, kind);
            let refused = refusal(&node.call(call).1).to_string();
            assert!(
                refused.contains(&format!("what turn {a} delegated")),
                "{refused}"
            );
        }
        let model = node.plain(turn, Kind::ModelChat);
        assert_eq!(driven(&node.call(model).1).len(), 1, "it can answer");
    }
    // The caller itself is as free as it was.
    let own = node.plain(a, Kind::FsRead);
    assert_eq!(driven(&node.call(own).1).len(), 1);
}

#[test]
fn a_called_turn_is_reserved_for_and_charged_to_its_caller_too() {
    let mut node = Node::new(slots(4));
    let spends = Profile {
        quota: Quota {
            tokens_per_hour: Some(100),
            ..Quota::default()
        },
        ..profile("home", "a")
    };
    node.apply(1, spends);
    node.apply(2, profile("home", "b"));
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
    let (_, step) = node.call(call);
    let b = run(&mut node, &step);
    let chat = |node: &mut Node, turn, tokens| Call {
        reserve_tokens: tokens,
        ..node.plain(turn, Kind::ModelChat)
    };
    let first = chat(&mut node, b, 60);
    let first = driven(&node.call(first).1)[0];
    // At once: what is reserved counts, whoever asks.
    for turn in [a, b] {
        let more = chat(&mut node, turn, 60);
        let refused = refusal(&node.call(more).1);
        let Refusal::QuotaExceeded { level, quota, .. } = refused else {
            unreachable!("{refused:?}")
        };
        assert_eq!(quota, QuotaKind::Tokens);
        assert_eq!(level == Level::Caller, turn == b);
    }
    let usage = Usage {
        input_tokens: 90,
        ..Usage::default()
    };
    let finish = aion_kernel::Finish::Ok { body: None };
    node.feed(Event::Finished {
        call: first,
        finish,
        usage,
    });
    for turn in [a, b] {
        let more = chat(&mut node, turn, 20);
        assert!(matches!(
            refusal(&node.call(more).1),
            Refusal::QuotaExceeded { .. }
        ));
        let little = chat(&mut node, turn, 4);
        let call = driven(&node.call(little).1)[0];
        node.finish(call);
    }
}

#[test]
fn the_end_of_a_caller_is_that_of_all_below_it() {
    let mut node = node_with(slots(2), &["a", "b", "c", "d"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
    let (_, step) = node.call(call);
    let b = run(&mut node, &step);
    let call = asking(&mut node, b, Kind::AgentSpawn, (3, "c"));
    let (_, step) = node.call(call);
    assert_eq!(started(&step), [], "c waits for a slot");
    let by = CancelCause::CallerEnded;
    let step = node.feed(Event::CancelTurn { turn: a });
    assert_eq!(killed(&step), [a, b]);
    assert_eq!(ended(&step).len(), 1);
    assert_eq!(ended(&step)[0].1, TurnOutcome::Cancelled { by });
    let step = node.exited(b, 1);
    assert_eq!(ended(&step), [(b, TurnOutcome::Cancelled { by })]);
    node.exited(a, 1);
    assert_eq!(node.kernel.state().turns().count(), 0);
}

#[test]
fn a_journal_that_ends_between_a_caller_and_what_it_called_leaves_nothing_running() {
    let mut node = node_with(slots(2), &["a", "b"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
    let (_, step) = node.call(call);
    let b = run(&mut node, &step);
    // The machine lost the caller's worker, and the callee's lived.
    let (_, step) = restarted(&node, slots(2), &[(b, 1)]);
    assert_eq!(ended(&step), [(a, TurnOutcome::WorkerLost)]);
    assert_eq!(killed(&step), [b]);
}

#[test]
fn a_turn_waits_for_and_stops_what_it_began_and_nothing_else() {
    let mut node = node_with(slots(4), &["a", "b", "c"]);
    let (a, c) = (running(&mut node, 1), running(&mut node, 3));
    let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
    let (_, step) = node.call(call);
    let b = run(&mut node, &step);
    for kind in [Kind::AgentWait, Kind::AgentCancel] {
        let call = about(&mut node, c, kind, b);
        assert_eq!(refusal(&node.call(call).1), Refusal::NotItsTurn { turn: b });
        let call = about(&mut node, a, kind, a);
        assert_eq!(refusal(&node.call(call).1), Refusal::NotItsTurn { turn: a });
    }
    let wait = about(&mut node, a, Kind::AgentWait, b);
    let (_, step) = node.call(wait);
    assert_eq!(peer(&step), Some(b));
    let stop = about(&mut node, a, Kind::AgentCancel, b);
    let (_, step) = node.call(stop);
    assert_eq!(killed(&step), [b]);
}

#[test]
fn a_called_turn_has_no_more_time_than_its_caller_and_goes_on_while_that_does() {
    let mut node = node_with(slots(4), &["a", "b", "c"]);
    let invoke = aion_kernel::Invoke {
        ticket: None,
        instance: uid(1),
        cause: "ask".into(),
        input: body(1),
        deadline_ms: Some(400_000),
        payer: None,
    };
    let step = node.feed(Event::Invoke(invoke));
    let a = run(&mut node, &step);
    let mut call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    call.deadline_ms = Some(30_000);
    if let Some(Peer::New(spawn)) = &mut call.peer {
        spawn.deadline_ms = Some(900_000);
    }
    let (_, step) = node.call(call);
    let (ask, b) = (driven(&step)[0], run(&mut node, &step));
    let deadline = node.kernel.state().turn(b).unwrap().deadline.unwrap();
    assert_eq!(deadline.since(node.now), 400_000);
    // Who is asked no more does not go on.
    node.wait(30_000);
    let step = node.feed(Event::Finished {
        call: ask,
        finish: aion_kernel::Finish::Stopped,
        usage: Usage::default(),
    });
    assert_eq!(killed(&step), [b]);
    assert_eq!(outcome(&step).0, aion_kernel::Outcome::DeadlineExceeded);
    // A caller without a deadline may be set aside for longer than it may run, and finds what it called.
    let c = running(&mut node, 3);
    node.exited(b, 1);
    let call = asking(&mut node, c, Kind::AgentSpawn, (2, "b"));
    let (_, step) = node.call(call);
    let b = run(&mut node, &step);
    assert_eq!(node.kernel.state().turn(b).unwrap().deadline, None);
}

#[test]
fn a_caller_that_runs_again_asks_the_same_turn() {
    let mut node = node_with(slots(2), &["a", "b"]);
    let a = running(&mut node, 1);
    let call = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(call, "1"));
    let (ask, b) = (driven(&step)[0], run(&mut node, &step));
    node.feed(Event::WorkerExited {
        turn: a,
        incarnation: Incarnation(1),
        exit: aion_kernel::Exit::Evicted,
    });
    node.feed(Event::Finished {
        call: ask,
        finish: aion_kernel::Finish::Stopped,
        usage: Usage::default(),
    });
    assert!(node.kernel.state().turn(b).is_some(), "it goes on");
    node.ready(a, 2, &LAYERS);
    let again = asking(&mut node, a, Kind::AgentAsk, (2, "b"));
    let (_, step) = node.call(step_of(again, "1"));
    assert_eq!((peer(&step), started(&step)), (Some(b), vec![]));
}

#[test]
fn slots_that_are_lent_are_bounded() {
    let mut node = Node::new(slots(8));
    let mut waits = Vec::new();
    for n in 1..=8_u128 {
        node.apply(n, profile("home", &format!("a{n}")));
        waits.push(running(&mut node, n));
    }
    node.feed(Event::SetLimits(slots(0)));
    let mut asked = 100;
    let mut ask = |node: &mut Node, turn| {
        asked += 1;
        let name = format!("b{asked}");
        node.apply(asked, profile("home", &name));
        let call = asking(node, turn, Kind::AgentAsk, (asked, &name));
        node.call(call).1
    };
    for turn in &waits {
        assert_eq!(driven(&ask(&mut node, *turn)).len(), 1);
    }
    // One that lends its slot already may wait for another besides; a ninth may not.
    assert_eq!(driven(&ask(&mut node, waits[0])).len(), 1);
    node.feed(Event::SetLimits(slots(1)));
    node.feed(Event::SetLimits(slots(0)));
    let ninth = node
        .kernel
        .state()
        .turns()
        .map(|(turn, row)| (turn, row.phase));
    let runs = |phase: &aion_kernel::Phase| phase.incarnation().is_some();
    let ninth = ninth.filter(|(turn, phase)| runs(phase) && !waits.contains(turn));
    let ninth = ninth.map(|(turn, _)| turn).next().unwrap();
    node.ready(ninth, 1, &LAYERS);
    let refused = refusal(&ask(&mut node, ninth));
    assert!(matches!(refused, Refusal::Overloaded { .. }), "{refused}");
}
