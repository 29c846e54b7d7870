//! A Sigstore trust root: the authorities that vouch for identities, the logs and the clocks that show when something
//! was signed, as `trusted_root.json` names them. Read from text that somebody trusts; nothing is fetched.
//!
//! Everything that is said of a certificate is verified by `sigstore-verify`, at the time when it signed. This machine's
//! clock decides no more than that a signature is not from the future.

use std::fmt;

use sigstore_types::{Bundle, Sha256Hash};
use sigstore_verify::{
    Error, VerificationPolicy, VerificationResult, Verifier, trust_root::TrustedRoot,
};
use thiserror::Error as ThisError;

use crate::artifact::digest::Digest;

/// The longest trust root that is read, in bytes. That of Sigstore's public instance had 6,787 in `sigstore-trust-root` 0.15.1.
pub const MAX_TRUST_ROOT: usize = 64 << 10;

/// What trust roots call themselves, of whatever version.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// See the module.
pub struct TrustRoot {
    digest: Digest,
    verifier: Verifier,
}

/// A trust root that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum RootError {
    /// It is too long.
    #[error("it has {0} bytes and may have {MAX_TRUST_ROOT}")]
    TooLong(usize),
    /// It is not in the form of a trust root, or a key or certificate in it is not usable.
    #[error("{0}; take the `trusted_root.json` of the Sigstore instance as it is")]
    Malformed(String),
    /// Something is missing in it without which no signature could be verified.
    #[error("it names no {0}, and without one no signature counts")]
    Lacks(&'static str),
}

impl TrustRoot {
    /// Reads a `trusted_root.json`.
    pub fn parse(json: &str) -> Result<Self, RootError> {
        if json.len() > MAX_TRUST_ROOT {
            return Err(RootError::TooLong(json.len()));
        }
        let malformed = |e: &dyn ToString| RootError::Malformed(e.to_string());
        let root = TrustedRoot::from_json(json).map_err(|e| malformed(&e))?;
        if !root.media_type.starts_with(MEDIA_TYPE) {
            let kind: String = root.media_type.chars().take(100).collect();
            return Err(malformed(&format!("`{kind}` is no trust root")));
        }
        let needed = [
            (
                root.certificate_authorities.is_empty(),
                "certificate authority",
            ),
            (root.ctlogs.is_empty(), "log of certificates (`ctlogs`)"),
            (root.tlogs.is_empty(), "log of signatures (`tlogs`)"),
        ];
        if let Some((_, what)) = needed.into_iter().find(|(missing, _)| *missing) {
            return Err(RootError::Lacks(what));
        }
        Ok(Self {
            digest: Digest::of(json.as_bytes()),
            verifier: Verifier::new(&root).map_err(|e| malformed(&e))?,
        })
    }

    /// The digest of the text that it was read from.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Verifies that `bundle` is over `digest` by the holder of a certificate of an authority here, made while that
    /// certificate counted, and logged. By whom is for the caller to judge.
    pub(crate) fn verify(
        &self,
        bundle: &Bundle,
        digest: &Digest,
    ) -> Result<VerificationResult, Error> {
        let digest = Sha256Hash::new(*digest.as_bytes());
        let anybody = VerificationPolicy::any_identity();
        self.verifier.verify(digest, bundle, &anybody)
    }
}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrustRoot").field(&self.digest).finish()
    }
}
