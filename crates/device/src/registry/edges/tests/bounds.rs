//! What is told, and what strangers, brokers and many of them do.

use super::*;
use crate::{MayAsk, RebirthRequest};

#[test]
fn two_edge_nodes_of_one_name_are_named_and_not_mixed_up() {
    let mut plant = Plant::new();
    plant.asks();
    plant.born(3);
    plant.born(8);
    assert_eq!(
        plant.speed(),
        number(21.3),
        "it came again, as far as anybody can tell"
    );
    plant.born(3);
    assert!(plant.speed().1);
    assert!(plant.counts().contested > 0);
    assert!(
        plant
            .counts()
            .last
            .unwrap()
            .contains("two edge nodes have this name")
    );
    // However often they are born, nothing is believed meanwhile, and nobody is asked.
    for _ in 0..5 {
        plant.now += 10_000;
        plant.born(8);
        plant.born(3);
        assert_eq!((plant.speed().1, plant.asks()), (true, 0));
    }
    // One of them is given another name.
    plant.now += 60_001;
    assert_eq!(plant.asks(), 1);
    plant.born(3);
    assert_eq!(plant.speed(), number(21.3));
}

#[test]
fn what_is_told_is_of_the_type_that_the_birth_says_and_only_after_it() {
    let mut plant = Plant::new();
    let device = press("press", "device: press");
    let order = device.set("speed", &Value::Number(42.5)).unwrap();
    let refused = plant
        .registry
        .outgoing(&key("press"), &order, at(1))
        .unwrap_err();
    assert_eq!(refused.code, Code::Unreachable);
    plant.born(3);
    let (topic, payload, _) = plant
        .registry
        .outgoing(&key("press"), &order, at(1))
        .unwrap();
    assert_eq!(topic, "spBv1.0/plant/DCMD/line/press");
    let sent = sparkplug::read(&payload).unwrap();
    assert!(sent.seq.is_none() && sent.timestamp.is_some() && sent.metrics.len() == 1);
    let metric_sent = sent.metrics().next().unwrap().unwrap();
    assert_eq!(
        (metric_sent.name, metric_sent.alias, metric_sent.float_value),
        (None, Some(1), Some(42.5))
    );
    let heard = plant.data(2, &[by_alias(1, metric("", Type::Float, "42.5"))]);
    assert!(
        heard
            .iter()
            .any(|it| it.confirms(&key("press"), &order.confirm)),
        "{heard:?}"
    );

    let mode = device.set("mode", &Value::Text("run".to_owned())).unwrap();
    let (_, payload, _) = plant
        .registry
        .outgoing(&key("press"), &mode, at(1))
        .unwrap();
    let sent = sparkplug::read(&payload)
        .unwrap()
        .metrics()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(sent.int_value, Some(1));

    let start = |shift: i64| {
        device
            .command(
                "start",
                &[("shift".to_owned(), Value::Integer(shift))].into(),
            )
            .unwrap()
    };
    let (_, payload, _) = plant
        .registry
        .outgoing(&key("press"), &start(3), at(1))
        .unwrap();
    let sent = sparkplug::read(&payload)
        .unwrap()
        .metrics()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        (sent.name.as_deref(), sent.int_value),
        (Some("Start"), Some(3))
    );
    let refused = plant
        .registry
        .outgoing(&key("press"), &start(300), at(1))
        .unwrap_err();
    assert_eq!(refused.code, Code::BadRequest);
    assert!(refused.detail.contains("Int8"), "{}", refused.detail);
    let heard = plant.data(3, &[metric("Started", Type::Boolean, "true")]);
    assert!(
        heard
            .iter()
            .any(|it| it.confirms(&key("press"), &start(3).confirm)),
        "{heard:?}"
    );

    plant.hears("DDEATH/line/press", &message(Some(4), &[]));
    let refused = plant
        .registry
        .outgoing(&key("press"), &order, at(1))
        .unwrap_err();
    assert_eq!(refused.code, Code::Unreachable);
}

#[test]
fn a_broker_that_comes_back_has_every_edge_node_asked_and_nothing_believed_until_then() {
    let mut plant = Plant::new();
    plant.asks();
    plant.born(3);
    plant.registry.link(Link::Away, at(10_000));
    assert_eq!(
        (plant.registry.due(), plant.reach()),
        (None, Reach::BrokerAway)
    );
    plant.now = 20_000;
    plant.registry.link(Link::New, at(plant.now));
    assert_eq!((plant.reach(), plant.speed().1), (Reach::Unknown, true));
    assert_eq!(plant.asks(), 1);
    plant.born(4);
    assert_eq!(
        (plant.reach(), plant.speed()),
        (Reach::Online, number(21.3))
    );
}

#[test]
fn a_loud_edge_node_is_bounded_and_costs_its_neighbours_nothing() {
    let mut plant = Plant::new();
    let other = "{model: m, sparkplug: {broker: hub, group: plant, edgeNode: calm, device: press}}";
    let other = compile(&device("other", other), &model(PRESS)).unwrap();
    plant.registry.insert(Arc::new(other));
    plant.born(3);
    let now = at(plant.now);
    for seq in 2..5000_u64 {
        let payload = message(
            Some(seq % 256),
            &[by_alias(1, metric("", Type::Float, "30"))],
        );
        plant.registry.take(
            Message {
                topic: "spBv1.0/plant/DDATA/line/press",
                payload: &payload,
                retained: false,
            },
            now,
        );
    }
    assert!(plant.counts().left_out > 2000, "{:?}", plant.counts());
    assert!(plant.speed().1, "what is left out is missed");
    plant.hears("NBIRTH/calm", &message(Some(0), &[bd_seq(0)]));
    plant.hears("DBIRTH/calm/press", &message(Some(1), &birth()));
    let read = plant
        .registry
        .read(&key("other"), &["speed".to_owned()], at(plant.now))
        .unwrap();
    assert_eq!(read.readings[0].value, Some(Value::Number(21.3)));
}

#[test]
fn what_nobody_may_say_is_counted_and_believed_by_nobody() {
    let mut plant = Plant::new();
    plant.born(3);
    let retained = Message {
        topic: "spBv1.0/plant/NBIRTH/line",
        payload: &message(Some(0), &[bd_seq(9)]),
        retained: true,
    };
    plant.registry.take(retained, at(plant.now));
    assert_eq!((plant.counts().births, plant.counts().left_out), (1, 1));
    // The place of a metric is no topic.
    let forged = Message {
        topic: "\u{1}plant/line/press\u{1}Outputs/Speed",
        payload: b"66",
        retained: false,
    };
    assert!(plant.registry.take(forged, at(plant.now)).is_empty());
    assert_eq!(plant.speed(), number(21.3));
    plant.hears("NBIRTH/line", b"\xff\xff");
    assert_eq!((plant.speed().1, plant.counts().unread), (true, 1));
}

#[test]
fn an_edge_node_is_heard_as_long_as_a_device_is_of_it_and_asked_where_all_of_them_allow_it() {
    let mut registry = Registry::new(Limits::default(), at(0));
    let first = registry.insert(press("press", "device: press"));
    assert_eq!(first.add.len(), 6);
    assert!(
        first.add.contains(&"spBv1.0/plant/DDATA/line/+".to_owned()),
        "{first:?}"
    );
    assert!(
        registry
            .insert(press("itself", "rebirth: never"))
            .add
            .is_empty()
    );
    assert_eq!(registry.topics().count(), 6);
    registry.link(Link::New, at(0));
    assert_eq!((registry.due(), registry.rebirths(at(0)).len()), (None, 0));
    assert!(registry.remove(&key("itself")).remove.is_empty());
    assert_eq!(registry.rebirths(at(0)).len(), 1);
    assert_eq!(
        registry.hearers("spBv1.0/plant/NBIRTH/line"),
        [key("press")]
    );
    // It moves to another edge node.
    let moved = "{model: m, sparkplug: {broker: hub, group: plant, edgeNode: else}}";
    let moved = registry.insert(Arc::new(
        compile(&device("press", moved), &model(PRESS)).unwrap(),
    ));
    assert_eq!((moved.add.len(), moved.remove.len()), (6, 6));
    assert_eq!(registry.remove(&key("press")).remove.len(), 6);
    assert_eq!((registry.topics().count(), registry.due()), (0, None));
}

#[test]
fn many_edge_nodes_are_asked_ten_a_second_together() {
    let mut registry = Registry::new(Limits::default(), at(0));
    for number in 0..100 {
        let spec = format!(
            "{{model: m, sparkplug: {{broker: hub, group: plant, edgeNode: n{number}, device: d}}}}"
        );
        registry.insert(Arc::new(
            compile(&device(&format!("d{number}"), &spec), &model(PRESS)).unwrap(),
        ));
    }
    registry.link(Link::New, at(0));
    assert_eq!(registry.rebirths(at(0)).len(), 20);
    assert_eq!(registry.due(), Some(at(100).at));
    let asked: usize = (1..=10)
        .map(|it| registry.rebirths(at(it * 100)).len())
        .sum();
    assert_eq!(asked, 10);
}

#[test]
fn a_write_of_more_digits_than_its_type_has_is_confirmed_by_those_that_it_has() {
    let mut plant = Plant::new();
    plant.born(3);
    let to = Value::Number(42.123_456_78);
    let order = press("press", "device: press").set("speed", &to).unwrap();
    let sent = plant.registry.outgoing(&key("press"), &order, at(1));
    let (_, payload, confirm) = sent.unwrap();
    let sent = sparkplug::read(&payload).unwrap();
    // The edge node says what it was told.
    let said = sent.metrics().next().unwrap().unwrap();
    let heard = plant.data(2, &[said]);
    assert!(
        heard.iter().any(|it| it.confirms(&key("press"), &confirm)),
        "{heard:?} {confirm:?}"
    );
    assert!(
        !heard
            .iter()
            .any(|it| it.confirms(&key("press"), &order.confirm)),
        "it is another number than was asked for"
    );
}

#[test]
fn discovery_asks_no_edge_node_that_a_device_says_is_not_asked_and_has_no_share_of_its_own() {
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.insert(press("press", "device: press, rebirth: never"));
    registry.link(Link::New, at(0));
    let request = |node: &str| RebirthRequest {
        topic: format!("spBv1.0/plant/NCMD/{node}"),
        payload: Vec::new(),
    };
    assert_eq!(registry.may_ask(&request("line"), at(0)), MayAsk::No);
    assert_eq!((registry.due(), registry.rebirths(at(0)).len()), (None, 0));
    let may: Vec<_> = (0..30)
        .map(|it| registry.may_ask(&request(&format!("n{it}")), at(0)))
        .collect();
    assert_eq!(may.iter().filter(|it| **it == MayAsk::Yes).count(), 20);
    assert_eq!(may.last(), Some(&MayAsk::Later));
    // Where it may be asked, the registry does so itself.
    let mut plant = Plant::new();
    plant.asks();
    plant.born(3);
    plant.now += 60_000;
    let now = at(plant.now);
    assert_eq!(plant.registry.may_ask(&request("line"), now), MayAsk::No);
    assert_eq!(plant.asks(), 1);
}
