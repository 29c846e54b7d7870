//! Turns that were called, and what their callers' ends mean to them; slots of those that wait for them.
//!
//! ```text
//! a turn asks ─▶ its slot is lent ─▶ the turn that it asked ends, or it gives up ─▶ it has a slot again
//! ```
//! A turn that waits has no use for its slot, and what it waits for needs one. It has one again at once, though all
//! are taken: nothing else is started until one is free.

use crate::{
    effect::Step,
    ids::{CallId, TurnId},
    kernel::Kernel,
    outcome::{CancelCause, TurnOutcome},
};

impl Kernel {
    /// A turn lends its slot while it waits for another, and has one again when it waits no longer.
    pub(crate) fn settle_slot(&mut self, turn: TurnId) {
        let waits = !self.asked_by(turn).is_empty();
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let instance = row.instance;
        let Some(live) = self.live.turns.get_mut(&turn) else {
            return;
        };
        match (waits, live.lends) {
            (true, false) if live.slot.is_some() => {
                self.leave_slot(turn, instance);
                if let Some(live) = self.live.turns.get_mut(&turn) {
                    live.lends = true;
                    self.live.lent += 1;
                }
            }
            (false, true) => {
                let since = self.now;
                self.lend_no_more(turn);
                self.adopt(turn, since);
            }
            _ => {}
        }
    }

    pub(super) fn lend_no_more(&mut self, turn: TurnId) {
        let live = self.live.turns.get_mut(&turn);
        if let Some(live) = live.filter(|live| live.lends) {
            live.lends = false;
            self.live.lent -= 1;
        }
    }

    /// With a turn ends all that it began.
    pub(super) fn stop_begun(&mut self, begun: &[TurnId], step: &mut Step) {
        let by = CancelCause::CallerEnded;
        for turn in begun {
            self.stop_turn(*turn, TurnOutcome::Cancelled { by }, step);
        }
    }

    /// After a restart: turns that were begun by calls which nobody makes again, and whose callers know nothing of them.
    pub(crate) fn stop_begun_by_calls(&mut self, calls: &[CallId], step: &mut Step) {
        let begun = self.state.turns.values().flat_map(|row| &row.begun);
        let begun = begun.filter(|it| it.ended.is_none() && calls.contains(&it.call));
        let by = CancelCause::CallerEnded;
        for turn in begun.map(|it| it.turn).collect::<Vec<_>>() {
            self.stop_turn(turn, TurnOutcome::Cancelled { by }, step);
        }
    }

    /// After a restart: a journal may hold the end of a caller and not those of what it called.
    pub(crate) fn stop_called_by_nobody(&mut self, step: &mut Step) {
        let turns = self.state.turns.iter();
        let orphan = |by: &TurnId| {
            let caller = self.state.turns.get(by);
            caller.is_none_or(|row| row.stopping.is_some())
        };
        let orphans = turns.filter(|(_, row)| row.called.as_ref().is_some_and(|it| orphan(&it.by)));
        let by = CancelCause::CallerEnded;
        for turn in orphans.map(|(turn, _)| *turn).collect::<Vec<_>>() {
            self.stop_turn(turn, TurnOutcome::Cancelled { by }, step);
        }
    }
}
