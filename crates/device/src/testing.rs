//! Devices for tests, written as people write them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path, sync::Arc};

use aion_abi::date::UnixMillis;
use aion_api::{Device, DeviceModel, DeviceModelSpec, DeviceSpec};
use serde_json::Value as Json;

use crate::{Compiled, Fault, Message, Moment, compile};

/// The cases of a folder of tests/corpus, each with the name of its file. Where `wrong` has nothing to say, it is right.
pub(crate) fn corpus(folder: &str, at_least: usize, wrong: impl Fn(&Json) -> Option<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let (mut count, mut failed) = (0, Vec::new());
    for file in fs::read_dir(path.join(folder)).unwrap() {
        let path = file.unwrap().path();
        let of = path.file_stem().unwrap().to_string_lossy().into_owned();
        let cases: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for case in cases["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            count += 1;
            match wrong(case) {
                None => println!("corpus {folder}/{of}/{} ... ok", name.replace(' ', "-")),
                Some(why) => failed.push(format!("{of}: {name}: {why}")),
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(count >= at_least, "only {count} cases were found");
}

/// A lamp of which much can be said.
pub(crate) const LAMP: &str = r#"
description: A lamp
properties:
- {name: power, type: boolean, access: readWrite, retry: safe}
- {name: brightness, type: integer, unit: '%', minimum: "0", maximum: "100", access: readWrite}
- {name: mode, type: choice, choices: [auto, manual], access: readWrite, confirmSeconds: 2}
- {name: label, type: text}
commands:
- name: flash
  arguments:
  - {name: times, type: integer, minimum: "1", maximum: "9"}
  - {name: note, type: text}
- {name: restart}
mqtt:
  properties:
  - name: power
    state: {topic: "home/{{device}}", pointer: /state}
    set: {topic: "home/{{device}}/set", payload: '{"state": {{value}}}'}
    values: [{value: "true", payload: "ON"}, {value: "false", payload: "OFF"}]
  - name: brightness
    state: {topic: "home/{{device}}", pointer: /brightness}
    set: {topic: "home/{{device}}/set", payload: '{"brightness": {{value}}}', delivery: exactlyOnce}
    scale: {factor: "0.392157", takes: whole}
  - name: mode
    state: {topic: "home/{{device}}/mode"}
    set: {topic: "home/{{device}}/mode/set"}
  - name: label
    state: {topic: "home/{{device}}", pointer: /label}
  commands:
  - name: flash
    send: {topic: "home/{{device}}/flash", payload: '{"n": {{times}}, "note": "by {{namespace}}: {{note}}"}'}
    done: {topic: "home/{{device}}/result", pointer: /done, equals: flash}
  - {name: restart, send: {topic: "home/{{device}}/restart"}}
  availability: {topic: "home/{{device}}/there"}
"#;

/// A device of a namespace `home`.
pub(crate) fn device(name: &str, spec: &str) -> Device {
    let spec: DeviceSpec =
        serde_saphyr::from_str(spec).unwrap_or_else(|why| panic!("{why}: {spec}"));
    let mut device = Device::new(name, spec);
    device.metadata.namespace = Some("home".to_owned());
    device
}

/// A model.
pub(crate) fn model(spec: &str) -> DeviceModel {
    let spec: DeviceModelSpec =
        serde_saphyr::from_str(spec).unwrap_or_else(|why| panic!("{why}: {spec}"));
    DeviceModel::new("model", spec)
}

/// A device that adds nothing to its model.
pub(crate) fn plain(name: &str, of: &str) -> Result<Arc<Compiled>, Vec<Fault>> {
    compile(
        &device(name, "{model: model, mqtt: {broker: hub}}"),
        &model(of),
    )
    .map(Arc::new)
}

/// A lamp.
pub(crate) fn lamp(name: &str) -> Arc<Compiled> {
    plain(name, LAMP).unwrap()
}

/// So many milliseconds after the node started, on a day of 2026.
pub(crate) fn at(ms: u64) -> Moment {
    Moment {
        at: 1_000_000 + ms,
        wall: UnixMillis(1_780_000_000_000 + ms),
    }
}

/// A message of now.
pub(crate) fn message<'a>(topic: &'a str, payload: &'a str) -> Message<'a> {
    Message {
        topic,
        payload: payload.as_bytes(),
        retained: false,
    }
}
