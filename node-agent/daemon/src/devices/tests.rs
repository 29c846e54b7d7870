//! Devices on a broker that is held in memory: what is heard of them, what they are told, and what the kernel is.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use aion_abi::device::Watched;
use aion_abi::syscall::device::{
    CommandRequest, ConfirmedBy, ListRequest, ReadRequest, Value, WriteRequest,
};
use aion_api::{Device, DeviceBroker, DeviceModel};
use aion_kernel::Measure;
use aion_resolve::{
    Object, Universe,
    device::{InNamespace, judge_device},
};
use serde_json::{Value as Json, json};

use super::*;

/// A heater whose guardrail looks at a window.
pub(super) fn house(confirm_seconds: i32) -> Vec<Arc<ResolvedDevice>> {
    furnished(
        confirm_seconds,
        &json!(["open", "closed"]),
        &json!({"url": "mqtt://127.0.0.1:1883"}),
    )
}

/// With these choices of its window, by this broker.
pub(super) fn furnished(
    confirm_seconds: i32,
    choices: &Json,
    broker: &Json,
) -> Vec<Arc<ResolvedDevice>> {
    let mut universe = Universe::default();
    let mut add = |kind: &str, name: &str, spec: Json| {
        let object = json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let object = match kind {
            "Device" => Object::Device(Box::new(serde_json::from_value::<Device>(object).unwrap())),
            "DeviceModel" => Object::DeviceModel(Box::new(
                serde_json::from_value::<DeviceModel>(object).unwrap(),
            )),
            _ => Object::DeviceBroker(Box::new(
                serde_json::from_value::<DeviceBroker>(object).unwrap(),
            )),
        };
        universe.insert(object, "home");
    };
    add("DeviceBroker", "b", broker.clone());
    add(
        "DeviceModel",
        "contact",
        json!({
            "properties": [{"name": "contact", "type": "choice", "choices": choices}],
            "mqtt": {"properties": [{"name": "contact", "state": {"topic": "{{device}}"}}]},
        }),
    );
    add(
        "DeviceModel",
        "thermostat",
        json!({
            "properties": [{"name": "target", "type": "number", "access": "readWrite", "confirmSeconds": confirm_seconds}],
            "commands": [{"name": "boost", "confirmSeconds": confirm_seconds}],
            "mqtt": {
                "properties": [{"name": "target", "state": {"topic": "{{device}}"}, "set": {"topic": "{{device}}/set"}}],
                "commands": [{"name": "boost", "send": {"topic": "{{device}}/boost"}, "done": {"topic": "{{device}}/done"}}],
            },
        }),
    );
    add(
        "Device",
        "window",
        json!({"model": "contact", "mqtt": {"broker": "b"}}),
    );
    add(
        "Device",
        "heater",
        json!({"model": "thermostat", "mqtt": {"broker": "b"},
        "watchdog": {"seconds": 60, "safeState": [{"property": "target", "value": "16"}, {"command": "boost"}]},
        "guardrails": [{"name": "shut", "points": ["target"], "forbidWhen": "devices.window.contact == 'open'"}]}),
    );
    let things = InNamespace {
        universe: &universe,
        namespace: "home",
    };
    let judged = universe
        .devices
        .values()
        .map(|it| judge_device(it, &things, &[]));
    judged
        .map(|it| {
            it.resolved
                .unwrap_or_else(|| unreachable!("{:?}", it.accepted))
        })
        .collect()
}

pub(super) fn put(devices: &Devices, confirm_seconds: i32) {
    let all = house(confirm_seconds).into_iter();
    devices.change(all.map(DeviceChange::Put).collect());
}

pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let holding = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), holding)
            .await
            .is_ok(),
        "{what}"
    );
}

/// The broker is there, and what is subscribed to comes.
pub(super) async fn connected(devices: &Devices) {
    until("the broker to be there", || {
        let table = devices.0.table.read();
        !table.links.is_empty() && table.links.values().all(|it| it.away().is_none())
    })
    .await;
}

pub(super) fn value_of(devices: &Devices, device: &str) -> Option<Value> {
    let request = ReadRequest {
        device: device.to_owned(),
        properties: Vec::new(),
    };
    let read = devices.read("home", &request).unwrap();
    read.readings.into_iter().find(|it| !it.stale)?.value
}

/// By which description a device is known now.
pub(super) fn generation(devices: &Devices, name: &str) -> Generation {
    devices.entry("home", name).unwrap().generation
}

pub(super) fn target(value: f64) -> WriteRequest {
    WriteRequest {
        device: "heater".to_owned(),
        property: "target".to_owned(),
        value: Value::Number(value),
    }
}

#[tokio::test]
async fn what_a_device_says_is_read_and_only_what_guardrails_look_at_is_told_to_the_kernel() {
    let (devices, broker, mut told) = Devices::fake();
    put(&devices, 5);
    connected(&devices).await;
    broker.say("heater", "18.5", false);
    broker.say("window", "open", true);
    until("both to be heard", || {
        value_of(&devices, "heater") == Some(Value::Number(18.5))
            && value_of(&devices, "window") == Some(Value::Text("open".to_owned()))
    })
    .await;
    let list = ListRequest {
        after: None,
        limit: 10,
        readings: true,
    };
    let may = |name: &str| (name == "heater").then_some(May::Read);
    let listed = devices.list("home", &list, may).unwrap();
    assert_eq!(listed.devices.len(), 1);
    assert_eq!(
        listed.devices[0].readings[0].value,
        Some(Value::Number(18.5))
    );
    let mut sensed = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let Event::Sensed {
            device,
            point,
            value,
            ..
        } = event
        {
            sensed.push((device.to_string(), point.to_string(), value));
        }
    }
    let all_of_window =
        |(device, point, _): &(String, String, _)| device == "home/window" && point == "contact";
    assert!(sensed.iter().all(all_of_window), "{sensed:?}");
    assert_eq!(
        sensed.last().unwrap().2,
        Some(Measure(0)),
        "open is the first of its choices"
    );
    broker.cut();
    until("the window to be unknown", || {
        value_of(&devices, "window").is_none()
    })
    .await;
    let mut last = None;
    while let Ok(event) = told.try_recv() {
        last = Some(event);
    }
    assert!(
        matches!(last, Some(Event::Sensed { value: None, .. })),
        "{last:?}"
    );
}

#[tokio::test]
async fn an_order_leaves_once_and_is_done_when_the_device_says_so() {
    let (devices, broker, _told) = Devices::fake();
    put(&devices, 5);
    connected(&devices).await;
    broker.say("heater", "18", false);
    let judged = generation(&devices, "heater");
    let (asking, request) = (devices.clone(), target(21.0));
    let write = tokio::spawn(async move { asking.write("home", &request, judged).await });
    until("the heater to be told", || {
        broker.published().iter().any(|it| it.topic == "heater/set")
    })
    .await;
    // Two orders at once could not be told apart.
    let busy = devices
        .write("home", &target(22.0), judged)
        .await
        .unwrap_err();
    assert_eq!(busy.code, Code::Overloaded);
    broker.say("heater", "19", false);
    broker.say("heater", "21", false);
    let done = write.await.unwrap().unwrap();
    assert_eq!(
        (done.confirmed_by, done.value),
        (ConfirmedBy::Device, Some(Value::Number(21.0)))
    );
    let (asking, request) = (
        devices.clone(),
        CommandRequest {
            device: "heater".to_owned(),
            command: "boost".to_owned(),
            arguments: Default::default(),
        },
    );
    let boost = tokio::spawn(async move { asking.command("home", &request, judged).await });
    until("the heater to be told", || {
        broker
            .published()
            .iter()
            .any(|it| it.topic == "heater/boost")
    })
    .await;
    broker.say("heater/done", "", false);
    broker.say("heater/done", "yes", false);
    assert_eq!(boost.await.unwrap().unwrap().value, None);
    assert_eq!(broker.published().len(), 2);
}

#[tokio::test]
async fn what_nobody_confirms_is_unknown_and_what_is_so_already_is_done() {
    let (devices, broker, _told) = Devices::fake();
    put(&devices, 1);
    connected(&devices).await;
    broker.say("heater", "18", false);
    let judged = generation(&devices, "heater");
    let write = |value| {
        let devices = devices.clone();
        async move { devices.write("home", &target(value), judged).await }
    };
    let unknown = write(21.0).await.unwrap_err();
    assert_eq!(unknown.code, Code::OutcomeUnknown);
    assert!(unknown.detail.contains("it says 18"), "{unknown}");
    // A device that is as it was to be has nothing to say.
    let done = write(18.0).await.unwrap();
    assert_eq!(done.confirmed_by, ConfirmedBy::Device);
    broker.cut();
    until("the broker to be away", || {
        value_of(&devices, "heater").is_none()
    })
    .await;
    let away = write(19.0).await.unwrap_err();
    assert_eq!(away.code, Code::Unreachable);
    assert_eq!(broker.published().len(), 2);
}

#[tokio::test]
async fn changes_are_told_of_devices_that_somebody_listens_to() {
    let (devices, broker, _told) = Devices::fake();
    put(&devices, 5);
    connected(&devices).await;
    broker.say("window", "closed", false);
    until("it to be heard", || value_of(&devices, "window").is_some()).await;
    let mut happened = devices.happenings().unwrap();
    broker.say("window", "open", false);
    let open = Some(Value::Text("open".to_owned()));
    until("it to be open", || value_of(&devices, "window") == open).await;
    devices.listen_to(BTreeSet::from([Key::new("home", "window")]));
    for word in ["open", "closed", "closed"] {
        broker.say("window", word, false);
    }
    broker.say("heater", "18", false);
    let first = tokio::time::timeout(Duration::from_secs(20), happened.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.value, Value::Text("closed".to_owned()));
    assert_eq!(first.before, Some(Value::Text("open".to_owned())));
    until("the heater to be heard", || {
        value_of(&devices, "heater").is_some()
    })
    .await;
    assert!(
        happened.try_recv().is_err(),
        "nothing of the same again, nor of others"
    );
}

#[tokio::test]
async fn which_devices_there_are_is_told_behind_what_guards_them() {
    let (devices, _broker, mut told) = Devices::fake();
    let key = |name: &str| Key::new("home", name);
    let all = BTreeSet::from([key("heater"), key("garbled")]);
    let put = house(5).into_iter();
    let put = put.map(DeviceChange::Put);
    devices.change([DeviceChange::All(all)].into_iter().chain(put).collect());
    let (mut guarded, mut present) = (0, Vec::new());
    while let Ok(event) = told.try_recv() {
        match event {
            Event::Guard { .. } => guarded += 1,
            Event::Present { devices } => present.push((guarded, devices)),
            _ => {}
        }
    }
    let expected = ["home/garbled", "home/heater"].map(Name::from);
    assert_eq!(present, [(2, BTreeSet::from(expected))]);
}

#[tokio::test]
async fn a_device_that_is_taken_away_is_known_no_longer() {
    let (devices, broker, mut told) = Devices::fake();
    put(&devices, 5);
    connected(&devices).await;
    broker.say("window", "open", false);
    for name in ["window", "heater"] {
        devices.change(vec![DeviceChange::Gone {
            key: Key::new("home", name),
            deleted: true,
        }]);
    }
    let request = ReadRequest {
        device: "window".to_owned(),
        properties: Vec::new(),
    };
    assert_eq!(
        devices.read("home", &request).unwrap_err().code,
        Code::NotFound
    );
    let mut gone = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let Event::Guard {
            device,
            guards: Guarding::Gone,
        } = event
        {
            gone.push(device.to_string());
        }
    }
    assert_eq!(gone, ["home/window", "home/heater"]);
    assert!(
        devices.0.table.read().links.is_empty(),
        "nobody is reached by its broker"
    );
}

#[tokio::test]
async fn the_kernel_is_told_a_device_as_it_is_by_rules_for_what_it_is() {
    let (devices, broker, mut told) = Devices::fake();
    put(&devices, 5);
    connected(&devices).await;
    broker.say("window", "open", true);
    let open = Some(Value::Text("open".to_owned()));
    until("it to be open", || value_of(&devices, "window") == open).await;
    while told.try_recv().is_ok() {}
    // The choices in another order: open is another number now.
    let url = json!({"url": "mqtt://127.0.0.1:1883"});
    let all = furnished(5, &json!(["closed", "open"]), &url).into_iter();
    devices.change(all.map(DeviceChange::Put).collect());
    let (mut words, mut guards) = (Vec::new(), 0);
    while let Ok(event) = told.try_recv() {
        match event {
            Event::Guard { .. } => guards += 1,
            Event::Sensed { value, .. } => words.push((guards, value)),
            _ => {}
        }
    }
    assert_eq!(words.first(), Some(&(0, None)), "first it is not known");
    assert!(
        words
            .iter()
            .all(|(guards, value)| *guards == 2 || value.is_none()),
        "{words:?}"
    );
    let last = words.last().unwrap().1;
    assert!(last.is_none() || last == Some(Measure(1)), "{words:?}");
}

#[tokio::test]
async fn a_broker_that_is_reached_otherwise_is_let_go_at_once() {
    let (devices, broker, _told) = Devices::fake();
    put(&devices, 5);
    connected(&devices).await;
    let before = Arc::downgrade(devices.0.table.read().links.values().next().unwrap());
    let other = json!({"url": "mqtt://127.0.0.1:1884"});
    let all = furnished(5, &json!(["open", "closed"]), &other).into_iter();
    devices.change(all.map(DeviceChange::Put).collect());
    connected(&devices).await;
    until("the one before to be gone", || before.strong_count() == 0).await;
    assert_eq!(devices.0.table.read().links.len(), 1);
    broker.say("heater", "18", false);
    until("the heater to be heard", || {
        value_of(&devices, "heater").is_some()
    })
    .await;
}

#[tokio::test]
async fn who_watches_sees_what_changes_of_what_they_named_and_nobody_else_costs_anything() {
    let (devices, broker, _told) = Devices::fake();
    put(&devices, 5);
    connected(&devices).await;
    assert!(!devices.0.watching.any());
    broker.say("window", "open", false);
    until("the window to be heard", || {
        value_of(&devices, "window") == Some(Value::Text("open".to_owned()))
    })
    .await;
    assert!(devices.watch("home", &["garage"]).is_err());
    let watch = devices.watch("home", &["window"]).unwrap();
    let others = devices.watch("office", &[]).unwrap();
    assert!(devices.0.watching.any());
    for said in ["open", "closed", "closed"] {
        broker.say("window", said, false);
        broker.say("heater", "18.5", false);
    }
    broker.say("window", "open", false);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let seeing = tokio::time::timeout(Duration::from_secs(20), watch.next());
        match seeing.await.unwrap() {
            Watched::Value {
                device,
                value,
                age_ms,
                ..
            } => {
                assert_eq!(device, "window");
                seen.push((value.to_string(), age_ms.is_some()));
            }
            Watched::Reach { .. } => {}
            Watched::Missed { count } => unreachable!("{count}"),
        }
    }
    let expected = [("open", true), ("closed", false), ("open", false)];
    assert_eq!(seen, expected.map(|(value, old)| (value.to_owned(), old)));
    drop((watch, others));
    assert!(!devices.0.watching.any());
}
