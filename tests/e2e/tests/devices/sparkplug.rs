//! An edge node of Sparkplug B at a real broker, by the example of docs/sparkplug.md: heard, told, proposed, and through what goes wrong.

use std::{fs, thread};

use aion_e2e::cluster::BOUND;
use aion_testkit::until;
use serde_json::{Value, json};

use super::{Home, plant::Plant};

/// The first example of the page, at the broker of this house.
fn example(port: u16) -> anyhow::Result<String> {
    let page = fs::read_to_string(aion_e2e::cluster::root().join("docs/sparkplug.md"))?;
    let behind = page.split("```yaml\n").nth(1).unwrap();
    let yaml = behind.split("```").next().unwrap();
    Ok(yaml.replace("127.0.0.1:1883", &format!("127.0.0.1:{port}")))
}

/// A house with a press, and a person who may set it.
fn with_press(home: &Home) -> anyhow::Result<Plant> {
    let plant = Plant::on(home.broker.port());
    let path = home.node.path("press.yaml");
    fs::write(&path, example(home.broker.port())?)?;
    let by_hand = aion_e2e::cluster::root().join("policies/by-hand.yaml");
    for path in [path, by_hand] {
        home.node
            .aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
    }
    Ok(plant)
}

/// Waits until the press is seen so.
fn seen(home: &Home, what: &str, is: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    Ok(until(what, BOUND, || {
        let seen = home.seen("press-1").map_err(|why| why.to_string())?;
        match is(&seen) {
            true => Ok(seen),
            false => Err(seen.to_string()),
        }
    })?)
}

fn is_stale(seen: &Value) -> bool {
    let readings = seen["readings"].as_array();
    readings.is_some_and(|it| it.iter().all(|it| it["stale"] == true))
}

#[test]
fn an_edge_node_is_born_says_what_it_is_misses_dies_and_comes_again() -> anyhow::Result<()> {
    let Some(home) = Home::open()? else {
        return Ok(());
    };
    let mut plant = with_press(&home)?;
    // It was born before anybody listened: it is asked.
    home.says("press-1", "target", &json!(120.5))?;
    home.says("press-1", "temperature", &json!(21.5))?;
    home.says("press-1", "mode", &json!("run"))?;
    home.stands("press-1", "Connected", ["True", "Online"])?;
    assert!(plant.births() > 1);
    plant.temperature(-55);
    home.says("press-1", "temperature", &json!(-5.5))?;

    let births = plant.births();
    plant.loses_one();
    plant.temperature(300);
    seen(&home, "the gap to be counted", |it| {
        it["edgeNode"]["gaps"] == 1
    })?;
    home.says("press-1", "temperature", &json!(30.0))?;
    assert_eq!(plant.births(), births + 1);

    plant.cut();
    let dead = seen(&home, "the press to be away", |it| it["reach"] == "offline")?;
    assert!(is_stale(&dead), "{dead}");
    home.stands("press-1", "Connected", ["False", "Offline"])?;
    let refused = home
        .node
        .aionctl(&["device", "set", "press-1", "target", "90"]);
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("not born"), "{refused}");
    plant.comes_again();
    home.says("press-1", "temperature", &json!(30.0))?;
    home.stands("press-1", "Connected", ["True", "Online"])?;
    assert_eq!(plant.told(), [], "nothing was sent meanwhile");
    let shown = home.node.aionctl(&["device", "describe", "press-1"])?;
    assert!(
        shown.contains("edge node Hall 2/Line 1: ")
            && shown.contains("1 messages after one that was missed"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn what_is_told_is_one_message_and_confirmed_by_data_or_unknown_through_a_kill()
-> anyhow::Result<()> {
    let Some(mut home) = Home::open()? else {
        return Ok(());
    };
    let plant = with_press(&home)?;
    home.says("press-1", "target", &json!(120.5))?;
    let said = home
        .node
        .aionctl(&["device", "set", "press-1", "target", "90.3"])?;
    assert!(said.contains("90.3"), "{said}");
    home.node
        .aionctl(&["device", "command", "press-1", "home"])?;
    let told = plant.told();
    let told: Vec<_> = told
        .iter()
        .map(|(topic, it)| (topic.as_str(), it.alias, it.name.as_deref(), it.float_value))
        .collect();
    let topic = "spBv1.0/Hall 2/DCMD/Line 1/Press 1";
    let expected = [
        (topic, Some(1), None, Some(90.3)),
        (topic, None, Some("Drive/Home"), None),
    ];
    assert_eq!(told, expected);

    // It does it and does not say so, and the node is killed meanwhile.
    plant.mute(true);
    let asking = thread::spawn(
        home.node
            .asking(&["device", "set", "press-1", "target", "60"]),
    );
    until("the press to be told", BOUND, || match plant.told().len() {
        3 => Ok(()),
        other => Err(format!("{other} messages")),
    })?;
    home.node.restart_daemon()?;
    let _ = asking.join();
    until("the outcome to be unknown", BOUND, || {
        let audit = home
            .node
            .aionctl(&["audit", "by-hand"])
            .map_err(|why| why.to_string())?;
        match audit.contains("outcome-unknown") {
            true => Ok(()),
            false => Err(audit),
        }
    })?;
    // Its birth says what it is.
    home.says("press-1", "target", &json!(60.0))?;
    assert_eq!(plant.told().len(), 3, "nothing is sent twice");
    Ok(())
}

#[test]
fn births_are_proposed_and_admitted_by_a_person() -> anyhow::Result<()> {
    let Some(home) = Home::open()? else {
        return Ok(());
    };
    let plant = Plant::on(home.broker.port());
    let broker = json!({"apiVersion": "aion.dev/v1alpha1", "kind": "DeviceBroker", "metadata": {"name": "plant"},
        "spec": {"url": format!("mqtt://127.0.0.1:{}", home.broker.port()), "discovery": {"sparkplug": {"groups": ["Hall 2"]}}}});
    let path = home.node.path("plant.yaml");
    fs::write(&path, broker.to_string())?;
    home.node
        .aionctl(&["apply", "-f", &path.to_string_lossy()])?;
    // It was born before, and is asked once it says something.
    until("the press to be proposed", BOUND, || {
        plant.temperature(250);
        let all = home
            .node
            .aionctl(&["device", "proposals", "-o", "json"])
            .map_err(|why| why.to_string())?;
        match all.contains("\"press-1\"") {
            true => Ok(()),
            false => Err(all),
        }
    })?;
    let shown = home
        .node
        .aionctl(&["device", "proposals", "press-1", "-o", "yaml"])?;
    assert!(
        shown.contains("plateSetpoint") && shown.contains("Cel"),
        "{shown}"
    );
    home.node.aionctl(&["device", "approve", "press-1"])?;
    home.says("press-1", "plateSetpoint", &json!(120.5))?;
    home.says("press-1", "plateTemperature", &json!(250))?;
    Ok(())
}
