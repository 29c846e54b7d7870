//! From the queue to the driver.

use crate::{
    effect::{Barrier, Effect, Step},
    fact::Fact,
    ids::CallId,
    kernel::Kernel,
    live::CallPhase,
    refusal::{Refusal, Unasked},
    scheduler::Slot,
    syscall::{Class, Kind, Resource},
};

/// How safe a call's intent must be before its driver hears of it. What a driver is told
/// later has the same barrier, so that it does not overtake the start.
pub(super) fn driver_barrier(kind: Kind) -> Barrier {
    match kind.class() {
        Class::Observe => Barrier::None,
        Class::Cost => Barrier::Written,
        Class::Effect => Barrier::Durable,
    }
}

impl Kernel {
    /// Starts what waits for a resource, as far as it has slots.
    pub(crate) fn dispatch_calls(&mut self, resource: &Resource, step: &mut Step) {
        while let Some(queue) = self.live.scheduler.calls(resource)
            && let Some((call, slot)) = queue.pop(self.now, self.limits.aging_ms)
        {
            self.start_call(call, slot, step);
        }
        self.live.scheduler.tidy(resource);
    }

    fn start_call(&mut self, id: CallId, slot: Slot, step: &mut Step) {
        let Some(live) = self.live.calls.get_mut(&id) else {
            return;
        };
        live.phase = CallPhase::Running(slot);
        let (instance, kind, accounts) = (live.instance, live.kind, live.accounts);
        let turn = live.turn;
        if let Some(key) = &live.key {
            self.live.waiting_keys.remove(&(instance, key.clone()));
        }
        let Some(live) = self.live.calls.get(&id) else {
            return;
        };
        // The grant may have been taken back while the call waited, and a device may be another.
        if let Err(mut refusal) = self.granted(instance, live.into(), live.aim.as_ref()) {
            if let Refusal::ApprovalRequired { why, .. } = &mut refusal {
                *why = Unasked::WordEnded;
            }
            self.end_waiting(id, refusal, step);
            return;
        }
        let start = match self.start_of(live) {
            Ok(start) => start,
            Err(refusal) => return self.end_waiting(id, refusal, step),
        };
        let (ticket, deadline) = (live.opened_by, live.deadline);
        let moved = live.aim.as_ref().and_then(|it| self.moved(id, kind, it));
        let (target, resource) = (live.target.clone(), live.resource.clone());
        let fact = Fact::CallStarted {
            call: id,
            turn: live.turn,
            kind,
            target: live.target.clone(),
            point: live.aim.as_ref().map(|it| it.aim.point.clone()),
            key: live.key.clone(),
            digest: live.body.digest,
            reserve: live.held,
            repeatable: live.repeatable,
            at: self.now,
        };
        let aimed = self.live.calls.get(&id).and_then(|it| it.aim.clone());
        let generation = aimed.as_ref().map(|it| it.aim.generation);
        if let Some(aimed) = aimed.filter(|_| kind.moves_a_device()) {
            self.moves_a_device(id, &aimed, step);
        }
        // Before its start: a journal that ends between them counts what was not done, and not the other way round.
        if let Some(moved) = moved {
            self.remember(moved, step);
        }
        self.record(fact, step);
        self.live.reservations.started(accounts);
        let peer = self.begin_of(id, start, step);
        let drive = Effect::Drive {
            call: id,
            ticket,
            turn,
            instance,
            kind,
            target,
            resource,
            deadline,
            peer,
            aimed: generation,
        };
        step.release(driver_barrier(kind), drive);
        if kind.waits_for_a_turn() {
            // What it waits for may wait for a word already.
            self.pause_if_quiet(turn, step);
        }
    }
}
