//! ECDSA P-256 keys, as every authority of a Sigstore has one.

use anyhow::{Result, anyhow};
use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};

/// A key pair.
#[derive(Debug)]
pub(super) struct Key {
    pair: EcdsaKeyPair,
    spki: Vec<u8>,
}

impl Key {
    pub(super) fn new() -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| anyhow!("no key could be made"))?;
        let public: PublicKeyX509Der<'_> = pair
            .public_key()
            .as_der()
            .map_err(|_| anyhow!("a public key could not be encoded"))?;
        let spki = public.as_ref().to_vec();
        Ok(Self { pair, spki })
    }

    /// The public key, a SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What logs call themselves by.
    pub(super) fn id(&self) -> [u8; 32] {
        sha256(&self.spki)
    }

    /// A signature in ASN.1 over `message`.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|_| anyhow!("nothing could be signed"))?;
        Ok(signature.as_ref().to_vec())
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
