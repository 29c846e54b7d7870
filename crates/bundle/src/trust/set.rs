//! Whom this node trusts: public keys, each with what it is trusted for. What
//! writes such a set (a TrustPolicy, the set-up of one machine) is elsewhere.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use sigstore_crypto::{KeyAlgorithm, SigningScheme, VerificationKey};
use sigstore_types::{DerPublicKey, SignatureBytes};
use thiserror::Error;

use crate::{
    artifact::{
        digest::{self, Digest},
        name::{BundleName, NamePattern},
    },
    trust::verdict::Verdict,
};

/// The keys trusted at one revision of whatever states the trust.
#[derive(Clone, Debug)]
pub struct TrustSet {
    /// Names the state the set was made from; a verdict counts for one revision
    /// only.
    pub revision: String,
    /// The keys; with none, nothing is trusted.
    pub keys: Vec<TrustedKey>,
}

/// A public key and what it is trusted for.
#[derive(Clone)]
pub struct TrustedKey {
    name: String,
    key: Arc<VerificationKey>,
    fingerprint: Digest,
    scope: Scope,
}

#[derive(Clone, Debug)]
enum Scope {
    /// Bundles by name and, where given, of these digests only.
    Names(Vec<NamePattern>, Option<BTreeSet<Digest>>),
    /// These digests only, on this machine only.
    Machine(BTreeSet<Digest>),
}

/// A key that cannot be used.
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
    #[error("key `{name}` is trusted for something that is not understood here: {why}")]
    Scope {
        /// What the key is called.
        name: String,
        /// What is wrong with a name or digest.
        why: String,
    },
}

impl TrustSet {
    /// Whether a verdict of this revision still stands on a key of the set: a
    /// caller that narrows the keys and keeps the revision gains nothing.
    pub(crate) fn stands(&self, verdict: &Verdict, name: &BundleName) -> bool {
        verdict.trust_revision == self.revision
            && self.keys.iter().any(|key| {
                key.fingerprint == verdict.signer.fingerprint
                    && key.name == verdict.signer.key
                    && key.covers(name, &verdict.digest)
            })
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
        let digests: Vec<Digest> = scope(name, digests)?;
        if machine {
            let scope = Scope::Machine(digests.into_iter().collect());
            return Self::parse(name.to_owned(), pem, scope);
        }
        let mut names: Vec<NamePattern> = scope(name, bundles)?;
        if bundles.is_empty() {
            names.push(NamePattern::any());
        }
        let key = Self::new(name, pem, names)?;
        Ok(if digests.is_empty() {
            key
        } else {
            key.only(digests)
        })
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

    /// Whether this is the key of this machine.
    pub fn is_machine(&self) -> bool {
        matches!(self.scope, Scope::Machine(_))
    }

    /// The hint by which a Sigstore bundle refers to the key.
    pub(crate) fn hint(&self) -> String {
        digest::key_hint(&self.fingerprint)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        self.key.verify(message, signature).is_ok()
    }

    pub(crate) fn covers(&self, name: &BundleName, digest: &Digest) -> bool {
        match &self.scope {
            Scope::Names(subjects, only) => {
                subjects.iter().any(|p| p.matches(name))
                    && only.as_ref().is_none_or(|all| all.contains(digest))
            }
            Scope::Machine(digests) => digests.contains(digest),
        }
    }
}

fn scope<T: FromStr<Err: ToString>>(name: &str, texts: &[String]) -> Result<Vec<T>, TrustError> {
    let unknown = |why: T::Err| TrustError::Scope {
        name: name.to_owned(),
        why: why.to_string(),
    };
    let parsed = texts.iter().map(|text| text.parse().map_err(unknown));
    parsed.collect()
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
