//! Devices on a real broker: heard, set under guardrails by an agent, and through what can go wrong.
#![allow(clippy::unwrap_used)]

mod announced;
mod asked;
mod house;
mod owners;
mod plant;
mod sparkplug;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use aion_e2e::{cluster::BOUND, standalone::Standalone};
use aion_testkit::{FakeModel, ModelRequest, Mosquitto, MosquittoOptions, Reply, or_skip, until};
use house::House;
use serde_json::{Value, json};

/// Less than the node waits for a model.
const PONDERING: Duration = Duration::from_secs(50);

/// What the tool gave last, as the model is told.
fn result(request: &ModelRequest) -> Option<String> {
    let messages = request.body["messages"].as_array()?;
    let last = messages.last().filter(|it| it["role"] == "tool")?;
    Some(last["content"].as_str().unwrap_or_default().to_owned())
}

/// What the model was asked.
fn question(request: &ModelRequest) -> Value {
    let messages = request.body["messages"].as_array().unwrap();
    let asked = messages.iter().rfind(|it| it["role"] == "user").unwrap();
    let text = asked["content"].as_str().unwrap();
    let from = text.find('{').unwrap();
    serde_json::from_str(&text[from..=text.rfind('}').unwrap()]).unwrap()
}

/// A node with an agent that calls the tool that it is asked to call, in a house.
struct Home {
    node: Standalone,
    model: FakeModel,
    broker: Mosquitto,
    house: House,
    /// Whether the model thinks for long about what a tool gave.
    ponders: Arc<AtomicBool>,
}

impl Home {
    /// `None` where there is no broker on this machine.
    fn open() -> anyhow::Result<Option<Self>> {
        let Some(broker) = or_skip(Mosquitto::start(MosquittoOptions::default())) else {
            return Ok(None);
        };
        let ponders = Arc::new(AtomicBool::new(false));
        let is_pondering = Arc::clone(&ponders);
        let model = FakeModel::answering(move |request| match result(request) {
            Some(result) if is_pondering.load(Ordering::Relaxed) => {
                Reply::After(PONDERING, Box::new(Reply::text(result)))
            }
            Some(result) => Reply::text(result),
            None => {
                let asked = question(request);
                Reply::call(asked["tool"].as_str().unwrap(), asked["with"].clone())
            }
        })?;
        let house = House::on(broker.port())?;
        let node = Standalone::start("devices")?.with_policies()?;
        let rest = [
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "DeviceBroker", "metadata": {"name": "house"},
                "spec": {"url": format!("mqtt://127.0.0.1:{}", broker.port())}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "said"},
                "spec": {"baseUrl": model.base_url(), "models": [{"name": "m"}]}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "butler"},
                "spec": {"instructions": "Do it.", "model": {"use": "said"},
                    "permissions": {"allow": ["device.read", "device.write:heater", "device.command:door"]}}}),
        ];
        let rest: Vec<_> = rest.iter().map(Value::to_string).collect();
        let text = format!(
            "{}\n---\n{}",
            include_str!("house.yaml"),
            rest.join("\n---\n")
        );
        let path = node.path("house.yaml");
        fs::write(&path, text)?;
        node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
        Ok(Some(Self {
            node,
            model,
            broker,
            house,
            ponders,
        }))
    }

    /// What the model was told that tools gave, once it was told so often.
    fn results(&self, times: usize) -> anyhow::Result<Vec<String>> {
        Ok(until("the model to be told", BOUND, || {
            let told: Vec<_> = self.model.requests().iter().filter_map(result).collect();
            match told.len() >= times {
                true => Ok(told),
                false => Err(format!("{told:?}")),
            }
        })?)
    }

    /// What the tool says.
    fn call(&self, tool: &str, with: &Value) -> anyhow::Result<String> {
        let asked = json!({"tool": tool, "with": with}).to_string();
        Ok(self
            .node
            .aionctl(&["ask", "butler", &asked])?
            .trim()
            .to_owned())
    }

    fn set(&self, target: f64) -> anyhow::Result<String> {
        let with = json!({"device": "heater", "property": "target", "value": target});
        self.call("device_set", &with)
    }

    fn seen(&self, device: &str) -> anyhow::Result<Value> {
        let seen = self
            .node
            .aionctl(&["device", "describe", device, "-o", "json"])?;
        Ok(serde_json::from_str(&seen)?)
    }

    /// Waits until a property says this.
    fn says(&self, device: &str, property: &str, value: &Value) -> anyhow::Result<()> {
        let what = format!("{device} to say that {property} is {value}");
        until(&what, BOUND, || {
            let seen = self.seen(device).map_err(|why| why.to_string())?;
            let readings = seen["readings"].as_array().cloned().unwrap_or_default();
            let is = readings.iter().find(|it| it["property"] == *property);
            match is.is_some_and(|it| it["value"] == *value && it["stale"].is_null()) {
                true => Ok(()),
                false => Err(seen.to_string()),
            }
        })?;
        Ok(())
    }

    /// Waits until a condition of a device has this status and this reason.
    fn stands(&self, device: &str, condition: &str, is: [&str; 2]) -> anyhow::Result<()> {
        until(
            &format!("{condition} of {device} to be {is:?}"),
            BOUND,
            || {
                let found = self
                    .condition(device, condition)
                    .map_err(|why| why.to_string())?;
                match [&found["status"], &found["reason"]].map(Value::as_str) == is.map(Some) {
                    true => Ok(()),
                    false => Err(found.to_string()),
                }
            },
        )?;
        Ok(())
    }

    fn condition(&self, device: &str, condition: &str) -> anyhow::Result<Value> {
        let found = self
            .node
            .aionctl(&["get", "devices", device, "-o", "json"])?;
        let found: Value = serde_json::from_str(&found)?;
        let conditions = found["status"]["conditions"].as_array().unwrap().clone();
        Ok(conditions
            .into_iter()
            .find(|it| it["type"] == condition)
            .unwrap())
    }
}

#[test]
fn an_agent_sees_a_house_and_moves_what_guardrails_let_it_move() -> anyhow::Result<()> {
    let Some(home) = Home::open()? else {
        return Ok(());
    };
    home.says("window", "contact", &json!("open"))?;
    home.says("heater", "temperature", &json!(17.5))?;
    let list = home.call("devices_list", &json!({}))?;
    assert!(list.contains("heater (room=kitchen)"), "{list}");
    assert!(
        list.contains(
            ": temperature 17.5 Cel, target 18 Cel; can be set: target number 5 to 30 Cel"
        ),
        "{list}"
    );
    assert!(list.contains(": contact open"), "{list}");
    assert!(list.contains("can be told: open()"), "{list}");

    let refused = home.set(21.0)?;
    assert!(
        refused.contains("window-open") && refused.contains("wastes energy"),
        "{refused}"
    );
    assert_eq!(
        home.house.told(),
        [],
        "nothing leaves that a guardrail forbids"
    );
    let why = home.node.aionctl(&["why", "butler"])?;
    assert!(why.contains("window-open"), "{why}");
    // What it does not forbid passes, and the device confirms it.
    assert_eq!(home.set(17.0)?, "done: the device says 17");

    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    assert_eq!(home.set(21.0)?, "done: the device says 21");
    // Twice an hour, however often the daemon is started.
    let refused = home.set(22.0)?;
    assert!(refused.contains("slowly"), "{refused}");

    assert_eq!(
        home.call(
            "device_command",
            &json!({"device": "door", "command": "open"})
        )?,
        "done: the device says so"
    );
    let told: Vec<_> = home
        .house
        .told()
        .into_iter()
        .map(|(topic, payload)| format!("{topic} {payload}"))
        .collect();
    assert_eq!(
        told,
        [
            "house/heater/set {\"target\": 17}",
            "house/heater/set {\"target\": 21}",
            "house/door/set OPEN"
        ]
    );
    // The right is to the heater alone, and what is no value of its property leaves nowhere.
    let denied = home.call(
        "device_set",
        &json!({"device": "window", "property": "contact", "value": "closed"}),
    )?;
    assert!(denied.contains("no rule allows it"), "{denied}");
    let bad = home.set(99.0)?;
    assert!(bad.contains("30"), "{bad}");
    let history = home.call(
        "device_history",
        &json!({"device": "heater", "property": "target", "points": 10}),
    )?;
    assert!(history.contains("21 Cel"), "{history}");
    assert_eq!(home.house.told().len(), 3);
    Ok(())
}

#[test]
fn a_node_that_is_killed_sends_nothing_twice_and_a_rate_holds_through_it() -> anyhow::Result<()> {
    let Some(mut home) = Home::open()? else {
        return Ok(());
    };
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    home.says("heater", "temperature", &json!(17.5))?;
    // The device does not say that it did it.
    home.house.mute(true);
    let unknown = home.set(19.0)?;
    assert!(
        unknown.contains("did not say within 3 s that target is 19: it says 18"),
        "{unknown}"
    );
    let asked = json!({"tool": "device_set", "with": {"device": "heater", "property": "target", "value": 20.0}});
    let asking = thread::spawn(home.node.asking(&["ask", "butler", &asked.to_string()]));
    until("the heater to be told", BOUND, || {
        match home.house.told().len() {
            2 => Ok(()),
            other => Err(format!("{other} messages")),
        }
    })?;
    home.node.restart_daemon()?;
    let _ = asking.join();
    home.house.mute(false);
    home.says("heater", "temperature", &json!(17.5))?;
    home.says("window", "contact", &json!("closed"))?;
    let refused = home.set(20.5)?;
    assert!(
        refused.contains("slowly"),
        "two were sent within the hour: {refused}"
    );
    assert_eq!(home.house.told().len(), 2, "{:?}", home.house.told());
    Ok(())
}

#[test]
fn a_write_that_is_made_again_is_answered_by_the_first_though_its_device_changed()
-> anyhow::Result<()> {
    let Some(mut home) = Home::open()? else {
        return Ok(());
    };
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    home.says("heater", "temperature", &json!(17.5))?;
    home.ponders.store(true, Ordering::Relaxed);
    let asked = json!({"tool": "device_set", "with": {"device": "heater", "property": "target", "value": 20.0}});
    let asking = thread::spawn(home.node.asking(&["ask", "butler", &asked.to_string()]));
    assert_eq!(home.results(1)?, ["done: the device says 20"]);
    let narrower = include_str!("house.yaml").replace("maximum: \"30\"", "maximum: \"19\"");
    let path = home.node.path("narrower.yaml");
    fs::write(&path, narrower)?;
    home.node
        .aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
    // The turn runs anew, and so makes the call again.
    home.ponders.store(false, Ordering::Relaxed);
    home.node.replace()?;
    assert_eq!(home.results(2)?, ["done: the device says 20"; 2]);
    assert_eq!(home.house.told().len(), 1, "{:?}", home.house.told());
    let _ = asking.join();
    // What is new is held against what the heater is now.
    let refused = home.set(20.0)?;
    assert!(refused.contains("19"), "{refused}");
    Ok(())
}

#[test]
fn a_broker_that_is_away_is_told_and_nothing_is_sent_later() -> anyhow::Result<()> {
    let Some(mut home) = Home::open()? else {
        return Ok(());
    };
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    home.says("heater", "temperature", &json!(17.5))?;
    home.stands("heater", "Ready", ["True", "Listening"])?;
    home.broker.kill();
    until("the heater to be stale", BOUND, || {
        let seen = home.seen("heater").map_err(|why| why.to_string())?;
        match seen["reach"] == "broker-away" && seen["readings"][0]["stale"] == true {
            true => Ok(()),
            false => Err(seen.to_string()),
        }
    })?;
    home.stands("heater", "Ready", ["False", "BrokerAway"])?;
    // What the guardrail looks at is not known any more.
    let refused = home.set(20.0)?;
    assert!(refused.contains("window-open"), "{refused}");
    let refused = home.call(
        "device_command",
        &json!({"device": "door", "command": "open"}),
    )?;
    assert!(refused.contains("away"), "{refused}");
    home.broker.start_again()?;
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    home.says("heater", "temperature", &json!(17.5))?;
    assert_eq!(home.set(20.0)?, "done: the device says 20");
    let told = home.house.told();
    assert_eq!(told.len(), 1, "{told:?}");
    Ok(())
}

#[test]
fn what_a_device_says_starts_a_turn_and_what_it_said_before_does_not() -> anyhow::Result<()> {
    let Some(home) = Home::open()? else {
        return Ok(());
    };
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    let porter = json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "porter"},
        "spec": {"instructions": "Watch.", "model": {"use": "said"},
            "permissions": {"allow": ["device.read:window"]},
            "triggers": [{"name": "opened", "device": "window", "property": "contact", "becomes": ["open"],
                "input": "{\"tool\": \"devices_list\", \"with\": {}} {{source}}: {{events}}"}]}});
    let path = home.node.path("porter.yaml");
    fs::write(&path, porter.to_string())?;
    home.node
        .aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
    let turns = || -> Result<Vec<String>, String> {
        let all = home.model.requests();
        let asked = all.iter().filter_map(|it| {
            let messages = it.body["messages"].as_array()?;
            let user = messages.iter().rfind(|it| it["role"] == "user")?;
            let last = messages.last()?;
            (last["role"] == "user").then(|| user["content"].as_str().map(str::to_owned))?
        });
        Ok(asked.filter(|it| it.contains("window: contact")).collect())
    };
    // The node must have heard that it listens: told as a trigger that waits.
    until("the trigger to be there", BOUND, || {
        let list = home
            .node
            .aionctl(&["trigger", "list"])
            .map_err(|why| why.to_string())?;
        match list.contains("contact of window becomes open") {
            true => Ok(()),
            false => Err(list),
        }
    })?;
    home.house.window("open");
    let told = until("the porter to be asked", BOUND, || {
        match turns()?.as_slice() {
            [one] => Ok(one.clone()),
            other => Err(format!("{other:?}")),
        }
    })?;
    assert!(told.contains("window: window: contact is open"), "{told}");
    home.house.window("closed");
    home.says("window", "contact", &json!("closed"))?;
    home.house.window("open");
    until("the porter to be asked again", BOUND, || {
        match turns()?.len() {
            2 => Ok(()),
            other => Err(format!("{other} turns")),
        }
    })?;
    Ok(())
}
