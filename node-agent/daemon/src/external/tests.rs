//! What programs are given, what they lose, and what is told of it. Time is the test's.

#![allow(clippy::unwrap_used, clippy::panic)]
use aion_abi::boot::{Boot, Input, Program};
use aion_abi::signing::Key;
use aion_sandbox::protocol::ExitStatus;
use tokio::time::advance;

use super::*;

const AGENT: &str = "default/helper";

fn run(turn: u64) -> Run {
    Run {
        turn,
        incarnation: 1,
    }
}

fn id(turn: u64) -> WorkerId {
    WorkerId {
        instance: format!("instance-{turn}"),
        incarnation: 1,
    }
}

fn offer(turn: u64) -> Offer {
    Offer {
        id: id(turn),
        run: run(turn),
        agent: AGENT.to_owned(),
        to: None,
    }
}

fn boot(turn: u64) -> Zeroizing<Vec<u8>> {
    let boot = Boot {
        instance: format!("instance-{turn}"),
        incarnation: 1,
        turn,
        agent: AGENT.to_owned(),
        key: Key::new([7; 32]),
        program: Program::External {},
        input: Input::default(),
        checkpoint: None,
        turn_ms: 1_000,
    };
    serde_json::to_vec(&boot).unwrap().into()
}

fn offered(externals: &Externals, turn: u64) {
    externals.offer(offer(turn), boot(turn)).unwrap();
    externals.open_gate(&id(turn));
}

fn register(externals: &Externals, holds: &[Run]) -> Registered {
    let registration = Registration {
        name: "a test".to_owned(),
        program: None,
        holds: holds.to_vec(),
        own: false,
    };
    externals.register(AGENT, &registration, None).unwrap()
}

fn holding(holds: &[Run]) -> Holding {
    Holding {
        holds: holds.to_vec(),
    }
}

async fn given(externals: &Externals, program: &str, holds: &[Run]) -> Option<u64> {
    let given = externals.next(AGENT, program, &holding(holds)).await;
    given.unwrap().boot.map(|it| it.turn)
}

/// The ends that were told, by turn.
fn ended(told: &mut mpsc::UnboundedReceiver<Told>) -> Vec<(WorkerId, ExitStatus)> {
    let mut ends = Vec::new();
    while let Ok(told) = told.try_recv() {
        if let Told::Ended(exited) = told {
            ends.push((exited.id, exited.status));
        }
    }
    ends
}

/// Lets time pass in steps, as it does, hearing the program.
async fn pass(externals: &Externals, time: Duration, heard: Option<(&str, &[Run])>) {
    let step = Duration::from_secs(1);
    for _ in 0..time.as_secs() {
        advance(step).await;
        if let Some((program, holds)) = heard {
            externals.hear(AGENT, program, &holding(holds)).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_given_once_to_a_program_that_asks_and_ends_as_it_says() {
    let (externals, mut told) = Externals::new();
    let refused = externals.offer(offer(1), boot(1)).unwrap_err();
    assert!(refused.starts_with("no program is registered"), "{refused}");
    let (first, second) = (register(&externals, &[]), register(&externals, &[]));
    externals.offer(offer(1), boot(1)).unwrap();
    assert_eq!(
        given(&externals, &first.program, &[]).await,
        None,
        "the gate is shut"
    );
    externals.open_gate(&id(1));
    assert_eq!(given(&externals, &first.program, &[]).await, Some(1));
    assert_eq!(given(&externals, &second.program, &[]).await, None);
    externals.holds(AGENT, &first.program, run(1)).unwrap();
    assert!(externals.holds(AGENT, &second.program, run(1)).is_err());
    assert!(
        externals
            .holds("default/other", &first.program, run(1))
            .is_err()
    );
    let end = End {
        run: run(1),
        code: 3,
    };
    let others = externals.end(AGENT, &second.program, &end).unwrap_err();
    assert_eq!(others.code, Code::NotFound);
    externals.end(AGENT, &first.program, &end).unwrap();
    assert_eq!(ended(&mut told), [(id(1), ExitStatus::Code(3))]);
    assert!(externals.end(AGENT, &first.program, &end).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_program_that_waits_is_given_what_comes_meanwhile() {
    let (externals, _told) = Externals::new();
    let program = register(&externals, &[]).program;
    let (asking, name) = (externals.clone(), program.clone());
    let waits = tokio::spawn(async move { given(&asking, &name, &[]).await });
    advance(Duration::from_secs(5)).await;
    offered(&externals, 1);
    assert_eq!(waits.await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_a_program_holds_is_lost_when_it_is_not_heard_and_what_nobody_took_runs_again() {
    let (externals, mut told) = Externals::new();
    let program = register(&externals, &[]).program;
    offered(&externals, 1);
    assert_eq!(given(&externals, &program, &[]).await, Some(1));
    offered(&externals, 2);
    pass(&externals, LEASE * 2, Some((&program, &[run(1)]))).await;
    assert_eq!(ended(&mut told), [], "it was heard");
    assert!(externals.is_connected(AGENT));
    pass(&externals, LEASE + Duration::from_secs(1), None).await;
    let ends = ended(&mut told);
    assert_eq!(
        ends,
        [(id(1), ExitStatus::Unknown), (id(2), ExitStatus::Evicted)]
    );
    assert!(!externals.is_connected(AGENT));
    let unknown = externals.hear(AGENT, &program, &holding(&[])).unwrap_err();
    assert_eq!(unknown.code, Code::NotFound);
    // It comes back: what it held is nobody's any more.
    let again = register(&externals, &[run(1)]);
    assert_eq!(again.stop, [run(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_answer_was_lost_on_its_way_is_given_again() {
    let (externals, mut told) = Externals::new();
    let program = register(&externals, &[]).program;
    offered(&externals, 1);
    assert_eq!(given(&externals, &program, &[]).await, Some(1));
    // It never heard of it, and says so.
    pass(&externals, Duration::from_secs(11), Some((&program, &[]))).await;
    assert_eq!(given(&externals, &program, &[]).await, Some(1));
    assert_eq!(ended(&mut told), []);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_back_is_to_be_left() {
    let (externals, mut told) = Externals::new();
    let program = register(&externals, &[]).program;
    offered(&externals, 1);
    assert_eq!(given(&externals, &program, &[]).await, Some(1));
    externals.kill(&id(1));
    assert_eq!(ended(&mut told), [(id(1), ExitStatus::Signal(9))]);
    let heard = externals
        .hear(AGENT, &program, &holding(&[run(1)]))
        .unwrap();
    assert_eq!(heard.stop, [run(1)]);
    // It hears of it at once, and not when a turn comes.
    let next = externals
        .next(AGENT, &program, &holding(&[run(1)]))
        .await
        .unwrap();
    assert!(next.boot.is_none() && next.stop == [run(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_comes_back_waits_for_who_holds_a_run() {
    let (externals, mut told) = Externals::new();
    externals.adopt(offer(1));
    externals.adopt(offer(2));
    let program = register(&externals, &[run(1)]);
    assert_eq!(program.stop, []);
    assert!(externals.holds(AGENT, &program.program, run(1)).is_ok());
    pass(&externals, LEASE * 2, Some((&program.program, &[run(1)]))).await;
    assert_eq!(ended(&mut told), [(id(2), ExitStatus::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_goes_loses_what_it_holds_at_once() {
    let (externals, mut told) = Externals::new();
    let (first, second) = (register(&externals, &[]), register(&externals, &[]));
    offered(&externals, 1);
    assert_eq!(given(&externals, &first.program, &[]).await, Some(1));
    offered(&externals, 2);
    externals.leave(AGENT, &first.program).unwrap();
    assert_eq!(ended(&mut told), [(id(1), ExitStatus::Unknown)]);
    assert_eq!(given(&externals, &second.program, &[]).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_program_that_names_itself_is_the_same_when_it_comes_again() {
    let (externals, _told) = Externals::new();
    let registration = Registration {
        program: Some("5f".repeat(16)),
        ..Registration::default()
    };
    let first = externals.register(AGENT, &registration, None).unwrap();
    offered(&externals, 1);
    assert_eq!(given(&externals, &first.program, &[]).await, Some(1));
    let again = externals.register(AGENT, &registration, None).unwrap();
    assert_eq!(again.program, first.program);
    assert!(externals.holds(AGENT, &first.program, run(1)).is_ok());
    // After a restart its calls pass once it has registered.
    let (anew, _told) = Externals::new();
    anew.adopt(offer(1));
    let early = anew.holds(AGENT, &first.program, run(1)).unwrap_err();
    assert_eq!(early.code, Code::Restarting);
    let holds = vec![run(1)];
    anew.register(
        AGENT,
        &Registration {
            holds,
            ..registration
        },
        None,
    )
    .unwrap();
    assert!(anew.holds(AGENT, &first.program, run(1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn programs_are_bounded() {
    let (externals, _told) = Externals::new();
    let refused = (0..2_000)
        .find_map(|_| {
            let registration = Registration::default();
            externals.register(AGENT, &registration, None).err()
        })
        .unwrap();
    assert_eq!(refused.code, Code::Overloaded);
    assert!(refused.detail.contains("32 programs"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_a_program_that_comes_again_after_a_restart() {
    let (externals, _told) = Externals::new();
    let waiting = externals.clone();
    let waits = tokio::spawn(async move { waiting.wait(AGENT, None).await });
    advance(Duration::from_secs(5)).await;
    register(&externals, &[]);
    waits.await.unwrap().unwrap();
    let refused = externals.wait("default/nobody", None).await.unwrap_err();
    assert!(refused.starts_with("no program is registered"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_comes_before_the_program_is_known_again_is_tried_again() {
    let (externals, mut told) = Externals::new();
    externals.adopt(offer(1));
    let end = End {
        run: run(1),
        code: 0,
    };
    let program = "5f".repeat(16);
    let early = externals.end(AGENT, &program, &end).unwrap_err();
    assert_eq!(early.code, Code::Restarting);
    let registration = Registration {
        program: Some(program.clone()),
        holds: vec![run(1)],
        ..Registration::default()
    };
    externals.register(AGENT, &registration, None).unwrap();
    externals.end(AGENT, &program, &end).unwrap();
    assert_eq!(ended(&mut told), [(id(1), ExitStatus::Code(0))]);
}

#[tokio::test(start_paused = true)]
async fn what_a_program_named_once_is_not_given_again_and_is_lost_where_it_was_started_anew() {
    let (externals, mut told) = Externals::new();
    let registration = Registration {
        program: Some("5f".repeat(16)),
        ..Registration::default()
    };
    let program = externals
        .register(AGENT, &registration, None)
        .unwrap()
        .program;
    offered(&externals, 1);
    assert_eq!(given(&externals, &program, &[]).await, Some(1));
    externals
        .hear(AGENT, &program, &holding(&[run(1)]))
        .unwrap();
    // Messages that lack it: an old one, or one of a program that could not tell its end.
    pass(&externals, Duration::from_secs(20), Some((&program, &[]))).await;
    assert_eq!(given(&externals, &program, &[]).await, None);
    // A syscall says as much as a name.
    offered(&externals, 2);
    assert_eq!(given(&externals, &program, &[]).await, Some(2));
    externals.holds(AGENT, &program, run(2)).unwrap();
    pass(&externals, Duration::from_secs(20), Some((&program, &[]))).await;
    assert_eq!(given(&externals, &program, &[]).await, None);
    assert_eq!(ended(&mut told), []);
    externals.register(AGENT, &registration, None).unwrap();
    let lost = [(id(1), ExitStatus::Unknown), (id(2), ExitStatus::Unknown)];
    assert_eq!(ended(&mut told), lost);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_begins_its_turns_itself_is_given_those_alone_and_nobody_else_is() {
    let (externals, mut told) = Externals::new();
    let registration = Registration {
        own: true,
        ..Registration::default()
    };
    let own = externals
        .register(AGENT, &registration, None)
        .unwrap()
        .program;
    assert!(!externals.is_connected(AGENT), "nobody answers who asks");
    assert!(told.try_recv().is_err(), "and nothing is told of it");
    assert!(externals.offer(offer(1), boot(1)).is_err());
    let begun = |turn| Offer {
        to: Some(own.clone()),
        ..offer(turn)
    };
    externals.wait(AGENT, Some(&own)).await.unwrap();
    externals.offer(begun(2), boot(2)).unwrap();
    externals.open_gate(&id(2));

    let other = register(&externals, &[]).program;
    offered(&externals, 3);
    assert_eq!(given(&externals, &other, &[]).await, Some(3));
    assert_eq!(given(&externals, &other, &[run(3)]).await, None);
    assert_eq!(given(&externals, &own, &[]).await, Some(2));
    offered(&externals, 4);
    assert_eq!(given(&externals, &own, &[run(2)]).await, None);

    // With it goes what it holds and what waits for it, and nothing else.
    externals.offer(begun(5), boot(5)).unwrap();
    ended(&mut told);
    externals.leave(AGENT, &own).unwrap();
    let mut gone = ended(&mut told);
    gone.sort_by_key(|(id, _)| id.instance.clone());
    let expected = [(id(2), ExitStatus::Unknown), (id(5), ExitStatus::Evicted)];
    assert_eq!(gone, expected);
    assert_eq!(given(&externals, &other, &[run(3)]).await, Some(4));
    assert!(externals.is_connected(AGENT));
    assert!(externals.wait(AGENT, Some(&own)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_key_leaves_room_for_the_programs_of_others() {
    let (externals, _told) = Externals::new();
    let registration = Registration {
        name: "a test".to_owned(),
        program: None,
        holds: Vec::new(),
        own: true,
    };
    let by = |key: Option<&str>| externals.register(AGENT, &registration, key);
    let full = std::iter::repeat_with(|| by(Some("a")).err()).take(32);
    let problem = full.flatten().next().unwrap();
    assert_eq!(problem.code, Code::Overloaded);
    assert!(by(Some("b")).is_ok());
    assert!(by(None).is_ok());
}
