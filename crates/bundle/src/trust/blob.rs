//! Signatures over files, as `cosign sign-blob --key` writes them and `cosign
//! verify-blob` takes them: a Sigstore bundle v0.3 with a signature over the
//! bytes themselves. This is how a package of AION-OS is signed. And signatures
//! over a file by a certificate, as whoever has a trust root verifies them.
//!
//! What is not here: bundles of agents, whose signatures are statements about a
//! digest.

use jiff::Timestamp;
use sigstore_types::{
    Bundle, DigestBytes, HashAlgorithm, MediaType, MessageDigest, MessageSignature,
    PublicKeyIdentifier, SignatureContent, VerificationMaterial, VerificationMaterialContent,
};
use sigstore_verify::Error;

use super::{
    dsse::{self, DsseError},
    fault::Fault,
    key::{KeyError, SigningKey},
    keyless::{self, Holder},
    root::TrustRoot,
    set::TrustedKey,
    verify::MAX_SIGNATURE,
};
use crate::artifact::digest::{self, Digest};

/// The largest file that is signed or verified, in bytes.
pub const MAX_BLOB: u64 = 1 << 30;

/// Why a signature over a file does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobRefusal {
    /// It is not understood.
    #[error("the signature is malformed: {0}")]
    Malformed(String),
    /// It is by a certificate.
    #[error("the signature is by a certificate (keyless); sign with a key")]
    Keyless,
    /// It is by a certificate, and nothing shows that it counts.
    #[error("{0}")]
    Certificate(String),
    /// It names the key, and does not fit.
    #[error("the signature is by this key and of other content: the file was cut short or altered")]
    Altered,
    /// The key did not make it.
    #[error("the signature is by another key, which calls itself `{0}`")]
    WrongKey(String),
}

impl SigningKey {
    /// Signs the bytes of a file: the Sigstore bundle, in JSON, that Cosign
    /// writes for `cosign sign-blob --key` without a log.
    pub fn sign_blob(&self, blob: &[u8]) -> Result<Vec<u8>, KeyError> {
        let content = DigestBytes::new(Digest::of(blob).as_bytes().to_vec());
        let content = MessageDigest::new(HashAlgorithm::Sha2256, content);
        let signature = MessageSignature::new(self.signature(blob)?).with_message_digest(content);
        let hint = digest::key_hint(&self.fingerprint());
        let key = VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(hint));
        Bundle::new(
            MediaType::Bundle0_3,
            VerificationMaterial::new(key),
            SignatureContent::MessageSignature(signature),
        )
        .to_json()
        .map(String::into_bytes)
        .map_err(|e| KeyError::Failed(e.to_string()))
    }
}

/// Whether `signature`, a Sigstore bundle in JSON, is made by `key` over `blob`.
///
/// # Errors
/// [`BlobRefusal`] where it is not.
pub fn verify_blob(blob: &[u8], signature: &[u8], key: &TrustedKey) -> Result<(), BlobRefusal> {
    let malformed = |why: &dyn ToString| BlobRefusal::Malformed(why.to_string());
    if signature.len() as u64 > MAX_SIGNATURE {
        return Err(malformed(&"it is too long for a signature"));
    }
    let bundle = dsse::read(signature).map_err(BlobRefusal::from)?;
    let VerificationMaterialContent::PublicKey(named) = bundle.verification_material.content else {
        return Err(BlobRefusal::Keyless);
    };
    let SignatureContent::MessageSignature(made) = bundle.content else {
        return Err(malformed(&"it is over a statement, not over a file"));
    };
    match key.verifies(blob, &made.signature) {
        true => Ok(()),
        false if named.hint == key.hint() => Err(BlobRefusal::Altered),
        false => Err(BlobRefusal::WrongKey(named.hint.chars().take(64).collect())),
    }
}

/// Who made `signature`, a Sigstore bundle in JSON, by a certificate over the file of this digest, or over a statement
/// about it, as `root` shows it. Whether that is somebody who is trusted is for the caller to judge.
///
/// # Errors
/// [`BlobRefusal`] where nothing shows it, or it is from after `now`.
pub fn verify_blob_by_certificate(
    digest: &Digest,
    signature: &[u8],
    root: &TrustRoot,
    now: Timestamp,
) -> Result<Holder, BlobRefusal> {
    if signature.len() as u64 > MAX_SIGNATURE {
        return Err(BlobRefusal::Malformed(
            "it is too long for a signature".to_owned(),
        ));
    }
    let bundle = dsse::read(signature)?;
    let shown = root.verify(&bundle, digest).map_err(|error| match error {
        Error::ArtifactMismatch(why) => {
            Fault::Malformed(format!("it is not over this file: {why}"))
        }
        error => error.into(),
    });
    let holder = shown.and_then(|shown| keyless::holder(&shown, now));
    holder.map_err(|fault| BlobRefusal::Certificate(fault.to_string()))
}

impl From<DsseError> for BlobRefusal {
    fn from(error: DsseError) -> Self {
        match error {
            DsseError::Malformed(why) => Self::Malformed(why),
            DsseError::Attestation(_) => Self::Malformed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_verified_with_its_key_and_its_content_and_no_other() {
        let (key, other) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let trusted =
            |key: &SigningKey| TrustedKey::new("k", &key.public_pem(), Vec::new()).unwrap();
        let signature = key.sign_blob(b"archive").unwrap();
        let check = |blob: &[u8], key| verify_blob(blob, &signature, &trusted(key));
        assert_eq!(check(b"archive", &key), Ok(()));
        assert_eq!(check(b"archiv", &key), Err(BlobRefusal::Altered));
        assert!(matches!(
            check(b"archive", &other),
            Err(BlobRefusal::WrongKey(_))
        ));
        // What signs a bundle of an agent signs no file, and the other way round.
        let statement = key.sign(&Digest::of(b"archive")).unwrap();
        let told = verify_blob(b"archive", &statement, &trusted(&key));
        assert!(matches!(told, Err(BlobRefusal::Malformed(_))), "{told:?}");
        for nothing in [&b""[..], b"{}", b"\xff"] {
            let told = verify_blob(b"archive", nothing, &trusted(&key));
            assert!(matches!(told, Err(BlobRefusal::Malformed(_))), "{told:?}");
        }
    }
}
