//! What a trigger does about what comes, with time of its own.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

const START: UnixMillis = UnixMillis(1_774_000_000_000 / 60_000 * 60_000);
const MINUTE: u64 = 60_000;

fn trigger(spec: serde_json::Value) -> Trigger {
    serde_json::from_value(spec).unwrap()
}

fn hourly(more: serde_json::Value) -> (Trigger, Schedule, Row) {
    let mut spec = serde_json::json!({"name": "t", "cron": "0 * * * *"});
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let trigger = trigger(spec);
    let schedule = Schedule::parse("0 * * * *", None).unwrap();
    let row = Row::new("u", &trigger, 0, at(0).date);
    (trigger, schedule, row)
}

/// So many minutes after a full hour, by both clocks.
fn at(minutes: u64) -> Moment {
    let hour = START.0 / HOUR_MS * HOUR_MS;
    Moment {
        date: UnixMillis(hour + minutes * MINUTE),
        at: Millis(minutes * MINUTE),
    }
}

fn occasion(key: &str, now: Moment) -> Occasion {
    Occasion {
        key: key.to_owned(),
        at: now.date,
        since: now.at,
        scheduled: None,
        file: None,
        source: None,
        said: None,
        depth: 0,
    }
}

#[test]
fn a_time_runs_once_whenever_it_is_looked_at() {
    let (trigger, schedule, mut row) = hourly(serde_json::json!({}));
    let mut come = |now| {
        row.come(&trigger, &schedule, 0, now)
            .map(|it| it.scheduled.unwrap())
    };
    assert_eq!(come(at(59)), None);
    assert_eq!(come(at(60)), Some(at(60).date));
    assert_eq!(come(at(60)), None);
    assert_eq!(come(at(119)), None);
    assert_eq!(come(at(120)), Some(at(120).date));
}

#[test]
fn times_that_were_missed_run_once_for_all_or_not_at_all() {
    let (trigger, schedule, mut row) = hourly(serde_json::json!({}));
    let newest = row.come(&trigger, &schedule, 0, at(60 * 50 + 20)).unwrap();
    assert_eq!(newest.scheduled, Some(at(60 * 50).date));
    assert_eq!(row.come(&trigger, &schedule, 0, at(60 * 50 + 20)), None);

    let (trigger, schedule, mut row) = hourly(serde_json::json!({"missed": "skip"}));
    assert_eq!(row.come(&trigger, &schedule, 0, at(60 * 50 + 20)), None);
    let skipped = row.skipped.clone().unwrap();
    assert_eq!(skipped.why, Why::Missed);
    assert!(
        skipped.told.starts_with("several times"),
        "{}",
        skipped.told
    );
    // One that is late by seconds was not missed.
    let next = Moment {
        date: at(60 * 51).date.plus(20_000),
        at: at(60 * 51).at,
    };
    assert!(row.come(&trigger, &schedule, 0, next).is_some());
}

#[test]
fn a_clock_that_is_set_back_runs_nothing_twice_unless_it_was_wrong_by_hours() {
    let (trigger, schedule, mut row) = hourly(serde_json::json!({}));
    assert!(row.come(&trigger, &schedule, 0, at(60 * 10)).is_some());
    for minutes in [60 * 8, 60 * 9, 60 * 10] {
        assert_eq!(row.come(&trigger, &schedule, 0, at(minutes)), None);
    }
    assert!(row.come(&trigger, &schedule, 0, at(60 * 11)).is_some());
    // It was years ahead.
    let ahead = 60 * 24 * 365 * 10;
    assert!(row.come(&trigger, &schedule, 0, at(ahead)).is_some());
    assert_eq!(row.come(&trigger, &schedule, 0, at(60 * 12 + 1)), None);
    let next = row.come(&trigger, &schedule, 0, at(60 * 13)).unwrap();
    assert_eq!(next.scheduled, Some(at(60 * 13).date));
}

#[test]
fn another_schedule_begins_anew_and_an_offset_moves_each_run_alike() {
    let (mut trigger, schedule, mut row) = hourly(serde_json::json!({}));
    assert_eq!(row.next(&schedule, 90_000), Some(at(60).date.plus(90_000)));
    assert_eq!(row.come(&trigger, &schedule, 90_000, at(61)), None);
    let come = row.come(&trigger, &schedule, 90_000, at(62)).unwrap();
    assert_eq!(come.scheduled, Some(at(60).date));
    assert!(row.is_of(&trigger));
    trigger.cron = Some("30 * * * *".to_owned());
    assert!(!row.is_of(&trigger));
    row.follow(&trigger, 0, at(500).date);
    let half = Schedule::parse("30 * * * *", None).unwrap();
    assert_eq!(
        row.come(&trigger, &half, 0, at(501)),
        None,
        "nothing was missed of it"
    );
}

#[test]
fn while_a_turn_is_under_way_one_time_waits_or_is_left_out() {
    for (busy, waits) in [("queue", 1), ("skip", 0)] {
        let (trigger, _, mut row) = hourly(serde_json::json!({"busy": busy}));
        row.asked(7, at(0).date);
        let mut taken = |minutes, key| row.take(occasion(key, at(minutes)), &trigger, at(minutes));
        assert_eq!(taken(1, "a").is_ok(), waits == 1);
        assert_eq!(taken(2, "b"), Err(Why::Busy));
        assert_eq!(row.waiting.len(), waits);
        assert_eq!(row.start("a", &trigger, at(3)), Start::Nothing);
        row.running = None;
        let starts = matches!(row.start("a", &trigger, at(3)), Start::Ask(_));
        assert_eq!(starts, waits == 1);
    }
}

#[test]
fn what_comes_in_quick_succession_is_one_turn_with_all_of_it() {
    let hook = trigger(
        serde_json::json!({"name": "t", "webhook": {"secrets": []}, "debounceSeconds": 120,
        "batch": 3, "input": "{{files}} for {{trigger}}"}),
    );
    let mut row = Row::new("u", &hook, 0, at(0).date);
    let bring = |row: &mut Row, minute, name: &str| {
        let file = Some(File {
            upload: format!("u-{name}"),
            name: name.to_owned(),
        });
        row.take(
            Occasion {
                file,
                ..occasion(name, at(minute))
            },
            &hook,
            at(minute),
        )
        .unwrap();
    };
    bring(&mut row, 0, "a");
    assert_eq!(row.start("x", &hook, at(1)), Start::Later(at(2).at));
    bring(&mut row, 1, "b");
    assert_eq!(row.start("x", &hook, at(2)), Start::Later(at(3).at));
    let Start::Ask(both) = row.start("x", &hook, at(3)) else {
        panic!()
    };
    assert_eq!((&*both.input, &*both.key), ("a, b for t", "a"));
    assert_eq!(both.uploads, ["u-a", "u-b"]);
    row.asked(1, at(3).date);
    row.running = None;
    for name in ["c", "d", "e", "f"] {
        bring(&mut row, 4, name);
    }
    // A full turn waits for nobody; the rest does.
    let Start::Ask(full) = row.start("x", &hook, at(4)) else {
        panic!()
    };
    assert_eq!(full.input, "c, d, e for t");
    row.asked(2, at(4).date);
    row.running = None;
    assert_eq!(row.start("x", &hook, at(4)), Start::Later(at(6).at));
}

#[test]
fn a_budget_is_reserved_before_the_turn_and_comes_back_with_time() {
    let hook = trigger(serde_json::json!({"name": "t", "webhook": {"secrets": []},
        "budget": {"perHour": 2, "perDay": 3}}));
    let mut row = Row::new("u", &hook, 0, at(0).date);
    let run = |row: &mut Row, minutes| {
        row.take(occasion("k", at(minutes)), &hook, at(minutes))?;
        assert!(matches!(row.start("x", &hook, at(minutes)), Start::Ask(_)));
        row.asked(1, at(minutes).date);
        row.running = None;
        Ok(())
    };
    assert_eq!(run(&mut row, 10), Ok(()));
    assert_eq!(run(&mut row, 20), Ok(()));
    assert_eq!(run(&mut row, 30), Err(Why::Budget));
    assert_eq!(row.skipped.clone().unwrap().why, Why::Budget);
    assert_eq!(run(&mut row, 70), Ok(()));
    assert_eq!(run(&mut row, 200), Err(Why::Budget), "three a day");
    assert_eq!(run(&mut row, 24 * 60 + 10), Ok(()));
}

#[test]
fn a_turn_that_is_refused_for_now_is_asked_again_as_it_was_and_given_up_in_the_end() {
    let (trigger, _, mut row) = hourly(serde_json::json!({"input": "at {{time}}"}));
    row.take(occasion("k", at(0)), &trigger, at(0)).unwrap();
    let Start::Ask(first) = row.start("a", &trigger, at(0)) else {
        panic!()
    };
    assert!(!row.refused("full".to_owned(), true, at(0)));
    assert!(matches!(row.start("a", &trigger, at(0)), Start::Later(_)));
    // Also by a daemon that was started in between.
    let json = serde_json::to_string(&row).unwrap();
    let mut row: Row = serde_json::from_str(&json).unwrap();
    let Start::Ask(again) = row.start("a", &trigger, at(5)) else {
        panic!()
    };
    assert_eq!((&again.key, &again.input), (&first.key, &first.input));
    let mut minutes = 5;
    while !row.refused("full".to_owned(), true, at(minutes)) {
        minutes += 1;
    }
    assert_eq!(row.skipped.clone().unwrap().why, Why::Refused);
    assert_eq!(row.start("a", &trigger, at(100)), Start::Nothing);
}

#[test]
fn what_comes_again_and_again_is_not_waited_for_for_ever() {
    let trigger = trigger(serde_json::json!({
        "name": "t", "event": {"agent": "a", "turn": "ended"}, "debounceSeconds": 60, "batch": 50
    }));
    let mut row = Row::new("u", &trigger, 0, at(0).date);
    let started = (0..60).find(|minute| {
        // One every half a minute, so that it is never quiet for one.
        for half in [0, 30_000] {
            let mut now = at(*minute);
            now.at = now.at.plus(half);
            let _ = row.take(occasion(&format!("{minute}.{half}"), now), &trigger, now);
        }
        matches!(row.start("b", &trigger, at(*minute)), Start::Ask(_))
    });
    assert_eq!(started, Some(10));
}

#[test]
fn an_end_of_a_turn_waits_for_the_budget_and_a_delivery_is_sent_again() {
    let budget = serde_json::json!({"perHour": 1});
    let event = trigger(serde_json::json!({
        "name": "t", "event": {"agent": "a", "turn": "ended"}, "budget": budget
    }));
    let hook = trigger(serde_json::json!({
        "name": "t", "webhook": {"secrets": [{"secret": "s", "key": "k"}]}, "budget": budget
    }));
    for (trigger, admitted) in [(event, Ok(())), (hook, Err(Why::Budget))] {
        let mut row = Row::new("u", &trigger, 0, at(0).date);
        row.take(occasion("1", at(0)), &trigger, at(0)).unwrap();
        assert!(matches!(row.start("b", &trigger, at(0)), Start::Ask(_)));
        row.asked(1, at(0).date);
        row.running = None;
        assert_eq!(row.take(occasion("2", at(1)), &trigger, at(1)), admitted);
        let next = row.start("b", &trigger, at(1));
        match admitted {
            Ok(()) => assert_eq!(next, Start::Later(Millis(HOUR_MS))),
            Err(_) => assert_eq!(next, Start::Nothing),
        }
        assert_eq!(
            matches!(row.start("b", &trigger, at(60)), Start::Ask(_)),
            admitted.is_ok()
        );
    }
}

#[test]
fn a_time_that_ran_by_a_wrong_clock_is_another_when_it_comes() {
    let (trigger, schedule, mut row) = hourly(serde_json::json!({}));
    let tomorrow = row.come(&trigger, &schedule, 0, at(60 * 24)).unwrap();
    row.set_back(at(30).date);
    let again = row.come(&trigger, &schedule, 0, at(60 * 24)).unwrap();
    assert_eq!(again.scheduled, tomorrow.scheduled);
    assert_ne!(again.key, tomorrow.key);
}

#[test]
fn what_an_agent_did_elsewhere_is_not_done_again_where_it_comes_back() {
    let (trigger, schedule, mut row) = hourly(serde_json::json!({}));
    assert!(row.come(&trigger, &schedule, 0, at(60)).is_some());
    row.take(occasion("x", at(61)), &trigger, at(61)).unwrap();
    row.left = Some(at(90).date);
    // Another revision of it, made before the one before was let go of.
    let mut stayed = row.clone();
    stayed.come_back(Some(at(89).date), at(91).date);
    assert_eq!((stayed.waiting.len(), stayed.left), (1, None));
    assert!(stayed.come(&trigger, &schedule, 0, at(120)).is_some());
    // It was elsewhere for hours.
    row.come_back(Some(at(600).date), at(601).date);
    assert_eq!((row.waiting.len(), row.left), (0, None));
    assert_eq!(row.come(&trigger, &schedule, 0, at(601)), None);
    assert!(row.come(&trigger, &schedule, 0, at(660)).is_some());
}

#[test]
fn what_a_device_says_waits_for_the_budget_and_the_newest_counts() {
    let trigger = trigger(serde_json::json!({
        "name": "door", "device": "door", "budget": {"perHour": 1}, "input": "{{source}}: {{events}}",
    }));
    let mut row = Row::new("u", &trigger, 0, at(0).date);
    let said = |number: usize, now| Occasion {
        said: Some(format!("word {number}")),
        ..occasion(&format!("k{number}"), now)
    };
    row.take(said(0, at(0)), &trigger, at(0)).unwrap();
    let Start::Ask(first) = row.start("a", &trigger, at(0)) else {
        panic!("it is not asked");
    };
    assert_eq!(first.input, "door: word 0");
    row.asked(7, at(0).date);
    for number in 1..=70 {
        row.take(said(number, at(1)), &trigger, at(1)).unwrap();
    }
    let skipped = row.skipped.clone().unwrap();
    assert_eq!((skipped.why, skipped.told.as_str()), (Why::Full, "word 6"));
    row.running = None;
    assert!(matches!(row.start("a", &trigger, at(2)), Start::Later(_)));
    let Start::Ask(next) = row.start("a", &trigger, at(61)) else {
        panic!("it is not asked");
    };
    assert!(
        next.input.starts_with("door: word 7; word 8; "),
        "{}",
        next.input
    );
    assert!(next.input.ends_with("word 22"), "{}", next.input);
}
