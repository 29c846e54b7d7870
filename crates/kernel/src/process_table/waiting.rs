//! Turns that wait for a worker.

use crate::{
    effect::{Barrier, Effect, Step},
    fact::Fact,
    ids::{AccountId, Incarnation, InstanceUid, TurnId},
    kernel::Kernel,
    scheduler::{Claim, Slot},
};

impl Kernel {
    /// Puts a turn behind those of its instance that were asked before: one that had a worker is the first of them.
    pub(crate) fn enqueue_turn(&mut self, turn: TurnId, instance: InstanceUid, tenant: AccountId) {
        let queue = self.live.waiting_turns.entry(instance).or_default();
        let (at, first) = (
            queue.partition_point(|other| *other < turn),
            queue.front().copied(),
        );
        queue.insert(at, turn);
        // It asks for the worker that another was asking for.
        let behind = first.filter(|_| at == 0);
        let behind = behind.and_then(|first| self.live.turns.get_mut(&first));
        if let Some(place) = behind.and_then(|first| first.place.take()) {
            self.live.scheduler.workers.remove(place);
        }
        *self.live.waiting_by_tenant.entry(tenant).or_default() += 1;
        self.arm_turn(turn);
        self.offer_next_turn(instance);
    }

    /// The first waiting turn of an instance without a worker asks for a slot.
    pub(crate) fn offer_next_turn(&mut self, instance: InstanceUid) {
        let Some(row) = self
            .state
            .instances
            .get(&instance)
            .filter(|row| row.turn.is_none())
        else {
            return;
        };
        let Some(turn) = self
            .live
            .waiting_turns
            .get(&instance)
            .and_then(|queue| queue.front().copied())
        else {
            return;
        };
        let Some(profile) = self.state.profiles.get(&row.profile) else {
            return;
        };
        let Some([_, tenant, agent]) = self.state.levels(profile.account) else {
            return;
        };
        let Some(live) = self
            .live
            .turns
            .get_mut(&turn)
            .filter(|live| live.place.is_none())
        else {
            return;
        };
        let attained = self.live.attained.get(&agent).copied().unwrap_or(0);
        let claim = Claim {
            id: turn,
            lane: profile.spec.lane,
            tenant,
            attained,
            cost: None,
        };
        live.place = Some(self.live.scheduler.workers.push(claim, self.now));
    }

    pub(crate) fn dispatch_turns(&mut self, step: &mut Step) {
        while !self.live.draining
            && let Some((turn, slot)) = self
                .live
                .scheduler
                .workers
                .pop(self.now, self.limits.aging_ms)
        {
            self.start_turn(turn, slot, step);
        }
    }

    fn start_turn(&mut self, turn: TurnId, slot: Slot, step: &mut Step) {
        let Some((instance, last, lost)) = self.state.turns.get(&turn).and_then(|row| {
            let instance = self.state.instances.get(&row.instance)?;
            let lost = row.calls > 0 && !row.replayable;
            Some((row.instance, instance.incarnation, lost))
        }) else {
            return;
        };
        self.leave_waiting(turn, instance);
        if let Some(live) = self.live.turns.get_mut(&turn) {
            live.place = None;
            live.slot = Some(slot);
        }
        if lost {
            return self.end_unknown(turn, step);
        }
        let incarnation = Incarnation(last.0 + 1);
        self.record(
            Fact::TurnStarted {
                turn,
                incarnation,
                at: self.now,
            },
            step,
        );
        // The worker's key is derived from the number, so it must never be given out again.
        step.release(
            Barrier::Durable,
            Effect::StartWorker {
                turn,
                instance,
                incarnation,
            },
        );
        self.arm_turn(turn);
    }

    pub(super) fn leave_waiting(&mut self, turn: TurnId, instance: InstanceUid) {
        let Some(queue) = self.live.waiting_turns.get_mut(&instance) else {
            return;
        };
        let before = queue.len();
        queue.retain(|other| *other != turn);
        let left = before - queue.len();
        if queue.is_empty() {
            self.live.waiting_turns.remove(&instance);
        }
        if left == 0 {
            return;
        }
        if let Some([_, tenant, _]) = self.accounts_of(instance)
            && let Some(waiting) = self.live.waiting_by_tenant.get_mut(&tenant)
        {
            *waiting -= 1;
            if *waiting == 0 {
                self.live.waiting_by_tenant.remove(&tenant);
            }
        }
    }
}
