//! Payloads as peers send them, and as nobody should.
#![allow(clippy::unwrap_used)]

use super::{testing::*, *};

#[test]
fn a_message_is_read_metric_by_metric_and_one_that_is_broken_costs_the_others_nothing() {
    let mut payload = read(&message(
        Some(3),
        &[bd_seq(7), metric("Speed", Type::Float, "21.3")],
    ))
    .unwrap();
    payload
        .metrics
        .insert(1, Bytes::from_static(&[0x0a, 0xff, 0xff]));
    let all: Vec<_> = payload.metrics().collect();
    assert_eq!(all.iter().filter(|it| it.is_err()).count(), 1);
    assert_eq!(all[2].as_ref().unwrap().name.as_deref(), Some("Speed"));
    assert_eq!((payload.seq, payload.bd_seq()), (Some(3), Some(7)));
}

#[test]
fn what_is_too_much_or_no_message_is_refused() {
    let many = vec![Metric::default(); MAX_METRICS + 1];
    assert!(
        read(&message(Some(0), &many))
            .unwrap_err()
            .contains("4097 metrics")
    );
    assert!(
        read(b"{\"metrics\": []}")
            .unwrap_err()
            .contains("not Sparkplug")
    );
    let long = Metric {
        name: Some("x".repeat(MAX_NAME + 1)),
        ..Metric::default()
    };
    let one = read(&message(Some(0), &[long])).unwrap();
    assert!(
        one.metrics()
            .next()
            .unwrap()
            .unwrap_err()
            .contains("longer")
    );
    // Templates within templates are bytes to us, however deep they are.
    let mut nested = Vec::new();
    for _ in 0..2000 {
        let mut outer = vec![0x12];
        prost::encode_length_delimiter(nested.len(), &mut outer).unwrap();
        outer.extend(&nested);
        nested = outer;
    }
    let mut metric = metric("Motor", Type::Boolean, "true").encode_to_vec();
    metric.extend([0x92, 0x01]);
    prost::encode_length_delimiter(nested.len(), &mut metric).unwrap();
    metric.extend(&nested);
    let read = Metric::decode(metric.as_slice()).unwrap();
    assert_eq!(
        text(&read, 19).unwrap_err(),
        "the metric is Template, which is not mapped"
    );
}

#[test]
fn null_and_bad_quality_are_not_known() {
    let good = metric("Speed", Type::Int32, "5");
    assert_eq!(good.not_known(), None);
    assert_eq!(of_quality(good.clone(), 192).not_known(), None);
    for quality in [0, 500] {
        let why = of_quality(good.clone(), quality).not_known().unwrap();
        assert!(why.contains(&quality.to_string()), "{why}");
    }
    let null = Metric {
        is_null: Some(true),
        ..good
    };
    assert!(null.not_known().unwrap().contains("null"));
}

#[test]
fn a_request_for_a_birth_has_a_name_a_time_and_no_number() {
    let sent = read(&rebirth(UnixMillis(1_780_000_000_000))).unwrap();
    assert_eq!((sent.seq, sent.timestamp), (None, Some(1_780_000_000_000)));
    let metric = sent.metrics().next().unwrap().unwrap();
    assert_eq!(
        (metric.name.as_deref(), metric.boolean_value, metric.alias),
        (Some("Node Control/Rebirth"), Some(true), None)
    );
}
