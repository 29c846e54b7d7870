//! `aionctl device` against a stand-in of the daemon.
#![allow(clippy::unwrap_used)]

mod admin;

use admin::{Answer, Node};
use serde_json::{Value, json};

fn lamp() -> Value {
    json!({
        "name": "lamp", "model": "dimmable", "description": "Over the table", "labels": {"room": "kitchen"},
        "reach": "online", "broker": "home",
        "properties": [
            {"name": "power", "type": "boolean", "writable": true},
            {"name": "brightness", "type": "integer", "unit": "%", "minimum": 0.0, "maximum": 100.0, "writable": true},
            {"name": "code", "type": "text", "writable": true, "writeOnly": true},
        ],
        "commands": [{"name": "blink", "arguments": [{"name": "times", "type": "integer", "minimum": 1.0}]}],
        "readings": [
            {"property": "power", "value": true, "atMs": 0, "ageMs": 61_500},
            {"property": "brightness", "value": 40, "unit": "%", "atMs": 0, "ageMs": 3_600_000, "stale": true,
                "unread": "\"abc\" is not a number"},
        ],
        "messages": {"taken": 12, "leftOut": 3, "unread": 1},
    })
}

#[test]
fn devices_are_listed_page_by_page_with_what_they_say() {
    let node = Node::start();
    let first = json!({"items": [lamp()], "next": "lamp"});
    let mut away = lamp();
    (away["name"], away["reach"], away["readings"]) =
        ("shed".into(), "broker-away".into(), json!([]));
    let second = json!({"items": [away]});
    node.on(
        "GET /api/v1/namespaces/default/devices?",
        Answer::json(&first),
    )
    .on(
        "GET /api/v1/namespaces/default/devices?after=lamp",
        Answer::json(&second),
    );
    let ran = node.aionctl(&["device", "list"]);
    assert_eq!(
        ran.out,
        "DEVICE   MODEL      IS               HEARD   SAYS\n\
         lamp     dimmable   online           never   power true, brightness 40 % (stale)\n\
         shed     dimmable   broker is away   never\n",
        "{ran:?}"
    );
    let whole = node.aionctl(&["device", "list", "-o", "json"]);
    let whole: Value = serde_json::from_str(&whole.out).unwrap();
    assert_eq!(whole["items"][1]["name"], "shed");
}

#[test]
fn nothing_that_a_device_says_moves_a_cursor_or_makes_a_line_of_its_own() {
    let node = Node::start();
    let wild = "on\nlock   steel   online \u{9b}2J\u{202e}gone\u{1b}[2J";
    let mut it = lamp();
    (it["description"], it["labels"]["room"]) = (wild.into(), wild.into());
    it["readings"] =
        json!([{"property": "code", "value": wild, "unit": wild, "unread": wild, "atMs": 0}]);
    it["properties"][0]["choices"] = json!([wild]);
    it["commands"][0]["description"] = wild.into();
    it["madeSafe"] = json!({"atMs": 0, "what": wild});
    node.on(
        "GET /api/v1/namespaces/default/devices?",
        Answer::json(&json!({"items": [it]})),
    )
    .on(
        "GET /api/v1/namespaces/default/devices/lamp",
        Answer::json(&it),
    )
    .on(
        "GET /api/v1/namespaces/default/device-changes",
        Answer::events(&[json!({"kind": "value", "device": "lamp", "property": "code", "value": wild, "unit": wild, "atMs": 0})]),
    );
    for args in [
        &["device", "list"][..],
        &["device", "describe", "lamp"],
        &["device", "watch"],
        &["device", "list", "-o", "json"],
        &["device", "describe", "lamp", "-o", "json"],
        &["device", "watch", "-o", "json"],
    ] {
        let ran = node.aionctl(args);
        let all = [ran.out.as_str(), &ran.err].concat();
        let is_wild = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(
            all.contains("gone") && !all.contains(is_wild),
            "{args:?}: {ran:?}"
        );
        assert!(!all.contains("\nlock"), "{args:?}: {ran:?}");
    }
    let exact = node.aionctl(&["device", "describe", "lamp", "-o", "json"]);
    let exact: Value = serde_json::from_str(&exact.out).unwrap();
    assert_eq!(exact["description"], wild);
}

#[test]
fn a_device_is_described_line_by_line() {
    let node = Node::start();
    node.on(
        "GET /api/v1/namespaces/default/devices/lamp",
        Answer::json(&lamp()),
    );
    let ran = node.aionctl(&["device", "describe", "lamp"]);
    assert_eq!(
        ran.out,
        "lamp, a dimmable by broker home: Over the table\n\
         labels: room=kitchen\n\
         online, heard never; 12 messages, 3 left out since it is too loud, 1 that cannot be read\n\
         \n\
         PROPERTY     IS                UNIT   AGE                 MAY BE             SET\n\
         power        true                     1 min 1 s           boolean            yes\n\
         brightness   40                %      60 min 0 s, stale   integer 0 to 100   yes\n\
         code         nobody hears it                              text               yes\n\
         \n\
         COMMAND   TAKES                  WHAT HAPPENS\n\
         blink     times integer from 1\n",
        "{ran:?}"
    );
    assert_eq!(
        ran.err,
        "warning: brightness: the newest message cannot be read: \"abc\" is not a number\n"
    );
}

const SET: [&str; 5] = ["device", "set", "lamp", "power", "on"];
const WRITE: &str = "POST /api/v1/namespaces/default/devices/lamp/write";

#[test]
fn what_a_node_took_is_never_said_to_be_refused() {
    let gone = json!({"type": "urn:aion:not-found", "title": "not found", "status": 404, "code": "not-found",
        "detail": "there is no turn 7", "remedy": "", "trace": ""});
    let node = Node::start();
    node.on(
        WRITE,
        Answer::events(&[json!({"event": "queued", "turn": 7})]),
    )
    .on("GET /api/v1/turns/7/events", Answer::problem(&gone));
    let ran = node.aionctl(&SET);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.err.contains("outcome-unknown") && ran.err.contains("there is no turn 7"),
        "{ran:?}"
    );
    let ran = node.aionctl(&[&SET[..], &["-o", "json"]].concat());
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.status, &said["outcome"]),
        (1, &json!("outcome-unknown"))
    );
}

#[test]
fn what_surely_was_not_sent_is_told_so() {
    let node = Node::start();
    let refused = json!({"type": "urn:aion:denied", "title": "denied", "status": 403, "code": "denied",
        "detail": "there is no agent by-hand", "remedy": "", "trace": ""});
    node.on(WRITE, Answer::problem(&refused));
    let ran = node.aionctl(&SET);
    assert_eq!(
        (ran.status, ran.err.contains("outcome-unknown")),
        (5, false),
        "{ran:?}"
    );
    // Nobody answers.
    let home = tempfile::tempdir().unwrap();
    let ran = admin::ran(admin::command(home.path()).args(SET));
    assert_eq!(
        (ran.status, ran.err.contains("outcome-unknown")),
        (3, false),
        "{ran:?}"
    );
}
