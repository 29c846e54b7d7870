//! After a restart: adopted, put back, or ended with a reason.
use crate::harness::{Node, answers, driven, effects, facts, outcome, profile, started, uid};
use aion_kernel::{
    Answer, ApplyError, Call, Effect, Event, Exit, Fact, Incarnation, Kernel, Kind, Limits,
    LiveWorker, NewerFormat, Outcome, Snapshot, State, Step, TurnId, TurnOutcome,
};

/// The same node after its daemon was killed and started again, with these workers left.
fn restarted(node: &Node, workers: Vec<LiveWorker>) -> (Node, Step) {
    let mut after = Node::new(Limits::default());
    after.kernel = Kernel::restore(node.kernel.snapshot(), Limits::default()).unwrap();
    after.now = node.now.plus(500);
    let step = after.feed(Event::Recovered { workers });
    (after, step)
}

fn worker(turn: TurnId, incarnation: u32) -> LiveWorker {
    LiveWorker {
        turn,
        incarnation: Incarnation(incarnation),
    }
}

#[test]
fn a_worker_that_lives_is_adopted_with_its_slot_and_its_bound() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let bound = node.kernel.next_deadline();
    let (mut node, step) = restarted(&node, vec![worker(turn, 1)]);
    assert_eq!(effects(&step), []);
    assert_eq!(
        (
            node.kernel.load().running_turns,
            node.kernel.next_deadline()
        ),
        (1, bound)
    );
    let call = node.plain(turn, Kind::Null);
    assert_eq!(answers(&node.call(call).1).len(), 1);
}

#[test]
fn a_worker_that_is_gone_ends_its_turn() {
    let mut node = Node::new(Limits::default());
    node.running(1, profile("home", "jarvis"));
    let (_, step) = restarted(&node, vec![]);
    let lost = |effect: &Effect| {
        matches!(
            effect,
            Effect::TurnDone {
                outcome: TurnOutcome::WorkerLost,
                ..
            }
        )
    };
    assert!(effects(&step).iter().any(lost), "{step:?}");
}

#[test]
fn a_turn_whose_gate_never_opened_is_put_back_with_a_new_worker() {
    let mut node = Node::new(Limits::default());
    node.apply(1, profile("home", "jarvis"));
    let (turn, incarnation) = started(&node.invoke(1).1)[0];
    let (_, step) = restarted(&node, vec![worker(turn, 1)]);
    assert_eq!(effects(&step)[0], Effect::KillWorker { turn, incarnation });
    assert_eq!(started(&step), [(turn, Incarnation(2))]);
}

#[test]
fn a_worker_that_nobody_knows_is_killed() {
    let stray = Effect::KillWorker {
        turn: TurnId(7),
        incarnation: Incarnation(3),
    };
    let mut node = Node::new(Limits::default());
    let (_, step) = restarted(&node, vec![worker(TurnId(7), 3)]);
    assert_eq!(effects(&step), std::slice::from_ref(&stray));
    let step = node.feed(Event::Recovered {
        workers: vec![worker(TurnId(7), 3)],
    });
    assert_eq!(
        effects(&step),
        [stray],
        "a first start has no state, and may have workers"
    );
}

#[test]
fn without_word_of_workers_they_are_taken_for_gone() {
    let mut node = Node::new(Limits::default());
    node.running(1, profile("home", "jarvis"));
    let mut after = Node::new(Limits::default());
    after.kernel = Kernel::restore(node.kernel.snapshot(), Limits::default()).unwrap();
    let step = after.feed(Event::Alarm);
    let lost = |effect: &Effect| {
        matches!(
            effect,
            Effect::TurnDone {
                outcome: TurnOutcome::WorkerLost,
                ..
            }
        )
    };
    assert!(effects(&step).iter().any(lost), "{step:?}");
}

#[test]
fn an_effect_in_flight_ends_unknown_and_is_not_run_again() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = node.keyed(turn, Kind::ToolCall, "k");
    node.call(call);
    let (mut node, step) = restarted(&node, vec![worker(turn, 1)]);
    assert!(step.facts.iter().any(|fact| matches!(
        fact,
        Fact::CallEnded {
            outcome: Outcome::Unknown,
            ..
        }
    )));
    let retry = node.keyed(turn, Kind::ToolCall, "k");
    let (_, step) = node.call(retry);
    assert_eq!(driven(&step), []);
    let answer = Answer::Outcome {
        outcome: Outcome::Unknown,
        replayed: true,
    };
    assert_eq!(answers(&step).remove(0).1, answer);
}

#[test]
fn an_effect_that_may_be_repeated_is_given_up_and_a_retry_runs() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let repeatable = |node: &mut Node| Call {
        repeatable: true,
        ..node.keyed(turn, Kind::ToolCall, "k")
    };
    let call = repeatable(&mut node);
    node.call(call);
    let (mut node, step) = restarted(&node, vec![worker(turn, 1)]);
    assert!(step.facts.iter().any(|fact| matches!(
        fact,
        Fact::CallEnded {
            outcome: Outcome::Interrupted,
            ..
        }
    )));
    let retry = repeatable(&mut node);
    let (_, step) = node.call(retry);
    assert_eq!(driven(&step).len(), 1);
}

#[test]
fn an_observation_in_flight_is_given_up_and_a_retry_runs() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = node.keyed(turn, Kind::FsRead, "k");
    node.call(call);
    let (mut node, step) = restarted(&node, vec![worker(turn, 1)]);
    assert!(step.facts.iter().any(|fact| matches!(
        fact,
        Fact::CallEnded {
            outcome: Outcome::Interrupted,
            ..
        }
    )));
    let retry = node.keyed(turn, Kind::FsRead, "k");
    assert_eq!(driven(&node.call(retry).1).len(), 1);
}

#[test]
fn an_outcome_recorded_before_the_restart_answers_a_retry_after_it() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = node.keyed(turn, Kind::ToolCall, "k");
    let call = driven(&node.call(call).1)[0];
    node.finish(call);
    let (mut node, _) = restarted(&node, vec![worker(turn, 1)]);
    let retry = node.keyed(turn, Kind::ToolCall, "k");
    let (_, step) = node.call(retry);
    assert_eq!((driven(&step), answers(&step).len()), (vec![], 1));
}

#[test]
fn a_quota_is_not_renewed_by_a_restart() {
    let mut node = Node::new(Limits::default());
    let mut tight = profile("home", "jarvis");
    tight.quota.calls_per_minute = Some(1);
    let turn = node.running(1, tight);
    let call = node.plain(turn, Kind::Null);
    node.call(call);
    let (mut node, _) = restarted(&node, vec![worker(turn, 1)]);
    let call = node.plain(turn, Kind::Null);
    assert!(matches!(
        answers(&node.call(call).1)[0].1,
        Answer::Refused(_)
    ));
}

#[test]
fn a_snapshot_of_a_newer_build_is_refused() {
    let json = serde_json::to_value(Node::new(Limits::default()).kernel.snapshot()).unwrap();
    let mut newer = json.clone();
    newer["format"] = 9.into();
    let restore = |json| {
        Kernel::restore(
            serde_json::from_value::<Snapshot>(json).unwrap(),
            Limits::default(),
        )
    };
    assert!(restore(json).is_ok());
    assert_eq!(restore(newer).err(), Some(NewerFormat { found: 9 }));
}

#[test]
fn a_journal_with_a_hole_is_refused_with_what_is_missing() {
    let mut state = State::default();
    let removed = Fact::InstanceRemoved {
        instance: uid(1),
        at: aion_kernel::Millis(1),
    };
    let error = state.apply(&removed);
    assert_eq!(
        error,
        Err(ApplyError {
            fact: "instance-removed",
            why: "no such instance"
        })
    );
}

#[test]
fn a_uid_that_comes_back_is_given_no_incarnation_twice() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    node.exited(turn, 1);
    let (turn, incarnation) = started(&node.invoke(1).1)[0];
    assert_eq!(incarnation, Incarnation(2));
    node.ready(turn, 2, &["seccomp", "landlock"]);
    node.exited(turn, 2);
    for n in [1, 2] {
        node.feed(Event::Remove { instance: uid(n) });
        node.apply(2, profile("home", "librarian"));
    }
    node.apply(1, profile("home", "jarvis"));
    let (mut node, _) = restarted(&node, vec![]);
    let (_, incarnation) = started(&node.invoke(1).1)[0];
    assert_eq!(incarnation, Incarnation(3));
}

/// A worker that its launcher ended as it was stopped.
fn evicted(node: &mut Node, turn: TurnId, incarnation: u32) -> Step {
    node.feed(Event::WorkerExited {
        turn,
        incarnation: Incarnation(incarnation),
        exit: Exit::Evicted,
    })
}

#[test]
fn a_turn_whose_launcher_was_stopped_runs_again_and_does_nothing_twice() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let step = |kind: Kind| format!("t{turn}.{}", kind.as_str());
    let (written, asked) = (step(Kind::FsWrite), step(Kind::ModelChat));
    let call = node.keyed(turn, Kind::FsWrite, &written);
    let (_, begun) = node.call(call);
    node.finish(driven(&begun)[0]);
    let call = node.keyed(turn, Kind::ModelChat, &asked);
    node.call(call);

    let (mut node, _) = restarted(&node, vec![worker(turn, 1)]);
    let again = evicted(&mut node, turn, 1);
    assert_eq!(facts(&again)[0], "turn-evicted");
    assert_eq!(started(&again), [(turn, Incarnation(2))]);
    node.ready(turn, 2, &["landlock", "seccomp"]);
    let call = node.keyed(turn, Kind::FsWrite, &written);
    let (outcome, replayed) = outcome(&node.call(call).1);
    assert!(
        matches!(outcome, Outcome::Ok { .. }) && replayed,
        "{outcome:?}"
    );
    let call = node.keyed(turn, Kind::ModelChat, &asked);
    assert_eq!(driven(&node.call(call).1).len(), 1, "it was not answered");
}

#[test]
fn a_turn_that_cannot_tell_what_it_did_does_not_run_again() {
    let forgetful = |node: &mut Node, turn| {
        for n in 0..300 {
            let call = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.{n}"));
            let (_, begun) = node.call(call);
            node.finish(driven(&begun)[0]);
        }
    };
    let nameless = |node: &mut Node, turn| {
        let call = node.keyed(turn, Kind::FsWrite, "k");
        node.call(call);
    };
    for effects in [&forgetful as &dyn Fn(&mut Node, TurnId), &nameless] {
        let mut node = Node::new(Limits::default());
        let turn = node.running(1, profile("home", "jarvis"));
        effects(&mut node, turn);
        let step = evicted(&mut node, turn, 1);
        let ends: Vec<_> = self::effects(&step)
            .into_iter()
            .filter(|it| matches!(it, Effect::TurnDone { .. }))
            .collect();
        assert!(
            matches!(
                &ends[..],
                [Effect::TurnDone {
                    outcome: TurnOutcome::WorkerFailed {
                        exit: Exit::Evicted
                    },
                    ..
                }]
            ),
            "{step:?}"
        );
        assert_eq!(started(&step), []);
    }
}

#[test]
fn what_a_turn_says_pushes_nothing_out_of_what_it_did() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    let call = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.write"));
    let (_, begun) = node.call(call);
    node.finish(driven(&begun)[0]);
    for n in 0..1_000 {
        let call = node.keyed(turn, Kind::AgentMessage, &format!("t{turn}.say-{n}"));
        let (_, begun) = node.call(call);
        node.finish(driven(&begun)[0]);
    }
    assert_eq!(
        started(&evicted(&mut node, turn, 1)),
        [(turn, Incarnation(2))]
    );
}

#[test]
fn a_removal_that_the_journal_holds_in_part_ends_every_turn_before_the_instance_goes() {
    let mut node = Node::new(Limits::default());
    node.running(1, profile("home", "jarvis"));
    node.invoke(1);
    let before = node.kernel.snapshot();
    let removal = node.feed(Event::Remove { instance: uid(1) });
    assert_eq!(facts(&removal)[0], "instance-retiring");
    let mut after = Node::new(Limits::default());
    after.kernel = Kernel::restore(before, Limits::default()).unwrap();
    after.kernel.apply(&removal.facts[0]).unwrap();
    let step = after.feed(Event::Recovered {
        workers: Vec::new(),
    });
    let said = facts(&step);
    assert_eq!(said[1..4], ["turn-ended", "turn-ended", "instance-removed"]);
}
