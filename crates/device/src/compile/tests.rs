//! What is wrong with devices and models, and where; and the messages that good ones make.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use aion_abi::{code::Code, syscall::device::Value};
use aion_api::Delivery;
use proptest::prelude::*;

use super::*;
use crate::{
    Confirm, Heard, Limits, Link, Message, Order, Registry,
    testing::{LAMP, at, device, lamp, model, plain},
};

/// The faults of a model with a device, as `Device field: what`.
fn faults(of: &str, spec: &str) -> Vec<String> {
    let found = compile(&device("it", spec), &model(of)).unwrap_err();
    found.iter().map(|it| it.to_string()).collect()
}

/// A model with one property and its mapping.
fn one(property: &str, mapping: &str) -> String {
    format!(
        "properties: [{{name: it, {property}}}]\nmqtt: {{properties: [{{name: it, {mapping}}}]}}"
    )
}

const PLAIN: &str = "{model: model, mqtt: {broker: hub}}";

#[test]
fn each_fault_is_found_in_the_resource_that_has_to_be_mended() {
    let read = "state: {topic: t}";
    for (property, mapping, part) in [
        (
            "type: boolean",
            "set: {topic: t}",
            "DeviceModel spec.mqtt.properties[0]: it can be read, and nothing says where",
        ),
        (
            "type: boolean, access: readWrite",
            read,
            "it can be written, and nothing says how",
        ),
        (
            "type: boolean",
            "state: {topic: t}, set: {topic: t}",
            "spec.mqtt.properties[0].set: it is only read",
        ),
        (
            "type: boolean, access: write",
            "state: {topic: t}, set: {topic: t}",
            "spec.mqtt.properties[0].state: it is only written",
        ),
        (
            "type: boolean",
            "state: {topic: 'a/{{what}}'}",
            "spec.mqtt.properties[0].state.topic: there is nothing for {{what}}",
        ),
        (
            "type: boolean",
            "state: {topic: 'a/{{value}}'}",
            "there is nothing for {{value}}",
        ),
        (
            "type: boolean",
            "state: {topic: 'a/{{x'}",
            "has {{ without }}",
        ),
        (
            "type: boolean",
            "state: {topic: 'a/+'}",
            "the topic \"a/+\" has a wildcard",
        ),
        ("type: boolean", "state: {topic: '$SYS/x'}", "begins with $"),
        (
            "type: boolean",
            "state: {topic: t, pointer: x}",
            "state.pointer: the pointer does not begin with /",
        ),
        (
            "type: boolean",
            "state: {topic: t}, values: [{value: 'true', payload: ON}]",
            "only one of true and false",
        ),
        (
            "type: boolean",
            "state: {topic: t}, values: [{value: 'on', payload: ON}, {value: 'false', payload: OFF}]",
            "on is not a value of it",
        ),
        (
            "type: boolean",
            "state: {topic: t}, values: [{value: 'true', payload: X}, {value: 'false', payload: X}]",
            "two values have the payload",
        ),
        (
            "type: choice, choices: [a, b]",
            "state: {topic: t}, values: [{value: c, payload: '1'}]",
            "say one of a, b",
        ),
        (
            "type: number",
            "state: {topic: t}, values: [{value: '1', payload: '2'}]",
            "numbers have scale",
        ),
        (
            "type: text",
            "state: {topic: t}, scale: {factor: '2'}",
            "scale: it is not a number",
        ),
        (
            "type: number",
            "state: {topic: t}, scale: {factor: '0.0'}",
            "scale.factor: the factor is 0",
        ),
        (
            "type: number",
            "state: {topic: t}, scale: {factor: '1e3'}",
            "scale.factor: \"1e3\" is not a decimal",
        ),
        (
            "type: number, minimum: '2', maximum: '1'",
            read,
            "spec.properties[0].maximum: 1 is below the minimum 2",
        ),
        (
            "type: number, minimum: '1.0000001'",
            read,
            "spec.properties[0].minimum: \"1.0000001\" is not a decimal",
        ),
        ("type: number, step: '0'", read, "0 is not above 0"),
        (
            "type: number, minimum: '0', maximum: '1', step: '2'",
            read,
            "2 leaves only the minimum",
        ),
        ("type: integer, step: '0.5'", read, "0.5 is not whole"),
        (
            "type: text, minimum: '1'",
            read,
            "minimum is for integer and number",
        ),
        ("type: choice", read, "a choice without choices"),
        ("type: choice, choices: [a, a]", read, "a is there twice"),
        (
            "type: number, access: write",
            "set: {topic: t, payload: '{\"v\": {{value}}0}'}",
            "right after a value",
        ),
        (
            "type: number, access: write",
            "set: {topic: t, payload: '{\"v\": {{value}}'}",
            "is not JSON",
        ),
        (
            "type: number, access: write",
            "set: {topic: t, payload: 'ON'}",
            "does not say {{value}}",
        ),
        (
            "type: number, access: write",
            "set: {topic: t, delivery: atMostOnce}",
            "neither the broker nor the device",
        ),
        (
            "type: number, access: write",
            "set: {topic: '$CONTROL/dynamic-security/v1'}",
            "begins with $",
        ),
    ] {
        let found = faults(&one(property, mapping), PLAIN);
        assert!(
            found.iter().any(|it| it.contains(part)),
            "{property} {mapping}: {found:?}"
        );
    }
}

#[test]
fn faults_of_a_device_are_its_own_and_all_are_told_at_once() {
    let spec = r#"
model: model
mqtt:
  broker: hub
  parameters: {value: x, times: "3", room: "a+b"}
  properties:
  - {name: power, state: {topic: "{{room}}/x"}, set: {topic: "{{none}}"}}
  - {name: power, state: {topic: t}}
  - {name: colour, state: {topic: t}}
  commands: [{name: explode, send: {topic: t}}]
  availability: {topic: t, online: offline}
"#;
    let found = faults(LAMP, spec);
    for part in [
        "Device spec.mqtt.parameters.value: {{value}} means something already",
        "Device spec.mqtt.properties[0].state.topic: the topic \"a+b/x\" has a wildcard",
        "Device spec.mqtt.properties[0].set.topic: there is nothing for {{none}}",
        "Device spec.mqtt.properties[1].name: the property power is there twice",
        "Device spec.mqtt.properties[2].name: the model has no property colour",
        "Device spec.mqtt.commands[0].name: the model has no command explode",
        "Device spec.mqtt.availability.offline: it says the same",
        "DeviceModel spec.commands[0].arguments[0].name: the device has a parameter times as well",
    ] {
        assert!(
            found.iter().any(|it| it.starts_with(part)),
            "{part}: {found:#?}"
        );
    }
    let bare = "properties: [{name: a, type: boolean}]\ncommands: [{name: b}]";
    let found = faults(bare, PLAIN);
    assert!(
        found[0].starts_with("Device spec.mqtt.properties: nothing says how a looks"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("Device spec.mqtt.commands: nothing says how b is sent"),
        "{found:?}"
    );
}

#[test]
fn what_devices_have_alike_is_held_once() {
    let (a, b) = (lamp("a"), lamp("b"));
    assert!(std::ptr::eq(&*a.shape, &*b.shape));
    let own =
        "{model: model, mqtt: {broker: hub, properties: [{name: label, state: {topic: own}}]}}";
    let c = compile(&device("c", own), &model(LAMP)).unwrap();
    assert!(!std::ptr::eq(&*a.shape, &*c.shape));
    assert!(std::ptr::eq(
        &*a.shape.properties[0],
        &*c.shape.properties[0]
    ));
    assert_eq!(
        c.topics(),
        [
            "home/c",
            "home/c/mode",
            "home/c/result",
            "home/c/there",
            "own"
        ]
    );
}

#[test]
fn a_device_is_described_as_agents_have_it() {
    let described = lamp("desk").describe(aion_abi::syscall::device::Reach::Online);
    let json = serde_json::to_value(&described).unwrap();
    assert_eq!(json["name"], "desk");
    assert_eq!(json["properties"][1]["maximum"], 100.0);
    assert_eq!(json["properties"][1]["writable"], true);
    assert_eq!(
        json["properties"][2]["choices"],
        serde_json::json!(["auto", "manual"])
    );
    assert_eq!(json["commands"][0]["arguments"][0]["type"], "integer");
}

fn payload(order: &Order) -> &str {
    std::str::from_utf8(&order.payload).unwrap()
}

#[test]
fn a_write_is_the_devices_own_message_and_says_by_what_it_is_confirmed() {
    let lamp = lamp("desk");
    let order = lamp.set("power", &Value::Boolean(true)).unwrap();
    assert_eq!(
        (order.topic.as_str(), payload(&order)),
        ("home/desk/set", r#"{"state": "ON"}"#)
    );
    assert!(
        order.repeatable
            && order.confirm_ms == 5000
            && order.how == crate::How::Publish(Delivery::AtLeastOnce)
    );

    // 50 % are 127.5 of 255; the lamp takes 127, which is 49.8.
    let order = lamp.set("brightness", &Value::Integer(50)).unwrap();
    assert_eq!(payload(&order), r#"{"brightness": 127}"#);
    assert_eq!(
        order.confirm,
        Confirm::State {
            property: "brightness".to_owned(),
            value: Value::Integer(50)
        }
    );

    let order = lamp.set("mode", &Value::Text("auto".to_owned())).unwrap();
    assert_eq!(
        (payload(&order), order.confirm_ms, order.repeatable),
        ("auto", 2000, false)
    );
    assert_eq!(
        order.confirm,
        Confirm::State {
            property: "mode".to_owned(),
            value: Value::Text("auto".to_owned())
        }
    );
}

#[test]
fn a_command_takes_all_of_its_arguments_and_no_others() {
    let lamp = lamp("desk");
    let note = Value::Text("so\"so".to_owned());
    let mut given = BTreeMap::from([
        ("times".to_owned(), Value::Number(3.0)),
        ("note".to_owned(), note),
    ]);
    let order = lamp.command("flash", &given).unwrap();
    assert_eq!(payload(&order), r#"{"n": 3, "note": "by home: so\"so"}"#);
    assert_eq!(
        order.confirm,
        Confirm::Done {
            command: "flash".to_owned()
        }
    );
    given.insert("times".to_owned(), Value::Integer(10));
    assert!(
        lamp.command("flash", &given)
            .unwrap_err()
            .detail
            .contains("10 is above 9")
    );
    given.remove("times");
    assert!(
        lamp.command("flash", &given)
            .unwrap_err()
            .detail
            .contains("flash needs times")
    );
    given.insert("colour".to_owned(), Value::Integer(1));
    let problem = lamp.command("flash", &given).unwrap_err();
    assert_eq!(
        (problem.code, problem.remedy.as_str()),
        (Code::BadRequest, "what flash takes: times, note")
    );

    let order = lamp.command("restart", &BTreeMap::new()).unwrap();
    assert_eq!(
        (order.payload.as_slice(), order.confirm),
        (&b""[..], Confirm::Broker)
    );
    assert_eq!(
        lamp.command("fly", &BTreeMap::new()).unwrap_err().code,
        Code::NotFound
    );
}

#[test]
fn a_value_that_is_none_of_the_property_is_refused_with_what_it_takes() {
    let lamp = lamp("desk");
    let text = |it: &str| Value::Text(it.to_owned());
    for (property, value, code, part) in [
        (
            "power",
            text("on"),
            Code::BadRequest,
            "\"on\" is not a boolean",
        ),
        (
            "power",
            Value::Integer(1),
            Code::BadRequest,
            "1 is not a boolean",
        ),
        (
            "brightness",
            Value::Number(20.5),
            Code::BadRequest,
            "20.5 is not an integer",
        ),
        (
            "brightness",
            Value::Integer(-1),
            Code::BadRequest,
            "-1 is below 0",
        ),
        (
            "brightness",
            Value::Number(f64::NAN),
            Code::BadRequest,
            "NaN is not an integer",
        ),
        (
            "mode",
            text("Auto"),
            Code::BadRequest,
            "\"Auto\" is not one of its choices",
        ),
        (
            "label",
            text("x"),
            Code::Denied,
            "can be read, and not written",
        ),
        ("colour", text("x"), Code::NotFound, "has no property"),
    ] {
        let problem = lamp.set(property, &value).unwrap_err();
        assert_eq!(problem.code, code, "{property} {value}");
        assert!(problem.detail.contains(part), "{}", problem.detail);
    }
    let stepped = one(
        "type: number, minimum: '5', maximum: '30', step: '0.5', access: readWrite",
        "state: {topic: t}, set: {topic: s}",
    );
    let stepped = plain("it", &stepped).unwrap();
    let problem = stepped.set("it", &Value::Number(21.3)).unwrap_err();
    assert_eq!(problem.detail, "it: 21.3 is not a step of 0.5 from 5");
    assert_eq!(
        problem.remedy,
        "give it a number from 5 to 30 in steps of 0.5"
    );
    assert_eq!(
        stepped.set("it", &Value::Integer(21)).unwrap().payload,
        b"21"
    );
}

/// What is written and said again as it was sent is what the write waits for.
fn comes_back(property: &str, mapping: &str, value: &Value) -> Result<(), TestCaseError> {
    let compiled = std::sync::Arc::new(
        compile(&device("it", PLAIN), &model(&one(property, mapping))).unwrap(),
    );
    let Ok(order) = compiled.set("it", value) else {
        return Ok(());
    };
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.insert(compiled.clone());
    registry.link(Link::New, at(0));
    let heard = registry.take(
        Message {
            topic: "t",
            payload: &order.payload,
            retained: false,
        },
        at(1),
    );
    let confirmed = heard
        .iter()
        .any(|it| it.confirms(compiled.key(), &order.confirm));
    let said: Vec<&Heard> = heard.iter().collect();
    prop_assert!(
        confirmed,
        "{} {:?} {:?}",
        String::from_utf8_lossy(&order.payload),
        order.confirm,
        said
    );
    Ok(())
}

proptest! {
    #[test]
    fn what_is_set_is_what_is_read(
        number in -1e9..1e9_f64, integer in any::<i64>(), small in -1000..1000_i64, text in any::<String>(), truth in any::<bool>(),
        factor in "-?[1-9][0-9]{0,4}(\\.[0-9]{1,6})?|0\\.[0-9]{0,5}[1-9]", offset in "-?[0-9]{1,4}(\\.[0-9]{1,6})?", whole in any::<bool>(),
    ) {
        let takes = if whole { "whole" } else { "any" };
        let scale = format!("scale: {{factor: '{factor}', offset: '{offset}', takes: {takes}}}");
        for payload in ["{{value}}", "{\"v\": {{value}}}", "{\"v\": \"{{value}}\"}"] {
            let pointer = if payload.starts_with("{\"") { ", pointer: /v" } else { "" };
            let mapping = format!("state: {{topic: t{pointer}}}, set: {{topic: s, payload: '{payload}'}}");
            comes_back("type: number, access: readWrite", &mapping, &Value::Number(number))?;
            comes_back("type: number, access: readWrite", &format!("{mapping}, {scale}"), &Value::Number(number))?;
            comes_back("type: integer, access: readWrite", &mapping, &Value::Integer(integer))?;
            comes_back("type: integer, access: readWrite", &format!("{mapping}, {scale}"), &Value::Integer(small))?;
            comes_back("type: boolean, access: readWrite", &mapping, &Value::Boolean(truth))?;
            let values = "values: [{value: 'true', payload: '1'}, {value: 'false', payload: 'a\"b'}]";
            comes_back("type: boolean, access: readWrite", &format!("{mapping}, {values}"), &Value::Boolean(truth))?;
            let choice = "type: choice, choices: ['x y', 'unknown', '5'], access: readWrite";
            comes_back(choice, &mapping, &Value::Text(["x y", "unknown", "5"][usize::from(truth)].to_owned()))?;
            // A text alone is what is left of it when what programs leave around payloads is taken off.
            if pointer.is_empty() && (text != crate::payload::bare(&text) || text.is_empty()) {
                continue;
            }
            comes_back("type: text, access: readWrite", &mapping, &Value::Text(text.clone()))?;
        }
    }
}
