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
        let covers = granted.syscall == right.syscall
            && granted
                .target
                .as_ref()
                .is_none_or(|target| right.target.as_ref() == Some(target));
        if !covers {
            continue;
        }
        match grant.effect {
            GrantEffect::Ask => return Decision::Ask,
            GrantEffect::Allow => decision = Decision::Allow,
        }
    }
    decision
}
