//! Guardrails of policies: which devices they are for, what they add, and what is wrong with them.

use std::collections::BTreeMap;

use aion_api::{AgentPolicy, ClusterAgentPolicy, Device};
use aion_kernel::{Check, Guards, Measure, Rule};
use aion_policy::{Applied, Imposed, guards};
use serde_json::{Value, json};

use crate::heater::{ALL, heater, others, points, rule};

fn device() -> Device {
    serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Device",
        "metadata": {"name": "hall", "namespace": "home", "labels": {"room": "hall"}},
        "spec": {"model": "heater", "mqtt": {"broker": "mosquitto"}},
    }))
    .unwrap()
}

fn policy<T: serde::de::DeserializeOwned>(kind: &str, spec: &Value) -> T {
    let object = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": "p"}, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

/// Of a policy of the cluster, and one of the namespace.
fn imposed(cluster: &Value, own: &Value) -> Result<Guards, Vec<String>> {
    let cluster: ClusterAgentPolicy = policy("ClusterAgentPolicy", cluster);
    let own: AgentPolicy = policy("AgentPolicy", own);
    let labels = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    let imposed = Imposed::of([&cluster], [&own], &labels);
    let own = json!([{"name": "low", "minimum": "5"}]);
    guards("home", &device(), &heater(&own), &others(), &imposed)
        .map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn one(devices: &Value, rule: &Value) -> Result<Guards, Vec<String>> {
    let own = json!({"guardrails": [{"devices": devices, "rules": [rule]}]});
    imposed(&json!({}), &own)
}

fn named(name: &str, on: &[&str], check: Check) -> Rule {
    Rule {
        name: name.into(),
        ..rule(on, vec![check])
    }
}

fn low() -> Rule {
    named(
        "low",
        &["target", "level"],
        Check::Minimum(Measure(5_000_000)),
    )
}

#[test]
fn what_policies_ask_for_is_added_and_names_its_policy() {
    let rules = |name: &str, most: &str| json!({"guardrails": [{"rules": [{"name": name, "points": ["target"], "maximum": most}]}]});
    // Of the same name as the device's: it takes nothing away.
    let all = imposed(&rules("cap", "25"), &rules("low", "22")).unwrap();
    let most = |name: &str, most| named(name, &["target"], Check::Maximum(Measure(most)));
    let expected = points(vec![
        low(),
        most("low of AgentPolicy/p", 22_000_000),
        most("cap of ClusterAgentPolicy/p", 25_000_000),
    ]);
    assert_eq!(all, expected);
}

#[test]
fn a_device_is_selected_by_name_model_label_and_namespace() {
    let rule = json!({"name": "ask", "approval": "required"});
    let asked = Ok(points(vec![
        low(),
        named("ask of AgentPolicy/p", &ALL, Check::Approval),
    ]));
    let free = Ok(points(vec![low()]));
    for (devices, selects) in [
        (json!({}), true),
        (json!(null), true),
        (json!({"names": ["door", "hall"]}), true),
        (json!({"names": ["door"]}), false),
        (json!({"models": ["heater"]}), true),
        (json!({"models": ["lamp"]}), false),
        (json!({"selector": {"matchLabels": {"room": "hall"}}}), true),
        (
            json!({"selector": {"matchLabels": {"room": "attic"}}}),
            false,
        ),
        (json!({"names": ["hall"], "models": ["lamp"]}), false),
    ] {
        let expected = if selects { &asked } else { &free };
        assert_eq!(one(&devices, &rule), *expected, "{devices}");
    }
    for (team, selects) in [("red", true), ("blue", false)] {
        let cluster = json!({
            "namespaceSelector": {"matchLabels": {"team": team}},
            "guardrails": [{"rules": [rule.clone()]}],
        });
        let guards = imposed(&cluster, &json!({})).unwrap();
        assert_eq!(guards == points(vec![low()]), !selects, "{team}");
    }
}

#[test]
fn what_a_device_of_any_model_does_not_have_is_anothers_and_what_a_known_one_lacks_is_a_fault() {
    let unlock = json!({"name": "r", "points": ["unlock"], "approval": "required"});
    assert_eq!(one(&json!({}), &unlock), Ok(points(vec![low()])));
    let faults = one(&json!({"models": ["heater"]}), &unlock).unwrap_err();
    assert!(
        faults[0].starts_with("policy AgentPolicy/p: spec.guardrails[0].rules[0].points[0]: "),
        "{faults:?}"
    );
    // What is there has to fit, whoever is meant.
    let bound = json!({"name": "r", "points": ["power"], "maximum": "1"});
    assert!(one(&json!({}), &bound).is_err());
    // A number is compared where there is one.
    let warm = json!({"name": "r", "forbidWhen": "value == 'open'"});
    assert_eq!(one(&json!({}), &warm), Ok(points(vec![low()])));
}

#[test]
fn a_condition_that_names_what_is_not_there_makes_no_guardrail_less() {
    for when in [
        "devices.garage.open",
        "value > 18.0 && devices.garage.open",
        "devices.window.contact == 'ajar'",
        "devices.window.open > 3",
    ] {
        let faults = one(&json!({}), &json!({"name": "r", "forbidWhen": when})).unwrap_err();
        assert!(faults[0].contains(".forbidWhen"), "{when}: {faults:?}");
    }
}

#[test]
fn a_policy_of_devices_alone_is_none_of_agents() {
    let guardrails = json!([{"rules": [{"name": "r", "approval": "required"}]}]);
    let of = |cluster: Value, own: Value| {
        let cluster: ClusterAgentPolicy = policy("ClusterAgentPolicy", &cluster);
        let own: AgentPolicy = policy("AgentPolicy", &own);
        let none = BTreeMap::new();
        let applied = Applied::select([&cluster], [&own], &none, &none);
        (applied.cluster.len(), applied.namespaced.len())
    };
    let guards = json!({"guardrails": guardrails.clone()});
    assert_eq!(of(guards.clone(), guards), (0, 0));
    let grants = json!({"guardrails": guardrails.clone(), "allow": ["device.*"]});
    let narrows = json!({"guardrails": guardrails, "deny": ["device.write"]});
    assert_eq!(of(grants, narrows), (1, 1));
}
