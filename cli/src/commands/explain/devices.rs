//! Devices as they would be accepted: by the same code as a node's.

use aion_resolve::{
    Key, Object, Place, Problem, Universe,
    device::{InNamespace, JudgedDevice, judge_device},
};

use super::words;
use crate::render::screen::Screen;

/// A device that the manifests are about, and where what they say of it begins.
pub(super) struct Asked {
    key: Key,
    place: Place,
}

/// The names of what may be of devices among the manifests, before they become a universe.
pub(super) fn named(
    objects: &[(Object, Place)],
    namespace: &str,
) -> Vec<(&'static str, Key, Place)> {
    let of_devices = objects.iter().filter_map(|(object, place)| {
        let own = object.namespace();
        let namespace = if own.is_empty() { namespace } else { own };
        let kind = object.kind();
        matches!(kind, "Device" | "DeviceModel" | "DeviceBroker")
            .then(|| (kind, Key::new(namespace, object.name()), place.clone()))
    });
    of_devices.collect()
}

/// The devices of a universe that hang on what was named, each once.
pub(super) fn asked(universe: &Universe, named: &[(&'static str, Key, Place)]) -> Vec<Asked> {
    let devices = universe.devices.iter().filter_map(|(key, device)| {
        let hangs = |it: &&(&str, Key, Place)| {
            let name = match it.0 {
                "Device" => key.name.as_str(),
                "DeviceModel" => &device.spec.model,
                _ => device.spec.broker().unwrap_or_default(),
            };
            it.1.namespace == key.namespace && it.1.name == name
        };
        // Where the device stands itself, it is there.
        let mut by = named.iter().filter(hangs);
        let own = named.iter().filter(hangs).find(|it| it.0 == "Device");
        let place = own.or_else(|| by.next())?.2.clone();
        Some(Asked {
            key: key.clone(),
            place,
        })
    });
    devices.collect()
}

fn judged(universe: &Universe, key: &Key) -> Option<JudgedDevice> {
    let device = universe.devices.get(key)?;
    let things = InNamespace {
        universe,
        namespace: &key.namespace,
    };
    Some(judge_device(device, &things, &things.imposed()))
}

/// What keeps a device from being listened to.
pub(super) fn troubles(universe: &Universe, asked: &Asked) -> Vec<Problem> {
    let Asked { key, place } = asked;
    let problems = judged(universe, key)
        .map(|it| it.problems)
        .unwrap_or_default();
    let of = |problem| Problem {
        place: Some(place.clone()),
        object: format!("Device {}", key.name),
        ..problem
    };
    problems.into_iter().map(of).collect()
}

/// A device in plain words, and whether it would be listened to.
pub(super) fn told(screen: &Screen, universe: &Universe, asked: &Asked) -> Option<(String, bool)> {
    let device = universe.devices.get(&asked.key)?;
    let judged = judged(universe, &asked.key)?;
    let sound = judged.problems.is_empty();
    Some((words::device(screen, device, &judged), sound))
}
