//! What guardrails forbid: any text becomes a condition of the kernel, or faults that print, and none takes more of the stack
//! than a thread has.
#![no_main]

use std::{collections::BTreeMap, sync::LazyLock};

use aion_api::{Device, DeviceModel, DeviceModelSpec};
use aion_policy::guards;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

static MODEL: LazyLock<DeviceModel> = LazyLock::new(|| {
    let model = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "heater"},
        "spec": {
            "properties": [
                {"name": "target", "type": "number", "access": "readWrite"},
                {"name": "level", "type": "integer", "access": "write"},
                {"name": "power", "type": "boolean", "access": "readWrite"},
                {"name": "mode", "type": "choice", "choices": ["off", "low", "high"], "access": "readWrite"},
                {"name": "label", "type": "text", "access": "readWrite"},
                {"name": "contact", "type": "choice", "choices": ["open", "closed"]},
            ],
            "commands": [{"name": "purge"}],
        },
    });
    serde_json::from_value(model).expect("a model")
});

static OTHERS: LazyLock<BTreeMap<String, DeviceModelSpec>> =
    LazyLock::new(|| BTreeMap::from([("window".to_owned(), MODEL.spec.clone())]));

fuzz_target!(|data: &[u8]| {
    let Ok(when) = std::str::from_utf8(data) else {
        return;
    };
    // As a device's, for what it fits, and for each point by its name.
    for points in [
        json!([]),
        json!(["target", "level", "power", "mode", "label", "purge"]),
    ] {
        let device = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Device",
            "metadata": {"name": "hall", "namespace": "home"},
            "spec": {
                "model": "heater", "mqtt": {"broker": "b"},
                "guardrails": [{"name": "r", "points": points, "forbidWhen": when}],
            },
        });
        let device: Device = serde_json::from_value(device).expect("a device");
        match guards("home", &device, &MODEL, &*OTHERS, &[]) {
            Ok(guards) => {
                let looked = guards.looks_at(&"home/hall".into());
                assert!(looked.len() <= 64 * 7, "{looked:?}");
            }
            Err(faults) => {
                assert!(!faults.is_empty(), "refused for nothing");
                for fault in faults {
                    assert!(fault.to_string().len() < 16_384, "{fault}");
                }
            }
        }
    }
});
