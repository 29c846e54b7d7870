//! Calls that do something to a device, held against what guards it; and what is remembered of them.

use std::collections::BTreeSet;

use crate::{
    effect::Step,
    fact::Fact,
    guard::{Aimed, Breach, Breached, Guarding, Measure},
    ids::{CallId, Millis},
    kernel::Kernel,
    live::LiveCall,
    name::Name,
    outcome::Outcome,
    refusal::Refusal,
    syscall::Kind,
};

impl Kernel {
    /// Replaces what guards a device, and forgets what was done to it as far as that no longer counts.
    pub(crate) fn guard(&mut self, device: &Name, guards: Guarding, step: &mut Step) {
        let counts = |point: &Name| match &guards {
            Guarding::By { guards, .. } => guards.keeps(point).is_some(),
            Guarding::Unknown => true,
            Guarding::Gone => false,
        };
        let remembered = self.state.moves.points(device);
        let points: Vec<Name> = remembered.filter(|it| !counts(it)).cloned().collect();
        if !points.is_empty() {
            let forgotten = Fact::MovesForgotten {
                device: device.clone(),
                points,
                at: self.now,
            };
            self.record(forgotten, step);
        }
        self.live
            .watch
            .guard(device, guards.clone(), &self.state.moves);
        self.guard_watchdog(device, &guards, step);
    }

    /// These devices are there: what is remembered of others is of ones that left while nobody looked.
    pub(crate) fn present(&mut self, devices: &BTreeSet<Name>, step: &mut Step) {
        let state = &self.state;
        let watched = state.watchdogs.iter().map(|(device, _)| device);
        let known = watched.chain(state.moves.devices());
        let gone: BTreeSet<_> = known.filter(|it| !devices.contains(*it)).cloned().collect();
        for device in gone {
            self.guard(&device, Guarding::Gone, step);
        }
    }

    /// The guardrail by which a person must agree, if all of them let the call pass.
    pub(super) fn guarded(
        &self,
        kind: Kind,
        aimed: Option<&Aimed>,
    ) -> Result<Option<Name>, Refusal> {
        if !kind.moves_a_device() {
            return Ok(None);
        }
        let judged = match aimed {
            None => Err(Breach::Aimless.of_no_rule()),
            Some(aimed) => {
                let watch = &self.live.watch;
                watch.judge(aimed, self.now, &self.state.moves)
            }
        };
        judged.map_err(|Breached { rule, why, reason }| Refusal::Guarded { rule, why, reason })
    }

    /// What is remembered of a call that begins, where a rule counts it.
    pub(super) fn moved(&self, call: CallId, kind: Kind, aimed: &Aimed) -> Option<Fact> {
        let aim = &aimed.aim;
        if !kind.moves_a_device() {
            return None;
        }
        let guards = self.live.watch.guards(&aim.device)?;
        let keep_ms = guards.keeps(&aim.point)?;
        Some(Fact::DeviceMoved {
            device: aim.device.clone(),
            point: aim.point.clone(),
            value: aim.value,
            keep_ms,
            call: Some(call),
            at: self.now,
        })
    }

    /// Records what is remembered, and where the next decision finds it.
    pub(super) fn remember(&mut self, moved: Fact, step: &mut Step) {
        let place = match &moved {
            Fact::DeviceMoved { device, point, .. } => Some((device.clone(), point.clone())),
            _ => None,
        };
        self.record(moved, step);
        if let Some((device, point)) = place {
            self.find_moves(&device, &point);
        }
    }

    /// Forgets what the node itself was about to do and did not, where that is still remembered.
    pub(super) fn withdraw_move(
        &mut self,
        device: &Name,
        point: Name,
        (moved, value): (Millis, Option<Measure>),
        step: &mut Step,
    ) {
        if !self.state.moves.has_own(device, &point, (moved, value)) {
            return;
        }
        let withdrawn = Fact::MoveWithdrawn {
            device: device.clone(),
            point: point.clone(),
            value,
            moved,
            at: self.now,
        };
        self.record(withdrawn, step);
        self.find_moves(device, &point);
    }

    fn find_moves(&mut self, device: &Name, point: &Name) {
        let id = self.state.moves.id(device, point);
        self.live.watch.moved(device, point, id);
    }

    /// What is remembered of a call that ends, where it was to write something and its driver says that it did not.
    pub(super) fn undone(&self, call: CallId, live: &LiveCall, outcome: &Outcome) -> Option<Fact> {
        let nothing = matches!(
            outcome,
            Outcome::Failed(_) | Outcome::Cancelled { .. } | Outcome::DeadlineExceeded
        );
        let aim = &live.aim.as_ref().filter(|_| nothing)?.aim;
        let (device, point) = (&aim.device, &aim.point);
        let mut newest = self.state.moves.of(device, point).iter().rev();
        let it = newest.find(|it| it.call == Some(call))?;
        it.value.map(|_| Fact::MoveUndone {
            device: device.clone(),
            point: point.clone(),
            call,
            at: self.now,
        })
    }
}
