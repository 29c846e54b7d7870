//! The safe states of devices: armed by calls, and brought about by the node when no call comes any more.

use crate::{
    effect::{Barrier, Effect, Step},
    fact::Fact,
    guard::{Aimed, Guarding, Parts, Watchdog},
    ids::{CallId, Millis},
    kernel::Kernel,
    name::Name,
    outcome::Outcome,
    syscall::Kind,
};

impl Kernel {
    fn watchdog(&self, device: &Name) -> Option<&Watchdog> {
        self.live.watch.guards(device)?.watchdog()
    }

    /// A call to a device begins.
    pub(super) fn feed_watchdog(
        &mut self,
        call: CallId,
        kind: Kind,
        aimed: &Aimed,
        step: &mut Step,
    ) {
        let aim = &aimed.aim;
        let Some(all) = self.watchdog(&aim.device).map(Watchdog::all) else {
            return;
        };
        let leaves = (!aim.safe.is_some_and(|it| all.has(it))).then_some(all);
        let armed = self.state.watchdogs.get(&aim.device).is_some();
        if let Some(live) = self.live.calls.get_mut(&call) {
            live.moves_since = Some(self.now);
        }
        if !kind.moves_a_device() || (leaves.is_none() && !armed) {
            return;
        }
        let fed = Fact::WatchdogFed {
            device: aim.device.clone(),
            leaves,
            fed: self.now,
            call: Some(call),
            at: self.now,
        };
        self.record(fed, step);
        self.arm_watchdog(&aimed.aim.device);
    }

    /// A call that does a part of a safe state ended. It counts where nothing led out of it since the call began, as far as is
    /// known: what was told later may reach the device later.
    pub(super) fn did_safe_part(
        &mut self,
        aimed: &Aimed,
        since: Option<Millis>,
        outcome: &Outcome,
        step: &mut Step,
    ) {
        let aim = &aimed.aim;
        let Some(part) = aim.safe.filter(|_| matches!(outcome, Outcome::Ok { .. })) else {
            return;
        };
        let armed = self.state.watchdogs.get(&aim.device);
        if armed.is_none_or(|it| since.is_none_or(|since| it.moved() > since)) {
            return;
        }
        let done = Fact::SafePartDone {
            device: aim.device.clone(),
            parts: Parts::default().with(part),
            at: self.now,
        };
        self.record(done, step);
        self.arm_watchdog(&aim.device);
    }

    /// Sets the timer of a device by what is known of it.
    fn arm_watchdog(&mut self, device: &Name) {
        let armed = self.state.watchdogs.get(device);
        let due = armed.and_then(|it| it.due(self.watchdog(device)?));
        match due {
            Some(due) => self.live.watchdogs.set(device.clone(), due),
            None => self.live.watchdogs.clear(device.clone()),
        }
    }

    /// What guards a device is another: `changed` says whether its safe state may be.
    pub(super) fn guard_watchdog(
        &mut self,
        device: &Name,
        guarding: &Guarding,
        changed: bool,
        step: &mut Step,
    ) {
        let Some(armed) = self.state.watchdogs.get(device) else {
            return;
        };
        let (fed, at) = (armed.fed(), self.now);
        let fact = match guarding {
            Guarding::Unknown => None,
            Guarding::By { guards, .. } if guards.watchdog().is_some() => {
                let leaves = guards.watchdog().map(Watchdog::all).filter(|_| changed);
                leaves.map(|all| Fact::WatchdogFed {
                    device: device.clone(),
                    leaves: Some(all),
                    fed,
                    call: None,
                    at,
                })
            }
            Guarding::By { .. } | Guarding::Gone => Some(Fact::WatchdogStopped {
                device: device.clone(),
                at,
            }),
        };
        if let Some(fact) = fact {
            self.record(fact, step);
        }
        self.arm_watchdog(device);
    }

    pub(crate) fn watchdog_due(&mut self, device: &Name, step: &mut Step) {
        let Some(armed) = self.state.watchdogs.get(device).copied() else {
            return;
        };
        // Where it is not known what the safe state is, it is due when it is.
        let Some(watchdog) = self.watchdog(device).cloned() else {
            return;
        };
        if armed.doing().is_some() {
            return;
        }
        let at = self.now;
        let parts = armed.left().and(watchdog.all());
        if parts.is_empty() {
            let device = device.clone();
            return self.record(Fact::WatchdogStopped { device, at }, step);
        }
        for (_, part) in (0_u8..)
            .zip(&watchdog.safe)
            .filter(|(at, _)| parts.has(*at))
        {
            let guards = self.live.watch.guards(device);
            if let Some(keep_ms) = guards.and_then(|it| it.keeps(&part.point)) {
                let moved = Fact::DeviceMoved {
                    device: device.clone(),
                    point: part.point.clone(),
                    value: part.value,
                    keep_ms,
                    call: None,
                    at,
                };
                self.remember(moved, step);
            }
        }
        let begun = Fact::SafeStateBegun {
            device: device.clone(),
            parts,
            repeatable: watchdog.repeatable(),
            at,
        };
        self.record(begun, step);
        let device = device.clone();
        step.release(Barrier::Durable, Effect::SafeState { device, parts });
    }

    /// The shell did what it was to, or could not.
    pub(crate) fn safe_state_ended(
        &mut self,
        device: &Name,
        done: Parts,
        unknown: Parts,
        step: &mut Step,
    ) {
        let armed = self.state.watchdogs.get(device);
        let Some((armed, doing)) = armed.and_then(|it| Some((it, it.doing()?))) else {
            return;
        };
        let ended = Fact::SafeStateEnded {
            device: device.clone(),
            done: done.and(doing.parts),
            unknown: unknown.and(doing.parts).without(done),
            again: armed.again(self.now),
            at: self.now,
        };
        self.record(ended, step);
        self.arm_watchdog(device);
    }

    /// What the daemon's end left undone: nobody knows of what was begun.
    pub(crate) fn settle_safe_states(&mut self, step: &mut Step) {
        let begun = self.state.watchdogs.iter();
        let begun = begun.filter_map(|(device, it)| Some((device.clone(), it.doing()?.parts)));
        for (device, parts) in begun.collect::<Vec<_>>() {
            let ended = Fact::SafeStateEnded {
                device,
                done: Parts::default(),
                unknown: parts,
                // What may be done again is, as soon as it is known what that is.
                again: self.now,
                at: self.now,
            };
            self.record(ended, step);
        }
    }
}
