//! The events that wait to be written: who tells them leaves them here and goes on, and the one who writes takes them, warnings
//! first, but for every other turn. Each lane is bounded and fair to namespaces. What may not enter: what becomes of an event that is taken.

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Told;
use super::series::{Again, REMEMBERED};
use super::waiting::Waiting;

/// Events that wait, of each kind: as many as client-go's recorders keep.
pub(super) const WAITING: usize = 1000;

/// See the module.
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    more: Notify,
}

struct Lanes {
    /// Events that somebody should look at; no crowd of the usual ones takes their place.
    warnings: Waiting<Box<Told>>,
    /// Counts of series, which at most are all that is remembered.
    counts: Waiting<Again>,
    usual: Waiting<Box<Told>>,
    /// How many were taken.
    taken: usize,
}

/// What is to be looked at next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Told(Box<Told>),
    Count(Again),
}

impl Queue {
    pub(super) fn new() -> Self {
        let lanes = Lanes {
            warnings: Waiting::new(WAITING),
            counts: Waiting::new(REMEMBERED),
            usual: Waiting::new(WAITING),
            taken: 0,
        };
        Self {
            lanes: Mutex::new(lanes),
            more: Notify::new(),
        }
    }

    /// Returns the event that is left out, this one or another.
    pub(super) fn tell(&self, told: Box<Told>) -> Option<Box<Told>> {
        let mut lanes = self.lanes.lock();
        let lane = match told.event.good {
            true => &mut lanes.usual,
            false => &mut lanes.warnings,
        };
        let namespace = share(told.object.namespace.as_ref()).to_owned();
        let left_out = lane.push(&namespace, told);
        self.more.notify_one();
        left_out
    }

    /// Returns the count that is left out, this one or another.
    pub(super) fn count(&self, again: Again) -> Option<Again> {
        let namespace = share(again.namespace.as_ref()).to_owned();
        let left_out = self.lanes.lock().counts.push(&namespace, again);
        self.more.notify_one();
        left_out
    }

    /// The next one of a namespace that `may` be served. Only one task waits here.
    pub(super) async fn next(&self, may: impl Fn(&str) -> bool) -> Next {
        loop {
            if let Some(next) = self.lanes.lock().take(&may) {
                return next;
            }
            self.more.notified().await;
        }
    }

    /// Takes nothing more; returns how many events waited.
    pub(super) fn close(&self) -> usize {
        let mut lanes = self.lanes.lock();
        lanes.counts.close();
        lanes.warnings.close() + lanes.usual.close()
    }
}

impl Lanes {
    /// Half of the turns are warnings' first. The others keep a crowd of them from stopping all else: one in four is first of
    /// counts, one in four of what is usual.
    fn take(&mut self, may: impl Fn(&str) -> bool) -> Option<Next> {
        let (warnings, counts, usual) = (&mut self.warnings, &mut self.counts, &mut self.usual);
        let mut lanes: [&mut dyn FnMut() -> Option<Next>; 3] = [
            &mut || warnings.take(&may).map(Next::Told),
            &mut || counts.take(&may).map(Next::Count),
            &mut || usual.take(&may).map(Next::Told),
        ];
        match self.taken % 4 {
            1 => lanes.swap(0, 1),
            3 => lanes.rotate_right(1),
            _ => {}
        }
        let next = lanes.iter_mut().find_map(|lane| lane())?;
        self.taken = self.taken.wrapping_add(1);
        Some(next)
    }
}

/// The share of what has this namespace; objects of the cluster have their own, though their events are in `default`.
pub(super) fn share(namespace: Option<&String>) -> &str {
    namespace.map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;
    use k8s_openapi::jiff::Timestamp;

    use super::super::event;
    use super::*;

    fn told(namespace: &str, good: bool) -> Box<Told> {
        Box::new(Told {
            object: ObjectReference {
                namespace: Some(namespace.to_owned()),
                ..ObjectReference::default()
            },
            event: event(good, "Reason", "note", "Ready"),
            name: format!("{namespace}-{good}"),
            at: Timestamp::UNIX_EPOCH,
        })
    }

    async fn next(queue: &Queue) -> String {
        match queue.next(|_| true).await {
            Next::Told(told) => told.name,
            Next::Count(again) => again.name,
        }
    }

    #[tokio::test]
    async fn a_namespace_with_a_crowd_of_warnings_leaves_out_its_own_alone() {
        let queue = Queue::new();
        for _ in 0..WAITING {
            assert_eq!(queue.tell(told("crowd", false)), None);
        }
        let left_out = queue.tell(told("home", false));
        assert_eq!(left_out.map(|it| it.name).as_deref(), Some("crowd-false"));
        assert_eq!(next(&queue).await, "crowd-false");
        assert_eq!(next(&queue).await, "home-false");
    }

    #[tokio::test]
    async fn warnings_are_taken_before_counts_and_counts_before_the_rest() {
        let queue = Queue::new();
        queue.tell(told("home", true));
        queue.count(Again {
            namespace: Some("home".to_owned()),
            name: "count".to_owned(),
            count: 2,
            last: Timestamp::UNIX_EPOCH,
        });
        queue.tell(told("home", false));
        let taken = [next(&queue).await, next(&queue).await, next(&queue).await];
        assert_eq!(taken, ["home-false", "count", "home-true"]);
    }

    #[tokio::test]
    async fn a_crowd_of_warnings_of_one_namespace_stops_nothing_of_another() {
        let queue = Queue::new();
        for _ in 0..WAITING {
            queue.tell(told("crowd", false));
        }
        queue.tell(told("home", true));
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(next(&queue).await);
        }
        assert!(taken.contains(&"home-true".to_owned()), "{taken:?}");
        assert_eq!(taken.iter().filter(|it| *it == "crowd-false").count(), 3);
    }
}
