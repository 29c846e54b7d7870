//! One right of one instance.

use aion_api::{AgentInstanceSpec, GrantEffect};

use crate::capability::Capability;

/// Whether an instance may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may when a person says so.
    Ask,
    /// It may not.
    Deny,
}

/// Whether `instance` has `right`. What is not granted is denied.
#[must_use]
pub fn authorise(instance: &AgentInstanceSpec, right: &Capability) -> Decision {
    let mut decision = Decision::Deny;
    for grant in &instance.grants {
        let Some(granted) = Capability::parse(&grant.capability) else {
            continue;
        };
        if !granted.covers(right) {
            continue;
        }
        match (grant.effect, decision) {
            (GrantEffect::Deny, _) => return Decision::Deny,
            (GrantEffect::Ask, _) => decision = Decision::Ask,
            (GrantEffect::Allow, Decision::Deny) => decision = Decision::Allow,
            (GrantEffect::Allow, _) => {}
        }
    }
    decision
}
