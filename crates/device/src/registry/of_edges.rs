//! What edge nodes of Sparkplug say, put into effect for the devices that are of them; and what is sent to them.

use aion_abi::problem::Problem;

use super::{
    EdgeCounts, Heard, Id, Link, Message, Registry,
    edges::{MayAsk, Word},
    entry::Entry,
    reschedule,
};
use crate::{
    compiled::Key,
    edge,
    moment::Moment,
    order::{Confirm, Order},
    payload::Found,
    sparkplug::RebirthRequest,
};

impl Registry {
    /// The edge nodes that are asked for their births now: each as rarely as its answers are missing, all together ten a second.
    pub fn rebirths(&mut self, now: Moment) -> Vec<RebirthRequest> {
        match self.link {
            Link::Away => Vec::new(),
            Link::Resumed | Link::New => self.edges.asks(now),
        }
    }

    /// Whether discovery may ask for a birth now. The edge node of a device here is asked as that says, and not beside it; all that are
    /// asked have one share.
    pub fn may_ask(&mut self, request: &RebirthRequest, now: Moment) -> MayAsk {
        self.edges.may_ask(&request.topic, now)
    }

    /// What is sent for an order, and where, and by what is known that it was done: that of Sparkplug is written as the birth of the
    /// device says, and reads as its type holds it.
    ///
    /// # Errors
    /// The device is not born (`unreachable`), or its metric does not hold the value (`bad-request`). Nothing was sent.
    pub fn outgoing(
        &self,
        key: &Key,
        order: &Order,
        now: Moment,
    ) -> Result<(String, Vec<u8>, Confirm), Problem> {
        let Some((topic, metric)) = edge::metric_of(&order.topic) else {
            let (topic, payload) = (order.topic.clone(), order.payload.clone());
            return Ok((topic, payload, order.confirm.clone()));
        };
        let text = String::from_utf8_lossy(&order.payload);
        let (payload, reads) = self.edges.command(key, metric, &text, now)?;
        let confirm = match &order.confirm {
            Confirm::State { property, value } => Confirm::State {
                property: property.clone(),
                value: self
                    .device(key)
                    .and_then(|it| it.shape.property(property))
                    .and_then(|(_, it)| it.form.read(&it.wire, &Found::Text(reads.into())).ok())
                    .unwrap_or_else(|| value.clone()),
            },
            other => other.clone(),
        };
        Ok((topic.to_owned(), payload, confirm))
    }

    /// The edge node of a device that is reached by Sparkplug, and what happened to its messages.
    #[must_use]
    pub fn edge_node(&self, key: &Key) -> Option<(String, &EdgeCounts)> {
        self.edges.counts(key)
    }

    /// What a message of an edge node comes to for its devices.
    pub(super) fn obey(&mut self, words: Vec<Word>, now: Moment) -> Vec<Heard> {
        let mut heard = Vec::new();
        for word in words {
            match word {
                Word::Says { place, text, birth } => {
                    let message = Message {
                        topic: &place,
                        payload: text.as_bytes(),
                        retained: false,
                    };
                    heard.extend(self.hear_at(message, birth, now));
                }
                Word::Unknown { place, why } => {
                    for (id, number) in self.topics.get(place.as_str()).cloned().unwrap_or_default()
                    {
                        let limits = self.limits;
                        self.with(id, |entry| {
                            entry.unknown(number.into(), &why, (&limits, now.at), &mut heard);
                        });
                    }
                }
                Word::Doubt { device, why } => {
                    if let Some(id) = self.by_key.get(&device).copied() {
                        self.with(id, |entry| entry.doubt(&why, &mut heard));
                    }
                }
                Word::There { device, there } => {
                    if let Some(id) = self.by_key.get(&device).copied() {
                        self.with(id, |entry| entry.is_there(there, now.at, &mut heard));
                    }
                }
            }
        }
        heard
    }

    /// Has a device become another, with what is kept of it.
    fn with(&mut self, id: Id, change: impl FnOnce(&mut Entry)) {
        let Some(mut entry) = self.entries.get_mut(id as usize).and_then(Option::take) else {
            return;
        };
        let before = entry.kept_bytes();
        change(&mut entry);
        self.kept_bytes = self.kept_bytes + entry.kept_bytes() - before;
        reschedule(&mut self.due, id, &mut entry, &self.limits);
        self.entries[id as usize] = Some(entry);
    }
}
