//! What counts no longer, whoever vouches for it: bundles, keys and identities. What may not enter: who is trusted.

use std::collections::BTreeSet;

use crate::{artifact::digest::Digest, artifact::name::wildcard};

/// See the module. Everything is as it was written: what is not in the form of a digest revokes nothing, and fails
/// nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Revoked {
    /// Digests of bundles.
    pub digests: BTreeSet<String>,
    /// Digests of keys, of their SubjectPublicKeyInfo.
    pub keys: BTreeSet<String>,
    /// Issuers and subjects, in both of which `*` stands for any run of characters.
    pub identities: Vec<(String, String)>,
}

impl Revoked {
    pub(crate) fn bundle(&self, digest: &Digest) -> bool {
        self.digests.contains(&digest.to_string())
    }

    pub(crate) fn key(&self, fingerprint: &Digest) -> bool {
        self.keys.contains(&fingerprint.to_string())
    }

    pub(crate) fn identity(&self, issuer: &str, subject: &str) -> bool {
        let matches = |(i, s): &(String, String)| wildcard(i, issuer) && wildcard(s, subject);
        self.identities.iter().any(matches)
    }
}
