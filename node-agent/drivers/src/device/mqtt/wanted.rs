//! What is to be heard: all of it is asked for at each new connection, and a change when it is made.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::device::{Hearing, MAX_FILTERS, Qos, filter_fault, refused};

/// Bytes of all filters together.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Filters that are none, until the task says so; more are not told one by one.
const MAX_UNFIT: usize = 1024;
/// Bytes that a filter takes in a packet beside itself.
const FRAME: usize = 3;
/// Filters in one packet.
const IN_A_PACKET: usize = 512;

/// See the module.
#[derive(Default)]
pub(super) struct Wanted {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    filters: HashMap<Arc<str>, Qos>,
    bytes: usize,
    /// What the broker is to be told: to subscribe where the filter is wanted, else not to any more.
    open: BTreeSet<Arc<str>>,
    unfit: Vec<(String, &'static str)>,
}

/// What fits into one packet of each kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub subscribe: Vec<(Arc<str>, Qos)>,
    pub unsubscribe: Vec<Arc<str>>,
}

impl Wanted {
    pub(super) fn add(&self, filters: Vec<(String, Qos)>) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        for (filter, qos) in filters {
            let known = state.filters.contains_key(filter.as_str());
            let bytes = state.bytes + filter.len();
            let fault = filter_fault(&filter).or_else(|| {
                let full = state.filters.len() >= MAX_FILTERS || bytes > MAX_BYTES;
                (!known && full).then_some("there are as many subscriptions as may be")
            });
            if let Some(why) = fault {
                state.refuse(filter, why);
                continue;
            }
            if !known {
                state.bytes = bytes;
            }
            let filter: Arc<str> = filter.into();
            state.filters.insert(Arc::clone(&filter), qos);
            state.open.insert(filter);
        }
        drop(guard);
        self.changed.notify_one();
    }

    pub(super) fn remove(&self, filters: Vec<String>) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        for filter in filters {
            if let Some((filter, _)) = state.filters.remove_entry(filter.as_str()) {
                state.bytes -= filter.len();
                state.open.insert(filter);
            }
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// There is a new connection, whose broker knows nothing.
    pub(super) fn anew(&self) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.open = state.filters.keys().cloned().collect();
    }

    /// The next that the broker is to be told, in at most `bytes`.
    pub(super) fn next(&self, bytes: usize) -> Batch {
        let mut batch = Batch::default();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut left = bytes;
        for _ in 0..IN_A_PACKET {
            let Some(filter) = state.open.first() else {
                break;
            };
            let Some(rest) = left.checked_sub(filter.len() + FRAME) else {
                if left < bytes {
                    break;
                }
                // Alone it is too much for this broker, and it is not to hold up the others.
                if let Some(filter) = state.open.pop_first()
                    && state.filters.contains_key(&filter)
                {
                    state.refuse(
                        filter.to_string(),
                        "the broker takes no packet of that size",
                    );
                }
                continue;
            };
            left = rest;
            if let Some(filter) = state.open.pop_first() {
                match state.filters.get(&filter) {
                    Some(qos) => batch.subscribe.push((filter, *qos)),
                    None => batch.unsubscribe.push(filter),
                }
            }
        }
        batch
    }

    /// Ends after a change; one that nobody waited for counts.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Says which filters are none.
    pub(super) fn say_unfit(&self, broker: &str, hearing: &dyn Hearing) {
        let unfit = std::mem::take(&mut self.state.lock().unfit);
        for (filter, why) in unfit {
            hearing.refused(&filter, refused::no_filter(broker, &filter, why));
        }
    }
}

impl State {
    fn refuse(&mut self, filter: String, why: &'static str) {
        if self.unfit.len() < MAX_UNFIT {
            self.unfit.push((filter, why));
        } else {
            tracing::warn!(why, "a topic is not subscribed to, after many others");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<(String, Qos)> {
        (0..count)
            .map(|it| (format!("a/{it:06}"), Qos::AtMostOnce))
            .collect()
    }

    #[test]
    fn all_that_is_wanted_is_told_in_bounded_packets_to_each_new_connection() {
        let wanted = Wanted::default();
        wanted.add(names(2000));
        for _ in 0..2 {
            wanted.anew();
            let mut told = 0;
            loop {
                let batch = wanted.next(1100);
                if batch == Batch::default() {
                    break;
                }
                assert!(batch.unsubscribe.is_empty());
                let bytes: usize = batch.subscribe.iter().map(|it| it.0.len() + FRAME).sum();
                assert!(bytes <= 1100, "{bytes}");
                told += batch.subscribe.len();
            }
            assert_eq!(told, 2000);
        }
    }

    #[test]
    fn what_is_wanted_no_longer_is_told_once_and_never_to_a_new_connection() {
        let wanted = Wanted::default();
        wanted.add(names(2));
        wanted.anew();
        assert_eq!(wanted.next(1000).subscribe.len(), 2);
        wanted.remove(vec!["a/000001".into(), "a/never".into()]);
        let batch = wanted.next(1000);
        assert_eq!(batch.unsubscribe, ["a/000001".into()]);
        assert!(batch.subscribe.is_empty());
        wanted.anew();
        assert_eq!(wanted.next(1000).subscribe.len(), 1);
        assert_eq!(wanted.next(1000), Batch::default());
    }

    #[test]
    fn what_no_packet_of_the_broker_holds_is_refused_and_holds_up_nothing() {
        let wanted = Wanted::default();
        let long = "a".repeat(100);
        wanted.add(vec![(long, Qos::AtMostOnce), ("b".into(), Qos::AtMostOnce)]);
        assert_eq!(wanted.next(20).subscribe, [("b".into(), Qos::AtMostOnce)]);
        assert_eq!(wanted.state.lock().unfit.len(), 1);
    }

    #[test]
    fn there_is_a_bound_to_all_filters_together() {
        let wanted = Wanted::default();
        wanted.add(names(MAX_FILTERS + 3));
        wanted.add(names(1));
        assert_eq!(wanted.state.lock().unfit.len(), 3);
        wanted.remove(vec!["a/000000".into()]);
        wanted.add(vec![("b".into(), Qos::AtMostOnce)]);
        assert_eq!(wanted.state.lock().unfit.len(), 3);
    }
}
