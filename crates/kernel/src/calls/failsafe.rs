//! The safe states of devices: armed by calls, and brought about by the node when no call comes any more.

use crate::{
    effect::{Barrier, Effect, Step},
    fact::Fact,
    guard::{Aimed, Guarding, Parts, Try, Watchdog},
    ids::CallId,
    kernel::Kernel,
    name::Name,
    outcome::Outcome,
    syscall::Kind,
};

impl Kernel {
    fn watchdog(&self, device: &Name) -> Option<&Watchdog> {
        self.live.watch.guards(device)?.watchdog()
    }

    /// A call that moves a device begins.
    pub(super) fn moves_a_device(&mut self, call: CallId, aimed: &Aimed, step: &mut Step) {
        let (device, safe) = (&aimed.aim.device, aimed.aim.safe);
        let armed = self.state.watchdogs.get(device).is_some();
        let watchdog = self.watchdog(device);
        let part_of = watchdog
            .filter(|it| safe.is_some_and(|part| it.all().has(part)))
            .map(|it| it.what.clone());
        let fed = watchdog.and_then(|it| {
            let (all, leaves) = (it.all(), part_of.is_none());
            (leaves || armed).then(|| Fact::WatchdogFed {
                device: device.clone(),
                leaves: leaves.then_some(all),
                what: leaves.then(|| it.what.clone()),
                fed: self.now,
                call: Some(call),
                at: self.now,
            })
        });
        if let Some(fed) = fed {
            self.feed_watchdog(device, fed, step);
        }
        self.live.under_way.begin(device, call, part_of);
    }

    /// Records that a device has its time anew, or is out of its safe state.
    fn feed_watchdog(&mut self, device: &Name, fed: Fact, step: &mut Step) {
        if matches!(
            fed,
            Fact::WatchdogFed {
                leaves: Some(_),
                ..
            }
        ) {
            self.live.under_way.led_out(device);
        }
        self.record(fed, step);
        self.arm_watchdog(device);
    }

    /// A call that moved a device ended. Where it did a part of its safe state, that counts unless something that leads out of it
    /// was under way with the call: that may reach the device later.
    pub(super) fn moved_a_device(
        &mut self,
        (call, kind): (CallId, Kind),
        aimed: &Aimed,
        outcome: &Outcome,
        step: &mut Step,
    ) {
        if !kind.moves_a_device() {
            return;
        }
        let aim = &aimed.aim;
        let counts = self.live.under_way.end(&aim.device, call);
        let did = aim.safe.filter(|_| matches!(outcome, Outcome::Ok { .. }));
        let armed = self.state.watchdogs.get(&aim.device).is_some();
        if let Some(part) = did.filter(|_| counts && armed) {
            let done = Fact::SafePartDone {
                device: aim.device.clone(),
                parts: Parts::default().with(part),
                at: self.now,
            };
            self.record(done, step);
        }
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

    /// What guards a device is another. Another rule or zone is no reason to do anew what was done; another safe state is.
    pub(super) fn guard_watchdog(&mut self, device: &Name, guarding: &Guarding, step: &mut Step) {
        let Some(armed) = self.state.watchdogs.get(device) else {
            return;
        };
        let at = self.now;
        let watchdog = match guarding {
            Guarding::Unknown => return self.arm_watchdog(device),
            Guarding::By { guards, .. } => guards.watchdog(),
            Guarding::Gone => None,
        };
        match watchdog {
            None => {
                let device = device.clone();
                self.record(Fact::WatchdogStopped { device, at }, step);
            }
            Some(watchdog) if !armed.is_of(watchdog) => {
                let fed = Fact::WatchdogFed {
                    device: device.clone(),
                    leaves: Some(watchdog.all()),
                    what: Some(watchdog.what.clone()),
                    fed: armed.fed(),
                    call: None,
                    at,
                };
                return self.feed_watchdog(device, fed, step);
            }
            Some(_) => {}
        }
        self.arm_watchdog(device);
    }

    pub(crate) fn watchdog_due(&mut self, device: &Name, step: &mut Step) {
        let Some(armed) = self.state.watchdogs.get(device) else {
            return;
        };
        // Where it is not known what the safe state is, it is due when it is. What the device is being told ends first, by its own
        // deadline at the latest: the last word is the safe one.
        let watch = &self.live.watch;
        let known = self.watchdog(device).cloned().zip(watch.generation(device));
        let Some((watchdog, generation)) = known else {
            return;
        };
        if armed.doing().is_some() || self.live.under_way.is_told(device) {
            return;
        }
        let at = self.now;
        let parts = armed.left().and(watchdog.all());
        if parts.is_empty() {
            let device = device.clone();
            return self.record(Fact::WatchdogStopped { device, at }, step);
        }
        let mut new = Try {
            at,
            what: watchdog.what.clone(),
            parts,
            moves: Vec::new(),
        };
        let steps = (0_u8..).zip(&watchdog.safe);
        for (part, it) in steps.filter(|(part, _)| parts.has(*part)) {
            let guards = self.live.watch.guards(device);
            if let Some(keep_ms) = guards.and_then(|guards| guards.keeps(&it.point)) {
                let moved = Fact::DeviceMoved {
                    device: device.clone(),
                    point: it.point.clone(),
                    value: it.value,
                    keep_ms,
                    call: None,
                    at,
                };
                self.remember(moved, step);
                new.moves.push((part, it.point.clone(), it.value));
            }
        }
        self.live.under_way.try_safe(device, new);
        let begun = Fact::SafeStateBegun {
            device: device.clone(),
            parts,
            repeatable: watchdog.repeatable(),
            at,
        };
        self.record(begun, step);
        let safe = Effect::SafeState {
            device: device.clone(),
            generation,
            parts,
        };
        step.release(Barrier::Durable, safe);
    }

    /// The shell did what it was to, or could not.
    pub(crate) fn safe_state_ended(
        &mut self,
        device: &Name,
        done: Parts,
        unknown: Parts,
        step: &mut Step,
    ) {
        let Some(tried) = self.live.under_way.tried(device) else {
            return;
        };
        let done = done.and(tried.parts);
        let unknown = unknown.and(tried.parts).without(done);
        let sent = done.or(unknown);
        // A rate counts what reached the device or may have, and a try that sent nothing did not.
        for (_, point, value) in tried.moves.into_iter().filter(|(it, ..)| !sent.has(*it)) {
            self.withdraw_move(device, point, (tried.at, value), step);
        }
        let armed = self.state.watchdogs.get(device);
        if let Some(armed) = armed.filter(|it| it.doing().is_some()) {
            let ended = Fact::SafeStateEnded {
                device: device.clone(),
                done,
                unknown,
                again: armed.again(self.now),
                at: self.now,
            };
            self.record(ended, step);
        }
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
