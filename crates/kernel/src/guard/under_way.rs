//! What is being done to devices right now: by calls of agents, and by the node that makes them safe.
//!
//! Not durable: drivers end with the daemon. Bounded by the calls that run, and by one try for each device.

use std::collections::BTreeMap;

use super::{Measure, Parts};
use crate::{
    ids::{CallId, Millis},
    name::Name,
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    /// The calls that move a device, each with whether nothing led out of its safe state since it began.
    calls: BTreeMap<Name, BTreeMap<CallId, bool>>,
    tries: BTreeMap<Name, Try>,
}

/// A try to make a device safe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Try {
    /// When it began.
    pub(crate) at: Millis,
    /// What of it is being done.
    pub(crate) parts: Parts,
    /// What is remembered of it as moves: the part, its point and what is written.
    pub(crate) moves: Vec<(u8, Name, Option<Measure>)>,
}

impl UnderWay {
    /// A call begins to move a device.
    pub(crate) fn begin(&mut self, device: &Name, call: CallId) {
        let calls = self.calls.entry(device.clone()).or_default();
        calls.insert(call, true);
    }

    /// Something leads a device out of its safe state, or that is another one from now on. What began before may reach the device
    /// later, and before what is told later.
    pub(crate) fn led_out(&mut self, device: &Name) {
        let calls = self.calls.get_mut(device).into_iter();
        calls
            .flat_map(BTreeMap::values_mut)
            .for_each(|it| *it = false);
    }

    /// A call that moved a device ends. Whether nothing led it out of its safe state since the call began.
    pub(crate) fn end(&mut self, device: &Name, call: CallId) -> bool {
        let Some(calls) = self.calls.get_mut(device) else {
            return false;
        };
        let last = calls.remove(&call).unwrap_or_default();
        if calls.is_empty() {
            self.calls.remove(device);
        }
        last
    }

    /// The node begins to make a device safe.
    pub(crate) fn try_safe(&mut self, device: &Name, new: Try) {
        self.tries.insert(device.clone(), new);
    }

    /// That ended.
    pub(crate) fn tried(&mut self, device: &Name) -> Option<Try> {
        self.tries.remove(device)
    }

    /// Whether a device is being told something, by whomever.
    pub(crate) fn is_told(&self, device: &Name) -> bool {
        self.calls.contains_key(device) || self.tries.contains_key(device)
    }
}

#[cfg(test)]
impl UnderWay {
    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.tries.is_empty()
    }
}
