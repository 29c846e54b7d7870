//! Lanes: who waits for whom. At most so many at a time are in the lane of a key, and nobody in one lane waits
//! for another, however long somebody else's network or compiler takes. Nothing about what is done may enter.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From so many lanes on, those that nobody is in are forgotten.
const PRUNE_FROM: usize = 64;

/// A lane for each key; it exists while somebody is in it or waits for it.
#[derive(Debug)]
pub(crate) struct Lanes<K> {
    width: usize,
    open: Mutex<Open<K>>,
}

#[derive(Debug)]
struct Open<K> {
    lanes: HashMap<K, Weak<Semaphore>>,
    prune_at: usize,
}

/// A place in a lane, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct InLane {
    /// Nothing of a lane that was shut, which nobody does.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<K: Hash + Eq> Lanes<K> {
    /// At most `width` at a time in each lane.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            open: Mutex::new(Open {
                lanes: HashMap::new(),
                prune_at: PRUNE_FROM,
            }),
        }
    }

    /// Waits for a place in the lane of `key`, in the order of those who came.
    pub(crate) async fn enter(&self, key: K) -> InLane {
        let permit = self.lane(key).acquire_owned().await;
        InLane {
            _permit: permit.ok(),
        }
    }

    fn lane(&self, key: K) -> Arc<Semaphore> {
        let mut open = self.open.lock();
        if let Some(lane) = open.lanes.get(&key).and_then(Weak::upgrade) {
            return lane;
        }
        if open.lanes.len() >= open.prune_at {
            open.lanes.retain(|_, lane| lane.strong_count() > 0);
            open.prune_at = PRUNE_FROM.max(open.lanes.len() * 2);
        }
        let lane = Arc::new(Semaphore::new(self.width));
        open.lanes.insert(key, Arc::downgrade(&lane));
        lane
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_lane_that_is_full_holds_up_no_other() {
        let lanes = Lanes::new(2);
        let _first = lanes.enter("slow").await;
        let second = lanes.enter("slow").await;
        assert!(lanes.enter("slow").now_or_never().is_none());
        assert!(lanes.enter("quick").now_or_never().is_some());
        drop(second);
        assert!(lanes.enter("slow").now_or_never().is_some());
    }

    #[tokio::test]
    async fn lanes_that_nobody_is_in_are_forgotten() {
        let lanes = Lanes::new(1);
        for key in 0..1000 {
            drop(lanes.enter(key).await);
        }
        assert!(lanes.open.lock().lanes.len() <= PRUNE_FROM);
    }
}
