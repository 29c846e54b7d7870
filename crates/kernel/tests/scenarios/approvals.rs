//! A person is asked: the turn is set aside, what was said is done and nothing else, and nobody waits for ever.
use crate::harness::{
    Node, answers, body, driven, effects, facts, outcome, profile, refusal, rule, started, uid,
};
use aion_kernel::{
    ApprovalId, Call, Date, Effect, Event, Exit, Fact, Incarnation, Kernel, Kind, Limits,
    LiveWorker, Name, Phase, Profile, Refusal, Scope, Step, TurnId, TurnOutcome, Unasked, Unheard,
    Verdict, Word,
};

pub(crate) const LAYERS: [&str; 2] = ["seccomp", "landlock"];

/// Everything is allowed, and a person is asked before a tool is called.
pub(crate) fn asking() -> Profile {
    let mut profile = profile("home", "jarvis");
    let mut rules = profile.grants.to_vec();
    rules.push(rule(Verdict::Ask, Kind::ToolCall, "calendar.*"));
    profile.grants = rules.into();
    profile
}

pub(crate) fn node() -> Node {
    Node::new(Limits::default())
}

/// A call that is a step of its turn.
pub(crate) fn step_call(node: &mut Node, turn: TurnId, n: u8) -> Call {
    let mut call = node.keyed(turn, Kind::ToolCall, &format!("t{turn}.{n}"));
    call.body = body(n);
    call
}

/// The turn asks and is parked.
pub(crate) fn parked(node: &mut Node) -> TurnId {
    let turn = node.running(1, asking());
    let call = step_call(node, turn, 9);
    let step = node.call(call).1;
    assert_eq!(facts(&step), ["approval-asked", "turn-pausing"]);
    assert!(answers(&step).is_empty() && driven(&step).is_empty());
    let step = killed(node, turn, 1);
    assert_eq!(facts(&step)[..2], ["call-refused", "turn-parked"]);
    turn
}

pub(crate) fn killed(node: &mut Node, turn: TurnId, incarnation: u32) -> Step {
    node.feed(Event::WorkerExited {
        turn,
        incarnation: Incarnation(incarnation),
        exit: Exit::Signal(9),
    })
}

pub(crate) fn answer(node: &mut Node, approval: u64, yes: Option<Scope>) -> Step {
    let ticket = node.ticket();
    node.feed(Event::Answer {
        ticket,
        approval: ApprovalId(approval),
        yes,
        by: "ann".into(),
    })
}

pub(crate) fn unheard(step: &Step) -> Option<Unheard> {
    let taken = effects(step).into_iter().find_map(|effect| match effect {
        Effect::AnswerTaken { refused, .. } => Some(refused),
        _ => None,
    });
    taken.unwrap()
}

pub(crate) fn word_of(node: &Node, approval: u64) -> Option<Word> {
    let row = node.kernel.state().approval(ApprovalId(approval));
    row.and_then(|row| row.answered.as_ref().map(|it| it.word))
}

pub(crate) fn restarted(node: &Node, workers: Vec<LiveWorker>) -> (Node, Step) {
    let mut after = self::node();
    after.kernel = Kernel::restore(node.kernel.snapshot(), Limits::default()).unwrap();
    (after.now, after.ahead) = (node.now.plus(500), node.ahead);
    let step = after.feed(Event::Recovered { workers });
    (after, step)
}

pub(crate) fn ended(step: &Step) -> Vec<TurnOutcome> {
    let of = |effect| match effect {
        Effect::TurnDone { outcome, .. } => Some(outcome),
        _ => None,
    };
    effects(step).into_iter().filter_map(of).collect()
}

#[test]
fn a_turn_that_waits_for_a_word_has_no_worker_no_slot_and_no_quota() {
    let mut node = node();
    let turn = parked(&mut node);
    let state = node.kernel.state();
    assert_eq!(state.turn(turn).unwrap().phase, Phase::Parked);
    let load = node.kernel.load();
    assert_eq!(
        (load.running_turns, load.waiting_turns, load.parked_turns),
        (0, 0, 1)
    );
    let (_, other) = node.invoke(1);
    assert_eq!(
        started(&other).len(),
        1,
        "another turn of the agent runs meanwhile"
    );
}

#[test]
fn after_a_yes_the_turn_runs_again_and_the_call_is_done_once() {
    let mut node = node();
    let turn = node.running(1, asking());
    let before = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.before"));
    let begun = node.call(before).1;
    node.finish(driven(&begun)[0]);
    let call = step_call(&mut node, turn, 9);
    node.call(call);
    killed(&mut node, turn, 1);

    let step = answer(&mut node, 1, Some(Scope::Once));
    assert_eq!(
        facts(&step),
        ["approval-answered", "turn-resumed", "turn-started"]
    );
    assert_eq!(started(&step), [(turn, Incarnation(2))]);
    node.ready(turn, 2, &LAYERS);
    let before = node.keyed(turn, Kind::FsWrite, &format!("t{turn}.before"));
    assert!(
        outcome(&node.call(before).1).1,
        "what was done is not done again"
    );
    let call = step_call(&mut node, turn, 9);
    let begun = node.call(call).1;
    assert_eq!(driven(&begun).len(), 1);
    node.finish(driven(&begun)[0]);
    let again = step_call(&mut node, turn, 9);
    assert!(outcome(&node.call(again).1).1);
    let next = step_call(&mut node, turn, 8);
    let step = node.call(next).1;
    assert_eq!(
        facts(&step)[0],
        "approval-asked",
        "the word was for one call"
    );
}

#[test]
fn a_word_is_for_the_arguments_that_were_shown() {
    let mut node = node();
    let turn = parked(&mut node);
    answer(&mut node, 1, Some(Scope::Once));
    node.ready(turn, 2, &LAYERS);
    let other = step_call(&mut node, turn, 8);
    let step = node.call(other).1;
    assert!(driven(&step).is_empty(), "{step:?}");
    assert_eq!(facts(&step)[0], "approval-asked");
}

#[test]
fn a_no_refuses_the_call_for_as_long_as_its_turn_lasts() {
    let mut node = node();
    let turn = parked(&mut node);
    answer(&mut node, 1, None);
    node.ready(turn, 2, &LAYERS);
    let denied = Refusal::ApprovalDenied {
        rule: "test calendar.*".into(),
        by: Some("ann".into()),
    };
    for key in [9, 7] {
        let mut call = step_call(&mut node, turn, key);
        call.body = body(9);
        assert_eq!(refusal(&node.call(call).1), denied);
    }
}

#[test]
fn a_word_for_a_turn_or_until_a_date_covers_other_arguments() {
    let mut node = node();
    let turn = parked(&mut node);
    answer(&mut node, 1, Some(Scope::Turn));
    node.ready(turn, 2, &LAYERS);
    for n in [9, 8, 7] {
        let call = step_call(&mut node, turn, n);
        assert_eq!(driven(&node.call(call).1).len(), 1);
    }
    node.exited(turn, 2);
    let (turn, incarnation) = started(&node.invoke(1).1)[0];
    node.ready(turn, incarnation.0, &LAYERS);
    let call = step_call(&mut node, turn, 9);
    assert_eq!(
        facts(&node.call(call).1)[0],
        "approval-asked",
        "the turn is over"
    );
    killed(&mut node, turn, incarnation.0);
    let date = Date(node.now.0 + 60_000);
    assert_eq!(
        unheard(&answer(&mut node, 2, Some(Scope::Until { date }))),
        None
    );
    node.ready(turn, incarnation.0 + 1, &LAYERS);
    let allowed = |node: &mut Node| {
        let call = node.plain(turn, Kind::ToolCall);
        let step = node.call(call).1;
        driven(&step).len() == 1
    };
    assert!(allowed(&mut node));
    node.now = node.now.plus(60_000);
    assert!(!allowed(&mut node), "its time is over");
}

#[test]
fn a_standing_word_ends_where_it_is_taken_back_or_the_grants_change() {
    let stands = |change: &dyn Fn(&mut Node)| {
        let mut node = node();
        let turn = parked(&mut node);
        let date = Date(node.now.0 + 3_600_000);
        answer(&mut node, 1, Some(Scope::Until { date }));
        node.ready(turn, 2, &LAYERS);
        change(&mut node);
        let call = node.plain(turn, Kind::ToolCall);
        driven(&node.call(call).1).len() == 1
    };
    assert!(stands(&|_| {}));
    assert!(!stands(&|node| {
        let ticket = node.ticket();
        let step = node.feed(Event::Revoke {
            ticket,
            approval: ApprovalId(1),
            by: "ann".into(),
        });
        assert_eq!(facts(&step), ["word-revoked"]);
    }));
    assert!(!stands(&|node| {
        let mut other = asking();
        let mut rules = other.grants.to_vec();
        rules.push(rule(Verdict::Deny, Kind::FsWrite, "*"));
        other.grants = rules.into();
        node.apply(1, other);
        assert_eq!(node.kernel.state().standing_words().count(), 0);
    }));
    assert!(!stands(&|node| {
        let mut other = asking();
        other.revision = "another image".into();
        node.apply(1, other);
    }));
}

#[test]
fn a_word_does_not_outlive_its_agent_though_another_of_its_name_comes_before_it_has_gone() {
    let mut node = node();
    let turn = parked(&mut node);
    let date = Date(node.now.0 + 3_600_000);
    answer(&mut node, 1, Some(Scope::Until { date }));
    node.ready(turn, 2, &LAYERS);
    node.feed(Event::Remove { instance: uid(1) });
    let turn = node.running(2, asking());
    let asks = |node: &mut Node| {
        let call = node.plain(turn, Kind::ToolCall);
        driven(&node.call(call).1).is_empty()
    };
    assert!(asks(&mut node));
    killed(&mut node, TurnId(1), 2);
    assert!(node.kernel.state().instance(uid(1)).is_none());
    assert!(asks(&mut node));
}

#[test]
fn with_its_agent_a_word_and_what_was_asked_are_gone() {
    let mut node = node();
    parked(&mut node);
    let date = Date(node.now.0 + 3_600_000);
    answer(&mut node, 1, Some(Scope::Until { date }));
    let step = node.feed(Event::Remove { instance: uid(1) });
    killed(&mut node, TurnId(1), 2);
    let state = node.kernel.state();
    assert_eq!(
        (state.approvals().count(), state.standing_words().count()),
        (0, 0),
        "{step:?}"
    );
}

#[test]
fn nobody_is_waited_for_for_ever_and_a_late_answer_is_told_so() {
    let mut node = node();
    let turn = parked(&mut node);
    let day = Limits::default().approval_ms;
    node.wait(day - 1);
    assert_eq!(word_of(&node, 1), None);
    let step = node.wait(1);
    assert_eq!(started(&step), [(turn, Incarnation(2))]);
    let late = unheard(&answer(&mut node, 1, Some(Scope::Once)));
    assert!(matches!(late, Some(Unheard::Answered(it)) if it.word == Word::Expired));
    node.ready(turn, 2, &LAYERS);
    let call = step_call(&mut node, turn, 9);
    let refused = refusal(&node.call(call).1);
    assert!(
        matches!(refused, Refusal::ApprovalExpired { .. }),
        "{refused:?}"
    );
}

#[test]
fn of_two_answers_the_first_counts() {
    let mut node = node();
    parked(&mut node);
    assert_eq!(unheard(&answer(&mut node, 1, None)), None);
    let second = unheard(&answer(&mut node, 1, Some(Scope::Once)));
    assert!(matches!(second, Some(Unheard::Answered(it)) if it.word == Word::Denied));
    assert_eq!(unheard(&answer(&mut node, 7, None)), Some(Unheard::Unknown));
    let past = Some(Scope::Until { date: Date(1) });
    parked_again(&mut node);
    assert_eq!(unheard(&answer(&mut node, 2, past)), Some(Unheard::Past));
}

fn parked_again(node: &mut Node) {
    node.ready(TurnId(1), 2, &LAYERS);
    let call = step_call(node, TurnId(1), 5);
    node.call(call);
    killed(node, TurnId(1), 2);
}

#[test]
fn other_grants_decide_about_a_turn_that_waited() {
    let mut node = node();
    let turn = parked(&mut node);
    let mut stricter = asking();
    let mut rules = stricter.grants.to_vec();
    rules.push(rule(Verdict::Deny, Kind::ToolCall, "*"));
    stricter.grants = rules.into();
    node.apply(1, stricter);
    answer(&mut node, 1, Some(Scope::Once));
    node.ready(turn, 2, &LAYERS);
    let call = step_call(&mut node, turn, 9);
    let refused = refusal(&node.call(call).1);
    assert!(matches!(refused, Refusal::Denied { .. }), "{refused:?}");
}

#[test]
fn as_many_are_asked_about_as_may_be_and_further_calls_are_refused() {
    let mut node = Node::new(Limits {
        approvals_per_agent: 1,
        ..Limits::default()
    });
    parked(&mut node);
    let (turn, incarnation) = started(&node.invoke(1).1)[0];
    node.ready(turn, incarnation.0, &LAYERS);
    let call = step_call(&mut node, turn, 9);
    let refused = refusal(&node.call(call).1);
    let rule = Name::from("test calendar.*");
    let why = Unasked::TooManyWait;
    assert_eq!(refused, Refusal::ApprovalRequired { rule, why });
}

#[test]
fn what_was_asked_and_said_is_told_by_the_journal() {
    let mut node = node();
    let turn = node.running(1, asking());
    let call = step_call(&mut node, turn, 9);
    let step = node.call(call).1;
    let Fact::ApprovalAsked {
        body: shown,
        rule,
        until,
        ..
    } = &step.facts[0]
    else {
        unreachable!("{step:?}")
    };
    assert_eq!((*shown, rule.as_str()), (body(9), "test calendar.*"));
    assert_eq!(until.0, node.now.0 + Limits::default().approval_ms);
    let kept: Vec<_> = node.kernel.state().recorded_bodies().collect();
    assert_eq!(
        kept,
        [body(9).digest],
        "what is shown is kept until somebody has answered"
    );
    let step = answer(&mut node, 1, None);
    let Fact::ApprovalAnswered { word, by, .. } = &step.facts[0] else {
        unreachable!("{step:?}")
    };
    assert_eq!(
        (*word, by.as_ref().map(Name::as_str)),
        (Word::Denied, Some("ann"))
    );
}
