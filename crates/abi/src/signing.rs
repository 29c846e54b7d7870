//! Keys and signatures of the syscall protocol.
//!
//! One key per *incarnation* (one run of one instance's worker):
//! `HKDF-SHA256(salt = "aion.dev/syscall/v1", ikm = node secret, info = uid ‖ 0x00 ‖ incarnation as
//! 4 bytes, big endian)`, RFC 5869. A daemon that restarts derives the same key again, so a worker that
//! outlived it need not be told a new one; another instance's or an older run's key never fits.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::canonical::CanonicalRequest;

const SALT: &[u8] = b"aion.dev/syscall/v1";

/// The node's root secret, 32 bytes, made at set-up and never leaving the daemon.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NodeSecret([u8; 32]);

impl NodeSecret {
    /// Takes 32 bytes of key material.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key of one incarnation of one instance.
    pub fn derive(&self, instance_uid: &str, incarnation: u32) -> Key {
        let mut key = [0u8; 32];
        let info: [&[u8]; 3] = [instance_uid.as_bytes(), &[0], &incarnation.to_be_bytes()];
        // 32 bytes is one HKDF block: the only error is a length over 255 of them.
        let _ = Hkdf::<Sha256>::new(Some(SALT), &self.0).expand_multi_info(&info, &mut key);
        Key::new(key)
    }
}

/// The HMAC key of one incarnation. Wiped on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

/// The signature did not match the request: wrong key, or something was altered on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match the request")]
pub struct BadSignature;

impl Key {
    /// Takes 32 bytes of key material.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, for the boot document only.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The signature of `request` as the header carries it: 64 lower-case hex digits.
    pub fn sign(&self, request: &CanonicalRequest<'_>) -> String {
        hex::encode(self.mac(request).finalize().into_bytes())
    }

    /// Compares in constant time.
    ///
    /// # Errors
    /// [`BadSignature`] for anything but the 64 hex digits that [`Key::sign`] gives.
    pub fn verify(
        &self,
        request: &CanonicalRequest<'_>,
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        // As text: digits that nobody can foresee are read by branches that no processor can, and written by none.
        let mut right = [0u8; 64];
        hex::encode_to_slice(self.mac(request).finalize().into_bytes(), &mut right)
            .map_err(|_| BadSignature)?;
        match bool::from(right[..].ct_eq(signature)) {
            true => Ok(()),
            false => Err(BadSignature),
        }
    }

    fn mac(&self, request: &CanonicalRequest<'_>) -> Hmac<Sha256> {
        // Fixed-size key: HMAC takes any length, and this form cannot fail.
        let mut block = [0u8; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        block.zeroize();
        request.feed(&mut mac);
        mac
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl std::fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{canonical::body_digest, date::UnixMillis};

    fn request(body: &[u8]) -> CanonicalRequest<'static> {
        CanonicalRequest {
            method: "POST",
            path: "/v1/sys/null",
            timestamp_ms: UnixMillis(1_767_225_600_000),
            counter: 1,
            idempotency_key: None,
            deadline_ms: Some(5_000),
            body_digest: body_digest(body),
        }
    }

    #[test]
    fn a_signature_verifies_under_its_own_key_only() {
        let secret = NodeSecret::new([7; 32]);
        let key = secret.derive("uid-a", 3);
        let signature = key.sign(&request(b"{}"));
        key.verify(&request(b"{}"), signature.as_bytes()).unwrap();
        for (uid, incarnation) in [("uid-b", 3), ("uid-a", 4), ("uid-a\0", 3)] {
            let other = secret.derive(uid, incarnation);
            assert_eq!(
                other.verify(&request(b"{}"), signature.as_bytes()),
                Err(BadSignature)
            );
        }
    }

    #[test]
    fn any_altered_field_is_refused() {
        let key = NodeSecret::new([7; 32]).derive("uid-a", 3);
        let signature = key.sign(&request(b"{}"));
        let alterations: [fn(&mut CanonicalRequest<'static>); 7] = [
            |r| r.method = "GET",
            |r| r.path = "/v1/sys/nul",
            |r| r.timestamp_ms.0 += 1,
            |r| r.counter += 1,
            |r| r.idempotency_key = Some("k"),
            |r| r.deadline_ms = None,
            |r| r.body_digest[0] ^= 1,
        ];
        for alter in alterations {
            let mut altered = request(b"{}");
            alter(&mut altered);
            assert_eq!(
                key.verify(&altered, signature.as_bytes()),
                Err(BadSignature)
            );
        }
    }

    #[test]
    fn a_malformed_signature_is_refused_not_a_panic() {
        let key = NodeSecret::new([7; 32]).derive("uid-a", 3);
        let loud = key.sign(&request(b"{}")).to_uppercase();
        for signature in [
            &b""[..],
            b"zz",
            &[b'a'; 63],
            &[b'a'; 66],
            &[0xff; 64],
            loud.as_bytes(),
        ] {
            assert_eq!(key.verify(&request(b"{}"), signature), Err(BadSignature));
        }
    }

    #[test]
    fn the_block_form_of_the_key_is_plain_hmac() {
        let key = Key::new([9; 32]);
        let mut plain = <Hmac<Sha256> as KeyInit>::new_from_slice(&[9; 32]).unwrap();
        request(b"x").feed(&mut plain);
        assert_eq!(
            key.sign(&request(b"x")),
            hex::encode(plain.finalize().into_bytes())
        );
    }
}
