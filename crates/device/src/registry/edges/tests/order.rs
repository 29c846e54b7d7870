//! Births, data and deaths in order, and out of it.

use super::*;

#[test]
fn an_edge_node_is_asked_once_and_its_metrics_are_read_by_name_and_alias() {
    let mut plant = Plant::new();
    assert_eq!(plant.reach(), Reach::Unknown);
    let asks = plant.registry.rebirths(at(0));
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0].topic, "spBv1.0/plant/NCMD/line");
    assert_eq!(plant.asks(), 0, "not twice");
    plant.born(3);
    assert_eq!(
        (plant.reach(), plant.speed()),
        (Reach::Online, number(21.3))
    );
    assert_eq!(plant.value("mode").0, Some(Value::Text("idle".to_owned())));
    assert_eq!(plant.value("count").0, Some(Value::Integer(7)));
    let heard = plant.data(
        2,
        &[
            by_alias(1, metric("", Type::Float, "22.5")),
            metric("Count #1", Type::UInt64, "8"),
        ],
    );
    assert!(
        heard.iter().any(|it| matches!(
            it,
            Heard::Value {
                value: Value::Number(22.5),
                change: Change::From(_),
                ..
            }
        )),
        "{heard:?}"
    );
    assert_eq!(plant.speed(), number(22.5));
    assert_eq!(plant.value("count").0, Some(Value::Integer(8)));
    // Other devices of the edge node count, and say nothing to this one.
    plant.hears(
        "DBIRTH/line/other",
        &message(
            Some(3),
            &[aliased(9, metric("Outputs/Speed", Type::Float, "1"))],
        ),
    );
    plant.hears(
        "DDATA/line/other",
        &message(Some(4), &[by_alias(9, metric("", Type::Float, "2"))]),
    );
    plant.data(5, &[by_alias(1, metric("", Type::Float, "23"))]);
    assert_eq!((plant.speed(), plant.counts().gaps), (number(23.0), 0));
    assert_eq!(plant.registry.due(), None);
}

#[test]
fn after_a_gap_nothing_is_believed_until_it_is_born_again() {
    let mut plant = Plant::new();
    plant.asks();
    plant.born(3);
    plant.now += 60_000;
    let heard = plant.data(4, &[by_alias(1, metric("", Type::Float, "50"))]);
    assert!(
        heard
            .iter()
            .any(|it| matches!(it, Heard::Doubted { property: None, .. }))
    );
    assert_eq!(plant.speed(), (Some(Value::Number(21.3)), true));
    plant.data(5, &[by_alias(1, metric("", Type::Float, "51"))]);
    assert_eq!(plant.speed(), (Some(Value::Number(21.3)), true));
    assert_eq!((plant.counts().gaps, plant.counts().unborn), (1, 1));
    assert!(
        plant
            .counts()
            .last
            .unwrap()
            .contains("message 4 came where 2 was due")
    );
    assert_eq!(plant.asks(), 1);
    plant.born(3);
    assert_eq!(
        (plant.reach(), plant.speed()),
        (Reach::Online, number(21.3))
    );
}

#[test]
fn a_message_that_comes_twice_is_no_gap_and_an_earlier_one_is() {
    let mut plant = Plant::new();
    plant.born(3);
    let one = [by_alias(1, metric("", Type::Float, "30"))];
    plant.data(2, &one);
    assert!(plant.data(2, &one).is_empty());
    assert_eq!(
        (
            plant.speed(),
            plant.counts().duplicates,
            plant.counts().gaps
        ),
        (number(30.0), 1, 0)
    );
    plant.data(1, &[by_alias(1, metric("", Type::Float, "5"))]);
    assert_eq!((plant.speed().1, plant.counts().gaps), (true, 1));
}

#[test]
fn deaths_are_of_the_session_that_they_say() {
    let mut plant = Plant::new();
    plant.born(3);
    plant.hears("NDEATH/line", &message(None, &[bd_seq(2)]));
    assert_eq!(
        (plant.reach(), plant.counts().old_deaths),
        (Reach::Online, 1)
    );
    plant.hears("DDEATH/line/press", &message(Some(2), &[]));
    assert_eq!((plant.reach(), plant.speed().1), (Reach::Offline, true));
    // It says something without a birth: the edge node is asked.
    plant.data(3, &[by_alias(1, metric("", Type::Float, "50"))]);
    assert_eq!(plant.speed().0, Some(Value::Number(21.3)));
    assert_eq!(plant.counts().unborn, 1);
    plant.hears("DBIRTH/line/press", &message(Some(4), &birth()));
    assert_eq!(
        (plant.reach(), plant.speed()),
        (Reach::Online, number(21.3))
    );
    plant.hears("NDEATH/line", &message(None, &[bd_seq(3)]));
    assert_eq!((plant.reach(), plant.speed().1), (Reach::Offline, true));
    plant.hears(
        "DDATA/line/press",
        &message(Some(5), &[by_alias(1, metric("", Type::Float, "50"))]),
    );
    assert_eq!(
        (plant.reach(), plant.speed().0),
        (Reach::Offline, Some(Value::Number(21.3)))
    );
}

#[test]
fn what_is_not_known_historical_or_beyond_its_type_is_not_believed() {
    let mut plant = Plant::new();
    plant.born(3);
    plant.data(
        2,
        &[of_quality(by_alias(1, metric("", Type::Float, "99")), 500)],
    );
    assert_eq!(plant.speed(), (Some(Value::Number(21.3)), true));
    plant.data(3, &[by_alias(1, metric("", Type::Float, "25"))]);
    assert_eq!(plant.speed(), number(25.0));
    plant.data(
        4,
        &[Metric {
            is_historical: Some(true),
            ..by_alias(1, metric("", Type::Float, "5"))
        }],
    );
    assert_eq!(
        (plant.speed(), plant.counts().historical),
        (number(25.0), 1)
    );
    plant.data(
        5,
        &[Metric {
            is_null: Some(true),
            ..by_alias(1, metric("", Type::Float, "5"))
        }],
    );
    assert_eq!(plant.speed(), (Some(Value::Number(25.0)), true));
    // Beyond its range it is counted, and what it was stays.
    plant.data(6, &[by_alias(1, metric("", Type::Float, "26"))]);
    plant.data(7, &[by_alias(1, metric("", Type::Float, "1e9"))]);
    assert_eq!(plant.speed(), number(26.0));
    plant.data(
        8,
        &[
            metric("Note", Type::Double, "NaN"),
            Metric {
                datatype: Some(16),
                ..metric("Note", Type::String, "x")
            },
        ],
    );
    let read = plant
        .registry
        .read(&key("press"), &["note".to_owned()], at(plant.now))
        .unwrap();
    assert!(
        read.readings[0]
            .unread
            .as_deref()
            .unwrap()
            .contains("DataSet")
    );
    assert_eq!(plant.counts().gaps, 0);
}

#[test]
fn an_alias_that_no_birth_said_has_it_asked_again() {
    let mut plant = Plant::new();
    plant.asks();
    plant.born(3);
    plant.now += 60_000;
    plant.data(
        2,
        &[
            by_alias(77, metric("", Type::Float, "50")),
            by_alias(1, metric("", Type::Float, "30")),
        ],
    );
    assert_eq!(plant.speed(), number(30.0), "its neighbours are read");
    assert!(plant.counts().last.unwrap().contains("alias 77"));
    assert_eq!(plant.asks(), 1);
    // A device that speaks by the alias of another does not speak for it.
    plant.born(3);
    plant.hears(
        "DBIRTH/line/evil",
        &message(Some(2), &[aliased(5, metric("x", Type::Float, "1"))]),
    );
    plant.hears(
        "DDATA/line/evil",
        &message(Some(3), &[by_alias(1, metric("", Type::Float, "66"))]),
    );
    assert_eq!(plant.speed(), number(21.3));
    // Nor does one that takes its alias in its birth: neither is read by it from then on.
    plant.hears(
        "DBIRTH/line/evil",
        &message(Some(4), &[aliased(1, metric("x", Type::Float, "1"))]),
    );
    plant.data(5, &[by_alias(1, metric("", Type::Float, "44"))]);
    assert_eq!(plant.speed(), number(21.3));
    assert!(plant.counts().last.unwrap().contains("two metrics"));
    plant.data(6, &[metric("Outputs/Speed", Type::Float, "45")]);
    assert_eq!(plant.speed(), number(45.0), "by its name it is");
}
