//! What a connection tells of what it hears, handed to the devices of the broker.
//!
//! What may not enter: what a message means.

use std::sync::Weak;

use aion_abi::problem::Problem;
use aion_device::{Heard, Link as Reached, Message as Heeded};
use aion_drivers::device::{Hearing, LinkState, Message};
use aion_resolve::Key;

use super::{Link, Shared};

/// What the connection tells of what it hears.
pub(super) struct Ear {
    pub(super) link: Weak<Link>,
    pub(super) shared: Weak<Shared>,
}

impl Hearing for Ear {
    fn message(&self, message: Message<'_>) {
        let Some((link, shared)) = self.link.upgrade().zip(self.shared.upgrade()) else {
            return;
        };
        let now = shared.now();
        let before = link.registry(|it| it.due());
        let heeded = Heeded {
            topic: message.topic,
            payload: message.payload,
            retained: message.retained,
        };
        let births = link.announced.take(heeded, now);
        link.ask_as_it_may(births, &shared.parts.tenure, now);
        let (heard, after) = link.registry(|it| (it.take(heeded, now), it.due()));
        link.counters.taken.inc();
        link.heard(&shared, heard, now);
        if after.is_some() && after != before {
            link.due.notify_one();
        }
    }

    fn link(&self, state: LinkState) {
        let Some((link, shared)) = self.link.upgrade().zip(self.shared.upgrade()) else {
            return;
        };
        let up = state == LinkState::Up;
        *link.away.lock() = match state {
            LinkState::Up => None,
            LinkState::Down { why, .. } => {
                link.counters.lost.inc();
                tracing::warn!(broker = %link.key, %why, "a broker is away");
                Some(format!("{}: {}", why.detail, why.remedy))
            }
        };
        if up {
            tracing::info!(broker = %link.key, "connected to a broker");
            link.refused.lock().clear();
            link.announced.anew();
        }
        let now = shared.now();
        let devices: Vec<_> = link.registry(|it| {
            // Every session begins anew: what was said meanwhile is lost.
            it.link(if up { Reached::New } else { Reached::Away }, now);
            it.devices().map(|it| it.key().name.clone()).collect()
        });
        link.due.notify_one();
        for device in devices {
            let device = Key::new(&link.key.namespace, &device);
            shared.reach_changed(&device);
            shared.tell_reach(&device);
        }
    }

    fn refused(&self, topic: &str, why: Problem) {
        let Some((link, shared)) = self.link.upgrade().zip(self.shared.upgrade()) else {
            return;
        };
        tracing::warn!(broker = %link.key, topic, %why, "a broker does not let the node listen");
        link.refused.lock().insert(topic.to_owned());
        for device in link.registry(|it| it.hearers(topic)) {
            shared
                .standing
                .changed(&Key::new(&link.key.namespace, &device.name));
        }
    }

    fn dropped(&self, topic: &str, size: Option<u64>, why: Problem) {
        let Some((link, shared)) = self.link.upgrade().zip(self.shared.upgrade()) else {
            return;
        };
        tracing::debug!(broker = %link.key, %why, "a message is dropped");
        let now = shared.now();
        let heard = size.map(|it| link.registry(|registry| registry.too_large(topic, it, now)));
        let heard = heard.unwrap_or_default();
        // What is heard of a device is counted there.
        if !heard.iter().any(|it| matches!(it, Heard::Unread { .. })) {
            link.counters.unread.inc();
        }
        link.heard(&shared, heard, now);
        // An edge node may have to be asked for its birth.
        link.due.notify_one();
    }
}
