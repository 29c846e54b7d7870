//! Devices that are asked by HTTP: what is wrong with them, what they are asked, and the requests that they are told things by.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use aion_abi::syscall::device::Value;
use aion_api::HttpMethod;

use super::*;
use crate::{
    Change, Confirm, Heard, How, Limits, Link, Registry, Shown,
    testing::{at, device, message, model},
};

const PLUG: &str = r#"
properties:
- {name: power, type: boolean, access: readWrite}
- {name: watts, type: number, unit: W}
- {name: level, type: integer, minimum: "0", maximum: "100", access: readWrite}
- {name: scene, type: text, access: write}
commands:
- {name: reboot}
- {name: blink, arguments: [{name: times, type: integer}, {name: colour, type: text}]}
http:
  everySeconds: 5
  properties:
  - name: power
    state: {get: "/rpc/Switch.GetStatus?id={{relay}}", pointer: /output}
    set: {method: GET, path: "/relay/{{relay}}?turn={{value}}"}
    answer: {pointer: /ison}
    values: [{value: "true", payload: "on"}, {value: "false", payload: "off"}]
  - {name: watts, state: {get: "/rpc/Switch.GetStatus?id={{relay}}", pointer: /apower}}
  - name: level
    state: {get: /level}
    set: {method: PUT, path: /level}
  - name: scene
    set: {path: /scene, payload: '{"name": {{value}}}', contentType: application/vnd.scene+json}
  commands:
  - {name: reboot, send: {method: GET, path: /reboot}}
  - name: blink
    send: {path: "/blink/{{colour}}", payload: '{"n": {{times}}}'}
    done: {pointer: /ok, equals: "true"}
"#;

const HERE: &str = "{model: model, http: {url: 'http://{{at}}/base/', parameters: {at: 192.0.2.7, relay: '0'}, timeoutSeconds: 3}}";

fn plug() -> Arc<Compiled> {
    Arc::new(compile(&device("plug", HERE), &model(PLUG)).unwrap())
}

fn faults(of: &str, spec: &str) -> Vec<String> {
    let found = compile(&device("it", spec), &model(of)).unwrap_err();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn properties_of_one_path_are_one_question() {
    let plug = plug();
    assert_eq!(plug.paths(), ["/level", "/rpc/Switch.GetStatus?id=0"]);
    let http = plug.http().unwrap();
    assert_eq!(http.url, "http://192.0.2.7/base");
    assert_eq!((http.every_ms, http.timeout_ms), (5_000, 3_000));
    // Three questions that nobody answered, with what they took.
    assert_eq!(plug.stale_ms("watts"), Some(21_000));
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.link(Link::New, at(0));
    registry.insert(Arc::clone(&plug));
    let said = message(
        "/rpc/Switch.GetStatus?id=0",
        r#"{"output": "on", "apower": 11.5}"#,
    );
    let heard = registry.take(said, at(1));
    assert_eq!(
        heard
            .iter()
            .filter(|it| matches!(it, Heard::Value { .. }))
            .count(),
        2
    );
}

#[test]
fn a_value_does_not_lead_to_another_path() {
    let blink = |colour: &str| {
        let colour = Value::Text(colour.to_owned());
        let arguments = [("times", Value::Integer(2)), ("colour", colour)];
        let arguments = arguments.map(|(name, value)| (name.to_owned(), value));
        plug().command("blink", &BTreeMap::from(arguments))
    };
    for colour in ["", ".", ".."] {
        let problem = blink(colour).unwrap_err();
        assert_eq!(problem.code, aion_abi::code::Code::BadRequest, "{problem}");
        assert!(problem.detail.contains("colour"), "{problem}");
    }
    assert_eq!(blink("../x").unwrap().topic, "/blink/..%2Fx");
    let found = faults(PLUG, &HERE.replace("'0'", "'..'"));
    let stray = found.iter().any(|it| it.contains("relay makes a segment"));
    assert!(stray, "{found:?}");
}

#[test]
fn a_value_of_a_form_stays_one_value() {
    let of = r#"
properties: [{name: text, type: text, access: write}]
http: {properties: [{name: text, set: {path: /t, payload: "show={{value}}&x={{room}}", contentType: "Application/x-www-form-urlencoded; charset=utf-8"}}]}
"#;
    let here = "{model: model, http: {url: 'http://a', parameters: {room: 'a b'}}}";
    let compiled = compile(&device("it", here), &model(of)).unwrap();
    let value = Value::Text("1&reboot=1 +%".to_owned());
    let order = compiled.set("text", &value).unwrap();
    assert_eq!(order.payload, b"show=1%26reboot%3D1%20%2B%25&x=a%20b");
}

#[test]
fn what_is_told_is_a_request_with_its_values_where_they_belong() {
    let plug = plug();
    let set = |property: &str, value: Value| plug.set(property, &value).unwrap();
    let power = set("power", Value::Boolean(true));
    assert_eq!(power.topic, "/relay/0?turn=on");
    assert!(power.payload.is_empty());
    let How::Request {
        method,
        content_type,
        answer,
    } = &power.how
    else {
        unreachable!("{power:?}")
    };
    assert_eq!((*method, content_type.as_deref()), (HttpMethod::Get, None));
    assert!(!answer.as_deref().unwrap().starts_with('/'));

    let level = set("level", Value::Integer(40));
    assert_eq!(
        (level.topic.as_str(), &*level.payload),
        ("/level", &b"40"[..])
    );
    let scene = set("scene", Value::Text("a \"b\"".to_owned()));
    assert_eq!(scene.payload, br#"{"name": "a \"b\""}"#);
    assert_eq!(scene.confirm, Confirm::Broker);
    let How::Request {
        method,
        content_type,
        answer,
    } = &scene.how
    else {
        unreachable!("{scene:?}")
    };
    assert_eq!(*method, HttpMethod::Post);
    assert_eq!(content_type.as_deref(), Some("application/vnd.scene+json"));
    assert_eq!(*answer, None);

    let given = [
        ("times", Value::Integer(3)),
        ("colour", Value::Text("../a?b=c".to_owned())),
    ];
    let given: BTreeMap<_, _> = given.map(|(name, it)| (name.to_owned(), it)).into();
    let blink = plug.command("blink", &given).unwrap();
    assert_eq!(blink.topic, "/blink/..%2Fa%3Fb%3Dc");
    assert_eq!(blink.payload, br#"{"n": 3}"#);
    assert_eq!(
        blink.confirm,
        Confirm::Done {
            command: "blink".to_owned()
        }
    );
    let reboot = plug.command("reboot", &BTreeMap::new()).unwrap();
    assert_eq!(reboot.confirm, Confirm::Broker);
}

#[test]
fn an_answer_says_what_the_property_is_and_that_a_command_was_done() {
    let plug = plug();
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.link(Link::New, at(0));
    registry.insert(Arc::clone(&plug));
    let answer = |order: &crate::Order| match &order.how {
        How::Request { answer, .. } => answer.as_deref().unwrap().to_owned(),
        How::Publish(_) => String::new(),
    };
    let power = plug.set("power", &Value::Boolean(true)).unwrap();
    let heard = registry.take(message(&answer(&power), r#"{"ison": "on"}"#), at(1));
    assert!(
        heard
            .iter()
            .any(|it| it.confirms(plug.key(), &power.confirm))
    );
    let given = [
        ("times", Value::Integer(1)),
        ("colour", Value::Text("red".to_owned())),
    ];
    let given = given.map(|(name, it)| (name.to_owned(), it)).into();
    let blink = plug.command("blink", &given).unwrap();
    let answered = |registry: &mut Registry, body: &str| {
        let heard = registry.take(message(&answer(&blink), body), at(2));
        heard
            .iter()
            .any(|it| it.confirms(plug.key(), &blink.confirm))
    };
    assert!(!answered(&mut registry, r#"{"ok": false}"#));
    assert!(answered(&mut registry, r#"{"ok": true}"#));
}

#[test]
fn what_a_device_says_again_is_fresh_and_what_it_cannot_answer_is_not() {
    let plug = plug();
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.link(Link::New, at(0));
    registry.insert(Arc::clone(&plug));
    let path = "/rpc/Switch.GetStatus?id=0";
    assert!(
        registry.again(path, at(1)).is_empty(),
        "nothing was said yet"
    );
    registry.take(message(path, r#"{"apower": 5, "output": 7}"#), at(1_000));
    let watts = |registry: &Registry, ms: u64| {
        let read = registry
            .read(plug.key(), &["watts".to_owned()], at(ms))
            .unwrap();
        let it = read.readings.into_iter().next().unwrap();
        (it.value, it.age_ms, it.stale)
    };
    assert_eq!(
        watts(&registry, 30_000),
        (Some(Value::Number(5.0)), Some(29_000), true)
    );
    let heard = registry.again(path, at(30_000));
    assert!(
        matches!(
            &heard[..],
            [Heard::Value {
                change: Change::Same,
                ..
            }]
        ),
        "what could not be believed is not said again: {heard:?}"
    );
    assert_eq!(
        watts(&registry, 31_000),
        (Some(Value::Number(5.0)), Some(1_000), false)
    );
    registry.take(message(path, r#"{"output": "on"}"#), at(32_000));
    let heard = registry.again(path, at(33_000));
    assert_eq!(heard.len(), 1, "what its last answer left out: {heard:?}");
    assert_eq!(watts(&registry, 34_000).1, Some(4_000));
    assert_eq!(registry.answers(plug.key(), false).len(), 1);
    assert!(watts(&registry, 31_000).2, "it does not answer");
    assert!(
        registry.answers(plug.key(), false).is_empty(),
        "that is not new"
    );
    assert_eq!(registry.answers(plug.key(), true).len(), 1);
    assert!(!watts(&registry, 31_000).2);
}

#[test]
fn each_fault_of_a_device_that_is_asked_is_named_where_it_stands() {
    let one = |property: &str, mapping: &str| {
        format!(
            "properties: [{{name: it, {property}}}]\nhttp: {{properties: [{{name: it, {mapping}}}]}}"
        )
    };
    let here = "{model: model, http: {url: 'http://plug'}}";
    for (property, mapping, part) in [
        (
            "type: boolean",
            "set: {path: /t}",
            "DeviceModel spec.http.properties[0]: it can be read, and nothing says where; add state.get",
        ),
        (
            "type: boolean, access: readWrite",
            "state: {get: /s}",
            "it can be written, and nothing says how; add set.path",
        ),
        (
            "type: boolean",
            "state: {get: 's'}",
            "the path \"s\" does not begin with /",
        ),
        (
            "type: boolean",
            "state: {get: '/a b'}",
            "has a character that an address has only in its escaped form",
        ),
        (
            "type: boolean",
            "state: {get: '/{{x}}'}",
            "spec.http.properties[0].state.get: there is nothing for {{x}}",
        ),
        (
            "type: boolean, access: write",
            "set: {method: GET, path: /on}",
            "does not say {{value}}",
        ),
        (
            "type: boolean, access: write",
            "set: {path: /on, payload: 'on'}",
            "does not say {{value}}",
        ),
        (
            "type: boolean, access: write",
            "set: {path: /on}, answer: {pointer: /on}",
            "spec.http.properties[0].answer: it is not both read and written; remove answer",
        ),
        (
            "type: text, access: write",
            "set: {path: /on, payload: '{\"a\": {{value}}'}",
            "is not JSON",
        ),
    ] {
        let found = faults(&one(property, mapping), here);
        assert!(
            found.iter().any(|it| it.contains(part)),
            "{part} is not in {found:?}"
        );
    }
    let good = one("type: boolean", "state: {get: /s}");
    for (spec, part) in [
        (
            "{model: model}",
            "a device is reached in one way: by mqtt, http or sparkplug",
        ),
        (
            "{model: model, mqtt: {broker: b}, http: {url: 'http://a'}}",
            "a device is reached in one way: by mqtt, http or sparkplug",
        ),
        (
            "{model: model, mqtt: {broker: b}}",
            "nothing says how it looks on MQTT",
        ),
        (
            "{model: model, http: {url: 'ftp://a'}}",
            "Device spec.http.url: \"ftp://a\" is not an address",
        ),
        (
            "{model: model, http: {url: 'http://a@b'}}",
            "is not an address",
        ),
        (
            "{model: model, http: {url: 'http://{{at}}'}}",
            "Device spec.http.url: there is nothing for {{at}}",
        ),
        (
            "{model: model, http: {url: 'http://{{at}}', parameters: {at: 'a?b'}}}",
            "is not an address",
        ),
        (
            "{model: model, http: {url: 'http://a', headers: [{name: Host, value: b}]}}",
            "Device spec.http.headers[0].name: Host is said by the node itself",
        ),
        (
            "{model: model, http: {url: 'http://a', headers: [{name: authorization, value: b}]}}",
            "say basic or bearer instead",
        ),
        (
            "{model: model, http: {url: 'http://a', headers: [{name: x}]}}",
            "a header has a value or a secret",
        ),
        (
            "{model: model, http: {url: 'http://a', headers: [{name: X, value: a}, {name: x, value: b}]}}",
            "the header x is there twice",
        ),
    ] {
        let found = faults(&good, spec);
        assert!(
            found.iter().any(|it| it.contains(part)),
            "{part} is not in {found:?}"
        );
    }
    let headers = "{model: model, http: {url: 'https://a', headers: [{name: Hue-Key, secret: {secret: hue, key: k}}]}}";
    let compiled = compile(&device("it", headers), &model(&good)).unwrap();
    let (name, shown) = &compiled.http().unwrap().headers[0];
    assert_eq!(name, "hue-key");
    assert!(matches!(shown, Shown::Secret(it) if it.secret == "hue"));
}

#[test]
fn what_a_device_says_itself_holds_before_its_model() {
    let own = "{model: model, http: {url: 'http://a', parameters: {relay: '1'}, everySeconds: 60, properties: [{name: watts, state: {get: /meter}}]}}";
    let compiled = compile(&device("it", own), &model(PLUG)).unwrap();
    assert_eq!(compiled.path_of("watts").as_deref(), Some("/meter"));
    assert_eq!(compiled.http().unwrap().every_ms, 60_000);
    assert_eq!(compiled.stale_ms("power"), Some(200_000));
}
