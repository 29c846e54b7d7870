//! What models were found to do, or not to take, for as long as the node runs.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::request::Quirks;

/// Models whose quirks are remembered; past that they are learned anew.
const REMEMBERED: usize = 1024;

/// A model: the address of its endpoint, and its name there.
pub(super) type Which = (String, String);

/// The quirks of models.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Which, Quirks>>);

impl Known {
    /// What is known of `which`.
    pub(super) fn of(&self, which: &Which) -> Quirks {
        self.0.lock().get(which).copied().unwrap_or_default()
    }

    /// Takes note of what is now known of `which`.
    pub(super) fn learn(&self, which: &Which, quirks: Quirks) {
        let mut known = self.0.lock();
        if known.len() >= REMEMBERED && !known.contains_key(which) {
            known.clear();
        }
        known.insert(which.clone(), quirks);
    }
}
