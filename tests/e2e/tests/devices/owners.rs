//! What the owner of a house says of devices beside their own guardrails: policies, and what is safe.

use std::fs;

use aion_e2e::cluster::BOUND;
use aion_testkit::until;
use serde_json::{Value, json};

use super::Home;

#[test]
fn a_policys_guardrails_hold_for_the_devices_that_it_selects() -> anyhow::Result<()> {
    let Some(home) = Home::open()? else {
        return Ok(());
    };
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    home.says("heater", "temperature", &json!(17.5))?;
    let thrift = json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ClusterAgentPolicy", "metadata": {"name": "thrift"},
    "spec": {"guardrails": [{
        "devices": {"selector": {"matchLabels": {"room": "kitchen"}}},
        "rules": [{"name": "cap", "points": ["target"], "maximum": "20", "reason": "Gas is dear"}],
    }]}});
    let path = home.node.path("thrift.yaml");
    fs::write(&path, thrift.to_string())?;
    home.node
        .aionctl(&["apply", "-f", &path.to_string_lossy()])?;
    let guarded = |with: bool| {
        until("the heater to be guarded so", BOUND, || {
            let found = home.condition("heater", "Guarded");
            let found = found.map_err(|why| why.to_string())?;
            let message = found["message"].as_str().unwrap_or_default();
            match message.contains("cap of ClusterAgentPolicy/thrift") == with {
                true => Ok(()),
                false => Err(message.to_owned()),
            }
        })
    };
    guarded(true)?;
    let refused = home.set(21.0)?;
    assert!(
        refused.contains(
            "guardrail cap of ClusterAgentPolicy/thrift does not let it pass: 21 is more than 20"
        ) && refused.contains("Gas is dear"),
        "{refused}"
    );
    assert_eq!(home.house.told(), []);
    let why = home.node.aionctl(&["why", "butler"])?;
    assert!(why.contains("ClusterAgentPolicy/thrift"), "{why}");
    assert_eq!(home.set(19.0)?, "done: the device says 19");
    home.node
        .aionctl(&["delete", "clusteragentpolicy", "thrift"])?;
    guarded(false)?;
    assert_eq!(home.set(21.0)?, "done: the device says 21");
    Ok(())
}

#[test]
fn what_nobody_moves_any_more_is_made_safe_once_though_node_and_agent_are_gone()
-> anyhow::Result<()> {
    let Some(mut home) = Home::open()? else {
        return Ok(());
    };
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    home.says("heater", "temperature", &json!(17.5))?;
    let watched = include_str!("house.yaml").replace(
        "rate: {times: 2, seconds: 3600}}",
        "rate: {times: 20, seconds: 3600}}\n  watchdog: {seconds: 2, safeState: [{property: target, value: \"16\"}]}",
    );
    let path = home.node.path("watched.yaml");
    fs::write(&path, watched)?;
    home.node
        .aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
    until("the heater to be watched", BOUND, || {
        let found = home
            .node
            .aionctl(&["get", "devices", "heater", "-o", "json"]);
        let found = found.map_err(|why| why.to_string())?;
        let found: Value = serde_json::from_str(&found).map_err(|why| why.to_string())?;
        let (is, of) = (
            &found["status"]["observedGeneration"],
            &found["metadata"]["generation"],
        );
        match is == of && found["spec"]["watchdog"].is_object() {
            true => Ok(()),
            false => Err(found.to_string()),
        }
    })?;
    home.says("heater", "temperature", &json!(17.5))?;
    home.says("window", "contact", &json!("closed"))?;
    let payloads = |home: &Home| -> Vec<String> {
        let told = home.house.told().into_iter();
        told.map(|(_, payload)| payload).collect()
    };
    let made_safe = |home: &Home, times: usize| {
        let expected = ["{\"target\": 20}", "{\"target\": 16}"].repeat(times);
        until("the heater to be made safe", BOUND, || {
            match payloads(home) == expected {
                true => Ok(()),
                false => Err(format!("{:?}", payloads(home))),
            }
        })
    };
    assert_eq!(home.set(20.0)?, "done: the device says 20");
    made_safe(&home, 1)?;
    let seen = until("the node to say so", BOUND, || {
        let seen = home.node.aionctl(&["device", "describe", "heater"]);
        let seen = seen.map_err(|why| why.to_string())?;
        match seen.contains("made safe by its watchdog") {
            true => Ok(seen),
            false => Err(seen),
        }
    })?;
    assert!(seen.contains("target 16: done"), "{seen}");
    // The node is killed before the time is over, and its agent goes.
    assert_eq!(home.set(20.0)?, "done: the device says 20");
    home.node.restart_daemon()?;
    home.node.aionctl(&["delete", "agent", "butler"])?;
    made_safe(&home, 2)?;
    // Killed again: what was done is done.
    home.says("heater", "target", &json!(16.0))?;
    home.node.restart_daemon()?;
    home.says("heater", "target", &json!(16.0))?;
    made_safe(&home, 2)?;
    Ok(())
}
