//! What is told of devices: readings, histories, whether they can be reached, counts.

use std::sync::Arc;

use aion_abi::{
    code::Code,
    date::UnixMillis,
    problem::Problem,
    syscall::device::{HistoryRequest, HistoryResponse, Reach, ReadResponse, Reading, Value},
};

use super::{Counts, Link, Registry, entry::Entry};
use crate::{
    compiled::{Compiled, Key, listed},
    history,
    moment::Moment,
    shape::Property,
};

impl Registry {
    /// A device.
    #[must_use]
    pub fn device(&self, key: &Key) -> Option<&Arc<Compiled>> {
        self.entry(key).map(Entry::device)
    }

    /// Whether a device can be reached.
    #[must_use]
    pub fn reach(&self, key: &Key) -> Option<Reach> {
        self.entry(key).map(|it| it.reach(self.link))
    }

    /// The devices that hear a topic.
    #[must_use]
    pub fn hearers(&self, topic: &str) -> Vec<Key> {
        let hearers = self.topics.get(topic).into_iter().flatten();
        let entries = hearers.filter_map(|(id, _)| self.entries.get(*id as usize)?.as_deref());
        let keys = entries.map(|it| it.device().key().clone());
        keys.chain(self.edges.hearers(topic)).collect()
    }

    /// What a device itself said last that a property is, where that still holds: not what the broker kept from before.
    #[must_use]
    pub fn said(&self, key: &Key, property: &str, now: Moment) -> Option<Value> {
        let entry = self.entry(key)?;
        let (number, it) = entry.device().shape.property(property)?;
        let slot = entry.slot(number).filter(|it| !it.retained)?;
        let reading = self.reading(entry, number, it, entry.reach(self.link), now);
        slot.value.clone().filter(|_| !reading.stale)
    }

    /// When a device was heard of last, as opposed to what the broker kept from before.
    #[must_use]
    pub fn last_seen(&self, key: &Key, now: Moment) -> Option<UnixMillis> {
        self.entry(key)?.seen.map(|at| now.date_of(at))
    }

    /// What was taken of a device, and what was not.
    #[must_use]
    pub fn counts(&self, key: &Key) -> Option<Counts> {
        self.entry(key).map(|it| it.counts)
    }

    /// What was heard last of properties; of all that can be read, if none are named.
    ///
    /// # Errors
    /// There is no such device or property, or it is only written.
    pub fn read(
        &self,
        key: &Key,
        properties: &[String],
        now: Moment,
    ) -> Result<ReadResponse, Problem> {
        let entry = self.known(key)?;
        let device = entry.device();
        let reach = entry.reach(self.link);
        let mut readings = Vec::new();
        if properties.is_empty() {
            let all = device
                .shape
                .properties
                .iter()
                .enumerate()
                .filter(|(_, it)| it.access.reads());
            readings.extend(all.map(|(number, it)| self.reading(entry, number, it, reach, now)));
        }
        for name in properties {
            let (number, property) = device
                .shape
                .property(name)
                .ok_or_else(|| device.no_property(name))?;
            if !property.access.reads() {
                let readable = device
                    .shape
                    .properties
                    .iter()
                    .filter(|it| it.access.reads());
                return Err(Problem::new(
                    Code::Denied,
                    format!(
                        "{name} of {} is written, and nobody hears what it is",
                        key.name
                    ),
                )
                .remedy(listed("what can be read", readable.map(|it| &*it.name))));
            }
            readings.push(self.reading(entry, number, property, reach, now));
        }
        Ok(ReadResponse { reach, readings })
    }

    fn reading(
        &self,
        entry: &Entry,
        number: usize,
        property: &Property,
        reach: Reach,
        now: Moment,
    ) -> Reading {
        let mut reading = Reading {
            property: property.name.to_string(),
            unit: property.unit.as_deref().map(str::to_owned),
            ..Reading::default()
        };
        let Some(slot) = entry.slot(number) else {
            return reading;
        };
        reading.unread = slot.unread.as_deref().map(str::to_owned);
        let Some(value) = &slot.value else {
            return reading;
        };
        let age = now.at.saturating_sub(slot.at);
        reading.value = Some(value.clone());
        reading.at_ms = Some(now.date_of(slot.at));
        reading.age_ms = Some(age);
        // What the broker kept holds as long as the device is there, unless its age matters: that nobody knows.
        reading.stale = slot.doubted
            || (slot.retained && property.stale_ms.is_some())
            || self.link == Link::Away
            || reach == Reach::Offline
            || slot.at < self.whole_since
            || property.stale_ms.is_some_and(|most| age > most);
        reading
    }

    /// What a property was.
    ///
    /// # Errors
    /// There is no such device or property, nothing is kept of it, or the request is none.
    pub fn history(
        &self,
        key: &Key,
        request: &HistoryRequest,
        now: Moment,
    ) -> Result<HistoryResponse, Problem> {
        let entry = self.known(key)?;
        let device = entry.device();
        let (number, property) = device
            .shape
            .property(&request.property)
            .ok_or_else(|| device.no_property(&request.property))?;
        let ring = entry.slot(number).and_then(|it| it.ring.as_deref());
        history::answer(property, ring, request, self.since, now)
    }

    fn entry(&self, key: &Key) -> Option<&Entry> {
        let id = self.by_key.get(key)?;
        self.entries.get(*id as usize)?.as_deref()
    }

    fn known(&self, key: &Key) -> Result<&Entry, Problem> {
        self.entry(key).ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                format!("there is no device {} here", key.name),
            )
            .remedy("list the devices first")
        })
    }
}
