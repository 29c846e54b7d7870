//! What a device that is asked says: taken in as what a broker hands on is.

use std::sync::Arc;

use aion_device::{Compiled, Link as Reached, Message};
use aion_resolve::Key;

use super::{Asked, Link, Shared};
use crate::devices::{
    due,
    link::{By, MESSAGES_PER_SECOND},
};

impl Link {
    /// What a device is asked by.
    pub(super) fn asking(shared: &Arc<Shared>, key: Key, asked: Asked) -> Arc<Self> {
        // Counted together: there may be thousands in a namespace.
        let counters = shared
            .parts
            .telemetry
            .broker(&format!("{}/", key.namespace));
        let by = By::Asked(Box::new(asked));
        let link = Self::new(shared, (key, by), MESSAGES_PER_SECOND, counters);
        link.registry(|it| it.link(Reached::New, shared.now()));
        let link = Arc::new(link);
        tokio::spawn(due::take(Arc::downgrade(&link), Arc::downgrade(shared)));
        link
    }

    /// Takes what is known of a device from what it was asked by before.
    pub(super) fn take_over(&self, before: &Self) {
        self.registry(|it| before.registry(|of| std::mem::swap(it, of)));
        if let (Some(now), Some(before)) = (self.asked(), before.asked()) {
            *now.silent.lock() = before.silent();
        }
        self.due.notify_one();
    }

    /// How its one device is asked, if it is.
    pub(in crate::devices) fn asked(&self) -> Option<&Asked> {
        match &self.by {
            By::Asked(asked) => Some(asked),
            By::Broker(_) => None,
        }
    }

    /// The device that is asked.
    pub(super) fn only_device(&self) -> Option<Arc<Compiled>> {
        self.registry(|it| it.devices().next().cloned())
    }

    /// Takes in what the device that is asked says on a topic; without a body, what it said before.
    pub(super) fn said(&self, shared: &Shared, topic: &str, body: Option<&[u8]>) {
        let now = shared.now();
        let (heard, due) = self.registry(|it| {
            let heard = match body {
                None => it.again(topic, now),
                Some(payload) => it.take(
                    Message {
                        topic,
                        payload,
                        retained: false,
                    },
                    now,
                ),
            };
            (heard, it.due())
        });
        self.counters.taken.inc();
        self.heard(shared, heard, now);
        if due.is_some() {
            self.due.notify_one();
        }
    }

    /// The device that is asked answers, or it does not.
    pub(super) fn answers(&self, shared: &Shared, there: bool) {
        let key = self.only_device().map(|it| it.key().clone());
        let heard = key.map(|key| self.registry(|it| it.answers(&key, there)));
        self.heard(shared, heard.unwrap_or_default(), shared.now());
    }

    /// It is lost.
    pub(super) fn lost(&self) {
        self.counters.lost.inc();
    }
}
