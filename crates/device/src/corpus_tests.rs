//! What devices really send, by the cases of tests/corpus/devices: what each comes to, or why it is not believed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::{
    Heard, Limits, Link, Message, Registry, compile,
    testing::{at, corpus, device, model},
};

/// One case: a property, a payload, and what it comes to: `value`, `unread` (a part of the reason) or neither, where the
/// message says nothing of the property.
fn heard(case: &Json) -> Json {
    let text = |it: &Json| it.as_str().map(str::to_owned);
    let mut property = case["property"].clone();
    property["name"] = json!("it");
    let mut mapping = case["mapping"].clone();
    if mapping.is_null() {
        mapping = json!({});
    }
    mapping["name"] = json!("it");
    mapping["state"] = json!({"topic": "t"});
    if let Some(pointer) = text(&case["pointer"]) {
        mapping["state"]["pointer"] = json!(pointer);
    }
    let model =
        model(&json!({"properties": [property], "mqtt": {"properties": [mapping]}}).to_string());
    let device = device("it", "{model: model, mqtt: {broker: hub}}");
    let compiled =
        compile(&device, &model).unwrap_or_else(|faults| panic!("{}: {faults:?}", case["name"]));
    let payload = match (&case["payload"], &case["bytes"]) {
        (Json::String(it), _) => it.clone().into_bytes(),
        (Json::Null, Json::Array(it)) => it
            .iter()
            .map(|it| u8::try_from(it.as_u64().unwrap()).unwrap())
            .collect(),
        // What a device sends as JSON may stand in a case as it is.
        (it, _) => it.to_string().into_bytes(),
    };
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.insert(Arc::new(compiled));
    registry.link(Link::New, at(0));
    let all = registry.take(
        Message {
            topic: "t",
            payload: &payload,
            retained: false,
        },
        at(1),
    );
    let of = |it: &Heard| match it {
        Heard::Value { value, .. } => Some(json!({"value": value})),
        Heard::Unread { why, .. } => Some(json!({"unread": why})),
        _ => None,
    };
    all.iter().find_map(of).unwrap_or_else(|| json!({}))
}

#[test]
fn corpus_devices() {
    corpus("devices", 40, |case| {
        let is = heard(case);
        let right = match (&case["value"], case["unread"].as_str()) {
            (Json::Null, Some(part)) => is["unread"].as_str().is_some_and(|why| why.contains(part)),
            (Json::Null, None) => is == json!({}),
            (value, _) => is["value"] == *value,
        };
        (!right).then(|| is.to_string())
    });
}
