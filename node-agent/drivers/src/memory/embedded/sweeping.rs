//! Closing pools that nobody uses.

use std::sync::{Arc, atomic::Ordering};

use super::EmbeddedMemory;

impl EmbeddedMemory {
    /// One task closes idle pools; it ends with the last open one.
    pub(super) fn keep_sweeping(&self) {
        if self.0.pools.open_count() == 0 || self.0.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = Arc::downgrade(&self.0);
        let pause = self.0.config.bounds.idle / 2;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(store) = store.upgrade() else { return };
                let sweeper = store.clone();
                // Closing writes the log back, so it blocks.
                let left = tokio::task::spawn_blocking(move || sweeper.pools.close_idle()).await;
                if !matches!(left, Ok(1..)) {
                    store.sweeping.store(false, Ordering::Release);
                    // A pool may have been opened meanwhile, by a call that saw a task at it.
                    if store.pools.open_count() == 0 || store.sweeping.swap(true, Ordering::AcqRel)
                    {
                        return;
                    }
                }
            }
        });
    }
}
