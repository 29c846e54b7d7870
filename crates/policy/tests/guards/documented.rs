//! The guardrails that the documentation shows are some.

use std::collections::BTreeMap;

use aion_api::{Device, DeviceModel, DeviceModelSpec};
use aion_policy::guards;
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../../../../docs/guardrails.md");

#[test]
fn the_example_of_the_documentation_is_lowered() {
    let (_, rest) = DOCUMENT.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    let shown: Value = serde_saphyr::from_str(yaml).unwrap();
    let model: DeviceModel = serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "hall"},
        "spec": {
            "properties": [{"name": "targetTemperature", "type": "number", "access": "readWrite"}],
            "commands": [{"name": "unlock"}],
            "guardrails": shown["guardrails"],
        },
    }))
    .unwrap();
    assert_eq!(model.spec.guardrails.len(), 4);
    let device: Device = serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Device", "metadata": {"name": "hall"},
        "spec": {"model": "hall", "mqtt": {"broker": "mosquitto"}},
    }))
    .unwrap();
    let window = json!({"properties": [
        {"name": "contact", "type": "choice", "choices": ["open", "closed"]},
    ]});
    let window: DeviceModelSpec = serde_json::from_value(window).unwrap();
    let others = BTreeMap::from([("hall-window".to_owned(), window)]);
    let guards = guards("home", &device, &model, &others, &[]).unwrap();
    let looks_at = guards.looks_at(&"home/hall".into());
    let looks_at: Vec<_> = looks_at
        .iter()
        .map(|(device, point)| (device.as_str(), point.as_str()))
        .collect();
    assert_eq!(
        looks_at,
        [
            ("home/hall", "targetTemperature"),
            ("home/hall-window", "contact")
        ]
    );
}
