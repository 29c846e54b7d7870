//! A twin against what it is the other side of: what it says is read, and what it is sent is understood.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::syscall::device::Value;

use super::{Said, Told, Twin};
use crate::{
    Heard, Limits, Link, Registry,
    testing::{at, lamp, message},
};

fn text(said: &Said) -> String {
    String::from_utf8(said.payload.clone()).unwrap()
}

fn arguments(all: &[(&str, Value)]) -> BTreeMap<String, Value> {
    let all = all.iter().cloned();
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn what_a_twin_says_the_node_reads_as_what_the_twin_is() {
    let device = lamp("hall");
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.insert(Arc::clone(&device));
    registry.link(Link::New, at(0));
    let mut twin = Twin::new(device);
    twin.put("power", &Value::Boolean(true)).unwrap();
    twin.put("brightness", &Value::Integer(40)).unwrap();
    twin.put_words("mode", "manual").unwrap();
    let mut said = twin.says();
    said.extend(twin.availability(true));
    assert_eq!(said.len(), 3);
    assert_eq!(
        text(&said[0]),
        r#"{"brightness":102,"label":"simulated","state":"ON"}"#
    );
    let mut read = BTreeMap::new();
    for it in &said {
        for heard in registry.take(message(&it.topic, &text(it)), at(1)) {
            assert!(!matches!(heard, Heard::Unread { .. }), "{heard:?}");
            if let Heard::Value {
                property, value, ..
            } = heard
            {
                read.insert(property.to_string(), value);
            }
        }
    }
    for property in twin.says_of() {
        assert_eq!(read.get(property), twin.value(property), "{property}");
    }
    assert_eq!(read.len(), 4);
}

#[test]
fn a_twin_does_what_the_node_sends_and_confirms_it() {
    let device = lamp("hall");
    let mut twin = Twin::new(Arc::clone(&device));
    for (property, value) in [
        ("power", Value::Boolean(true)),
        ("brightness", Value::Integer(55)),
        ("mode", Value::Text("manual".to_owned())),
    ] {
        let order = device.set(property, &value).unwrap();
        assert!(twin.topics().contains(&order.topic), "{}", order.topic);
        let told = twin.hear(&order.topic, &order.payload);
        let set = Told::Set {
            property: property.to_owned(),
            value: value.clone(),
        };
        assert_eq!(twin.confirm_ms(&set), order.confirm_ms);
        assert_eq!((told, twin.value(property)), (vec![set], Some(&value)));
    }
    let given = arguments(&[
        ("times", Value::Integer(3)),
        ("note", Value::Text("say \"hi\": {".to_owned())),
    ]);
    let order = device.command("flash", &given).unwrap();
    let told = twin.hear(&order.topic, &order.payload);
    let [Told::Command { command, arguments }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!((command.as_str(), arguments), ("flash", &given));
    let done = twin.done("flash").unwrap();
    assert_eq!(
        (done.topic.as_str(), text(&done).as_str()),
        ("home/hall/result", r#"{"done":"flash"}"#)
    );
    assert_eq!(twin.done("restart"), None);
    let order = device.command("restart", &BTreeMap::new()).unwrap();
    assert_eq!(twin.hear(&order.topic, &order.payload).len(), 1);
}

#[test]
fn what_no_node_would_send_changes_nothing() {
    let mut twin = Twin::new(lamp("hall"));
    let before = twin.says();
    for (topic, payload) in [
        ("home/hall/set", &br#"{"brightness": 999}"#[..]),
        ("home/hall/set", br#"{"state": "on"}"#),
        ("home/hall/set", b"\xff"),
        ("home/hall/set", b"{"),
        ("home/hall/flash", br#"{"n": 99, "note": "by home: x"}"#),
        ("home/other/set", br#"{"state": "ON"}"#),
    ] {
        assert_eq!(twin.hear(topic, payload), [], "{topic}");
    }
    assert_eq!(twin.says(), before);
}

#[test]
fn what_wanders_stays_what_the_property_may_be() {
    let mut twin = Twin::new(lamp("hall"));
    for round in 0..200 {
        let chance = f64::from(round % 101) / 100.0;
        for property in ["power", "brightness", "mode", "label"] {
            twin.wander(property, chance);
            let value = twin.value(property).unwrap().clone();
            twin.put(property, &value).unwrap();
        }
    }
    assert!(twin.put("brightness", &Value::Integer(101)).is_err());
    assert!(twin.put_words("brightness", "40 %").is_err());
}
