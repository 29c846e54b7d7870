//! Private keys under a password, in the form Cosign keeps them: JSON with
//! scrypt (N 2^15 to 2^17, r 8, p 1) and NaCl's secretbox, as the Go package
//! `go-securesystemslib/encrypted` defines it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

const SALT: usize = 32;
const NONCE: usize = 24;
const R: u32 = 8;
const P: u32 = 1;
/// What new keys are sealed with, as Cosign does.
const LOG_N: u8 = 16;
/// The only costs that are accepted, so that a crafted file cannot ask for
/// more work or memory.
const LOG_NS: [u8; 3] = [15, LOG_N, 17];

/// Why a sealed key stays shut.
#[derive(Debug, Error)]
pub(crate) enum SealError {
    #[error("it is not what cosign writes: {0}")]
    Malformed(&'static str),
    #[error("the password is wrong, or the key was altered")]
    WrongPassword,
    #[error("no random numbers can be had")]
    NoRandom,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Seals `plain` under `password`.
pub(crate) fn seal(plain: &[u8], password: &[u8]) -> Result<Vec<u8>, SealError> {
    let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
    aws_lc_rs::rand::fill(&mut salt)
        .and_then(|()| aws_lc_rs::rand::fill(&mut nonce))
        .map_err(|_| SealError::NoRandom)?;
    let ciphertext = secretbox(password, &salt, LOG_N)?
        .encrypt(&nonce.into(), plain)
        .map_err(|_| SealError::Malformed("too long"))?;
    let sealed = Sealed {
        kdf: Kdf {
            name: "scrypt".into(),
            params: Params {
                n: 1 << LOG_N,
                r: R,
                p: P,
            },
            salt: STANDARD.encode(salt),
        },
        cipher: Cipher {
            name: "nacl/secretbox".into(),
            nonce: STANDARD.encode(nonce),
        },
        ciphertext: STANDARD.encode(ciphertext),
    };
    serde_json::to_vec(&sealed).map_err(|_| SealError::Malformed("not JSON"))
}

/// Opens what was sealed under `password`.
pub(crate) fn open(sealed: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let sealed: Sealed =
        serde_json::from_slice(sealed).map_err(|_| SealError::Malformed("not its JSON"))?;
    let Params { n, r, p } = sealed.kdf.params;
    let log_n = LOG_NS.into_iter().find(|log| n == 1 << log);
    let (Some(log_n), "scrypt", R, P) = (log_n, sealed.kdf.name.as_str(), r, p) else {
        return Err(SealError::Malformed("unknown key derivation"));
    };
    if sealed.cipher.name != "nacl/secretbox" {
        return Err(SealError::Malformed("unknown cipher"));
    }
    let decode = |text: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| SealError::Malformed("not base64"))
    };
    let nonce: [u8; NONCE] = decode(&sealed.cipher.nonce)?
        .try_into()
        .map_err(|_| SealError::Malformed("nonce of another length"))?;
    let ciphertext = decode(&sealed.ciphertext)?;
    secretbox(password, &decode(&sealed.kdf.salt)?, log_n)?
        .decrypt(&nonce.into(), ciphertext.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| SealError::WrongPassword)
}

fn secretbox(password: &[u8], salt: &[u8], log_n: u8) -> Result<XSalsa20Poly1305, SealError> {
    let unusable = |_| SealError::Malformed("unusable key derivation");
    let params = scrypt::Params::new(log_n, R, P).map_err(unusable)?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &params, key.as_mut_slice())
        .map_err(|_| SealError::Malformed("unusable key derivation"))?;
    Ok(XSalsa20Poly1305::new(key.as_slice().into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_password_only() {
        let sealed = seal(b"secret", b"pass").unwrap();
        assert_eq!(open(&sealed, b"pass").unwrap().as_slice(), b"secret");
        assert!(matches!(
            open(&sealed, b"Pass"),
            Err(SealError::WrongPassword)
        ));
    }

    #[test]
    fn crafted_files_are_refused_before_any_work() {
        let sealed = String::from_utf8(seal(b"secret", b"").unwrap()).unwrap();
        for (from, to) in [
            ("65536", "1073741824"),
            ("65536", "65537"),
            ("\"r\":8", "\"r\":800000"),
            ("\"p\":1", "\"p\":0"),
            ("scrypt", "none"),
            ("nacl/secretbox", "none"),
            ("\"nonce\":\"", "\"nonce\":\"AAAA"),
            ("\"salt\":\"", "\"salt\":\"!"),
            ("{\"kdf\"", "[\"kdf\""),
        ] {
            let crafted = sealed.replacen(from, to, 1);
            assert_ne!(crafted, sealed);
            assert!(
                matches!(open(crafted.as_bytes(), b""), Err(SealError::Malformed(_))),
                "{from} to {to}"
            );
        }
    }
}
