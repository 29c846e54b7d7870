//! Signers that are passed over, in words.

use aion_bundle::{Reason, TrustError};

/// How many signers that cannot be used are named in a message.
const MAX_NAMED: usize = 4;

/// Signers of TrustPolicies that cannot be used.
#[derive(Debug, Default)]
pub struct PassedOver(Vec<TrustError>);

impl PassedOver {
    pub(crate) fn add(&mut self, error: TrustError) {
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// Whether each of them can.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it stands behind a judgement.
    #[must_use]
    pub fn told(&self) -> String {
        let named = self.0.iter().take(MAX_NAMED).map(ToString::to_string);
        let mut told: Vec<String> = named.collect();
        match self.0.len().saturating_sub(MAX_NAMED) {
            0 => {}
            more => told.push(format!("{more} more")),
        }
        match self.0.is_empty() {
            true => String::new(),
            false => format!("; passed over: {}", told.join("; ")),
        }
    }

    /// Whether somebody may count later: a trust root that is named comes to a node beside the policy.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        let of_root = |error: &TrustError| matches!(error, TrustError::Root { .. });
        self.0.iter().any(of_root)
    }

    /// Why nothing counts where nobody else is trusted.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.first().map(|error| match error {
            TrustError::Root { .. } => Reason::TrustRootUnusable,
            TrustError::Identity { .. } => Reason::UntrustedIdentity,
            TrustError::Key { .. } | TrustError::Scope { .. } => Reason::UntrustedKey,
        })
    }
}
