//! A house on a real broker: what its devices do, and what was said to them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};

/// Devices that do what they are told and say so, unless they are mute.
pub(crate) struct House {
    client: Client,
    window: Arc<Mutex<String>>,
    told: Arc<Mutex<Vec<(String, String)>>>,
    mute: Arc<AtomicBool>,
}

impl House {
    /// Moves in: all devices are there, the window is open.
    pub(crate) fn on(port: u16) -> anyhow::Result<Self> {
        let mut options = MqttOptions::new("house", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut connection) = Client::new(options, 64);
        let told = Arc::new(Mutex::new(Vec::new()));
        let window = Arc::new(Mutex::new("open".to_owned()));
        let mute = Arc::new(AtomicBool::new(false));
        let house = Self {
            client: client.clone(),
            window: Arc::clone(&window),
            told: Arc::clone(&told),
            mute: Arc::clone(&mute),
        };
        thread::spawn(move || {
            let mut heater =
                BTreeMap::from([("target", json!(18.0)), ("temperature", json!(17.5))]);
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        let _ = client.subscribe("house/+/set", QoS::AtLeastOnce);
                        // A broker that was started again has kept nothing.
                        say(&client, "house/heater", json!(heater).to_string());
                        say(&client, "house/window", window.lock().clone());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                        let topic = publish.topic.clone();
                        told.lock().push((topic.clone(), payload.clone()));
                        if mute.load(Ordering::Relaxed) {
                            continue;
                        }
                        match topic.as_str() {
                            "house/heater/set" => {
                                let set: Value = serde_json::from_str(&payload).unwrap_or_default();
                                heater.insert("target", set["target"].clone());
                                say(&client, "house/heater", json!(heater).to_string());
                            }
                            "house/door/set" => {
                                let _ = client.publish(
                                    "house/door/done",
                                    QoS::AtLeastOnce,
                                    false,
                                    payload,
                                );
                            }
                            _ => {}
                        }
                    }
                    Ok(_) => {}
                    // The broker is away: tried on.
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        });
        Ok(house)
    }

    /// The window says what it is.
    pub(crate) fn window(&self, is: &str) {
        is.clone_into(&mut self.window.lock());
        say(&self.client, "house/window", is.to_owned());
    }

    /// Devices hear, and do and say nothing.
    pub(crate) fn mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::Relaxed);
    }

    /// What devices were told, each topic with its payload.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        self.told.lock().clone()
    }
}

fn say(client: &Client, topic: &str, state: String) {
    let _ = client.publish(topic, QoS::AtLeastOnce, true, state);
}
