//! Whose signatures count in a namespace.

use std::collections::BTreeMap;

use aion_api::program::BundleRef;
use aion_api::{InlineAgents, KeyPurpose, TrustPolicy, TrustedKey};

use crate::capability::fits;

/// What the TrustPolicies that select a namespace say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Names of those policies. None: nothing is trusted.
    pub policies: Vec<String>,
    /// Whether agents without a bundle run.
    pub inline: bool,
    /// Keys, in the order of the policies' names.
    pub keys: Vec<TrustedKey>,
    /// Policies that are there and cannot be read, in words: they might select the namespace and say anything, so nothing
    /// is judged anew before they can be.
    pub unreadable: Vec<String>,
}

/// What `policies` say for a namespace with `namespace_labels`.
#[must_use]
pub fn trust<'a>(
    policies: impl IntoIterator<Item = &'a TrustPolicy>,
    namespace_labels: &BTreeMap<String, String>,
) -> Trust {
    let mut selected: Vec<&TrustPolicy> = policies
        .into_iter()
        .filter(|p| {
            p.spec
                .namespace_selector
                .as_ref()
                .is_none_or(|s| s.matches(namespace_labels))
        })
        .collect();
    selected.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    Trust {
        policies: selected
            .iter()
            .filter_map(|p| p.metadata.name.clone())
            .collect(),
        inline: selected
            .iter()
            .any(|p| p.spec.inline == InlineAgents::Allow),
        keys: selected
            .iter()
            .flat_map(|p| p.spec.keys.iter().cloned())
            .collect(),
        unreadable: Vec::new(),
    }
}

impl Trust {
    /// Keys that may vouch for `bundle`, of those `signers` names (all where it is `None`).
    #[must_use]
    pub fn keys_for(&self, bundle: &BundleRef, signers: Option<&[String]>) -> Vec<&TrustedKey> {
        self.keys
            .iter()
            .filter(|key| vouches(key, bundle, signers))
            .collect()
    }
}

fn vouches(key: &TrustedKey, bundle: &BundleRef, signers: Option<&[String]>) -> bool {
    let named = key.bundles.is_empty()
        || key
            .bundles
            .iter()
            .any(|pattern| fits(pattern, &bundle.name));
    // A machine key without digests vouches for nothing, whatever the schema let through.
    let digest = (key.digests.is_empty() && key.purpose != KeyPurpose::Machine)
        || key.digests.contains(&bundle.digest);
    let wanted = signers.is_none_or(|names| names.contains(&key.name));
    named && digest && wanted
}
