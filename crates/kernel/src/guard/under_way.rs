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
    /// The calls that move a device.
    calls: BTreeMap<Name, BTreeMap<CallId, Telling>>,
    tries: BTreeMap<Name, Try>,
}

/// A call that moves a device.
#[derive(Debug)]
struct Telling {
    /// The safe state that it is a part of, see [`super::Watchdog::what`]; none: it leads out of it.
    part_of: Option<Name>,
    /// Nothing that leads out of that safe state was under way since it began.
    counts: bool,
}

/// A try to make a device safe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Try {
    /// When it began.
    pub(crate) at: Millis,
    /// Into which safe state, see [`super::Watchdog::what`].
    pub(crate) what: Name,
    /// What of it is being done.
    pub(crate) parts: Parts,
    /// What is remembered of it as moves: the part, its point and what is written.
    pub(crate) moves: Vec<(u8, Name, Option<Measure>)>,
}

impl UnderWay {
    /// A call begins to move a device: as a part of a safe state, or out of it.
    ///
    /// Who began first does not tell who reaches the device last, and neither does who ends first. So a part counts for nothing
    /// where anything that leads out of its safe state was under way with it.
    pub(crate) fn begin(&mut self, device: &Name, call: CallId, part_of: Option<Name>) {
        let alone = |what| !self.leads_out_of(device, what);
        let counts = part_of.as_ref().is_some_and(alone);
        let calls = self.calls.entry(device.clone()).or_default();
        calls.insert(call, Telling { part_of, counts });
    }

    /// Whether something that is under way leads a device out of a safe state: parts of another one do, too.
    fn leads_out_of(&self, device: &Name, what: &Name) -> bool {
        let mut calls = self
            .calls
            .get(device)
            .into_iter()
            .flat_map(BTreeMap::values);
        let another = self.tries.get(device).is_some_and(|it| it.what != *what);
        another || calls.any(|it| it.part_of.as_ref() != Some(what))
    }

    /// Something leads a device out of its safe state, or that is another one from now on. What began before may reach the device
    /// later, and before what is told later.
    pub(crate) fn led_out(&mut self, device: &Name) {
        let calls = self.calls.get_mut(device).into_iter();
        calls
            .flat_map(BTreeMap::values_mut)
            .for_each(|it| it.counts = false);
    }

    /// A call that moved a device ends. Whether it counts as a part of its safe state, if it was done.
    pub(crate) fn end(&mut self, device: &Name, call: CallId) -> bool {
        let Some(calls) = self.calls.get_mut(device) else {
            return false;
        };
        let counts = calls.remove(&call).is_some_and(|it| it.counts);
        if calls.is_empty() {
            self.calls.remove(device);
        }
        counts
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

    /// As if nobody knew that calls are under way.
    pub(crate) fn forget_calls(&mut self) {
        self.calls.clear();
    }

    /// As if all that is under way were a part of the safe state that `what` says for a device.
    pub(crate) fn forget_who_leads_out(&mut self, what: impl Fn(&Name) -> Option<Name>) {
        for (device, calls) in &mut self.calls {
            let what = what(device);
            calls
                .values_mut()
                .for_each(|it| it.part_of.clone_from(&what));
        }
    }
}
