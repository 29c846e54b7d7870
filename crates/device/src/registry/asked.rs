//! What is heard of a device that is asked: that it answers or does not, and that it says the same again.

use std::sync::Arc;

use super::{Change, Heard, Link, entry::Entry};
use crate::shape::What;

impl Entry {
    /// It says on a topic what it said before: all of it is as old as this moment.
    pub(super) fn again(&mut self, number: usize, at: u64, heard: &mut Vec<Heard>) {
        self.counts.taken += 1;
        self.seen = Some(at);
        let device = Arc::clone(self.device());
        let Some(listen) = device.shape.listens.get(number) else {
            return;
        };
        for about in &listen.about {
            let What::Property(number) = about.what else {
                continue;
            };
            let (Some(property), Some(slot)) =
                (device.shape.properties.get(number), self.slot_mut(number))
            else {
                continue;
            };
            // What could not be believed is not believed now, and what it said nothing about is as old as it was.
            let said = slot.unread.is_none() && !slot.absent;
            let Some(value) = slot.value.clone().filter(|_| said) else {
                continue;
            };
            slot.at = at;
            if property.keep.points > 0 {
                let ring = slot.ring.get_or_insert_default();
                ring.push(at, &value, property);
            }
            heard.push(Heard::Value {
                device: Arc::clone(&device),
                property: Arc::clone(&property.name),
                value,
                change: Change::Same,
            });
        }
    }

    /// Whether it answers.
    pub(super) fn answers(&mut self, there: bool, heard: &mut Vec<Heard>) {
        let before = self.reach(Link::Resumed);
        self.there = Some(there);
        let reach = self.reach(Link::Resumed);
        if reach != before {
            let device = Arc::clone(self.device());
            heard.push(Heard::Reach { device, reach });
        }
    }
}
