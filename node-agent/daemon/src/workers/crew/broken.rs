//! The rules of `onViolation` that a worker broke, as a word on its instance. What may not enter: what
//! becomes of the worker.

use aion_abi::kernel_event::{KernelEventKind, OnViolation};
use aion_api::ResolvedViolations;
use aion_api::condition::{self, Judgement, reason};
use aion_sandbox::protocol::{Traced, WorkerId};

use super::Crew;
use crate::{instance::SeenOf, kernel_trace::Whose};

/// A rule that was broken: what was done about it, and what broke it.
pub(super) type Broken = (OnViolation, KernelEventKind);

/// The gravest that is told here. An event may be lost, and what was counted is not.
pub(super) fn broken(traced: &Traced) -> Option<Broken> {
    let events = traced.events.iter();
    let events = events.filter_map(|it| Some((it.violation?, it.kind)));
    let counted = traced.counts.iter().flat_map(|it| &it.violations);
    let counted = counted.map(|(kind, it)| (it.action, *kind));
    events.chain(counted).max_by_key(|(action, _)| *action)
}

/// The condition `WithinRules`. Its message is the same for the same rule, as it is written for each that is another.
pub(super) fn judged(broken: Option<Broken>, rules: &ResolvedViolations) -> Judgement {
    let judge = |holds, reason, message: String| {
        Judgement::new(condition::WITHIN_RULES, holds, reason, message)
    };
    let Some((action, kind)) = broken else {
        let message = "what ran broke no rule of onViolation".to_owned();
        return judge(true, reason::OK, message);
    };
    let (why, done) = match action {
        OnViolation::Kill => (reason::VIOLATION_KILLED, "and was ended"),
        OnViolation::Deny => (reason::VIOLATION_DENIED, "and was refused"),
        OnViolation::Alert => (reason::VIOLATION_ALERTED, "which only tells"),
    };
    let rule = aion_policy::about(rules, kind);
    let policy = rule.map_or("its policy", |rule| rule.policy.as_str());
    let message = format!(
        "a turn broke onViolation.{} of {policy}, {done}; what it did: aionctl why AGENT",
        kind.as_str()
    );
    judge(false, why, message)
}

impl Crew {
    pub(super) fn traced(&mut self, traced: Traced) {
        if let Some((action, kind)) = broken(&traced) {
            self.broke(&traced.id, action, kind);
        }
        let member = self.workers.get(&traced.id);
        let whose = member.and_then(|member| {
            Some(Whose {
                agent: member.agent.as_deref()?,
                turn: member.turn.0,
                incarnation: member.incarnation.0,
                trace: member.trace.as_deref(),
                rules: member.rules.as_ref(),
            })
        });
        self.parts.kernel_traces.take(traced, whose.as_ref());
    }

    /// A worker broke a rule: said of its instance, once in a turn unless it is graver.
    pub(super) fn broke(&mut self, id: &WorkerId, action: OnViolation, kind: KernelEventKind) {
        let Some(member) = self.workers.get_mut(id) else {
            return;
        };
        if let Some(rules) = member
            .rules
            .as_ref()
            .filter(|_| member.broke < Some(action))
        {
            let word = judged(Some((action, kind)), rules);
            member.broke = Some(action);
            let _ = self.parts.seen.send((member.instance, SeenOf::Rules(word)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use aion_abi::kernel_event::{KernelCounts, Violations};

    fn traced(counts: KernelCounts) -> Traced {
        Traced {
            id: WorkerId {
                instance: "a".into(),
                incarnation: 1,
            },
            events: Vec::new(),
            counts: Some(counts),
        }
    }

    #[test]
    fn the_gravest_rule_is_told_by_its_policy_though_its_event_is_lost() {
        assert_eq!(broken(&traced(KernelCounts::default())), None);
        let count = |action| Violations { action, count: 1 };
        let counts = KernelCounts {
            violations: [
                (KernelEventKind::Exec, count(OnViolation::Alert)),
                (KernelEventKind::Open, count(OnViolation::Kill)),
            ]
            .into(),
            ..KernelCounts::default()
        };
        let found = broken(&traced(counts));
        let rules = serde_json::json!({"open": {"action": "kill", "policy": "AgentPolicy/strict"}});
        let judged = judged(found, &serde_json::from_value(rules).unwrap());
        assert_eq!(judged.reason, reason::VIOLATION_KILLED);
        let named = "onViolation.open of AgentPolicy/strict";
        assert!(judged.message.contains(named), "{}", judged.message);
    }
}
