//! Calls that do not become calls: what a refusal weighs, and what is recorded of many.

use crate::{
    effect::{Answer, Barrier, Effect, Step},
    event::Call,
    fact::Fact,
    ids::{AccountId, CallId, TurnId},
    kernel::Kernel,
    live::{Recorded, Repeated},
    refusal::{Level, Refusal},
};

/// The longest target that a rule can name, in bytes. A longer one is never granted, and recorded up to here.
pub(super) const MAX_TARGET: usize = 256;
/// Of equal refusals by a quota one is recorded in so many milliseconds; it answers the others as well.
const ONE_FOR_ALL_MS: u64 = 1_000;

impl Kernel {
    /// Answers at once. A refusal weighs in the rate as a call does, so whoever goes on being refused is refused for
    /// its rate, and writes no more than that lets through.
    pub(crate) fn refuse(&mut self, call: &Call, refusal: Refusal, step: &mut Step) {
        let agent = self.agent_of(call.turn);
        let refusal = match &refusal {
            Refusal::QuotaExceeded { .. } => refusal,
            _ => self.beyond_rate(agent, call.turn).unwrap_or(refusal),
        };
        let repeated = match (&refusal, agent) {
            (
                Refusal::QuotaExceeded {
                    level,
                    quota,
                    retry_after_ms,
                    ..
                },
                Some(agent),
            ) => {
                // The quotas of the others are the same by whichever key.
                let row = self.state.turns.get(&call.turn);
                let row = row.filter(|_| *level == Level::Key);
                Some(Repeated::Quota {
                    agent,
                    key: row.and_then(|row| row.paid_by).map(|it| it.account),
                    level: *level,
                    quota: *quota,
                    fits_later: retry_after_ms.is_some(),
                })
            }
            (_, None) => Some(Repeated::Over(call.turn)),
            _ => None,
        };
        let (id, refusal) = match repeated.and_then(|it| self.recorded(it)) {
            Some(recorded) => recorded,
            None => self.record_refusal(call, refusal, repeated, step),
        };
        step.release(
            Barrier::Written,
            Effect::Reply {
                ticket: call.ticket,
                call: id,
                answer: Answer::Refused(refusal),
            },
        );
    }

    fn agent_of(&self, turn: TurnId) -> Option<AccountId> {
        let instance = self.state.turns.get(&turn)?.instance;
        let profile = self.state.instances.get(&instance)?.profile;
        Some(self.state.profiles.get(&profile)?.account)
    }

    /// Whether the agent has used up how many calls it may make.
    fn beyond_rate(&self, agent: Option<AccountId>, turn: TurnId) -> Option<Refusal> {
        let instance = self.state.turns.get(&turn)?.instance;
        let profile = self.state.instances.get(&instance)?.profile;
        let profile = &self.state.profiles.get(&profile)?.spec;
        let levels = self.quotas(self.state.levels(agent?)?, profile)?;
        self.live.reservations.check_rate(&levels, self.now).err()
    }

    fn recorded(&self, repeated: Repeated) -> Option<(CallId, Refusal)> {
        let last = self.live.refused.get(&repeated)?;
        let fresh = self.now.since(last.at) < ONE_FOR_ALL_MS;
        fresh.then(|| (last.call, last.refusal.clone()))
    }

    fn record_refusal(
        &mut self,
        call: &Call,
        refusal: Refusal,
        repeated: Option<Repeated>,
        step: &mut Step,
    ) -> (CallId, Refusal) {
        let id = self.next_call();
        let target = call.target.as_ref();
        let fact = Fact::CallRefused {
            call: id,
            turn: call.turn,
            kind: call.kind,
            target: target.map(|target| target.shortened(MAX_TARGET)),
            refusal: refusal.clone(),
            at: self.now,
        };
        self.record(fact, step);
        if let Some(repeated) = repeated {
            let now = self.now;
            self.live
                .refused
                .retain(|_, it| now.since(it.at) < ONE_FOR_ALL_MS);
            let recorded = Recorded {
                call: id,
                refusal: refusal.clone(),
                at: now,
            };
            self.live.refused.insert(repeated, recorded);
        }
        (id, refusal)
    }
}
