//! What the kernel is told of devices: what guardrails look at, when it changes, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use aion_kernel::{Event, Guards, Millis};
use aion_policy::measure;
use aion_resolve::Key;
use parking_lot::Mutex;

use super::{Shared, name_of};

/// Which points of which devices guardrails look at, and whose.
#[derive(Default)]
pub(super) struct Sensing {
    watched: Mutex<Watched>,
    /// Held from the look at what a point is until the kernel is told: what was read first is told first.
    telling: Mutex<()>,
}

#[derive(Default)]
struct Watched {
    /// By the device that is looked at: its points, each with the devices whose guardrails look.
    points: BTreeMap<Key, BTreeMap<String, BTreeSet<Key>>>,
    /// By the device that is guarded: what its guardrails look at.
    by: BTreeMap<Key, Vec<(Key, String)>>,
}

impl Sensing {
    /// A device has these guardrails. Gives what they look at: the kernel is to be told of it.
    pub(super) fn guarded(&self, key: &Key, guards: &Guards) -> Vec<(Key, String)> {
        let looked: Vec<_> = guards
            .looks_at(&name_of(key))
            .into_iter()
            .filter_map(|(device, point)| {
                let (namespace, name) = device.as_str().split_once('/')?;
                Some((Key::new(namespace, name), point.as_str().to_owned()))
            })
            .collect();
        let mut watched = self.watched.lock();
        watched.forget(key);
        for (device, point) in &looked {
            let points = watched.points.entry(device.clone()).or_default();
            points.entry(point.clone()).or_default().insert(key.clone());
        }
        if !looked.is_empty() {
            watched.by.insert(key.clone(), looked.clone());
        }
        looked
    }

    /// A guarded device is gone.
    pub(super) fn gone(&self, key: &Key) {
        self.watched.lock().forget(key);
    }

    /// Whether any guardrail looks at it.
    fn looks_at(&self, device: &Key, point: &str) -> bool {
        let watched = self.watched.lock();
        let points = watched.points.get(device);
        points.is_some_and(|it| it.contains_key(point))
    }

    /// All of a device that guardrails look at.
    pub(super) fn points_of(&self, device: &Key) -> Vec<String> {
        let watched = self.watched.lock();
        let points = watched.points.get(device).into_iter();
        points.flat_map(|it| it.keys().cloned()).collect()
    }
}

impl Watched {
    fn forget(&mut self, key: &Key) {
        for (device, point) in self.by.remove(key).unwrap_or_default() {
            let Some(points) = self.points.get_mut(&device) else {
                continue;
            };
            if let Some(by) = points.get_mut(&point) {
                by.remove(key);
                if by.is_empty() {
                    points.remove(&point);
                }
            }
            if points.is_empty() {
                self.points.remove(&device);
            }
        }
    }
}

impl Shared {
    /// A device said what a property is. What is as it was needs no telling, unless it would be taken for stale.
    pub(super) fn sensed(&self, device: &Key, property: &str, changed: bool) {
        if !self.sensing.looks_at(device, property) {
            return;
        }
        let table = self.table.read();
        let Some(entry) = table.devices.get(device) else {
            return;
        };
        if changed || entry.device.compiled.stale_ms(property).is_some() {
            drop(table);
            self.tell_point(device, property);
        }
    }

    /// A device came or went, or its broker did.
    pub(super) fn reach_changed(&self, device: &Key) {
        for point in self.sensing.points_of(device) {
            self.tell_point(device, &point);
        }
        self.standing.changed(device);
    }

    /// Tells the kernel that nothing of a device is known.
    pub(super) fn tell_unknown(&self, device: &Key) {
        let _telling = self.sensing.telling.lock();
        for point in self.sensing.points_of(device) {
            (self.parts.tell)(Event::Sensed {
                device: name_of(device),
                point: point.as_str().into(),
                value: None,
                until: None,
            });
        }
    }

    /// Tells the kernel what a point is now; nothing, where that is not known or stale.
    pub(super) fn tell_point(&self, device: &Key, point: &str) {
        let _telling = self.sensing.telling.lock();
        let now = self.now();
        let entry = self.table.read().devices.get(device).cloned();
        let sensed = entry.and_then(|entry| {
            let compiled = &entry.device.compiled;
            let asked = [point.to_owned()];
            let read = entry
                .link
                .registry(|it| it.read(compiled.key(), &asked, now));
            let reading = read.ok()?.readings.into_iter().next()?;
            let value = reading.value.filter(|_| !reading.stale)?;
            let (of, choices) = compiled.kind_of(point)?;
            let age = reading.age_ms.unwrap_or_default();
            let until = compiled.stale_ms(point);
            let until = until.map(|it| Millis(now.at.saturating_sub(age).saturating_add(it)));
            Some((measure(of, choices, &value)?, until))
        });
        (self.parts.tell)(Event::Sensed {
            device: name_of(device),
            point: point.into(),
            value: sensed.map(|(value, _)| value),
            until: sensed.and_then(|(_, until)| until),
        });
    }
}
