//! Runs blocking work (disk, SQLite) off the async threads, a bounded number at a time for each place.
//!
//! The bound is per place so that a folder on a server that no longer answers holds up itself only: its
//! threads are stuck, the others' are free. Nothing about what the work is may enter here.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use aion_abi::{code::Code, problem::Problem};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Lanes by place; a lane exists while work is in it.
pub(crate) struct Lanes<K> {
    width: usize,
    open: Mutex<Open<K>>,
}

struct Open<K> {
    lanes: HashMap<K, Weak<Semaphore>>,
    prune_at: usize,
}

const PRUNE_FROM: usize = 64;

impl<K: Hash + Eq + Clone> Lanes<K> {
    /// At most `width` pieces of work at a time in each lane.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            open: Mutex::new(Open {
                lanes: HashMap::new(),
                prune_at: PRUNE_FROM,
            }),
        }
    }

    /// Waits for a place in the lane of `key`, then runs `work` on a blocking thread.
    ///
    /// The place belongs to the work, not to the caller: a caller that gives up does not free a thread
    /// that is still stuck.
    ///
    /// # Errors
    /// `internal` where the work panicked or the runtime is shutting down.
    pub(crate) async fn run<T, F>(&self, key: &K, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit =
            self.lane(key).acquire_owned().await.map_err(|_| {
                Problem::new(Code::Internal, "the lane for blocking work is closed")
            })?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        task.await.map_err(|error| {
            tracing::error!(%error, "blocking work did not end");
            Problem::new(Code::Internal, "the work broke off inside the node")
        })
    }

    fn lane(&self, key: &K) -> Arc<Semaphore> {
        let mut open = self.open.lock();
        if let Some(lane) = open.lanes.get(key).and_then(Weak::upgrade) {
            return lane;
        }
        if open.lanes.len() >= open.prune_at {
            open.lanes.retain(|_, lane| lane.strong_count() > 0);
            open.prune_at = PRUNE_FROM.max(open.lanes.len() * 2);
        }
        let lane = Arc::new(Semaphore::new(self.width));
        open.lanes.insert(key.clone(), Arc::downgrade(&lane));
        lane
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_stuck_lane_holds_up_no_other() {
        let lanes = Arc::new(Lanes::new(1));
        let (release, stuck) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let lanes = lanes.clone();
            async move { lanes.run(&"slow", move || stuck.recv().is_ok()).await }
        });
        assert_eq!(lanes.run(&"quick", || 7).await, Ok(7));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
    }

    #[tokio::test]
    async fn work_that_panics_is_an_internal_problem() {
        let lanes = Lanes::new(1);
        let broke: Result<(), _> = lanes
            .run(&1, || std::panic::resume_unwind(Box::new("gone")))
            .await;
        assert_eq!(broke.unwrap_err().code, Code::Internal);
        assert_eq!(lanes.run(&1, || 2).await, Ok(2));
    }

    #[tokio::test]
    async fn lanes_that_are_empty_are_forgotten() {
        let lanes = Lanes::new(1);
        for key in 0..1000 {
            lanes.run(&key, || ()).await.unwrap();
        }
        assert!(lanes.open.lock().lanes.len() <= PRUNE_FROM);
    }
}
