//! After a restart: what was in flight is settled, what still runs is adopted.
//!
//! Nothing is decided anew that a fact has decided. Drivers and connections died with
//! the daemon; workers may have lived on.

use crate::{
    calls::presumed_usage,
    effect::{Barrier, Effect, Step},
    event::LiveWorker,
    fact::Fact,
    ids::{CallId, TurnId},
    kernel::Kernel,
    live::{Live, LiveTurn},
    outcome::{CancelCause, Outcome, TurnOutcome, Usage},
    state::{CLUSTER, Phase},
    syscall::Class,
    timers::Timer,
};

impl Kernel {
    pub(crate) fn recover(&mut self, workers: &[LiveWorker], step: &mut Step) {
        self.kill_strays(workers, step);
        if !self.unsettled {
            return;
        }
        self.unsettled = false;
        self.live = Live::derive(&mut self.state, &self.limits);
        self.record(Fact::Recovered { at: self.now }, step);
        let lost = self.settle_calls(step);
        self.settle_safe_states(step);
        self.settle_turns(workers, step);
        self.stop_begun_by_calls(&lost, step);
        self.arm_approvals();
        // A journal may end between the facts of one step.
        let unused = self
            .state
            .profiles
            .iter()
            .filter(|(_, row)| row.instances == 0);
        for profile in unused.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.drop_profile_if_unused(profile, step);
        }
        let accounts: Vec<_> = self
            .state
            .accounts
            .keys()
            .copied()
            .filter(|id| *id != CLUSTER)
            .collect();
        for account in accounts {
            self.watch_account(account);
        }
        let retiring = self.state.instances.iter().filter(|(_, row)| row.retiring);
        for instance in retiring.map(|(uid, _)| *uid).collect::<Vec<_>>() {
            // Here too: it may hold the removal and not the ends of all its turns.
            self.stop_turns_of(instance, CancelCause::InstanceRemoved, step);
            self.finish_removal(instance, step);
        }
        self.dispatch_turns(step);
    }

    /// Kills the workers that no turn will go on with.
    fn kill_strays(&mut self, workers: &[LiveWorker], step: &mut Step) {
        for LiveWorker { turn, incarnation } in workers {
            let row = self.state.turns.get(turn);
            let wanted = row.is_some_and(|row| {
                matches!(row.phase, Phase::Running { incarnation: own, .. } if own == *incarnation)
                    && row.stopping.is_none()
            });
            if !wanted {
                step.release(
                    Barrier::Written,
                    Effect::KillWorker {
                        turn: *turn,
                        incarnation: *incarnation,
                    },
                );
            }
        }
    }

    /// Gives those of which nobody knows how they ended.
    fn settle_calls(&mut self, step: &mut Step) -> Vec<CallId> {
        let calls: Vec<_> = self
            .state
            .calls
            .iter()
            .map(|(id, row)| (*id, row.kind, row.reserve, row.is_found_again()))
            .collect();
        let mut lost = Vec::new();
        self.withdraw_left(step);
        for (call, kind, reserve, repeatable) in calls {
            let (outcome, usage) = match kind.class() {
                Class::Observe => (Outcome::Interrupted, Usage::default()),
                Class::Effect if repeatable => (Outcome::Interrupted, Usage::default()),
                Class::Cost => (
                    Outcome::Interrupted,
                    presumed_usage(reserve, Usage::default()),
                ),
                Class::Effect => (Outcome::Unknown, presumed_usage(reserve, Usage::default())),
            };
            lost.extend((outcome == Outcome::Unknown).then_some(call));
            self.record(
                Fact::CallEnded {
                    call,
                    outcome,
                    usage,
                    at: self.now,
                },
                step,
            );
        }
        lost
    }

    fn settle_turns(&mut self, workers: &[LiveWorker], step: &mut Step) {
        let turns: Vec<TurnId> = self.state.turns.keys().copied().collect();
        for turn in &turns {
            self.live.turns.insert(*turn, LiveTurn::default());
        }
        for turn in turns {
            self.settle_turn(turn, workers, step);
        }
        self.stop_called_by_nobody(step);
    }

    fn settle_turn(&mut self, turn: TurnId, workers: &[LiveWorker], step: &mut Step) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let (instance, phase, stopping) = (row.instance, row.phase, row.stopping.clone());
        let pausing = row.pausing;
        let Some([_, tenant, _]) = self.accounts_of(instance) else {
            return;
        };
        let lives = |incarnation| workers.contains(&LiveWorker { turn, incarnation });
        match (phase, stopping) {
            (Phase::Queued, _) => self.enqueue_turn(turn, instance, tenant),
            (Phase::Parked, _) => {
                self.arm_turn(turn);
                self.resume_if_answered(turn, step);
            }
            (Phase::Running { incarnation, .. }, None) if pausing && !lives(incarnation) => {
                self.paused(turn, step);
            }
            // The gate opens after the fact that it does: nothing of the agent has run.
            (Phase::Starting { .. }, None) => {
                self.record(Fact::TurnRequeued { turn, at: self.now }, step);
                self.enqueue_turn(turn, instance, tenant);
            }
            (
                Phase::Running {
                    incarnation, since, ..
                },
                None,
            ) if lives(incarnation) => {
                self.adopt(turn, since);
                self.arm_turn(turn);
                if pausing {
                    // The order may not have gone out.
                    step.release(Barrier::Durable, Effect::KillWorker { turn, incarnation });
                    let grace = self.now.plus(self.limits.kill_grace_ms);
                    self.live.timers.set(Timer::Turn(turn), grace);
                }
            }
            (Phase::Running { .. }, None) => self.end_turn(turn, TurnOutcome::WorkerLost, step),
            (
                Phase::Starting { incarnation, since }
                | Phase::Running {
                    incarnation, since, ..
                },
                Some(outcome),
            ) => {
                if lives(incarnation) {
                    self.adopt(turn, since);
                    self.live
                        .timers
                        .set(Timer::Turn(turn), self.now.plus(self.limits.kill_grace_ms));
                } else {
                    self.end_turn(turn, outcome, step);
                }
            }
        }
    }

    /// The turn keeps its worker, and the worker its slot.
    pub(crate) fn adopt(&mut self, turn: TurnId, since: crate::Millis) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let Some([_, tenant, _]) = self.accounts_of(row.instance) else {
            return;
        };
        let Some(view) = self.state.instance(row.instance) else {
            return;
        };
        let slot = self
            .live
            .scheduler
            .workers
            .occupy(view.profile.lane, tenant, since);
        if let Some(live) = self.live.turns.get_mut(&turn) {
            live.slot = Some(slot);
        }
    }
}
