//! A heater and two windows, and short ways to say what guards the heater. Nothing is judged here.

use std::collections::BTreeMap;

use aion_api::{Device, DeviceModel, DeviceModelSpec};
use aion_device::Fault;
use aion_kernel::{Check, Clause, Comparison, Guards, Measure, Name, Point, Rule, Term};
use aion_policy::guards;
use serde_json::{Value, json};

pub(crate) fn heater(guardrails: &Value) -> DeviceModel {
    serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "heater"},
        "spec": {
            "properties": [
                {"name": "target", "type": "number", "access": "readWrite"},
                {"name": "level", "type": "integer", "access": "write"},
                {"name": "power", "type": "boolean", "access": "readWrite"},
                {"name": "mode", "type": "choice", "choices": ["off", "low", "high"], "access": "readWrite"},
                {"name": "label", "type": "text", "access": "readWrite"},
                {"name": "temperature", "type": "number"},
            ],
            "commands": [{"name": "purge"}],
            "guardrails": guardrails,
        },
    }))
    .unwrap()
}

pub(crate) fn others() -> BTreeMap<String, DeviceModelSpec> {
    let window = json!({"properties": [
        {"name": "open", "type": "boolean"},
        {"name": "contact", "type": "choice", "choices": ["closed", "open"]},
        {"name": "battery", "type": "number"},
        {"name": "label", "type": "text"},
        {"name": "secret", "type": "boolean", "access": "write"},
    ]});
    let window: DeviceModelSpec = serde_json::from_value(window).unwrap();
    BTreeMap::from([
        ("front-door".to_owned(), window.clone()),
        ("window".to_owned(), window),
    ])
}

pub(crate) fn lowered(of_model: &Value, of_device: &Value) -> Result<Guards, Vec<Fault>> {
    let device: Device = serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Device",
        "metadata": {"name": "hall", "namespace": "home"},
        "spec": {"model": "heater", "mqtt": {"broker": "mosquitto"}, "guardrails": of_device},
    }))
    .unwrap();
    guards("home", &device, &heater(of_model), &others(), &[])
}

/// Of one guardrail of the device's.
pub(crate) fn one(guardrail: Value) -> Result<Guards, Vec<String>> {
    let faults = |all: Vec<Fault>| all.iter().map(ToString::to_string).collect();
    lowered(&json!([]), &json!([guardrail])).map_err(faults)
}

pub(crate) fn points(rules: Vec<Rule>) -> Guards {
    let points = [
        ("target", true),
        ("level", false),
        ("power", true),
        ("mode", true),
        ("label", true),
        ("purge", false),
    ];
    let points = points.map(|(name, heard)| Point {
        name: name.into(),
        heard,
    });
    Guards::new(points.to_vec(), rules).unwrap()
}

pub(crate) fn rule(points: &[&str], checks: Vec<Check>) -> Rule {
    Rule {
        name: "r".into(),
        reason: None,
        points: points.iter().map(|it| Name::from(*it)).collect(),
        checks,
    }
}

pub(crate) fn forbid(on: &str, when: &str) -> Result<Guards, Vec<String>> {
    one(json!({"name": "r", "points": [on], "forbidWhen": when}))
}

pub(crate) fn sensed(device: &str, point: &str) -> Term {
    Term::Sensed {
        device: format!("home/{device}").into(),
        point: point.into(),
    }
}

pub(crate) fn is(term: Term, how: Comparison, value: i64) -> Clause {
    Clause::Compare(term, how, Term::Constant(Measure(value)))
}

pub(crate) const ALL: [&str; 6] = ["target", "level", "power", "mode", "label", "purge"];
