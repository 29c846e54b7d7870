//! Brokers whose announcements are listened to, held in memory.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aion_device::announced::{Taken, named};
use serde_json::json;

use super::*;
use crate::devices::DeviceChange;

fn broker(discovery: bool) -> ArcIntern<DeviceBrokerSpec> {
    let mut spec = json!({"url": "mqtt://127.0.0.1:1883"});
    if discovery {
        spec["discovery"] = json!({"homeAssistant": {}});
    }
    ArcIntern::new(serde_json::from_value(spec).unwrap())
}

fn discover(devices: &Devices, reached: Option<ArcIntern<DeviceBrokerSpec>>) {
    devices.change(vec![DeviceChange::Discover {
        broker: Key::new("home", "b"),
        reached,
    }]);
}

fn lamp(id: &str) -> String {
    json!({"name": null, "stat_t": format!("{id}/state"), "cmd_t": format!("{id}/set"), "dev": {"ids": [id], "name": id}}).to_string()
}

fn topic(id: &str) -> String {
    format!("homeassistant/switch/{id}/config")
}

fn names(devices: &Devices) -> Vec<String> {
    let announced = devices.announced("home");
    let drafts: Vec<_> = announced
        .iter()
        .map(|(broker, it)| (broker.clone(), &**it))
        .collect();
    let all = named("home", &drafts, &Taken::default());
    all.into_iter().map(|it| it.name).collect()
}

async fn until_named(devices: &Devices, wanted: &[&str]) {
    let named = async {
        while names(devices) != wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let timely = tokio::time::timeout(Duration::from_secs(20), named).await;
    assert!(timely.is_ok(), "{:?} is not {wanted:?}", names(devices));
}

#[tokio::test]
async fn what_is_retained_is_all_there_is_however_often_the_broker_comes_back() {
    let (devices, fake, _told) = Devices::fake();
    fake.say(&topic("one"), lamp("one"), true);
    discover(&devices, Some(broker(true)));
    until_named(&devices, &["one"]).await;
    fake.say(&topic("two"), lamp("two"), true);
    // Said by who is there alone: nobody who comes back hears it.
    fake.say(&topic("ghost"), lamp("ghost"), false);
    until_named(&devices, &["ghost", "one", "two"]).await;
    fake.say(&topic("one"), "", true);
    until_named(&devices, &["ghost", "two"]).await;
    fake.cut();
    fake.say(&topic("three"), lamp("three"), true);
    fake.mend();
    until_named(&devices, &["three", "two"]).await;
    let stands = devices.discovering("home");
    assert_eq!(
        (stands.len(), stands[0].announcements, stands[0].left_out),
        (1, 2, 0)
    );
    assert!(devices.announced("elsewhere").is_empty());
}

#[tokio::test]
async fn a_broker_is_connected_to_for_its_announcements_alone_and_let_go_without_them() {
    let (devices, fake, _told) = Devices::fake();
    fake.say(&topic("one"), lamp("one"), true);
    discover(&devices, Some(broker(true)));
    until_named(&devices, &["one"]).await;
    discover(&devices, None);
    assert!(devices.0.table.read().links.is_empty());
    assert!(devices.announced("home").is_empty());
}

#[tokio::test]
async fn a_broker_that_does_not_let_the_node_listen_is_told() {
    let (devices, fake, _told) = Devices::fake();
    fake.deny("homeassistant/+/+/config");
    discover(&devices, Some(broker(true)));
    let refused = async {
        loop {
            let away = devices.discovering("home").pop().and_then(|it| it.away);
            if away.is_some_and(|it| it.contains("homeassistant/+/+/config")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), refused)
            .await
            .is_ok()
    );
}
