//! The guards of all devices, and what was heard of the points that they look at.
//!
//! Not durable: after a restart the shell says again what guards a device, and nothing is known that was not heard since.
//! What no rule looks at is not kept, so the rules bound it.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use super::{Generation, Guards, Measure};
use crate::{ids::Millis, name::Name};

/// Found in the same time however many there are. Nothing goes through it in order, and its hashes are the same in each run.
type ByDevice<T> = HashMap<Name, T, BuildHasherDefault<DefaultHasher>>;

/// What is known of the guards of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarding {
    /// These are all. What they look at and was heard by another description is to be heard again.
    By {
        /// Compiled.
        guards: Arc<Guards>,
        /// By this description: what is aimed at the device by another is refused.
        generation: Generation,
    },
    /// The device is there, and its guards cannot be told: nothing is done to it, and what was done goes on counting.
    Unknown,
    /// The device is gone, and what was done to it no longer counts.
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Watch {
    guards: ByDevice<Guarded>,
    /// By device and point.
    looked_at: ByDevice<BTreeMap<Name, Seen>>,
}

#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) guards: Arc<Guards>,
    pub(crate) generation: Generation,
}

/// A point that rules look at.
#[derive(Debug, Default)]
struct Seen {
    /// The rules of so many devices do.
    by: u32,
    heard: Option<Heard>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    value: Measure,
    until: Option<Millis>,
}

impl Watch {
    pub(crate) fn guards(&self, device: &Name) -> Option<&Guarded> {
        self.guards.get(device)
    }

    /// Replaces what guards a device. Where that is not told, what was heard of the device is forgotten.
    pub(crate) fn guard(&mut self, device: &Name, guarding: Guarding) {
        let new = match guarding {
            Guarding::By { guards, generation } => Some(Guarded { guards, generation }),
            Guarding::Unknown | Guarding::Gone => None,
        };
        let before = self.guards.get(device).map(|it| it.generation);
        // What both look at stays known: the new ones come first.
        for (other, point) in new.iter().flat_map(|it| it.guards.looks_at(device)) {
            let points = self.looked_at.entry(other).or_default();
            let seen = points.entry(point).or_default();
            seen.by += 1;
            if before != new.as_ref().map(|it| it.generation) {
                seen.heard = None;
            }
        }
        let told = new.is_some();
        let old = match new {
            Some(new) => self.guards.insert(device.clone(), new),
            None => self.guards.remove(device),
        };
        for (other, point) in old.iter().flat_map(|it| it.guards.looks_at(device)) {
            self.look_away(&other, &point);
        }
        if !told && let Some(points) = self.looked_at.get_mut(device) {
            points.values_mut().for_each(|it| it.heard = None);
        }
    }

    fn look_away(&mut self, device: &Name, point: &Name) {
        let Some(points) = self.looked_at.get_mut(device) else {
            return;
        };
        if let Some(seen) = points.get_mut(point) {
            seen.by = seen.by.saturating_sub(1);
            if seen.by == 0 {
                points.remove(point);
            }
        }
        if points.is_empty() {
            self.looked_at.remove(device);
        }
    }

    /// What a point is, until when that counts; none: it is not known.
    pub(crate) fn hear(
        &mut self,
        device: &Name,
        point: &Name,
        value: Option<Measure>,
        until: Option<Millis>,
    ) {
        let points = self.looked_at.get_mut(device);
        if let Some(seen) = points.and_then(|points| points.get_mut(point)) {
            seen.heard = value.map(|value| Heard { value, until });
        }
    }

    /// What a point is at `now`; none where that is not known, or no rule looks at it.
    pub(crate) fn sensed(&self, device: &Name, point: &Name, now: Millis) -> Option<Measure> {
        let heard = self.looked_at.get(device)?.get(point)?.heard?;
        let counts = heard.until.is_none_or(|until| now < until);
        counts.then_some(heard.value)
    }
}

#[cfg(test)]
impl Watch {
    /// The points that are kept.
    pub(crate) fn kept(&self) -> usize {
        self.looked_at.values().map(BTreeMap::len).sum()
    }
}
