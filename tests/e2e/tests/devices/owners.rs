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

/// Of the heater and of a stove that hears and says nothing, both watched.
fn watched_pair() -> String {
    let watchdog = "  watchdog: {seconds: 20, safeState: [{property: target, value: \"16\"}]}";
    let heater = include_str!("house.yaml").replace(
        "rate: {times: 2, seconds: 3600}}",
        &format!("rate: {{times: 20, seconds: 3600}}}}\n{watchdog}"),
    );
    format!(
        "{heater}---\n{{apiVersion: aion.dev/v1alpha1, kind: Device, metadata: {{name: stove}}, spec: {{model: thermostat, \
         mqtt: {{broker: house}}, watchdog: {{seconds: 20, safeState: [{{property: target, value: \"16\"}}]}}}}}}\n---\n{}",
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "butler"},
            "spec": {"instructions": "Do it.", "model": {"use": "said"},
                "permissions": {"allow": ["device.read", "device.write:heater", "device.write:stove"]}}})
    )
}

#[test]
fn a_device_that_was_taken_away_while_the_node_was_down_is_left_as_it_is_when_it_is_back()
-> anyhow::Result<()> {
    let Some(mut home) = Home::open()? else {
        return Ok(());
    };
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    let path = home.node.path("watched.yaml");
    let pair = watched_pair();
    fs::write(&path, &pair)?;
    let apply = |home: &Home| {
        let path = path.to_string_lossy();
        home.node.aionctl(&["apply", "--wait", "120", "-f", &path])
    };
    apply(&home)?;
    home.says("heater", "temperature", &json!(17.5))?;
    home.says("window", "contact", &json!("closed"))?;
    assert_eq!(home.set(20.0)?, "done: the device says 20");
    let stove = json!({"device": "stove", "property": "target", "value": 20.0});
    home.call("device_set", &stove)?;
    // The heater is taken away, and what is safe for the stove is another.
    home.node.while_down(|home| {
        let manifests = home.join("manifests");
        fs::remove_file(manifests.join("device.default.heater.yaml"))?;
        let stove = manifests.join("device.default.stove.yaml");
        let text = fs::read_to_string(&stove)?;
        let other = text.replace("'16'", "'17'").replace("\"16\"", "\"17\"");
        assert_ne!(text, other);
        Ok(fs::write(&stove, other)?)
    })?;
    // The stove was led out behind the heater: when it is made safe, the heater's time was over, too.
    let told = |home: &Home, device: &str| -> Vec<String> {
        let topic = format!("house/{device}/set");
        let told = home.house.told().into_iter();
        told.filter(|it| it.0 == topic).map(|it| it.1).collect()
    };
    let is_told = |home: &Home, device: &str, expected: &[&str]| {
        until("the device to be told", BOUND, || {
            let told = told(home, device);
            match told == expected {
                true => Ok(()),
                false => Err(format!("{told:?}")),
            }
        })
    };
    is_told(&home, "stove", &["{\"target\": 20}", "{\"target\": 17}"])?;
    apply(&home)?;
    home.says("heater", "temperature", &json!(17.5))?;
    home.says("window", "contact", &json!("closed"))?;
    assert_eq!(home.set(21.0)?, "done: the device says 21");
    let expected = ["{\"target\": 20}", "{\"target\": 21}", "{\"target\": 16}"];
    is_told(&home, "heater", &expected)?;
    Ok(())
}
