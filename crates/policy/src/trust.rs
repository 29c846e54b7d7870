//! Whose signatures count in a namespace.

use std::collections::BTreeMap;

use aion_api::program::BundleRef;
use aion_api::{
    KeyPurpose, OnRevoked, RequiredAttestation, Revoked, TrustPolicy, TrustRoot, TrustedIdentity,
    TrustedKey, Unsigned,
};

use crate::capability::fits;

/// What the TrustPolicies that select a namespace say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Names of those policies. None: nothing is trusted.
    pub policies: Vec<String>,
    /// Whether agents whose instructions stand in the Agent run.
    pub inline: bool,
    /// Whether agents whose program runs elsewhere are served.
    pub external: bool,
    /// Keys, in the order of the policies' names.
    pub keys: Vec<TrustedKey>,
    /// Signers without a key, in the order of the policies' names.
    pub keyless: Vec<Keyless>,
    /// What has to be attested of bundles, in the order of the policies' names.
    pub attestations: Vec<RequiredAttestation>,
    /// What counts no longer, whoever is trusted.
    pub revoked: Revoked,
    /// What becomes of turns of what is revoked.
    pub on_revoked: OnRevoked,
    /// Policies that are there and cannot be read, in words: they might select the namespace and say anything, so nothing
    /// is judged anew before they can be.
    pub unreadable: Vec<String>,
}

/// The signers without a key that one policy trusts, and the Sigstore that they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyless {
    /// The policy's name.
    pub policy: String,
    /// The Sigstore.
    pub root: TrustRoot,
    /// The signers.
    pub identities: Vec<TrustedIdentity>,
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
        inline: selected.iter().any(|p| p.spec.inline == Unsigned::Allow),
        external: selected.iter().any(|p| p.spec.external == Unsigned::Allow),
        keys: selected
            .iter()
            .flat_map(|p| p.spec.keys.iter().cloned())
            .collect(),
        keyless: selected.iter().filter_map(|p| keyless(p)).collect(),
        attestations: selected
            .iter()
            .flat_map(|p| p.spec.attestations.iter().cloned())
            .collect(),
        revoked: revoked(&selected),
        on_revoked: selected
            .iter()
            .filter(|p| p.spec.revoked.is_some())
            .map(|p| p.spec.on_revoked)
            .max()
            .unwrap_or_default(),
        unreadable: Vec::new(),
    }
}

/// All that the policies revoke.
fn revoked(policies: &[&TrustPolicy]) -> Revoked {
    let mut all = Revoked::default();
    for one in policies.iter().filter_map(|p| p.spec.revoked.as_ref()) {
        all.digests.extend_from_slice(&one.digests);
        all.keys.extend_from_slice(&one.keys);
        all.identities.extend_from_slice(&one.identities);
    }
    all
}

/// A policy without a trust root knows no identity, whatever the schema let through.
fn keyless(policy: &TrustPolicy) -> Option<Keyless> {
    let root = policy.spec.trust_root.clone()?;
    (!policy.spec.identities.is_empty()).then(|| Keyless {
        policy: policy.metadata.name.clone().unwrap_or_default(),
        root,
        identities: policy.spec.identities.clone(),
    })
}

impl Trust {
    /// Keys that may vouch for `bundle`, of those `signers` names (all where it is `None`).
    #[must_use]
    pub fn keys_for(&self, bundle: &BundleRef, signers: Option<&[String]>) -> Vec<&TrustedKey> {
        let vouches = |key: &&TrustedKey| {
            // A machine key without digests vouches for nothing, whatever the schema let through.
            let any = key.digests.is_empty() && key.purpose != KeyPurpose::Machine;
            covers(bundle, &key.bundles, &key.digests, any) && is_wanted(&key.name, signers)
        };
        self.keys.iter().filter(vouches).collect()
    }

    /// The same of signers without a key.
    #[must_use]
    pub fn keyless_for(&self, bundle: &BundleRef, signers: Option<&[String]>) -> Vec<Keyless> {
        let vouches = |it: &TrustedIdentity| {
            let any = it.digests.is_empty();
            covers(bundle, &it.bundles, &it.digests, any) && is_wanted(&it.name, signers)
        };
        let narrowed = self.keyless.iter().map(|it| Keyless {
            policy: it.policy.clone(),
            root: it.root.clone(),
            identities: it
                .identities
                .iter()
                .filter(|it| vouches(it))
                .cloned()
                .collect(),
        });
        narrowed.filter(|it| !it.identities.is_empty()).collect()
    }

    /// What has to be attested of `bundle`.
    #[must_use]
    pub fn attestations_for(&self, bundle: &BundleRef) -> Vec<&RequiredAttestation> {
        let required = |it: &&RequiredAttestation| covers(bundle, &it.bundles, &[], true);
        self.attestations.iter().filter(required).collect()
    }

    /// Whether anybody may vouch for `bundle`, of those `signers` names.
    #[must_use]
    pub fn knows_signer(&self, bundle: &BundleRef, signers: Option<&[String]>) -> bool {
        !self.keys_for(bundle, signers).is_empty() || !self.keyless_for(bundle, signers).is_empty()
    }
}

/// Whether `bundle` is one of those named, and has one of those `digests`, or `any`.
fn covers(bundle: &BundleRef, bundles: &[String], digests: &[String], any: bool) -> bool {
    let mut patterns = bundles.iter();
    let named = bundles.is_empty() || patterns.any(|pattern| fits(pattern, &bundle.name));
    named && (any || digests.contains(&bundle.digest))
}

fn is_wanted(name: &String, signers: Option<&[String]>) -> bool {
    signers.is_none_or(|names| names.contains(name))
}
