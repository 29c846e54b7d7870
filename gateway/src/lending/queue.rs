//! Who waits for a turn of one agent, of all that lend its models: an instance works on one turn at a time, and whoever holds one that
//! is not used lets go of it for others.

use std::{
    convert::Infallible,
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::Notify, time::sleep};

use super::PAUSE;

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    grows: Notify,
}

/// A place in it.
struct Place<'a>(&'a Queue);

impl Queue {
    /// Waits in it, to whatever end. Who is given a turn at once has waited for nobody.
    pub(super) async fn wait(&self) -> Infallible {
        sleep(PAUSE).await;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(self);
        self.grows.notify_waiters();
        pending().await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Once somebody more waits. Who is not here to hear that looks whether it [is empty](Self::is_empty).
    pub(super) async fn grows(&self) {
        self.grows.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
