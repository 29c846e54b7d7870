//! What rings hold, whatever comes.
#![allow(clippy::unwrap_used)]

use aion_abi::{
    date::UnixMillis,
    syscall::device::{HistoryRequest, Span, Value},
};
use proptest::prelude::*;

use super::{code::MAX_KEPT, *};
use crate::testing::{at, plain};

/// A property of a type that keeps so many points of so many hours.
fn property(of: &str, points: usize, hours: u32) -> Property {
    let model = format!(
        "properties: [{{name: it, {of}, history: {{points: {points}, hours: {hours}}}}}]\n\
         mqtt: {{properties: [{{name: it, state: {{topic: t}}}}]}}"
    );
    Property::clone(&plain("it", &model).unwrap().shape.properties[0])
}

fn asked(from: Option<u64>, to: Option<u64>, points: u32) -> HistoryRequest {
    HistoryRequest {
        device: "it".to_owned(),
        property: "it".to_owned(),
        from_ms: from.map(|it| at(it).wall),
        to_ms: to.map(|it| at(it).wall),
        points,
    }
}

fn all(property: &Property, ring: &Ring, now: Moment) -> Vec<Span> {
    answer(property, Some(ring), &asked(None, None, 1000), 0, now)
        .unwrap()
        .points
}

#[test]
fn a_day_of_seconds_is_64_points_that_reach_back_a_day() {
    let property = property("type: number", 64, 24);
    let mut ring = Ring::default();
    let seconds = 3 * 86_400_u64;
    for second in 0..seconds {
        ring.push(
            at(second * 1000).at,
            &Value::Number((second % 100) as f64),
            &property,
        );
    }
    let now = at(seconds * 1000);
    let spans = all(&property, &ring, now);
    assert!((24..=64).contains(&spans.len()), "{}", spans.len());
    let oldest = now.wall.since(spans[0].at_ms);
    assert!(
        (22 * 3_600_000..=24 * 3_600_000).contains(&oldest),
        "{oldest}"
    );
    for span in &spans[1..spans.len() - 1] {
        assert!(span.count > 1000 && span.minimum == Some(0.0) && span.maximum == Some(99.0));
        assert!((span.mean.unwrap() - 49.5).abs() < 1.0, "{span:?}");
    }
    assert!(ring.bytes() <= 64 * 48, "{}", ring.bytes());
    let day = answer(
        &property,
        Some(&ring),
        &asked(Some(0), None, 10),
        at(0).at,
        now,
    )
    .unwrap();
    assert!(day.older_gone && day.points.len() <= 10);
}

#[test]
fn a_wall_clock_that_is_set_scrambles_nothing() {
    let property = property("type: integer", 8, 24);
    let mut ring = Ring::default();
    for n in 0..5 {
        ring.push(1000 + n * 1000, &Value::Integer(n.cast_signed()), &property);
    }
    // When these were heard, the clock said 1970. It has been set since.
    let now = Moment {
        at: 6000,
        wall: UnixMillis(1_800_000_000_000),
    };
    let spans = all(&property, &ring, now);
    let dates: Vec<u64> = spans.iter().map(|it| now.wall.since(it.at_ms)).collect();
    assert_eq!(dates, [5000, 4000, 3000, 2000, 1000]);
    assert_eq!(spans[4].last, Value::Integer(4));
}

#[test]
fn a_time_is_answered_with_what_lies_in_it() {
    let property = property("type: boolean", 100, 24);
    let mut ring = Ring::default();
    for second in 0..60 {
        ring.push(
            at(second * 1000).at,
            &Value::Boolean(second % 2 == 1),
            &property,
        );
    }
    let answered = answer(
        &property,
        Some(&ring),
        &asked(Some(10_000), Some(19_000), 100),
        at(0).at,
        at(60_000),
    )
    .unwrap();
    assert_eq!(answered.points.len(), 10);
    assert_eq!(answered.points[9].last, Value::Boolean(true));
    assert!(answered.points[0].minimum.is_none() && !answered.older_gone);
    let one = answer(
        &property,
        Some(&ring),
        &asked(None, None, 1),
        at(0).at,
        at(60_000),
    )
    .unwrap();
    assert_eq!((one.points.len(), one.points[0].count), (1, 60));
    // Before the node began to hear.
    let before = HistoryRequest {
        from_ms: Some(UnixMillis(0)),
        ..asked(None, None, 1)
    };
    assert!(
        answer(&property, Some(&ring), &before, at(0).at, at(60_000))
            .unwrap()
            .older_gone
    );
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let (kept, none) = (
        property("type: number", 8, 24),
        property("type: number", 0, 24),
    );
    for request in [
        asked(None, None, 0),
        asked(None, None, MAX_POINTS + 1),
        asked(Some(2), Some(1), 1),
    ] {
        assert_eq!(
            answer(&kept, None, &request, 0, at(0)).unwrap_err().code,
            Code::BadRequest
        );
    }
    assert_eq!(
        answer(&none, None, &asked(None, None, 1), 0, at(0))
            .unwrap_err()
            .code,
        Code::NotFound
    );
    assert_eq!(
        answer(&kept, None, &asked(None, None, 1), 0, at(0))
            .unwrap()
            .points,
        []
    );
    let mut ring = Ring::default();
    ring.push(1, &Value::Number(1.0), &none);
    assert_eq!(ring.bytes(), 0);
}

#[test]
fn texts_are_held_once_and_cut() {
    let property = property("type: text", 4, 24);
    let mut ring = Ring::default();
    let long = "ä".repeat(1000);
    for n in 0..1000_u64 {
        ring.push(n * 1000, &Value::Text(format!("{n}{long}")), &property);
        ring.push(n * 1000 + 1, &Value::Text("same".to_owned()), &property);
    }
    assert!(
        ring.bytes() <= 4 * 48 + 9 * (MAX_KEPT + 16),
        "{}",
        ring.bytes()
    );
    let spans = all(
        &property,
        &ring,
        Moment {
            at: 1_000_000,
            wall: UnixMillis(1_800_000_000_000),
        },
    );
    assert_eq!(spans.last().unwrap().last, Value::Text("same".to_owned()));
}

#[derive(Debug, Clone)]
struct Heard {
    after: u64,
    value: f64,
}

proptest! {
    #[test]
    fn nothing_is_lost_but_what_is_too_old(
        points in 1..40_usize,
        heard in prop::collection::vec((prop_oneof![Just(0), 0..10_u64, 0..100_000_u64, 0..3_000_000_u64], -1e6..1e6_f64), 1..300),
        most in 1..50_u32,
    ) {
        let property = property("type: number", points, 8784);
        let mut ring = Ring::default();
        let mut now = 1_000;
        let heard: Vec<Heard> = heard.into_iter().map(|(after, value)| Heard { after, value: crate::decimal::rounded(value) }).collect();
        for it in &heard {
            now += it.after;
            ring.push(now, &Value::Number(it.value), &property);
            prop_assert!(ring.bytes() <= points * 48);
        }
        let now = Moment { at: now, wall: UnixMillis(1_800_000_000_000) };
        for most in [most, 1000] {
            let spans = answer(&property, Some(&ring), &asked(None, None, most), 0, now).unwrap().points;
            prop_assert!(spans.len() <= most as usize && spans.len() <= points);
            prop_assert_eq!(&spans.last().unwrap().last, &Value::Number(heard.last().unwrap().value));
            prop_assert_eq!(spans.last().unwrap().at_ms, now.wall);
            prop_assert_eq!(spans.iter().map(|it| it.count as usize).sum::<usize>(), heard.len());
            let least = heard.iter().map(|it| it.value).fold(f64::INFINITY, f64::min);
            prop_assert_eq!(spans.iter().filter_map(|it| it.minimum).fold(f64::INFINITY, f64::min), least);
            let sum: f64 = spans.iter().map(|it| it.mean.unwrap() * f64::from(it.count)).sum();
            prop_assert!((sum - heard.iter().map(|it| it.value).sum::<f64>()).abs() < 1.0);
            prop_assert!(spans.windows(2).all(|it| it[0].at_ms <= it[1].at_ms));
        }
    }
}
