//! Budgets of API keys: over agents, called turns and restarts, and how they are forgotten.

use aion_kernel::{
    Call, CallId, Effect, Event, Finish, Kernel, Kind, Level, Limits, Payer, Queue, QuotaKind,
    Refusal, Snapshot, Step, TurnId, Usage,
};

use crate::{
    called::{asking, node_with, run, slots},
    harness::{Node, driven, effects, facts, profile, refusal, uid},
};

const HOUR_MS: u64 = 3_600_000;

fn key(name: &str, tokens_per_hour: u64) -> Payer {
    Payer {
        name: name.into(),
        tokens_per_hour,
        is_listed: false,
    }
}

fn begun(node: &mut Node, n: u128, by: Payer) -> TurnId {
    let (_, step) = node.invoke_by(n, Some(by));
    run(node, &step)
}

fn chat(node: &mut Node, turn: TurnId, tokens: u64) -> Step {
    let call = Call {
        reserve_tokens: tokens,
        ..node.plain(turn, Kind::ModelChat)
    };
    node.call(call).1
}

fn used(node: &mut Node, call: CallId, tokens: u64) {
    let usage = Usage {
        input_tokens: tokens,
        ..Usage::default()
    };
    node.feed(Event::Finished {
        call,
        finish: Finish::Ok { body: None },
        usage,
    });
}

/// The bound that a refusal names, where it is of a key, and when there is room.
fn of_key(step: &Step) -> (u64, Option<u64>) {
    match refusal(step) {
        Refusal::QuotaExceeded {
            level: Level::Key,
            quota: QuotaKind::Tokens,
            limit,
            retry_after_ms,
        } => (limit, retry_after_ms),
        other => unreachable!("{other:?}"),
    }
}

/// Ends the only worker of a turn.
fn ends(node: &mut Node, turn: TurnId) {
    node.exited(turn, 1);
    assert!(node.kernel.state().turn(turn).is_none());
}

fn weighs(node: &Node, name: &str) -> Option<u64> {
    let account = node.kernel.used_by_key(&name.into())?;
    Some(account.tokens_in_window(node.now))
}

#[test]
fn a_budget_of_a_key_is_one_over_all_agents_and_is_reserved_before_it_is_used() {
    let mut node = node_with(slots(4), &["a", "b", "c"]);
    let a = begun(&mut node, 1, key("k", 100));
    let b = begun(&mut node, 2, key("k", 100));
    let first = driven(&chat(&mut node, a, 60))[0];
    let (limit, retry) = of_key(&chat(&mut node, b, 60));
    assert_eq!(limit, 100);
    assert!(retry.is_some_and(|ms| ms > 0), "what is held is given back");
    let second = driven(&chat(&mut node, b, 40))[0];
    used(&mut node, first, 70);
    used(&mut node, second, 10);
    assert_eq!(weighs(&node, "k"), Some(80));
    of_key(&chat(&mut node, a, 21));
    assert_eq!(
        of_key(&chat(&mut node, a, 101)),
        (100, None),
        "it never fits"
    );
    let (_, retry) = of_key(&chat(&mut node, a, 21));
    assert!(retry.is_some(), "what fits later is told when");
    // What it is charged is told where it was used: sums are of agents.
    let account = node.kernel.used_by_key(&"k".into()).unwrap();
    assert_eq!((account.total_tokens, account.total_calls), (0, 0));
    // Others are others', and whoever has no budget is bounded by its agent alone.
    let c = begun(&mut node, 3, key("other", 100));
    assert_eq!(driven(&chat(&mut node, c, 100)).len(), 1);
    let (_, step) = node.invoke(1);
    ends(&mut node, a);
    let again = node.kernel.state().instance(uid(1)).unwrap().turn.unwrap();
    assert!(facts(&step).contains(&"turn-queued"));
    node.ready(again, 2, &["seccomp", "landlock"]);
    assert_eq!(driven(&chat(&mut node, again, 1_000)).len(), 1);
}

#[test]
fn a_called_turn_is_of_the_key_of_its_callers_however_far_below() {
    let mut node = node_with(slots(4), &["a", "b", "c"]);
    let a = begun(&mut node, 1, key("k", 100));
    let call = asking(&mut node, a, Kind::AgentSpawn, (2, "b"));
    let (_, step) = node.call(call);
    let b = run(&mut node, &step);
    let call = asking(&mut node, b, Kind::AgentSpawn, (3, "c"));
    let (_, step) = node.call(call);
    let c = run(&mut node, &step);
    let first = driven(&chat(&mut node, c, 60))[0];
    for turn in [a, b, c] {
        of_key(&chat(&mut node, turn, 60));
    }
    used(&mut node, first, 90);
    for turn in [a, b, c] {
        of_key(&chat(&mut node, turn, 20));
    }
    assert_eq!(
        weighs(&node, "k"),
        Some(90),
        "once, though three stand in the chain"
    );
}

#[test]
fn refusals_of_two_keys_are_each_ones_own() {
    let mut node = node_with(slots(4), &["a", "a"]);
    let first = begun(&mut node, 1, key("k", 10));
    let second = begun(&mut node, 2, key("l", 20));
    assert_eq!(of_key(&chat(&mut node, first, 30)).0, 10);
    assert_eq!(of_key(&chat(&mut node, second, 30)).0, 20);
}

#[test]
fn a_restart_renews_no_budget_and_charges_what_nobody_saw_the_end_of() {
    let mut node = node_with(slots(4), &["a", "b"]);
    let mut journal = Vec::new();
    let a = begun(&mut node, 1, key("k", 100));
    let before = node.kernel.snapshot();
    let step = chat(&mut node, a, 30);
    journal.extend(step.facts.clone());
    used(&mut node, driven(&step)[0], 30);
    let step = chat(&mut node, a, 50);
    journal.extend(step.facts.clone());
    // The end of the first is not among them: it is what the daemon was killed before.
    let text = serde_json::to_string(&before).unwrap();
    let before: Snapshot = serde_json::from_str(&text).unwrap();
    let mut after = Node::new(slots(4));
    after.now = node.now;
    after.kernel = Kernel::restore(before, slots(4)).unwrap();
    for fact in &journal {
        after.kernel.apply(fact).unwrap();
    }
    after.feed(Event::Recovered { workers: vec![] });
    assert_eq!(weighs(&after, "k"), Some(80));
    let b = begun(&mut after, 2, key("k", 100));
    of_key(&chat(&mut after, b, 21));
    assert_eq!(driven(&chat(&mut after, b, 20)).len(), 1);
}

#[test]
fn a_key_is_forgotten_when_nothing_that_it_used_weighs_any_more() {
    let mut node = node_with(slots(4), &["a"]);
    let a = begun(&mut node, 1, key("k", 100));
    let call = driven(&chat(&mut node, a, 60))[0];
    used(&mut node, call, 60);
    node.wait(HOUR_MS / 2);
    assert!(weighs(&node, "k").is_some(), "its turn is there");
    ends(&mut node, a);
    node.wait(HOUR_MS / 4);
    assert!(weighs(&node, "k").is_some(), "it weighs still");
    let step = node.wait(HOUR_MS / 2);
    assert!(facts(&step).contains(&"account-closed"), "{step:?}");
    assert_eq!(weighs(&node, "k"), None);
}

#[test]
fn more_keys_than_are_counted_are_refused_until_others_are_forgotten() {
    let limits = Limits {
        payers: 1,
        listed_payers: 1,
        ..slots(4)
    };
    let mut node = node_with(limits, &["a", "b"]);
    let a = begun(&mut node, 1, key("k", 100));
    let (_, step) = node.invoke_by(2, Some(key("l", 100)));
    let refused = effects(&step);
    assert!(
        matches!(
            refused[..],
            [Effect::InvokeRefused {
                refusal: Refusal::Overloaded {
                    queue: Queue::Payers,
                    ..
                },
                ..
            }]
        ),
        "{refused:?}"
    );
    assert_eq!(facts(&step), [] as [&str; 0]);
    // What is listed has a place all the same.
    let listed = Payer {
        is_listed: true,
        ..key("m", 100)
    };
    let m = begun(&mut node, 2, listed);
    ends(&mut node, m);
    ends(&mut node, a);
    // A namespace that is called as a key is another account.
    node.apply(3, profile("k", "c"));
    let a = begun(&mut node, 1, key("k", 100));
    ends_again(&mut node, a);
    // It used nothing, and leaves at once.
    node.wait(1);
    let (_, step) = node.invoke_by(2, Some(key("l", 100)));
    assert!(facts(&step).contains(&"turn-queued"), "{step:?}");
}

fn ends_again(node: &mut Node, turn: TurnId) {
    node.exited(turn, 2);
    assert!(node.kernel.state().turn(turn).is_none());
}
