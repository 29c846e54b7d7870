//! Devices that introduce themselves, against a stand-in of the daemon; and descriptions of things, which need none.
#![allow(clippy::unwrap_used)]

mod admin;

use std::fs;

use admin::{Answer, Node};
use serde_json::{Value, json};

const ALL: &str = "GET /api/v1/namespaces/default/device-proposals";

fn lamp() -> Value {
    json!({
        "name": "kitchen-lamp", "broker": "home", "state": "proposed", "topics": ["homeassistant/light/x/light/config"],
        "unmapped": [{"topic": "homeassistant/light/x/light/config", "field": "retain", "why": "no\u{1b}[31m"}],
        "resources": [
            {"apiVersion": "aion.dev/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "kitchen-lamp"}, "spec": {"description": "Philips Hue",
                "properties": [{"name": "power", "type": "boolean", "access": "readWrite"}, {"name": "battery", "type": "number"}], "commands": [{"name": "blink"}]}},
            {"apiVersion": "aion.dev/v1alpha1", "kind": "Device", "metadata": {"name": "kitchen-lamp"}, "spec": {"model": "kitchen-lamp", "mqtt": {"broker": "home"}}},
        ],
    })
}

#[test]
fn proposals_are_listed_and_shown_as_what_would_be_applied() {
    let node = Node::start();
    let nothing = json!({"name": "odd", "broker": "home", "state": "proposed", "topics": ["t"], "unmapped": [{"topic": "t", "field": "", "why": "not JSON"}]});
    let page = json!({"items": [lamp(), nothing], "brokers": [{"broker": "home", "prefix": "homeassistant", "announcements": 2, "leftOut": 7, "lastLeftOut": "a/b: too many"}]});
    node.on(&format!("{ALL}?"), Answer::json(&page));
    node.on(&format!("{ALL}/kitchen-lamp"), Answer::json(&lamp()));
    let ran = node.aionctl(&["device", "proposals"]);
    let expected = "\
PROPOSAL       BROKER   WHAT IT IS                  SAYS              TAKES   NOT MAPPED
kitchen-lamp   home     Philips Hue                 power=, battery   blink   1
odd            home     nothing can be made of it                             1
";
    assert_eq!(ran.out, expected, "{ran:?}");
    assert!(ran.err.contains("7 announcements were not kept"), "{ran:?}");
    let ran = node.aionctl(&["device", "proposals", "kitchen-lamp"]);
    assert!(
        ran.out
            .contains("says power=, battery (= can be set)\ntakes blink\n"),
        "{ran:?}"
    );
    assert!(
        !ran.out.contains('\u{1b}') && ran.out.contains("retain"),
        "{ran:?}"
    );
    let ran = node.aionctl(&["device", "proposals", "kitchen-lamp", "-o", "yaml"]);
    assert!(
        ran.out.starts_with("# kitchen-lamp: not mapped: ") && !ran.out.contains('\u{1b}'),
        "{ran:?}"
    );
    assert_eq!(ran.out.matches("---\n").count(), 2, "{ran:?}");
}

#[test]
fn what_would_be_applied_is_exact_and_moves_no_cursor() {
    let node = Node::start();
    let wild = "Lamp\u{9b}2J\u{202e}\u{1b}[31m: é";
    let mut it = lamp();
    it["resources"][0]["spec"]["description"] = wild.into();
    node.on(&format!("{ALL}/kitchen-lamp"), Answer::json(&it));
    let yaml = node.aionctl(&["device", "proposals", "kitchen-lamp", "-o", "yaml"]);
    let is_wild = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!yaml.out.contains(is_wild), "{yaml:?}");
    let first = yaml.out.split("---\n").nth(1).unwrap();
    let first: Value = serde_saphyr::from_str(first).unwrap();
    assert_eq!(first["spec"]["description"], wild);
    let odd = node.aionctl(&["device", "proposals", "kitchen-lamp", "-o", "wide"]);
    assert_eq!(odd.status, 2, "{odd:?}");
}

#[test]
fn a_proposal_is_approved_under_another_name_and_what_is_there_is_not_replaced() {
    let node = Node::start();
    let applied = json!({"applied": [{"kind": "DeviceModel", "name": "lamp", "change": "created"}, {"kind": "Device", "name": "lamp", "change": "created"}]});
    let approve = "POST /api/v1/namespaces/default/device-proposals/kitchen-lamp/approve";
    node.on(approve, Answer::json(&applied));
    let ran = node.aionctl(&["device", "approve", "kitchen-lamp", "--as", "lamp"]);
    assert_eq!(
        ran.out, "devicemodel/lamp created\ndevice/lamp created\n",
        "{ran:?}"
    );
    let taken = json!({"applied": [], "rejected": [{"file": "proposal x", "resource": "Device/lamp", "message": "there is a Device lamp already", "remedy": "give another name"}]});
    node.on(
        "POST /api/v1/namespaces/default/device-proposals/x/approve",
        Answer::json(&taken),
    );
    let ran = node.aionctl(&["device", "approve", "x"]);
    assert!(
        ran.out.is_empty() && ran.err.contains("there is a Device lamp already"),
        "{ran:?}"
    );
}

#[test]
fn a_description_of_a_thing_is_written_as_yaml_and_says_what_is_missing() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lamp.td.json");
    let form = json!({"href": "mqtt://127.0.0.1:1883", "mqv:topic": "lamp"});
    let mut thing = json!({"@context": "https://www.w3.org/2022/wot/td/v1.1", "title": "Lamp", "security": "n", "securityDefinitions": {},
        "properties": {"power": {"type": "boolean", "forms": [form]}}});
    fs::write(&path, thing.to_string()).unwrap();
    let path = path.to_string_lossy().into_owned();
    let ran = node.aionctl(&["device", "import-td", &path, "--broker", "home"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.out.contains("kind: DeviceModel")
            && ran.out.contains("kind: Device\n")
            && ran.out.contains("broker: home"),
        "{ran:?}"
    );
    thing["events"] = json!({"broken": {}});
    fs::write(&path, thing.to_string()).unwrap();
    let out = folder
        .path()
        .join("lamp.yaml")
        .to_string_lossy()
        .into_owned();
    let ran = node.aionctl(&["device", "import-td", &path, "-o", &out]);
    assert_eq!(ran.status, 6, "{ran:?}");
    assert!(ran.err.contains("/events/broken"), "{ran:?}");
    assert!(fs::read_to_string(&out).unwrap().contains("kind: Device\n"));
    // A file that is there is not replaced.
    let ran = node.aionctl(&["device", "import-td", &path, "-o", &out]);
    assert_eq!(ran.status, 1, "{ran:?}");
    fs::write(&path, "{").unwrap();
    assert_eq!(node.aionctl(&["device", "import-td", &path]).status, 2);
}
