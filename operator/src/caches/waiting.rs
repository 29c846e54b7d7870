//! Agents that no node has room for: looked at again when an instance, of whomever, is gone, or a node
//! changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use aion_resolve::Key;
use parking_lot::Mutex;

/// A shared set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<BTreeSet<Key>>>);

impl Waiting {
    /// Notes whether `agent` waits for room.
    pub(crate) fn note(&self, agent: Key, waits: bool) {
        let mut all = self.0.lock();
        if waits {
            all.insert(agent);
        } else {
            all.remove(&agent);
        }
    }

    /// All of them, none waiting any more: who still does is noted again.
    pub(crate) fn take(&self) -> BTreeSet<Key> {
        std::mem::take(&mut self.0.lock())
    }
}
