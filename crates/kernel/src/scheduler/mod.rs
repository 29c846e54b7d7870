//! The scheduler: who is next for a worker, an endpoint, a tool, a pool, a mount.
//!
//! Each resource has its own queue and slots, so that a slow one holds up nobody
//! else. Volatile: after a restart everybody starts even. Grants and quotas do not
//! enter; what comes here may run as soon as there is room.

mod fair_queue;
mod shares;
mod tenant_queue;

use std::collections::BTreeMap;

pub(crate) use fair_queue::{Claim, FairQueue, Place, Slot};

use crate::{
    ids::{CallId, TurnId},
    spec::Limits,
    syscall::Resource,
};

#[derive(Debug)]
pub(crate) struct Scheduler {
    /// Turns waiting for a worker.
    pub(crate) workers: FairQueue<TurnId>,
    /// Calls waiting for a driver; a resource that nobody uses has no entry.
    calls: BTreeMap<Resource, FairQueue<CallId>>,
}

impl Scheduler {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            workers: FairQueue::new(limits.worker_slots),
            calls: BTreeMap::new(),
        }
    }

    pub(crate) fn set_limits(&mut self, limits: &Limits) {
        self.workers.set_slots(limits.worker_slots);
        for (resource, queue) in &mut self.calls {
            queue.set_slots(slots(limits, resource));
        }
    }

    /// The queue of a resource, if anything waits for it or runs on it.
    pub(crate) fn calls(&mut self, resource: &Resource) -> Option<&mut FairQueue<CallId>> {
        self.calls.get_mut(resource)
    }

    pub(crate) fn calls_or_new(
        &mut self,
        resource: &Resource,
        limits: &Limits,
    ) -> &mut FairQueue<CallId> {
        self.calls
            .entry(resource.clone())
            .or_insert_with(|| FairQueue::new(slots(limits, resource)))
    }

    /// Forgets the queue of a resource that nobody uses any more.
    pub(crate) fn tidy(&mut self, resource: &Resource) {
        if self.calls.get(resource).is_some_and(FairQueue::is_idle) {
            self.calls.remove(resource);
        }
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = (&Resource, &FairQueue<CallId>)> {
        self.calls.iter()
    }
}

fn slots(limits: &Limits, resource: &Resource) -> u32 {
    limits
        .resources
        .get(resource)
        .copied()
        .unwrap_or(limits.resource_default)
}
