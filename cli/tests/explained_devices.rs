//! `aionctl explain` of files that say something of devices, without a node.
#![allow(clippy::unwrap_used)]

mod admin;

use std::fs;

use admin::{command, ran};

const HOUSE: &str = "
apiVersion: aion.dev/v1alpha1
kind: DeviceBroker
metadata: {name: house}
spec: {url: 'mqtt://127.0.0.1:1883'}
---
apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {name: thermostat}
spec:
  properties: [{name: target, type: number, access: readWrite}]
  mqtt: {properties: [{name: target, state: {topic: '{{device}}'}, set: {topic: '{{device}}/set'}}]}
  guardrails: [{name: range, points: [target], maximum: '24'}]
---
apiVersion: aion.dev/v1alpha1
kind: Device
metadata: {name: heater, labels: {room: kitchen}}
spec: {model: thermostat, mqtt: {broker: house}}
---
apiVersion: aion.dev/v1alpha1
kind: AgentPolicy
metadata: {name: thrift}
spec:
  guardrails:
    - devices: {selector: {matchLabels: {room: kitchen}}}
      rules: [{name: cap, points: [target], maximum: '20'}]
";

#[test]
fn a_file_of_devices_says_what_guards_them() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("house.yaml");
    fs::write(&path, HOUSE).unwrap();
    let told = ran(command(home.path())
        .args(["explain", "--offline"])
        .arg(&path));
    assert_eq!(told.status, 0, "{told:?}");
    assert!(
        told.out.contains("Device heater")
            && told.out.contains("A thermostat by broker house.")
            && told.out.contains("range, cap of AgentPolicy/thrift"),
        "{told:?}"
    );
}

#[test]
fn what_is_wrong_with_a_device_is_told_before_it_is_applied() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("house.yaml");
    let rule = "forbidWhen: 'devices.gate.open'";
    fs::write(&path, HOUSE.replace("maximum: '20'", rule)).unwrap();
    let told = ran(command(home.path())
        .args(["explain", "--offline"])
        .arg(&path));
    assert_ne!(told.status, 0, "{told:?}");
    let out = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        out.contains("To fix before a node listens to it")
            && out.contains("AgentPolicy/thrift: spec.guardrails[0].rules[0].forbidWhen: there is no device gate"),
        "{told:?}"
    );
    // Models and brokers without a device are read, too.
    let alone = HOUSE.split("---").take(2).collect::<Vec<_>>().join("---");
    fs::write(&path, alone).unwrap();
    let told = ran(command(home.path())
        .args(["explain", "--offline"])
        .arg(&path));
    assert!(
        told.status == 0 && told.out.contains("No Device is of these"),
        "{told:?}"
    );
}
