//! Watchdogs: the safe state as the kernel has it, and within which bounds it is.

use aion_api::{Device, DeviceModel};
use aion_kernel::{Guards, Measure, SafePart};
use aion_policy::guards;
use serde_json::{Value, json};

use crate::heater::{heater, others};

fn watched(of_model: &Value, of_device: &Value, guardrails: &Value) -> Result<Guards, Vec<String>> {
    let device = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Device",
        "metadata": {"name": "hall", "namespace": "home"},
        "spec": {"model": "heater", "mqtt": {"broker": "b"}, "guardrails": guardrails, "watchdog": of_device},
    });
    let device: Device = serde_json::from_value(device).unwrap();
    let mut model: DeviceModel = heater(&json!([]));
    model.spec.watchdog = serde_json::from_value(of_model.clone()).unwrap();
    guards("home", &device, &model, &others(), &[])
        .map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn safe(seconds: i32, value: &str) -> Value {
    json!({"seconds": seconds, "safeState": [{"property": "target", "value": value}, {"command": "purge"}]})
}

#[test]
fn the_devices_stands_in_the_place_of_its_models_and_waits_no_longer() {
    let part = |point: &str, value: Option<i64>| SafePart {
        point: point.into(),
        value: value.map(Measure),
        repeatable: false,
    };
    let expected = |after_ms: u64, target| {
        let safe = vec![part("target", Some(target)), part("purge", None)];
        Some((after_ms, safe))
    };
    let bare = |it: &Guards| it.watchdog().map(|it| (it.after_ms, it.safe.clone()));
    let none = json!(null);
    let of = |model: &Value, device: &Value| watched(model, device, &json!([])).unwrap();
    assert_eq!(of(&none, &none).watchdog(), None);
    assert_eq!(
        bare(&of(&safe(60, "5"), &none)),
        expected(60_000, 5_000_000)
    );
    assert_eq!(
        bare(&of(&safe(60, "5"), &safe(30, "-7.5"))),
        expected(30_000, -7_500_000)
    );
    let faults = watched(&safe(60, "5"), &safe(61, "5"), &json!([])).unwrap_err();
    assert!(
        faults[0].starts_with("Device spec.watchdog.seconds: 61 are more than the model's 60"),
        "{faults:?}"
    );
}

#[test]
fn ranges_admit_the_safe_state_and_nothing_else_is_asked() {
    let beside = json!([
        {"name": "most", "points": ["target"], "maximum": "22"},
        {"name": "rest", "rate": {"times": 1, "seconds": 60}, "approval": "required", "forbidWhen": "devices.window.open",
            "hours": [{"from": "07:00", "to": "08:00"}]},
    ]);
    let of = |value: &str| watched(&json!(null), &safe(60, value), &beside);
    assert!(of("22").is_ok());
    let faults = of("22.5").unwrap_err();
    assert!(
        faults[0].starts_with(
            "Device spec.watchdog.safeState[0].value: guardrail most does not admit it: 22.5 is more than 22"
        ),
        "{faults:?}"
    );
}

#[test]
fn what_counts_for_a_safe_state_counts_for_no_other() {
    let of = |safe_state: Value, seconds: i32| {
        let watchdog = json!({"seconds": seconds, "safeState": safe_state});
        let guards = watched(&json!(null), &watchdog, &json!([])).unwrap();
        guards.watchdog().unwrap().what.as_str().to_owned()
    };
    let target = |value: &str| json!({"property": "target", "value": value});
    let purge = json!({"command": "purge"});
    let first = of(json!([target("5"), purge]), 60);
    assert_eq!(first.len(), 64);
    // It is stored: the same in every build.
    assert_eq!(
        first,
        "a5e1ea9d1febed97ea83bc15c7ba79c35b729d2603b28c76f4da670ccad7f0f5"
    );
    assert_eq!(
        first,
        of(json!([target("5"), purge]), 30),
        "it waits shorter"
    );
    let others = [
        json!([target("6"), purge]),
        json!([target("5")]),
        json!([purge, target("5")]),
        json!([target("5"), purge, purge]),
    ];
    for other in others {
        assert_ne!(first, of(other.clone(), 60), "{other}");
    }
}
