//! Devices that introduce themselves at a real broker: proposed, admitted by a person, and gone when they take it back.

use std::{collections::BTreeSet, fs, path::Path, thread, time::Duration};

use aion_e2e::{cluster::BOUND, standalone::Standalone};
use aion_testkit::{Mosquitto, MosquittoOptions, or_skip, until};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How soon what is retained is proposed again.
const SOON: Duration = Duration::from_secs(10);
/// Of what the broker has for a client that is slower.
const QUEUE: &str = "max_queued_messages 100000";
/// What the devices of the corpus are called.
const DEVICES: [&str; 10] = [
    "attic",
    "back-door",
    "bedroom",
    "blind",
    "boiler",
    "front-door",
    "kitchen-lamp",
    "strip",
    "washer",
    "weather-station",
];

/// Says things at a broker, each once the broker has it.
struct Says {
    client: Client,
    had: std::sync::mpsc::Receiver<()>,
}

impl Says {
    fn at(port: u16) -> Self {
        let mut options = MqttOptions::new("bridge", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut connection) = Client::new(options, 4096);
        let (told, had) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::PubAck(_))) if told.send(()).is_err() => return,
                    Ok(_) => {}
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        });
        Self { client, had }
    }

    fn all(&self, messages: &[(String, String)]) -> anyhow::Result<()> {
        for (topic, payload) in messages {
            self.client
                .publish(topic, QoS::AtLeastOnce, true, payload.as_bytes())?;
        }
        for _ in messages {
            self.had.recv_timeout(BOUND)?;
        }
        Ok(())
    }

    fn one(&self, topic: &str, payload: impl ToString) -> anyhow::Result<()> {
        self.all(&[(topic.to_owned(), payload.to_string())])
    }
}

/// Announcements as real integrations make them, of the unit tests' corpus.
fn corpus() -> anyhow::Result<Vec<(String, String)>> {
    let folder = aion_e2e::cluster::root().join("tests/corpus/announcements");
    let mut all = Vec::new();
    for file in ["zigbee2mqtt.json", "firmware.json"] {
        let cases: Value = serde_json::from_str(&fs::read_to_string(folder.join(file))?)?;
        for case in cases["cases"].as_array().into_iter().flatten() {
            let said = case["announcements"].as_object().into_iter().flatten();
            all.extend(said.map(|(topic, payload)| (topic.clone(), payload.to_string())));
        }
    }
    Ok(all)
}

struct Home {
    node: Standalone,
    broker: Mosquitto,
    says: Says,
    _kept: TempDir,
}

impl Home {
    /// By a broker that remembers what it retains though it is killed, or that forgets. `None` where there is none on this machine.
    fn open(remembers: bool) -> anyhow::Result<Option<Self>> {
        let kept = tempfile::tempdir()?;
        let options = MosquittoOptions {
            settings: match remembers {
                true => keeping(kept.path()),
                false => QUEUE.to_owned(),
            },
            ..MosquittoOptions::default()
        };
        let Some(broker) = or_skip(Mosquitto::start(options)) else {
            return Ok(None);
        };
        let says = Says::at(broker.port());
        let node = Standalone::start("announced")?;
        let spec = json!({"apiVersion": "aion.dev/v1alpha1", "kind": "DeviceBroker", "metadata": {"name": "home"},
            "spec": {"url": format!("mqtt://127.0.0.1:{}", broker.port()), "discovery": {"homeAssistant": {}}}});
        let path = node.path("broker.yaml");
        fs::write(&path, spec.to_string())?;
        node.aionctl(&["apply", "-f", &path.to_string_lossy()])?;
        Ok(Some(Self {
            node,
            broker,
            says,
            _kept: kept,
        }))
    }

    fn proposals(&self, all: bool) -> anyhow::Result<Value> {
        let mut args = vec!["device", "proposals", "-o", "json"];
        args.extend(all.then_some("--all"));
        Ok(serde_json::from_str(&self.node.aionctl(&args)?)?)
    }

    fn names(&self) -> anyhow::Result<BTreeSet<String>> {
        let all = self.proposals(false)?;
        let items = all["items"].as_array().into_iter().flatten();
        Ok(items
            .filter_map(|it| it["name"].as_str().map(str::to_owned))
            .collect())
    }

    /// Waits until exactly these are proposed.
    fn proposed(&self, wanted: &[&str], bound: Duration) -> anyhow::Result<()> {
        let wanted: BTreeSet<String> = wanted.iter().map(|it| (*it).to_owned()).collect();
        until("the devices to be proposed", bound, || {
            let is = self.names().map_err(|why| why.to_string())?;
            match is == wanted {
                true => Ok(()),
                false => Err(format!("{is:?}")),
            }
        })?;
        Ok(())
    }

    /// Waits until `device list` says this of a device.
    fn lists(&self, device: &str, property: &str, value: &Value) -> anyhow::Result<()> {
        until(
            &format!("{device} to say {property} {value}"),
            BOUND,
            || {
                let list = self
                    .node
                    .aionctl(&["device", "list", "-o", "json"])
                    .map_err(|why| why.to_string())?;
                let list: Value = serde_json::from_str(&list).map_err(|why| why.to_string())?;
                let items = list["items"].as_array().into_iter().flatten();
                let mut readings = items
                    .filter(|it| it["name"] == device)
                    .flat_map(|it| it["readings"].as_array().into_iter().flatten());
                match readings.any(|it| it["property"] == property && it["value"] == *value) {
                    true => Ok(()),
                    false => Err(list.to_string()),
                }
            },
        )?;
        Ok(())
    }
}

/// Settings of a broker that remembers what it retains, though it is killed.
fn keeping(folder: &Path) -> String {
    format!(
        "persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n{QUEUE}",
        folder.display()
    )
}

fn without<'a>(gone: &[&str]) -> Vec<&'a str> {
    DEVICES
        .into_iter()
        .filter(|it| !gone.contains(it))
        .collect()
}

#[test]
fn devices_are_proposed_admitted_by_a_person_and_gone_when_they_take_it_back() -> anyhow::Result<()>
{
    let Some(mut home) = Home::open(true)? else {
        return Ok(());
    };
    home.says.all(&corpus()?)?;
    home.proposed(&DEVICES, BOUND)?;
    let list = home.node.aionctl(&["device", "list", "-o", "json"])?;
    assert_eq!(
        serde_json::from_str::<Value>(&list)?["items"],
        json!([]),
        "nothing is admitted by itself"
    );
    let shown = home
        .node
        .aionctl(&["device", "proposals", "kitchen-lamp"])?;
    assert!(shown.contains("supported_color_modes"), "{shown}");

    let created = home.node.aionctl(&["device", "approve", "washer"])?;
    assert_eq!(
        created,
        "devicemodel/washer created\ndevice/washer created\n"
    );
    home.node
        .aionctl(&["device", "approve", "front-door", "--as", "hall-door"])?;
    home.says.one("washer/tele/STATE", json!({"POWER": "ON"}))?;
    home.says
        .one("zigbee2mqtt/front_door", json!({"state": "LOCK"}))?;
    home.lists("washer", "washer", &json!(true))?;
    home.lists("hall-door", "state", &json!("locked"))?;
    // Nothing that is there is replaced, and nothing is admitted twice.
    for args in [
        ["device", "approve", "bedroom", "--as", "washer"].as_slice(),
        &["device", "approve", "washer"],
        &["device", "approve", "nobody"],
    ] {
        assert!(home.node.aionctl(args).is_err(), "{args:?}");
    }
    home.node.aionctl(&["device", "reject", "blind"])?;
    let left = without(&["washer", "front-door", "blind"]);
    home.proposed(&left, BOUND)?;

    // Another announcement under its identifiers changes nothing of what was admitted.
    home.says.one("homeassistant/switch/evil/config", json!({"stat_t": "evil", "cmd_t": "evil/set", "name": null, "dev": {"ids": ["49A3BC"], "name": "Washer"}}))?;
    home.says
        .one("washer/tele/STATE", json!({"POWER": "OFF"}))?;
    home.lists("washer", "washer", &json!(false))?;
    let device: Value = serde_json::from_str(
        &home
            .node
            .aionctl(&["get", "device", "washer", "-o", "json"])?,
    )?;
    assert!(!device.to_string().contains("evil"), "{device}");
    home.says.one("homeassistant/switch/evil/config", "")?;

    // Taken back: the proposal is gone, what was admitted stays.
    for topic in ["light", "sensor", "select"].map(|it| match it {
        "light" => "homeassistant/light/0x0017880104e45542/light/config",
        "sensor" => "homeassistant/sensor/0x0017880104e45542/linkquality/config",
        _ => "homeassistant/select/0x0017880104e45542/power_on_behavior/config",
    }) {
        home.says.one(topic, "")?;
    }
    home.says
        .one("homeassistant/switch/49A3BC_RL_1/config", "")?;
    let left = without(&["washer", "front-door", "blind", "kitchen-lamp"]);
    home.proposed(&left, BOUND)?;
    home.lists("washer", "washer", &json!(false))?;

    home.broker.kill();
    home.broker.start_again()?;
    // Announced once the broker is back: where it is proposed, so is what was retained, and nothing of before is looked at.
    home.says.one("homeassistant/switch/marker/config", json!({"stat_t": "marker", "cmd_t": "marker/set", "name": null, "dev": {"ids": ["marker"], "name": "Marker"}}))?;
    let left = [left, vec!["marker"]].concat();
    home.proposed(&left, SOON)?;
    home.node.restart_daemon()?;
    home.proposed(&left, BOUND)?;
    let all = home.proposals(true)?;
    let blind = all["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|it| it["name"] == "blind");
    assert_eq!(
        blind.map(|it| &it["state"]),
        Some(&json!("rejected")),
        "{all}"
    );
    // Whoever rejected it may think better of it.
    home.node.aionctl(&["device", "approve", "blind"])?;
    home.says
        .one("zigbee2mqtt/blind", json!({"position": 40}))?;
    home.lists("blind", "position", &json!(40))?;
    Ok(())
}

#[test]
fn a_flood_of_announcements_is_bounded_and_takes_nothing_from_the_neighbours() -> anyhow::Result<()>
{
    const FLOOD: usize = 6000;
    let Some(mut home) = Home::open(false)? else {
        return Ok(());
    };
    home.says.all(&corpus()?)?;
    home.proposed(&DEVICES, BOUND)?;
    home.node.aionctl(&["device", "approve", "washer"])?;
    let payload = json!({"name": "x".repeat(200), "stat_t": "x", "cmd_t": "x/set"}).to_string();
    for start in (0..FLOOD).step_by(1000) {
        let flood: Vec<_> = (start..start + 1000)
            .map(|at| {
                (
                    format!("homeassistant/switch/flood{at}/config"),
                    payload.clone(),
                )
            })
            .collect();
        home.says.all(&flood)?;
    }
    home.says.one("washer/tele/STATE", json!({"POWER": "ON"}))?;
    home.lists("washer", "washer", &json!(true))?;
    let all = home.proposals(false)?;
    let broker = &all["brokers"][0];
    assert_eq!(broker["announcements"], 4096, "{broker}");
    assert!(
        broker["leftOut"].as_u64().is_some_and(|it| it > 1000),
        "{broker}"
    );
    // Who was there before stays, and may be admitted.
    home.node.aionctl(&["device", "approve", "boiler"])?;
    home.says.one(
        "shellyplus1pm-a8032ab1c2d3/status/switch:0",
        json!({"apower": 12.5}),
    )?;
    home.lists("boiler", "power", &json!(12.5))?;
    // A broker that comes back without anything leaves no ghosts, and what was admitted stays.
    home.broker.kill();
    home.broker.start_again()?;
    home.proposed(&[], SOON)?;
    home.says
        .one("washer/tele/STATE", json!({"POWER": "OFF"}))?;
    home.lists("washer", "washer", &json!(false))?;
    Ok(())
}
