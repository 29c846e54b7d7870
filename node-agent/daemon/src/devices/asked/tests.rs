//! Devices that are asked by HTTP, at an address in memory: what is heard of them, what they are told, and when they are not there.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::device::{
        CommandRequest, ConfirmedBy, DoneResponse, Reach, ReadRequest, Value, WriteRequest,
    },
};
use aion_api::{
    Device, DeviceModel,
    condition::{CONNECTED, READY, Status},
};
use aion_drivers::device::{
    FakeBroker,
    http::{FakeHttp, Reply},
};
use aion_resolve::{
    Object, Universe,
    device::{InNamespace, LiveDevice, device_conditions, judge_device},
};
use parking_lot::Mutex;
use serde_json::json;

use super::super::{Devices, standing::DeviceChange, tests::generation};

/// A plug: what it is, and what it was asked and told.
#[derive(Default)]
struct Plug {
    on: bool,
    level: u64,
    /// Takes what it is told, and does not do it.
    deaf: bool,
    status: u16,
    /// Answers no question, and takes what it is told.
    mute: bool,
    /// How it answers what it is told, if not by success.
    refuses: u16,
    gets: usize,
    /// So many of them asked whether it is as it was said to be.
    conditional: usize,
    told: Vec<String>,
}

fn plug() -> (std::sync::Arc<Mutex<Plug>>, FakeHttp) {
    let plug = std::sync::Arc::new(Mutex::new(Plug {
        level: 20,
        ..Plug::default()
    }));
    let state = std::sync::Arc::clone(&plug);
    let fake = FakeHttp::new(std::sync::Arc::new(move |asked| {
        let mut it = state.lock();
        if it.status != 0 {
            return Reply::of(it.status);
        }
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/state") => {
                it.gets += 1;
                it.conditional += usize::from(asked.etag.is_some());
                if it.mute {
                    return Reply::of(500);
                }
                if !it.on && asked.etag.as_deref() == Some("off") {
                    return Reply::of(304);
                }
                let body = json!({"on": it.on, "watts": 4.5, "level": it.level}).to_string();
                Reply {
                    etag: (!it.on).then_some("off"),
                    ..Reply::ok(body)
                }
            }
            (method, path) => {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                it.told.push(format!("{method} {path} {body}"));
                if it.refuses != 0 {
                    return Reply::of(it.refuses);
                }
                if !it.deaf && path.starts_with("/turn/") {
                    it.on = path == "/turn/on";
                }
                if !it.deaf && path == "/level" {
                    it.level = body.parse().unwrap();
                }
                let on = it.on;
                Reply::ok(json!({"ison": on, "ok": !it.deaf}).to_string())
            }
        }
    }));
    (plug, fake)
}

fn judged(every: u32) -> aion_resolve::device::JudgedDevice {
    judged_as(
        every,
        json!({
            "properties": [
                {"name": "power", "type": "boolean", "access": "readWrite"},
                {"name": "level", "type": "integer", "access": "readWrite", "confirmSeconds": 2},
                {"name": "watts", "type": "number", "unit": "W"},
            ],
            "commands": [{"name": "reboot"}, {"name": "blink"}],
            "http": {
                "properties": [
                    {"name": "power", "state": {"get": "/state", "pointer": "/on"},
                     "set": {"path": "/turn/{{value}}"}, "answer": {"pointer": "/ison"},
                     "values": [{"value": "true", "payload": "on"}, {"value": "false", "payload": "off"}]},
                    {"name": "level", "state": {"get": "/state", "pointer": "/level"}, "set": {"method": "PUT", "path": "/level"}},
                    {"name": "watts", "state": {"get": "/state", "pointer": "/watts"}},
                ],
                "commands": [
                    {"name": "reboot", "send": {"path": "/reboot"}},
                    {"name": "blink", "send": {"path": "/blink"}, "done": {"pointer": "/ok", "equals": "true"}},
                ],
            },
        }),
    )
}

/// A device of this model, asked this often.
fn judged_as(every: u32, spec: serde_json::Value) -> aion_resolve::device::JudgedDevice {
    let mut universe = Universe::default();
    let model: DeviceModel = serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "plug"},
        "spec": spec,
    }))
    .unwrap();
    universe.insert(Object::DeviceModel(Box::new(model)), "home");
    let device: Device = serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Device", "metadata": {"name": "plug"},
        "spec": {"model": "plug", "http": {"url": "http://192.0.2.7", "everySeconds": every}},
    }))
    .unwrap();
    universe.insert(Object::Device(Box::new(device)), "home");
    let things = InNamespace {
        universe: &universe,
        namespace: "home",
    };
    let device = universe.devices.values().next().unwrap();
    judge_device(device, &things, &[])
}

/// The plug, asked this often, once it was heard.
async fn heard(every: u32) -> (Devices, std::sync::Arc<Mutex<Plug>>, FakeHttp) {
    let (plug, fake) = plug();
    let (devices, _) = Devices::faked(FakeBroker::default(), fake.clone());
    let resolved = judged(every).resolved.unwrap();
    devices.change(vec![DeviceChange::Put(resolved)]);
    until("it is heard", || reach(&devices) == Reach::Online).await;
    (devices, plug, fake)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let holding = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let held = tokio::time::timeout(Duration::from_secs(600), holding).await;
    assert!(held.is_ok(), "{what}");
}

fn read(devices: &Devices, property: &str) -> (Option<Value>, bool) {
    let request = ReadRequest {
        device: "plug".to_owned(),
        properties: vec![property.to_owned()],
    };
    let read = devices.read("home", &request).unwrap();
    let it = read.readings.into_iter().next().unwrap();
    (it.value, it.stale)
}

fn reach(devices: &Devices) -> Reach {
    devices.see("home", "plug").unwrap().described.reach
}

async fn write(devices: &Devices, property: &str, value: Value) -> Result<DoneResponse, Problem> {
    let request = WriteRequest {
        device: "plug".to_owned(),
        property: property.to_owned(),
        value,
    };
    devices
        .write("home", &request, generation(devices, "plug"))
        .await
}

async fn command(devices: &Devices, command: &str) -> Result<DoneResponse, Problem> {
    let request = CommandRequest {
        device: "plug".to_owned(),
        command: command.to_owned(),
        arguments: [].into(),
    };
    devices
        .command("home", &request, generation(devices, "plug"))
        .await
}

#[tokio::test(start_paused = true)]
async fn one_question_is_about_all_that_its_path_says_and_the_same_again_is_fresh() {
    let (devices, plug, _) = heard(5).await;
    assert_eq!(read(&devices, "watts"), (Some(Value::Number(4.5)), false));
    assert_eq!(read(&devices, "level"), (Some(Value::Integer(20)), false));
    assert_eq!(plug.lock().gets, 1);
    until("it is asked again", || plug.lock().gets >= 4).await;
    // Three of them were answered by 304.
    let seen = devices.see("home", "plug").unwrap();
    assert_eq!(seen.messages.taken as usize, plug.lock().gets);
    assert_eq!(seen.url.as_deref(), Some("http://192.0.2.7"));
    assert_eq!(read(&devices, "watts"), (Some(Value::Number(4.5)), false));
}

#[tokio::test(start_paused = true)]
async fn a_write_is_done_when_the_answer_says_so_or_the_device_when_it_is_asked() {
    let (devices, plug, _) = heard(3600).await;
    plug.lock().told.clear();
    let before = plug.lock().gets;
    let done = write(&devices, "power", Value::Boolean(true))
        .await
        .unwrap();
    assert_eq!(done.value, Some(Value::Boolean(true)));
    assert_eq!(plug.lock().gets, before, "its answer said so");
    let done = write(&devices, "level", Value::Integer(55)).await.unwrap();
    assert_eq!(
        (done.confirmed_by, done.value),
        (ConfirmedBy::Device, Some(Value::Integer(55)))
    );
    assert_eq!(read(&devices, "level").0, Some(Value::Integer(55)));
    assert_eq!(plug.lock().told, ["POST /turn/on ", "PUT /level 55"]);

    plug.lock().deaf = true;
    let problem = write(&devices, "level", Value::Integer(10))
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::OutcomeUnknown, "{problem}");
    assert_eq!(plug.lock().told.len(), 3, "it is told once");
}

#[tokio::test(start_paused = true)]
async fn what_it_said_before_an_order_does_not_confirm_it() {
    let (devices, plug, _) = heard(3600).await;
    assert_eq!(read(&devices, "level"), (Some(Value::Integer(20)), false));
    plug.lock().mute = true;
    let problem = write(&devices, "level", Value::Integer(20))
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::OutcomeUnknown, "{problem}");
    plug.lock().mute = false;
    let done = write(&devices, "level", Value::Integer(20)).await.unwrap();
    assert_eq!(done.value, Some(Value::Integer(20)));
}

#[tokio::test(start_paused = true)]
async fn after_an_order_it_is_asked_what_it_is_whatever_came_of_it() {
    let (devices, plug, _) = heard(3600).await;
    for refuses in [0, 302, 500] {
        let before = plug.lock().gets;
        plug.lock().refuses = refuses;
        let told = command(&devices, "reboot").await;
        let code = told.err().map(|it| it.code);
        assert_eq!(code, (refuses != 0).then_some(Code::OutcomeUnknown));
        until("it is asked", || plug.lock().gets > before).await;
        // It may say the same of what it was before.
        assert_eq!(plug.lock().conditional, 0, "{refuses}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_is_done_by_an_answer_of_success_that_says_so() {
    let (devices, plug, _) = heard(3600).await;
    let done = command(&devices, "reboot").await.unwrap();
    assert_eq!(done.confirmed_by, ConfirmedBy::Device);
    command(&devices, "blink").await.unwrap();
    plug.lock().deaf = true;
    let problem = command(&devices, "blink").await.unwrap_err();
    assert_eq!(problem.code, Code::OutcomeUnknown, "{problem}");
    plug.lock().status = 400;
    let problem = command(&devices, "reboot").await.unwrap_err();
    assert_eq!(problem.code, Code::UpstreamFailed, "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_answer_is_offline_says_why_and_comes_back() {
    let (devices, plug, fake) = heard(5).await;
    fake.down(true);
    let problem = write(&devices, "level", Value::Integer(1))
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::Unreachable);
    until("it is offline", || reach(&devices) == Reach::Offline).await;
    assert!(read(&devices, "watts").1, "what it said is stale");
    let silent = devices.see("home", "plug").unwrap().silent.unwrap();
    assert!(silent.contains("could not be reached"), "{silent}");
    assert!(plug.lock().told.is_empty(), "nothing is sent later");
    fake.down(false);
    until("it is back", || reach(&devices) == Reach::Online).await;
    assert_eq!(read(&devices, "watts"), (Some(Value::Number(4.5)), false));
    assert_eq!(devices.see("home", "plug").unwrap().silent, None);
}

#[tokio::test(start_paused = true)]
async fn a_device_with_nothing_to_read_is_heard_when_it_answers_an_order() {
    let (plug, fake) = plug();
    let (devices, _) = Devices::faked(FakeBroker::default(), fake);
    let model = json!({
        "commands": [{"name": "reboot"}],
        "http": {"commands": [{"name": "reboot", "send": {"path": "/reboot"}}]},
    });
    let resolved = judged_as(1, model).resolved.unwrap();
    devices.change(vec![DeviceChange::Put(resolved)]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(reach(&devices), Reach::Unknown);
    plug.lock().refuses = 400;
    command(&devices, "reboot").await.unwrap_err();
    assert_eq!(reach(&devices), Reach::Unknown);
    plug.lock().refuses = 0;
    command(&devices, "reboot").await.unwrap();
    assert_eq!(reach(&devices), Reach::Online);
}

#[tokio::test(start_paused = true)]
async fn one_question_without_an_answer_is_chance() {
    let (devices, plug, _) = heard(5).await;
    plug.lock().status = 500;
    let before = devices.see("home", "plug").unwrap().messages.taken;
    tokio::time::sleep(Duration::from_secs(6)).await;
    plug.lock().status = 0;
    until("it is asked again", || {
        devices.see("home", "plug").unwrap().messages.taken > before
    })
    .await;
    assert_eq!(devices.see("home", "plug").unwrap().silent, None);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_has_to_mend_is_not_ready() {
    let (devices, plug, _) = heard(5).await;
    let stands = |devices: &Devices| {
        let entry = devices.entry("home", "plug").unwrap();
        let live = LiveDevice {
            reach: reach(devices),
            silent: entry.link.asked().and_then(|it| it.silent()),
            ..LiveDevice::default()
        };
        let all = device_conditions(&judged(5), Some(&live));
        let of = |type_: &str| {
            let it = all.iter().find(|it| it.type_ == type_).unwrap();
            (it.status, it.reason, it.message.clone())
        };
        (of(CONNECTED), of(READY))
    };
    let (connected, ready) = stands(&devices);
    assert_eq!((connected.0, ready.0), (Status::True, Status::True));
    plug.lock().status = 401;
    until("it refuses", || reach(&devices) == Reach::Offline).await;
    let (connected, ready) = stands(&devices);
    assert_eq!((connected.0, connected.1), (Status::False, "Offline"));
    assert!(connected.2.contains("401"), "{}", connected.2);
    assert_eq!((ready.0, ready.1), (Status::False, "RequestRefused"));
    plug.lock().status = 503;
    until("it passes by itself", || {
        stands(&devices).1.0 == Status::True
    })
    .await;
    assert_eq!(stands(&devices).0.0, Status::False);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_device_stays_when_it_is_asked_otherwise() {
    let (devices, plug, _) = heard(3600).await;
    devices.change(vec![DeviceChange::Put(judged(7200).resolved.unwrap())]);
    assert_eq!(plug.lock().gets, 1);
    assert_eq!(reach(&devices), Reach::Online);
    assert_eq!(read(&devices, "level"), (Some(Value::Integer(20)), false));
    until("it is asked", || plug.lock().gets == 2).await;
    assert_eq!(read(&devices, "level"), (Some(Value::Integer(20)), false));
}

#[tokio::test(start_paused = true)]
async fn who_is_taken_away_is_asked_no_more() {
    let (devices, plug, _) = heard(1).await;
    let key = aion_resolve::Key::new("home", "plug");
    devices.change(vec![DeviceChange::Gone { key, deleted: true }]);
    let asked = plug.lock().gets;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(plug.lock().gets, asked);
}
