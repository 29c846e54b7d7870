//! What was heard of the points that rules look at: each in a place of its own, so that a decision finds it without a name.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::Measure;
use crate::{ids::Millis, name::Name};

/// Found in the same time however many there are. Nothing goes through it in order, and its hashes are the same in each run.
pub(super) type ByDevice<T> = HashMap<Name, T, BuildHasherDefault<DefaultHasher>>;

/// Where a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

/// The points that rules look at.
#[derive(Debug, Default)]
pub(super) struct Senses {
    heard: Vec<Option<Heard>>,
    looks: Vec<Looked>,
    free: Vec<Place>,
    places: ByDevice<BTreeMap<Name, Place>>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    value: Measure,
    until: Option<Millis>,
}

/// Which point it is.
#[derive(Debug)]
struct Looked {
    device: Name,
    point: Name,
    /// So many terms of rules look at it.
    by: u32,
}

impl Senses {
    /// One more looks at a point.
    pub(super) fn look(&mut self, device: &Name, point: &Name) -> Place {
        let points = self.places.entry(device.clone()).or_default();
        if let Some(place) = points.get(point) {
            if let Some(it) = self.looks.get_mut(place.at()) {
                it.by += 1;
            }
            return *place;
        }
        let new = Looked {
            device: device.clone(),
            point: point.clone(),
            by: 1,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.looks[place.at()] = new;
                place
            }
            None => {
                let place = Place(u32::try_from(self.looks.len()).unwrap_or(u32::MAX));
                self.looks.push(new);
                self.heard.push(None);
                place
            }
        };
        points.insert(point.clone(), place);
        place
    }

    /// One less does.
    pub(super) fn look_away(&mut self, place: Place) {
        let Some(it) = self.looks.get_mut(place.at()) else {
            return;
        };
        it.by = it.by.saturating_sub(1);
        if it.by > 0 {
            return;
        }
        if let Some(points) = self.places.get_mut(&it.device) {
            points.remove(&it.point);
            if points.is_empty() {
                self.places.remove(&it.device);
            }
        }
        self.forget(place);
        self.free.push(place);
    }

    /// What a point is, until when that counts; none: it is not known.
    pub(super) fn hear(
        &mut self,
        (device, point): (&Name, &Name),
        value: Option<Measure>,
        until: Option<Millis>,
    ) {
        let place = self.places.get(device).and_then(|it| it.get(point));
        if let Some(heard) = place.and_then(|it| self.heard.get_mut(it.at())) {
            *heard = value.map(|value| Heard { value, until });
        }
    }

    pub(super) fn forget(&mut self, place: Place) {
        if let Some(heard) = self.heard.get_mut(place.at()) {
            *heard = None;
        }
    }

    /// Forgets what was heard of a device.
    pub(super) fn forget_all(&mut self, device: &Name) {
        for place in self
            .places
            .get(device)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            if let Some(heard) = self.heard.get_mut(place.at()) {
                *heard = None;
            }
        }
    }

    /// What a point is at `now`; none where that is not known.
    pub(super) fn is(&self, place: Place, now: Millis) -> Option<Measure> {
        let heard = (*self.heard.get(place.at())?)?;
        let counts = heard.until.is_none_or(|until| now < until);
        counts.then_some(heard.value)
    }

    /// Which point it is, for people.
    pub(super) fn named(&self, place: Place) -> Option<(&Name, &Name)> {
        self.looks.get(place.at()).map(|it| (&it.device, &it.point))
    }

    /// The points that are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.places.values().map(BTreeMap::len).sum()
    }
}

impl Place {
    fn at(self) -> usize {
        self.0 as usize
    }
}
