//! What edge nodes of Sparkplug say: any messages in any order come to values that the model lets through or to reasons that print, and
//! births to devices that make sense.
#![no_main]

use std::sync::Arc;

use aion_api::{Device, DeviceModel, DeviceModelSpec, DeviceSpec, SparkplugDiscovery};
use aion_device::{
    Key, Limits, Link, Message, Moment, Registry,
    announced::{Births, Taken, named},
    compile,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// What a message is, by its first byte; the second is its length in eights.
const TOPICS: [&str; 7] = [
    "spBv1.0/g/NBIRTH/n",
    "spBv1.0/g/DBIRTH/n/d",
    "spBv1.0/g/DDATA/n/d",
    "spBv1.0/g/NDATA/n",
    "spBv1.0/g/DDEATH/n/d",
    "spBv1.0/g/NDEATH/n",
    "spBv1.0/g/DBIRTH/n/e",
];

fuzz_target!(|data: &[u8]| {
    let now = |at: u64| Moment {
        at: at * 1000,
        ..Moment::default()
    };
    let mut registry = Registry::new(Limits::default(), now(0));
    registry.insert(Arc::new(device()));
    registry.link(Link::New, now(0));
    let mut births = Births::new(&SparkplugDiscovery {
        groups: vec!["g".to_owned()],
        ..SparkplugDiscovery::default()
    });
    let key = Key {
        namespace: "home".to_owned(),
        name: "d".to_owned(),
    };
    let mut rest = data;
    for at in 0..32 {
        let [first, eights, behind @ ..] = rest else {
            break;
        };
        let (payload, behind) = behind.split_at(behind.len().min(usize::from(*eights) * 8));
        rest = behind;
        let (topic, now) = (TOPICS[usize::from(*first) % TOPICS.len()], now(at));
        let message = Message {
            topic,
            payload,
            retained: first & 0x80 != 0,
        };
        registry.take(message, now);
        registry.rebirths(now);
        births.take(topic, payload, message.retained, now);
        for it in registry
            .read(&key, &[], now)
            .into_iter()
            .flat_map(|it| it.readings)
        {
            if let Some(why) = it.unread {
                assert!(
                    why.len() < 900 && !why.contains(char::is_control),
                    "{why:?}"
                );
            }
        }
    }
    let drafts = Births::drafts("hub", births.kept());
    let all = named(
        "home",
        &[("hub".to_owned(), drafts.as_slice())],
        &Taken::default(),
    );
    for it in &all {
        assert!(!it.name.is_empty() && it.name.len() <= 63, "{}", it.name);
        for left in &it.unmapped {
            let sound = left.why.len() <= 300 && !left.why.contains(char::is_control);
            assert!(sound && left.field.len() <= 64, "{left:?}");
        }
        if let Some(both) = &it.resources {
            let (model, device) = &**both;
            assert!(compile(device, model).is_ok(), "{both:?}");
        }
    }
});

fn device() -> aion_device::Compiled {
    let model = json!({
        "properties": [{"name": "a", "type": "number", "minimum": "-5", "maximum": "5"}, {"name": "b", "type": "boolean"},
            {"name": "c", "type": "text"}, {"name": "e", "type": "integer"}],
        "sparkplug": {"properties": [{"name": "a", "metric": "a"}, {"name": "b", "metric": "b"}, {"name": "c", "metric": "c"},
            {"name": "e", "metric": "e"}]},
    });
    let spec = json!({"model": "m", "sparkplug": {"broker": "b", "group": "g", "edgeNode": "n", "device": "d"}});
    let (Ok(model), Ok(spec)) = (
        serde_json::from_value::<DeviceModelSpec>(model),
        serde_json::from_value::<DeviceSpec>(spec),
    ) else {
        unreachable!("both are right");
    };
    let mut device = Device::new("d", spec);
    device.metadata.namespace = Some("home".to_owned());
    match compile(&device, &DeviceModel::new("m", model)) {
        Ok(it) => it,
        Err(why) => unreachable!("{why:?}"),
    }
}
