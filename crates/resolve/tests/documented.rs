//! What the pages on devices show is accepted, all of it.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use aion_api::condition::Status;
use aion_resolve::{
    Key, Universe,
    device::{InNamespace, judge_device},
    parse_manifests,
};

fn page() -> String {
    read("devices.md")
}

fn read(page: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    fs::read_to_string(root.join(page)).unwrap()
}

fn blocks(page: &str) -> Vec<&str> {
    let all = page.split("```yaml\n").skip(1);
    all.map(|it| it.split("```").next().unwrap()).collect()
}

fn universe(text: &str) -> Universe {
    let mut universe = Universe::default();
    for manifest in parse_manifests(text, "docs/devices.md").unwrap() {
        universe.insert(manifest.object, "default");
    }
    universe
}

fn judged(universe: &Universe, name: &str) -> (Status, String) {
    let things = InNamespace {
        universe,
        namespace: "default",
    };
    let device = &universe.devices[&Key::new("default", name)];
    let judged = judge_device(device, &things, &[]);
    assert!(judged.resolved.is_some(), "{judged:?}");
    (judged.guarded.status, judged.guarded.message)
}

#[test]
fn the_first_device_of_the_page_is_one() {
    let page = page();
    let universe = universe(blocks(&page)[0]);
    let (guarded, why) = judged(&universe, "kitchen-lamp");
    assert_eq!(guarded, Status::False, "{why}");
}

#[test]
fn the_guardrails_of_the_page_hold() {
    let page = page();
    let all = blocks(&page);
    let shown = all
        .iter()
        .find(|it| it.starts_with("spec:\n  timeZone"))
        .unwrap();
    let house = "
apiVersion: aion.dev/v1alpha1
kind: DeviceBroker
metadata: {name: home}
spec: {url: 'mqtt://127.0.0.1:1883'}
---
apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {name: thermostat}
spec:
  properties:
    - {name: target, type: number, minimum: '0', maximum: '30', access: readWrite}
  commands: [{name: boost}]
  mqtt:
    properties:
      - {name: target, state: {topic: 'a/{{device}}'}, set: {topic: 'a/{{device}}/set'}}
    commands:
      - {name: boost, send: {topic: 'a/{{device}}/boost'}}
---
apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {name: contact}
spec:
  properties: [{name: contact, type: choice, choices: [open, closed]}]
  mqtt: {properties: [{name: contact, state: {topic: 'a/{{device}}'}}]}
---
apiVersion: aion.dev/v1alpha1
kind: Device
metadata: {name: window}
spec: {model: contact, mqtt: {broker: home}}
---
apiVersion: aion.dev/v1alpha1
kind: Device
metadata: {name: heater}
SPEC  model: thermostat
  mqtt: {broker: home}
";
    let universe = universe(&house.replace("SPEC", shown));
    let (guarded, why) = judged(&universe, "heater");
    assert_eq!(guarded, Status::True);
    assert!(why.contains("window-open"), "{why}");
}

#[test]
fn the_walk_through_of_a_raspberry_pi_ends_with_devices() {
    let page = page();
    let all = blocks(&page);
    let shown = all.iter().find(|it| it.contains("zigbee2mqtt/{{name}}"));
    let universe = universe(shown.unwrap());
    for (device, expected) in [
        ("balcony-door", "nothing of it can be"),
        ("fan", "not-at-night"),
    ] {
        let (guarded, why) = judged(&universe, device);
        assert_eq!(guarded, Status::True);
        assert!(why.contains(expected), "{device}: {why}");
    }
}

#[test]
fn the_devices_of_the_page_on_http_are_some() {
    let page = read("device-http.md");
    let blocks = blocks(&page);
    assert_eq!(blocks.len(), 2);
    for (block, device) in blocks.into_iter().zip(["fan", "weather"]) {
        let universe = universe(block);
        judged(&universe, device);
    }
}

#[test]
fn the_house_that_ships_is_one_and_guards_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let house = fs::read_to_string(root.join("agents/homekeeper/house.yaml")).unwrap();
    let universe = universe(&house);
    assert_eq!(universe.devices.len(), 8);
    for (device, guardrail) in [
        ("heater", "window-open"),
        ("heater", "warm-enough"),
        ("front-lock", "ask-somebody"),
    ] {
        let (guarded, why) = judged(&universe, device);
        assert_eq!(guarded, Status::True);
        assert!(why.contains(guardrail), "{why}");
    }
}
