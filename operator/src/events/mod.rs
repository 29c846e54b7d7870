//! Events, as `kubectl describe` shows them: told when a condition changes, not when it is looked at. Who reconciles tells
//! them and goes on; they wait in a queue that is bounded, and one task writes them ([`writer`]). Nothing depends on them: of
//! those that come faster than the API server takes them some are lost, which is counted.
//!
//! What may not enter: who tells what.

mod changes;
mod queue;
mod recent;
mod sent;
mod series;
mod waiting;
mod writer;

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;

use aion_api::condition::Condition;

pub(crate) use self::writer::Writer;

use self::changes::Unknown;
use self::queue::Queue;
use crate::metrics::Metrics;

/// An event's note is at most 1 KiB.
const NOTE: usize = 1000;

/// Reasons of events that do not come from a condition.
pub(crate) mod reason {
    /// AgentInstances were made.
    pub(crate) const INSTANCE_CREATED: &str = "InstanceCreated";
    /// AgentInstances were told to end their turns and go.
    pub(crate) const INSTANCE_RETIRED: &str = "InstanceRetired";
    /// AgentInstances were given up, since their node is lost.
    pub(crate) const INSTANCE_LOST: &str = "InstanceLost";
    /// A device has another node now.
    pub(crate) const DEVICE_BOUND: &str = "DeviceBound";
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    good: bool,
    reason: String,
    note: String,
    action: String,
}

/// What was told of an object.
#[derive(Debug, PartialEq)]
struct Told {
    object: ObjectReference,
    event: Event,
    /// The name of the event.
    name: String,
    at: Timestamp,
}

/// Where events are told.
pub(crate) struct Announcer {
    queue: Arc<Queue>,
    unknown: Mutex<Unknown>,
    last: Mutex<Timestamp>,
    metrics: Metrics,
}

/// Where events are told, and who writes them as `identity`.
pub(crate) fn announcer(client: Client, identity: &str, metrics: Metrics) -> (Announcer, Writer) {
    let queue = Arc::new(Queue::new());
    let announcer = Announcer {
        queue: Arc::clone(&queue),
        unknown: Mutex::default(),
        last: Mutex::default(),
        metrics: metrics.clone(),
    };
    let writer = Writer::new(client, identity, queue, metrics);
    (announcer, writer)
}

impl Announcer {
    /// Tells `events` about `object`.
    pub(crate) fn tell(&self, object: &ObjectReference, events: Vec<Event>) {
        for event in events {
            let at = self.now();
            let told = Box::new(Told {
                name: name(object.name.as_deref().unwrap_or("aion-operator"), at),
                object: object.clone(),
                event,
                at,
            });
            if self.queue.tell(told).is_some() {
                self.metrics.event("dropped");
            }
        }
    }

    /// Tells what changed between two sets of conditions of `object`.
    pub(crate) fn tell_changes(
        &self,
        object: &ObjectReference,
        before: &[Condition],
        after: &[Condition],
    ) {
        let changes = {
            let mut unknown = self.unknown.lock();
            unknown.changes(object, before, after)
        };
        self.tell(object, changes);
    }

    /// No two events are told at one time: their names follow from it.
    fn now(&self) -> Timestamp {
        let mut last = self.last.lock();
        let next = Timestamp::from_nanosecond(last.as_nanosecond() + 1).unwrap_or(*last);
        *last = crate::clock::now().max(next);
        *last
    }
}

/// The name of the event that was told `at` a time about the object `of`, as all recorders make it; that of the object is cut
/// where both would be too long.
fn name(of: &str, at: Timestamp) -> String {
    let at = format!("{:x}", at.as_nanosecond());
    let of = &of[..of.floor_char_boundary(252 - at.len())];
    format!("{}.{at}", of.trim_end_matches(['.', '-']))
}

/// One event.
pub(crate) fn event(good: bool, reason: &str, note: &str, action: &str) -> Event {
    Event {
        good,
        reason: reason.to_owned(),
        note: note[..note.floor_char_boundary(NOTE)].to_owned(),
        action: action.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_event_has_a_name_that_the_api_server_takes_and_that_no_other_has() {
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(name("a", at), "a.0");
        let long = format!("{}-{}", "a".repeat(235), "b".repeat(17));
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let name = name(&long, at);
        assert!(name.len() <= 253, "{name}");
        assert!(name.starts_with("aaa") && !name.contains("-."), "{name}");
    }
}
