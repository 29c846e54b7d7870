//! Safe states on a broker that is held in memory, and orders to a device that is another by then.
#![allow(clippy::unwrap_used)]

use aion_abi::syscall::device::{CommandRequest, Value};
use aion_drivers::device::FakeBroker;
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::devices::{
    DeviceChange,
    tests::{connected, furnished, generation, house, put, target, until, value_of},
};

fn parts(of: &[u8]) -> Parts {
    of.iter().fold(Parts::default(), |all, at| all.with(*at))
}

fn sent(broker: &FakeBroker) -> Vec<String> {
    broker.published().into_iter().map(|it| it.topic).collect()
}

#[tokio::test]
async fn a_device_is_made_safe_part_by_part_and_what_became_of_each_is_known() {
    let (devices, broker, _told) = Devices::fake();
    put(&devices, 1);
    connected(&devices).await;
    let (heater, all) = (Name::from("home/heater"), parts(&[0, 1]));
    let judged = generation(&devices, "heater");
    broker.say("heater", "16", false);
    let target = Some(Value::Number(16.0));
    until("it to be heard", || value_of(&devices, "heater") == target).await;
    // It reads what it is to be, and does not say that it did the command.
    let made = devices.make_safe(&heater, judged, all).await;
    assert_eq!(made, (parts(&[0]), parts(&[1])));
    let sent: Vec<_> = broker.published().into_iter().map(|it| it.topic).collect();
    assert_eq!(sent, ["heater/set", "heater/boost"]);
    let seen = devices.see("home", "heater").unwrap().made_safe.unwrap();
    assert!(
        seen.what.starts_with("target 16: done; boost: ") && seen.what.contains("did not say"),
        "{seen:?}"
    );
    // One part alone, and none while the broker is away.
    assert_eq!(
        devices.make_safe(&heater, judged, parts(&[0])).await,
        (parts(&[0]), parts(&[]))
    );
    broker.cut();
    until("the broker to be away", || {
        value_of(&devices, "heater").is_none()
    })
    .await;
    let nothing = (Parts::default(), Parts::default());
    assert_eq!(devices.make_safe(&heater, judged, all).await, nothing);
    assert_eq!(broker.published().len(), 3);
    let gone = Name::from("home/nowhere");
    assert_eq!(devices.make_safe(&gone, judged, all).await, nothing);
}

#[tokio::test]
async fn an_order_that_is_a_part_of_the_safe_state_is_known_as_such() {
    let heater = house(5).into_iter().find(|it| it.key.name == "heater");
    let compiled = heater.unwrap().compiled.clone();
    let set = |to: f64| compiled.set("target", &Value::Number(to)).unwrap();
    assert_eq!(compiled.part_of(&set(16.0)), Some(0));
    assert_eq!(compiled.part_of(&set(16.5)), None);
    let boost = compiled.command("boost", &Default::default()).unwrap();
    assert_eq!(compiled.part_of(&boost), Some(1));
}

/// All of it is begun, and the first part was sent.
async fn begun(devices: &Devices, broker: &FakeBroker) -> JoinHandle<(Parts, Parts)> {
    put(devices, 60);
    connected(devices).await;
    let judged = generation(devices, "heater");
    let doing = devices.clone();
    let all = parts(&[0, 1]);
    let made = tokio::spawn(async move {
        let heater = Name::from("home/heater");
        doing.make_safe(&heater, judged, all).await
    });
    until("the heater to be told", || sent(broker) == ["heater/set"]).await;
    made
}

#[tokio::test]
async fn a_device_that_is_taken_away_is_made_safe_no_further_and_leaves_nothing_behind() {
    let (devices, broker, _told) = Devices::fake();
    let made = begun(&devices, &broker).await;
    let heater = Key::new("home", "heater");
    let stopping = devices.change(vec![DeviceChange::Gone {
        key: heater.clone(),
        deleted: true,
    }]);
    assert_eq!(made.await.unwrap(), (parts(&[]), parts(&[0])));
    for it in stopping {
        it.stopped().await;
    }
    assert_eq!(sent(&broker), ["heater/set"]);
    assert_eq!(devices.0.last_safe.of(&heater), None);
    // Nor of another one of its name.
    put(&devices, 1);
    assert_eq!(devices.see("home", "heater").unwrap().made_safe, None);
}

/// The heater waits for another time to be confirmed: another description.
fn change(devices: &Devices) {
    let heater = house(50).into_iter().find(|it| it.key.name == "heater");
    devices.change(vec![DeviceChange::Put(heater.unwrap())]);
}

#[tokio::test]
async fn a_device_that_becomes_another_is_made_safe_no_further_by_what_was_judged() {
    let (devices, broker, _told) = Devices::fake();
    let made = begun(&devices, &broker).await;
    change(&devices);
    broker.say("heater", "16", false);
    let (done, unknown) = made.await.unwrap();
    assert_eq!(done.has(0), !unknown.has(0));
    assert!(!done.has(1) && !unknown.has(1), "{done:?} {unknown:?}");
    assert_eq!(sent(&broker), ["heater/set"]);
    let seen = devices.see("home", "heater").unwrap().made_safe.unwrap();
    assert!(
        seen.what.contains("changed while the call waited"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn nothing_is_sent_to_a_device_that_is_another_than_was_judged() {
    let (devices, broker, _told) = Devices::fake();
    put(&devices, 1);
    connected(&devices).await;
    let judged = generation(&devices, "heater");
    change(&devices);
    let command = CommandRequest {
        device: "heater".to_owned(),
        command: "boost".to_owned(),
        arguments: Default::default(),
    };
    for refused in [
        devices.write("home", &target(18.0), judged).await,
        devices.command("home", &command, judged).await,
        devices
            .write("home", &target(18.0), Generation::default())
            .await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, Code::Guarded);
        assert!(
            refused.detail.contains("changed while the call waited"),
            "{refused}"
        );
    }
    let heater = Name::from("home/heater");
    let made = devices.make_safe(&heater, judged, parts(&[0, 1])).await;
    assert_eq!(made, (parts(&[]), parts(&[])));
    assert_eq!(sent(&broker), [""; 0]);
    // Another broker is another way to the same device.
    let judged = generation(&devices, "heater");
    let other = json!({"url": "mqtt://127.0.0.1:1884"});
    let all = furnished(50, &json!(["open", "closed"]), &other).into_iter();
    devices.change(all.map(DeviceChange::Put).collect());
    assert_eq!(generation(&devices, "heater"), judged);
}
