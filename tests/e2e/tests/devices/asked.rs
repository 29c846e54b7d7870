//! Devices that are asked by HTTP, played by this test: heard, told under guardrails, gone and back, and through `kill -9`.

mod plug;

use std::{fs, thread};

use aion_e2e::{cluster::BOUND, standalone::Standalone};
use aion_testkit::{FakeModel, Reply, until};
use plug::Plug;
use serde_json::{Value, json};

use super::{question, result};

/// A node with an agent that calls the tool that it is asked to call, and a plug.
struct Barn {
    node: Standalone,
    _model: FakeModel,
    plug: Plug,
}

impl Barn {
    fn open() -> anyhow::Result<Self> {
        let model = FakeModel::answering(move |request| match result(request) {
            Some(result) => Reply::text(result),
            None => {
                let asked = question(request);
                Reply::call(asked["tool"].as_str().unwrap(), asked["with"].clone())
            }
        })?;
        let plug = Plug::start()?;
        let node = Standalone::start("asked")?.with_policies()?;
        let all = [
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "here"}, "spec": {"inline": "allow"}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "plug"}, "spec": {
                "properties": [
                    {"name": "power", "type": "boolean", "access": "readWrite", "confirmSeconds": 3},
                    {"name": "watts", "type": "number", "unit": "W"}],
                "commands": [{"name": "reset", "confirmSeconds": 20}],
                "http": {"everySeconds": 1, "timeoutSeconds": 2,
                    "properties": [
                        {"name": "power", "state": {"get": "/status?id={{id}}", "pointer": "/output"},
                            "set": {"method": "GET", "path": "/relay/{{id}}?turn={{value}}"},
                            "values": [{"value": "true", "payload": "on"}, {"value": "false", "payload": "off"}]},
                        {"name": "watts", "state": {"get": "/status?id={{id}}", "pointer": "/apower"}}],
                    "commands": [{"name": "reset", "send": {"path": "/reset"}, "done": {"pointer": "/ok", "equals": "true"}}]}}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Device", "metadata": {"name": "fan"}, "spec": {
                "model": "plug",
                "http": {"url": format!("http://127.0.0.1:{}", plug.port()), "parameters": {"id": "0"}},
                "guardrails": [{"name": "not-too-much", "points": ["power"], "forbidWhen": "devices.fan.watts > 100.0", "reason": "The fuse blows"}]}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "said"},
                "spec": {"baseUrl": model.base_url(), "models": [{"name": "m"}]}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "butler"},
                "spec": {"instructions": "Do it.", "model": {"use": "said"},
                    "permissions": {"allow": ["device.read", "device.write:fan", "device.command:fan"]}}}),
        ];
        let all: Vec<_> = all.iter().map(Value::to_string).collect();
        let path = node.path("barn.yaml");
        fs::write(&path, all.join("\n---\n"))?;
        node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
        Ok(Self {
            node,
            _model: model,
            plug,
        })
    }

    /// What the tool says.
    fn call(&self, tool: &str, with: &Value) -> anyhow::Result<String> {
        let asked = json!({"tool": tool, "with": with}).to_string();
        let said = self.node.aionctl(&["ask", "butler", &asked])?;
        Ok(said.trim().to_owned())
    }

    fn turn(&self, on: bool) -> anyhow::Result<String> {
        let with = json!({"device": "fan", "property": "power", "value": on});
        self.call("device_set", &with)
    }

    fn seen(&self) -> Result<Value, String> {
        let seen = self
            .node
            .aionctl(&["device", "describe", "fan", "-o", "json"]);
        serde_json::from_str(&seen.map_err(|why| why.to_string())?).map_err(|why| why.to_string())
    }

    fn becomes(&self, what: &str, holds: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        Ok(until(what, BOUND, || {
            let seen = self.seen()?;
            match holds(&seen) {
                true => Ok(seen),
                false => Err(seen.to_string()),
            }
        })?)
    }

    /// Waits until a property says this and is fresh.
    fn says(&self, property: &str, value: &Value) -> anyhow::Result<()> {
        self.becomes(&format!("{property} to be {value}"), |seen| {
            let readings = seen["readings"].as_array().cloned().unwrap_or_default();
            let is = readings.iter().find(|it| it["property"] == *property);
            is.is_some_and(|it| it["value"] == *value && it["stale"].is_null())
        })?;
        Ok(())
    }

    fn stands(&self, condition: &str, is: [&str; 2]) -> anyhow::Result<String> {
        Ok(until(&format!("{condition} to be {is:?}"), BOUND, || {
            let found = self.node.aionctl(&["get", "devices", "fan", "-o", "json"]);
            let found = found.map_err(|why| why.to_string())?;
            let found: Value = serde_json::from_str(&found).map_err(|why| why.to_string())?;
            let all = found["status"]["conditions"].as_array();
            let found = all.and_then(|all| all.iter().find(|it| it["type"] == condition));
            let found = found.ok_or("no such condition")?;
            match [&found["status"], &found["reason"]].map(Value::as_str) == is.map(Some) {
                true => Ok(found["message"].as_str().unwrap_or_default().to_owned()),
                false => Err(found.to_string()),
            }
        })?)
    }
}

#[test]
fn an_agent_sees_a_plug_and_turns_it_where_its_guardrail_lets_it() -> anyhow::Result<()> {
    let barn = Barn::open()?;
    barn.says("watts", &json!(4.5))?;
    barn.stands("Connected", ["True", "Online"])?;
    assert_eq!(barn.turn(true)?, "done: the device says true");
    barn.says("power", &json!(true))?;
    barn.plug.draws(250.0);
    barn.says("watts", &json!(250.0))?;
    let refused = barn.turn(false)?;
    assert!(
        refused.contains("not-too-much") && refused.contains("The fuse blows"),
        "{refused}"
    );
    assert_eq!(barn.plug.told(), ["GET /relay/0?turn=on"]);
    let reset = json!({"device": "fan", "command": "reset"});
    assert_eq!(
        barn.call("device_command", &reset)?,
        "done: the device says so"
    );
    assert_eq!(barn.plug.told(), ["GET /relay/0?turn=on", "POST /reset"]);
    Ok(())
}

#[test]
fn a_device_that_goes_away_says_why_is_sent_nothing_later_and_comes_back() -> anyhow::Result<()> {
    let mut barn = Barn::open()?;
    barn.says("watts", &json!(4.5))?;
    barn.plug.refuse(true);
    let why = barn.stands("Ready", ["False", "RequestRefused"])?;
    assert!(why.contains("401"), "{why}");
    barn.plug.refuse(false);
    barn.stands("Ready", ["True", "Listening"])?;
    barn.plug.stop();
    let seen = barn.becomes("the plug to be offline", |it| it["reach"] == "offline")?;
    let stale = seen["readings"].as_array().unwrap();
    assert!(stale.iter().all(|it| it["stale"] == true), "{seen}");
    assert!(seen["silent"].as_str().unwrap().contains("fan"), "{seen}");
    barn.stands("Connected", ["False", "Offline"])?;
    // What the guardrail looks at is not known any more.
    let refused = barn.turn(true)?;
    assert!(refused.contains("not-too-much"), "{refused}");
    let reset = json!({"device": "fan", "command": "reset"});
    let refused = barn.call("device_command", &reset)?;
    assert!(refused.contains("fan"), "{refused}");
    barn.plug.start_again()?;
    barn.says("watts", &json!(4.5))?;
    barn.stands("Connected", ["True", "Online"])?;
    assert_eq!(
        barn.plug.told(),
        Vec::<String>::new(),
        "nothing is sent later"
    );
    assert_eq!(barn.turn(true)?, "done: the device says true");
    Ok(())
}

#[test]
fn a_command_that_is_under_way_when_the_node_is_killed_is_unknown_and_not_sent_again()
-> anyhow::Result<()> {
    let mut barn = Barn::open()?;
    barn.says("watts", &json!(4.5))?;
    // It takes what it is told, and says nothing.
    barn.plug.mute(true);
    let asked = json!({"tool": "device_command", "with": {"device": "fan", "command": "reset"}});
    let asking = thread::spawn(barn.node.asking(&["ask", "butler", &asked.to_string()]));
    until("the plug to be told", BOUND, || {
        match barn.plug.told().len() {
            1 => Ok(()),
            other => Err(format!("{other} requests")),
        }
    })?;
    barn.node.restart_daemon()?;
    let _ = asking.join();
    barn.plug.mute(false);
    barn.says("watts", &json!(4.5))?;
    let audit = until("the command to have an outcome", BOUND, || {
        let audit = barn.node.aionctl(&["audit", "butler"]);
        let audit = audit.map_err(|why| why.to_string())?;
        match audit.contains("outcome-unknown") {
            true => Ok(audit),
            false => Err(audit),
        }
    })?;
    assert!(audit.contains("device.command"), "{audit}");
    assert_eq!(barn.plug.told(), ["POST /reset"], "it is not sent again");
    Ok(())
}
