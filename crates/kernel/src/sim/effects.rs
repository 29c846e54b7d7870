//! What effects may be released, and how safe the facts behind them must be.

use super::model::{Check, Model, Told, ensure};
use crate::{Answer, Barrier, CallId, Class, Effect, Release};

impl Model {
    /// Judges an effect against the facts up to its step.
    pub(super) fn effect(&self, release: &Release, told: &mut Told) -> Check {
        let Release { barrier, effect } = release;
        match effect {
            Effect::Reply {
                ticket,
                call,
                answer,
            } => {
                told.answer(*ticket)?;
                self.answer_is_recorded(*call, answer, *barrier)
            }
            Effect::Drive {
                call,
                turn,
                kind,
                target,
                ..
            } => {
                let row = self
                    .calls
                    .get(call)
                    .ok_or("a driver for a call without a fact")?;
                ensure!(
                    row.ended.is_none(),
                    "a driver for call {call}, which has ended"
                );
                ensure!(
                    (row.turn, row.kind, &row.target) == (*turn, *kind, target),
                    "call {call} drives another"
                );
                let intent_first = match kind.class() {
                    Class::Observe => true,
                    Class::Cost => *barrier >= Barrier::Written,
                    Class::Effect => *barrier == Barrier::Durable,
                };
                ensure!(
                    intent_first,
                    "the driver of call {call} does not wait for its intent"
                );
                Ok(())
            }
            Effect::SafeState {
                device,
                generation,
                parts,
            } => {
                let town = &self.town;
                town.is_made_safe(device, *generation, *parts, *barrier)
            }
            Effect::StartWorker {
                turn, incarnation, ..
            } => {
                let row = self.turns.get(turn).ok_or("a worker for an unknown turn")?;
                ensure!(
                    row.incarnation == Some(*incarnation),
                    "a worker of incarnation {incarnation}"
                );
                ensure!(
                    *barrier == Barrier::Durable,
                    "a worker whose incarnation may be forgotten"
                );
                Ok(())
            }
            Effect::OpenGate { turn, .. } => {
                let row = self.turns.get(turn).ok_or("a gate for an unknown turn")?;
                ensure!(
                    row.running && !row.stopping && row.ended.is_none(),
                    "a gate of a turn that stops"
                );
                ensure!(*barrier >= Barrier::Written, "a gate that may be forgotten");
                Ok(())
            }
            Effect::TurnDone {
                ticket,
                turn,
                outcome,
                ..
            } => {
                let row = self.turns.get(turn).ok_or("an unknown turn is done")?;
                ensure!(
                    row.ended.as_ref() == Some(outcome),
                    "turn {turn} is done otherwise than recorded"
                );
                ensure!(
                    *barrier == Barrier::Durable,
                    "the end of turn {turn} may be forgotten"
                );
                ticket.map_or(Ok(()), |ticket| told.answer(ticket))
            }
            Effect::InvokeRefused { ticket, .. } => {
                ticket.map_or(Ok(()), |ticket| told.answer(ticket))
            }
            Effect::TurnAccepted { turn, .. } => {
                ensure!(
                    self.turns.contains_key(turn),
                    "turn {turn} was accepted without a fact"
                );
                Ok(())
            }
            Effect::InstanceRemoved { instance } => {
                ensure!(
                    !self.instances.contains_key(instance),
                    "{instance} is told removed and is here"
                );
                Ok(())
            }
            Effect::QuestionAnswered { ticket, said } => {
                let needed = match said {
                    Ok(_) => Barrier::Durable,
                    Err(_) => Barrier::None,
                };
                ensure!(
                    *barrier >= needed,
                    "what a driver was answered may be forgotten"
                );
                told.answer(*ticket)
            }
            Effect::AnswerTaken { ticket, .. } => {
                ensure!(
                    *barrier == Barrier::Durable,
                    "what a person said may be forgotten"
                );
                told.answer(*ticket)
            }
            Effect::ApprovalAsked { .. }
            | Effect::ApprovalClosed { .. }
            | Effect::KillWorker { .. }
            | Effect::CancelDriver { .. }
            | Effect::AbortDriver { .. } => Ok(()),
        }
    }

    /// Whether the facts say what a caller is told.
    pub(super) fn answer_is_recorded(
        &self,
        call: CallId,
        answer: &Answer,
        barrier: Barrier,
    ) -> Check {
        match answer {
            Answer::Refused(refusal) => {
                ensure!(
                    self.refused.get(&call) == Some(refusal),
                    "refusal of call {call} is not recorded"
                );
                ensure!(
                    barrier >= Barrier::Written,
                    "the refusal of call {call} may be forgotten"
                );
            }
            Answer::Outcome { outcome, .. } => {
                let row = self.calls.get(&call).ok_or("an outcome without a call")?;
                let recorded = row.ended.as_ref().map(|(outcome, ..)| outcome);
                ensure!(
                    recorded == Some(outcome),
                    "call {call}: told {outcome:?}, recorded {recorded:?}"
                );
                let needed = match row.kind.class() {
                    Class::Observe | Class::Cost => Barrier::Written,
                    Class::Effect => Barrier::Durable,
                };
                ensure!(
                    barrier >= needed,
                    "the outcome of call {call} may be forgotten"
                );
            }
        }
        Ok(())
    }
}
