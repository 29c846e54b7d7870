//! What devices say anew, for what it starts: of devices that somebody listens to, and of no others.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use aion_abi::{date::UnixMillis, syscall::device::Value};
use aion_resolve::Key;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::Devices;

/// Changes that wait for who listens; what is more is left out, and said.
const WAITING: usize = 4096;

/// A property became something else.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happened {
    /// Whose.
    pub(crate) device: Key,
    /// Which.
    pub(crate) property: String,
    /// What it is now.
    pub(crate) value: Value,
    /// What it was, where that is known.
    pub(crate) before: Option<Value>,
    /// It is of type text: a stranger's words.
    pub(crate) text: bool,
    /// When it was heard.
    pub(crate) at: UnixMillis,
}

/// See the module.
pub(super) struct Happenings {
    wanted: RwLock<BTreeSet<Key>>,
    out: mpsc::Sender<Happened>,
    listener: Mutex<Option<mpsc::Receiver<Happened>>>,
    left_out: AtomicU64,
}

impl Default for Happenings {
    fn default() -> Self {
        let (out, listener) = mpsc::channel(WAITING);
        Self {
            wanted: RwLock::default(),
            out,
            listener: Mutex::new(Some(listener)),
            left_out: AtomicU64::new(0),
        }
    }
}

impl Happenings {
    /// Whether anybody listens to this device.
    pub(super) fn wants(&self, device: &Key) -> bool {
        self.wanted.read().contains(device)
    }

    pub(super) fn tell(&self, happened: Happened) {
        if self.out.try_send(happened).is_err() {
            let before = self.left_out.fetch_add(1, Ordering::Relaxed);
            if before.is_power_of_two() || before == 0 {
                let count = before + 1;
                tracing::warn!(
                    count,
                    "changes of devices come faster than turns are started: so many are left out"
                );
            }
        }
    }
}

impl Devices {
    /// From now on changes of these devices are told, and of no others.
    pub(crate) fn listen_to(&self, devices: BTreeSet<Key>) {
        *self.0.happenings.wanted.write() = devices;
    }

    /// What they say anew; once.
    pub(crate) fn happenings(&self) -> Option<mpsc::Receiver<Happened>> {
        self.0.happenings.listener.lock().take()
    }
}
