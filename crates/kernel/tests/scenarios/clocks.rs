//! The kernel's time and the wall clock: what steps is recorded, and moves nothing.
use std::sync::Arc;

use crate::{
    approvals::{LAYERS, answer, parked},
    harness::{Node, driven, facts, profile},
};
use aion_kernel::{Date, Event, Fact, Kernel, Kind, Limits, Millis, Scope, State, TurnId};

const YEAR_MS: u64 = 365 * 24 * 3_600_000;

#[test]
fn a_step_of_the_wall_clock_ends_no_turn_and_is_recorded_once() {
    let mut node = Node::new(Limits::default());
    node.running(1, profile("home", "jarvis"));
    let bound = node.kernel.next_deadline();
    node.ahead = YEAR_MS;
    assert_eq!(facts(&node.wait(1)), ["clock-read"]);
    assert_eq!(facts(&node.wait(1)), [""; 0]);
    assert_eq!(node.kernel.next_deadline(), bound);
    assert_eq!(node.kernel.load().running_turns, 1);
    node.ahead = 0;
    assert_eq!(facts(&node.wait(1)), ["clock-read"], "it steps back");
    assert_eq!(node.kernel.next_deadline(), bound);
}

#[test]
fn a_refusal_keeps_the_date_that_the_wall_clock_said() {
    let mut node = Node::new(Limits::default());
    let mut narrow = profile("home", "jarvis");
    narrow.grants = Arc::default();
    let turn = node.running(1, narrow);
    let mut refused_at = Vec::new();
    for (kind, ahead) in [
        (Kind::FsRead, 0),
        (Kind::FsWrite, YEAR_MS),
        (Kind::ToolCall, 5_000),
    ] {
        node.ahead = ahead;
        node.now = node.now.plus(10);
        let call = node.plain(turn, kind);
        node.call(call);
        refused_at.push(Date(node.now.0 + ahead));
    }
    let denials: Vec<_> = node
        .kernel
        .state()
        .denials(crate::harness::uid(1))
        .collect();
    let dates: Vec<_> = denials.iter().map(|it| it.at).collect();
    assert_eq!(dates, refused_at);
}

#[test]
fn what_is_past_keeps_its_date_when_the_clock_steps() {
    let mut node = Node::new(Limits::default());
    let mut noted = Vec::new();
    for step in 0..300 {
        node.ahead += 8 * 3_600_000;
        node.wait(1000 + step);
        noted.push((node.now, Date(node.now.0 + node.ahead)));
    }
    node.ahead = 0;
    node.wait(1);
    let state = node.kernel.state();
    for (at, date) in noted.iter().rev().take(250) {
        assert_eq!(state.date_of(*at), *date);
    }
    // A snapshot of it has them too, and does not grow for ever.
    let text = serde_json::to_string(state).unwrap();
    assert!(text.len() < 16 * 1024, "{} bytes", text.len());
    let read: State = serde_json::from_str(&text).unwrap();
    assert_eq!(&read, state);
}

#[test]
fn a_word_that_has_ended_does_not_count_again_when_the_clock_goes_back() {
    let mut node = Node::new(Limits::default());
    parked(&mut node);
    let date = Date(node.now.0 + 60_000);
    answer(&mut node, 1, Some(Scope::Until { date }));
    node.ready(TurnId(1), 2, &LAYERS);
    let asks = |node: &mut Node| {
        let call = node.plain(TurnId(1), Kind::ToolCall);
        driven(&node.call(call).1).is_empty()
    };
    assert!(!asks(&mut node));
    node.ahead = YEAR_MS;
    node.feed(Event::Alarm);
    node.ahead = 0;
    assert!(asks(&mut node));
    assert_eq!(node.kernel.state().standing_words().count(), 0);
}

#[test]
fn after_a_restart_the_newest_fact_has_its_time_and_its_date() {
    let mut node = Node::new(Limits::default());
    assert_eq!(node.kernel.state().latest(), None, "nothing was recorded");
    node.ahead = 7_000;
    let step = node.apply(1, profile("home", "jarvis"));
    let mut after = Kernel::new(Limits::default());
    for fact in &step.facts {
        after.apply(fact).unwrap();
    }
    let latest = after.state().latest().unwrap();
    assert_eq!(latest.at, node.now);
    assert_eq!(latest.date, Date(node.now.0 + 7_000));
}

#[test]
fn a_journal_from_before_dates_were_noted_has_them_for_moments() {
    let mut kernel = Kernel::new(Limits::default());
    let at = Millis(1_700_000_000_000);
    kernel.apply(&Fact::Recovered { at }).unwrap();
    assert_eq!(kernel.state().date_of(at), Date(at.0));
}
