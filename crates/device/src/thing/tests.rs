//! Descriptions of the shape of the W3C's examples: the model and the device of each, and what is named as missing.
#![allow(clippy::unwrap_used, clippy::panic)]

use aion_abi::syscall::device::Value as Said;
use serde_json::{Value, json};

use super::*;

/// A lamp of the shape of the W3C's first example.
fn lamp() -> Value {
    json!({
        "@context": "https://www.w3.org/2022/wot/td/v1.1",
        "id": "urn:uuid:0804d572-cce8-422a-bb7c-4412fcd56f06",
        "title": "MyLampThing",
        "securityDefinitions": {"basic_sc": {"scheme": "basic", "in": "header"}},
        "security": "basic_sc",
        "properties": {"status": {"type": "string", "enum": ["on", "off"], "readOnly": true, "forms": [{"href": "https://mylamp.example.com/status"}]}},
        "actions": {"toggle": {"forms": [{"href": "https://mylamp.example.com/toggle"}]}},
        "events": {"overheating": {"data": {"type": "string"}, "forms": [{"href": "https://mylamp.example.com/oh"}]}}
    })
}

/// One with forms of MQTT.
fn heater() -> Value {
    let form = |topic: &str, op: Value| json!({"href": "mqtt://broker.example:1883", "mqv:topic": topic, "op": op});
    json!({
        "@context": ["https://www.w3.org/2022/wot/td/v1.1", {"mqv": "http://www.example.org/mqtt-binding#"}],
        "title": "Bath heater", "description": "Warms the bath", "security": ["nosec_sc"], "securityDefinitions": {"nosec_sc": {"scheme": "nosec"}},
        "properties": {
            "temperature": {"type": "number", "unit": "om:degree_Celsius", "readOnly": true, "observable": true, "forms": [form("bath/temperature", json!(["observeproperty"]))]},
            "target": {"type": "number", "unit": "celsius", "minimum": 5, "maximum": 30.5, "multipleOf": 0.5, "forms": [form("bath/target", json!("readproperty")), form("bath/target/set", json!("writeproperty"))]},
            "mode": {"enum": ["eco", "boost"], "type": "string", "forms": [form("bath/mode", json!(["readproperty", "writeproperty"]))]},
        },
        "actions": {
            "boost": {"idempotent": true, "input": {"type": "object", "required": ["minutes", "note"], "properties": {"minutes": {"type": "integer", "minimum": 1, "maximum": 60}, "note": {"type": "string"}}},
                "forms": [{"href": "mqtt://broker.example:1883", "mqv:topic": "bath/boost", "mqv:controlPacket": "publish", "mqv:qos": "2"}]},
            "stop": {"forms": [{"href": "mqtt://broker.example:1883/bath/stop"}]},
        },
    })
}

fn read(it: &Value) -> Thing {
    super::read(&it.to_string(), &Names::default()).unwrap()
}

fn pointers(it: &Thing) -> Vec<&str> {
    it.unmapped.iter().map(|it| it.pointer.as_str()).collect()
}

#[test]
fn a_thing_without_mqtt_is_a_model_and_what_it_leaves_is_named() {
    let it = read(&lamp());
    assert_eq!(it.model.metadata.name.as_deref(), Some("mylampthing"));
    let status = &it.model.spec.properties[0];
    assert_eq!(
        (status.of, status.access, status.choices.len()),
        (aion_api::ValueType::Choice, Access::Read, 2)
    );
    assert_eq!(it.model.spec.commands[0].name, "toggle");
    assert_eq!(it.device, None);
    assert_eq!(
        pointers(&it),
        [
            "/events/overheating",
            "/properties/status/forms/0",
            "/actions/toggle/forms/0"
        ]
    );
}

#[test]
fn forms_of_mqtt_are_a_device_that_is_told_what_the_thing_reads() {
    let it = read(&heater());
    assert_eq!(it.unmapped, []);
    let (device, broker) = it.device.clone().unwrap();
    assert_eq!(
        (broker.as_str(), device.spec.broker()),
        ("mqtt://broker.example:1883", Some("broker-example"))
    );
    let target = it
        .model
        .spec
        .properties
        .iter()
        .find(|it| it.name == "target")
        .unwrap();
    let said = [&target.minimum, &target.maximum, &target.step, &target.unit]
        .map(|it| it.clone().unwrap());
    assert_eq!(said, ["5", "30.5", "0.5", "Cel"]);
    let compiled = compile(&device, &it.model).unwrap();
    let sent = |order: crate::Order| {
        (
            order.topic,
            String::from_utf8(order.payload).unwrap(),
            order.repeatable,
        )
    };
    let order = compiled.set("target", &Said::Number(21.5)).unwrap();
    assert_eq!(
        sent(order),
        ("bath/target/set".to_owned(), "21.5".to_owned(), false)
    );
    let order = compiled.set("mode", &Said::Text("eco".to_owned())).unwrap();
    assert_eq!(sent(order).1, "\"eco\"");
    let given = [
        ("minutes".to_owned(), Said::Integer(5)),
        ("note".to_owned(), Said::Text("a\"b".to_owned())),
    ];
    let (topic, payload, again) = sent(compiled.command("boost", &given.into()).unwrap());
    assert_eq!((topic.as_str(), again), ("bath/boost", true));
    assert_eq!(
        serde_json::from_str::<Value>(&payload).unwrap(),
        json!({"minutes": 5, "note": "a\"b"})
    );
    let (topic, payload, _) = sent(compiled.command("stop", &[].into()).unwrap());
    assert_eq!((topic.as_str(), payload.as_str()), ("bath/stop", ""));
}

#[test]
fn what_cannot_be_mapped_is_named_by_its_pointer() {
    let mut it = heater();
    it["properties"]["colour"] =
        json!({"type": "object", "properties": {"r": {"type": "integer"}}, "forms": []});
    it["properties"]["a/b ~"] = json!({"type": "boolean", "forms": [{"href": "mqtt://broker.example:1883", "mqv:topic": "x/#"}]});
    it["properties"]["level"] = json!({"type": "integer", "unit": "furlong", "maximum": 1e300, "contentEncoding": "x", "forms": [{"href": "mqtt://other.example", "mqv:topic": "x"}]});
    it["actions"]["boost"]["output"] = json!({"type": "string"});
    it["forms"] = json!([]);
    let thing = read(&it);
    let named = pointers(&thing);
    for pointer in [
        "/forms",
        "/properties/colour/type",
        "/properties/a~1b ~0",
        "/properties/a~1b ~0/forms/0",
        "/properties/level/unit",
        "/properties/level/maximum",
        "/properties/level/contentEncoding",
        "/properties/level/forms/0",
        "/actions/boost/output",
    ] {
        assert!(named.contains(&pointer), "{pointer}: {named:?}");
    }
    let names: Vec<_> = thing
        .model
        .spec
        .properties
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["mode", "target", "temperature"],
        "what has no form at the broker is left out of a model with a Device"
    );
}

#[test]
fn what_is_no_description_is_refused() {
    for (text, why) in [
        ("", "not JSON"),
        ("[]", "an object"),
        ("{}", "no title"),
        (r#"{"title": "…"}"#, "no name"),
        (r#"{"title": "x"}"#, "no property and no action"),
        (
            r#"{"title": "x", "properties": {"a": {"type": "array"}}}"#,
            "/properties/a/type",
        ),
        (&"[".repeat(10_000), "not JSON"),
    ] {
        let refused = super::read(text, &Names::default()).unwrap_err();
        assert!(refused.contains(why), "{text:.40}: {refused}");
    }
}

#[test]
fn what_makes_no_sense_is_left_out_by_its_pointer_and_the_rest_stays() {
    for mqtt in [true, false] {
        let mut it = heater();
        it["properties"]["target"]["minimum"] = json!(40);
        it["actions"]["boost"]["input"]["properties"]["minutes"]["minimum"] = json!(90);
        it["properties"]["mode"]["enum"] = json!(["eco", "boost", "eco"]);
        if !mqtt {
            for list in ["properties", "actions"] {
                for it in it[list].as_object_mut().unwrap().values_mut() {
                    it["forms"] = json!([]);
                }
            }
        }
        let thing = read(&it);
        assert_eq!(
            pointers(&thing),
            ["/properties/target", "/actions/boost"],
            "{:?}",
            thing.unmapped
        );
        assert_eq!(thing.device.is_some(), mqtt);
        let properties = &thing.model.spec.properties;
        let mode = properties.iter().find(|it| it.name == "mode").unwrap();
        assert_eq!(mode.choices, ["eco", "boost"]);
        assert_eq!((properties.len(), thing.model.spec.commands.len()), (2, 1));
    }
}

#[test]
fn of_a_thing_that_has_more_than_a_model_has_room_for_the_first_are_taken() {
    let mut thing = heater();
    let target = thing["properties"]["target"].clone();
    let stop = thing["actions"]["stop"].clone();
    for number in 0..70 {
        thing["properties"][format!("p{number:02}")] = target.clone();
        thing["actions"][format!("a{number:02}")] = stop.clone();
    }
    let it = read(&thing);
    let spec = &it.model.spec;
    assert_eq!((spec.properties.len(), spec.commands.len()), (64, 32));
    let beyond = pointers(&it).into_iter();
    let beyond: Vec<_> = beyond.filter(|it| it.matches('/').count() == 2).collect();
    assert_eq!(beyond.len(), 73 - 64 + 72 - 32, "{beyond:?}");
    let has = |name: &str| spec.properties.iter().any(|it| it.name == name);
    assert!(
        beyond.contains(&"/properties/p69") != has("p69") && beyond.contains(&"/actions/a69"),
        "{beyond:?}"
    );
}
