//! Workers: the start gate, and their ends.

use crate::{
    effect::{Barrier, Effect, Step},
    fact::Fact,
    ids::{Incarnation, TurnId},
    kernel::Kernel,
    name::Name,
    outcome::{Exit, TurnOutcome},
    state::Phase,
};

impl Kernel {
    /// A confined worker waits at its gate. It runs only with every required layer.
    pub(crate) fn worker_ready(
        &mut self,
        turn: TurnId,
        incarnation: Incarnation,
        (pid, start_time): (u32, u64),
        layers: Vec<Name>,
        step: &mut Step,
    ) {
        let row = self
            .state
            .turns
            .get(&turn)
            .filter(|row| row.phase.incarnation() == Some(incarnation));
        let Some(row) = row else {
            // From a turn that has ended: nobody would ever let it run.
            step.release(Barrier::None, Effect::KillWorker { turn, incarnation });
            return;
        };
        if row.stopping.is_some() || !matches!(row.phase, Phase::Starting { .. }) {
            return;
        }
        let Some(view) = self.state.instance(row.instance) else {
            return;
        };
        let required = view.profile.required_layers.iter();
        let missing: Vec<_> = required
            .filter(|layer| !layers.contains(layer))
            .cloned()
            .collect();
        if !missing.is_empty() {
            self.stop_turn(turn, TurnOutcome::SandboxIncomplete { missing }, step);
            return;
        }
        self.record(
            Fact::WorkerRunning {
                turn,
                pid,
                start_time,
                layers,
                at: self.now,
            },
            step,
        );
        step.release(Barrier::Written, Effect::OpenGate { turn, incarnation });
        self.arm_turn(turn);
    }

    pub(crate) fn worker_exited(
        &mut self,
        turn: TurnId,
        incarnation: Incarnation,
        exit: Exit,
        step: &mut Step,
    ) {
        let row = self
            .state
            .turns
            .get(&turn)
            .filter(|row| row.phase.incarnation() == Some(incarnation));
        let Some(row) = row else { return };
        let ran = matches!(row.phase, Phase::Running { .. });
        if row.pausing && row.stopping.is_none() {
            return self.paused(turn, step);
        }
        if exit == Exit::Evicted && row.stopping.is_none() && row.replayable {
            return self.evict_turn(turn, step);
        }
        let outcome = match (&row.stopping, exit) {
            (Some(outcome), _) => outcome.clone(),
            (None, Exit::Code(0)) if ran => TurnOutcome::Completed,
            (None, Exit::StartFailed(failure)) => TurnOutcome::WorkerFailed {
                exit: Exit::StartFailed(failure.shortened()),
            },
            (None, Exit::AgainstPolicy(failure)) => TurnOutcome::WorkerFailed {
                exit: Exit::AgainstPolicy(failure.shortened()),
            },
            (None, exit) => TurnOutcome::WorkerFailed { exit },
        };
        self.end_turn(turn, outcome, step);
    }
}
