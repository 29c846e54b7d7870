//! Whom this node trusts: public keys and identities, each with what it is trusted for. What
//! writes such a set (a TrustPolicy, the set-up of one machine) is elsewhere.

use std::{collections::BTreeSet, fmt, sync::Arc};

use jiff::Timestamp;
use sigstore_crypto::{KeyAlgorithm, SigningScheme, VerificationKey};
use sigstore_types::{DerPublicKey, SignatureBytes};
use thiserror::Error;

use crate::{
    artifact::{
        digest::{self, Digest},
        name::{BundleName, NamePattern},
    },
    trust::{
        attestation::Requirement,
        identity::TrustedIdentity,
        revoked::Revoked,
        scope::Scope,
        verdict::{Grade, Signer, Verdict},
    },
};

/// The signers trusted at one revision of whatever states the trust.
#[derive(Clone, Debug, Default)]
pub struct TrustSet {
    /// Names the state the set was made from; a verdict counts for one revision
    /// only.
    pub revision: String,
    /// Who signs with a key.
    pub keys: Vec<TrustedKey>,
    /// Who signs without one. With neither nothing is trusted.
    pub identities: Vec<TrustedIdentity>,
    /// What counts no longer, whoever signed it.
    pub revoked: Revoked,
    /// What has to be attested beside that.
    pub requirements: Vec<Requirement>,
}

/// A public key and what it is trusted for.
#[derive(Clone)]
pub struct TrustedKey {
    name: String,
    key: Arc<VerificationKey>,
    fingerprint: Digest,
    scope: Scope,
}

/// A signer of a TrustPolicy that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustError {
    /// The key itself.
    #[error(
        "key `{name}` is not a public key that is understood here: {why}; use ECDSA P-256, as `cosign generate-key-pair` makes it"
    )]
    Key {
        /// What it is called.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// What it is trusted for.
    #[error("`{name}` is trusted for something that is not understood here: {why}")]
    Scope {
        /// What the key or the identity is called.
        name: String,
        /// What is wrong with a name or digest.
        why: String,
    },
    /// An identity.
    #[error("identity `{name}` cannot be used: {why}")]
    Identity {
        /// What it is called.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Where identities are from.
    #[error(
        "the trust root of TrustPolicy {policy} cannot be used, so none of its identities counts: {why}"
    )]
    Root {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        why: String,
    },
}

impl TrustSet {
    /// One that trusts `keys` and nobody else.
    pub fn of_keys(revision: impl Into<String>, keys: Vec<TrustedKey>) -> Self {
        Self {
            revision: revision.into(),
            keys,
            ..Self::default()
        }
    }

    /// Whether a verdict of this revision still stands on a signer of the set, and what was attested still counts: a
    /// caller that narrows the signers and keeps the revision gains nothing.
    pub(crate) fn stands(&self, verdict: &Verdict, name: &BundleName, now: Timestamp) -> bool {
        let digest = &verdict.digest;
        let is_met = |required: &Requirement| {
            verdict.attested.iter().any(|it| {
                it.requirement == required.name
                    && it.until.is_none_or(|until| now <= until)
                    && required.by.has(&it.signer, name, digest)
            })
        };
        verdict.trust_revision == self.revision
            && !self.revoked.bundle(digest)
            && self.has(&verdict.signer, name, digest)
            && self.requirements.iter().all(is_met)
    }

    /// Whether `signer` is of the set, for this bundle, and not revoked.
    fn has(&self, signer: &Signer, name: &BundleName, digest: &Digest) -> bool {
        match signer {
            Signer::Key {
                name: key,
                fingerprint,
            } => {
                !self.revoked.key(fingerprint)
                    && self.keys.iter().any(|it| {
                        it.fingerprint == *fingerprint && it.name == *key && it.covers(name, digest)
                    })
            }
            Signer::Identity {
                name: identity,
                issuer,
                subject,
                ..
            } => {
                !self.revoked.identity(issuer, subject)
                    && self.identities.iter().any(|it| {
                        it.name() == identity
                            && it.matches(issuer, subject)
                            && it.covers(name, digest)
                    })
            }
        }
    }
}

impl TrustedKey {
    /// The key in `pem` (SubjectPublicKeyInfo; ECDSA P-256 or P-384, RSA from
    /// 2048 bits), trusted for bundles whose name matches one of `subjects`.
    /// Ed25519 is refused: Cosign signs prehashed with such a key, which no
    /// library here verifies.
    pub fn new(
        name: impl Into<String>,
        pem: &str,
        subjects: Vec<NamePattern>,
    ) -> Result<Self, TrustError> {
        Self::parse(name.into(), pem, Scope::Names(subjects, None))
    }

    /// A key as a TrustPolicy has it: for bundles whose names match one of
    /// `bundles`, or any where there is none; and for `digests` alone, where
    /// there are some. One of this machine has digests only.
    pub fn of_policy(
        name: &str,
        pem: &str,
        machine: bool,
        bundles: &[String],
        digests: &[String],
    ) -> Result<Self, TrustError> {
        let scope =
            Scope::of_policy(machine, bundles, digests).map_err(|why| TrustError::Scope {
                name: name.to_owned(),
                why,
            })?;
        Self::parse(name.to_owned(), pem, scope)
    }

    /// Narrows the key to these digests.
    #[must_use]
    pub fn only(mut self, digests: impl IntoIterator<Item = Digest>) -> Self {
        let digests: BTreeSet<_> = digests.into_iter().collect();
        match &mut self.scope {
            Scope::Names(_, only) => *only = Some(digests),
            Scope::Machine(all) => *all = &*all & &digests,
        }
        self
    }

    /// The key of this machine, trusted for `digests` and nothing else. What it
    /// signed is told apart from what a release key signed.
    pub fn machine(
        pem: &str,
        digests: impl IntoIterator<Item = Digest>,
    ) -> Result<Self, TrustError> {
        let scope = Scope::Machine(digests.into_iter().collect());
        Self::parse("machine".to_owned(), pem, scope)
    }

    fn parse(name: String, pem: &str, scope: Scope) -> Result<Self, TrustError> {
        let parsed = DerPublicKey::from_pem(pem)
            .map_err(|e| e.to_string())
            .and_then(|der| match VerificationKey::from_spki(&der) {
                Ok(key) if is_supported(key.scheme()) => Ok((key, Digest::of(der.as_bytes()))),
                Ok(key) => Err(format!("{} is not supported", key.scheme().name())),
                Err(e) => Err(e.to_string()),
            });
        match parsed {
            Ok((key, fingerprint)) => Ok(Self {
                name,
                key: Arc::new(key),
                fingerprint,
                scope,
            }),
            Err(why) => Err(TrustError::Key { name, why }),
        }
    }

    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of its SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// How far what it signed is trusted.
    pub(crate) fn grade(&self) -> Grade {
        match self.scope {
            Scope::Names(..) => Grade::Signed,
            Scope::Machine(_) => Grade::LocalKey,
        }
    }

    /// The hint by which a Sigstore bundle refers to the key.
    pub(crate) fn hint(&self) -> String {
        digest::key_hint(&self.fingerprint)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        self.key.verify(message, signature).is_ok()
    }

    pub(crate) fn covers(&self, name: &BundleName, digest: &Digest) -> bool {
        self.scope.covers(name, digest)
    }
}

fn is_supported(scheme: SigningScheme) -> bool {
    matches!(
        scheme.key_algorithm(),
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Rsa
    )
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedKey")
            .field("name", &self.name)
            .field("fingerprint", &self.fingerprint)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
