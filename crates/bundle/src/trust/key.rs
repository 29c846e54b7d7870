//! Keys that sign: ECDSA P-256, made here or by Cosign, under a password or,
//! for the key of one machine, in a file only its owner reads.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use pem::{EncodeConfig, LineEnding, Pem};
use sigstore_crypto::KeyPair;
use sigstore_types::{DerPublicKey, SignatureBytes};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    artifact::digest::{self, Digest},
    file::read_bounded,
    trust::{
        dsse::{self, DsseError},
        sealed::{self, SealError},
    },
};

const PLAIN: &str = "PRIVATE KEY";
const SEALED: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// What Cosign wrote before it was part of Sigstore.
const SEALED_BEFORE: &str = "ENCRYPTED COSIGN PRIVATE KEY";
const MAX_FILE: u64 = 64 << 10;

/// A private key that signs bundles.
pub struct SigningKey {
    pair: KeyPair,
    public: DerPublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// A key that cannot be made, read or used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{what}: {why}")]
    Io {
        /// What was done to which path.
        what: String,
        /// The error.
        why: io::Error,
    },
    /// Another user can read the file.
    #[error("others can read the private key {path}; run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: String,
    },
    /// No private key in PEM, or of a kind that does not sign here.
    #[error("no usable private key: {0}; use `cosign generate-key-pair`")]
    Unusable(String),
    /// The password does not open the key.
    #[error("the private key stays shut: {0}")]
    Shut(String),
    /// The cryptographic library failed.
    #[error("the signature cannot be made: {0}")]
    Failed(String),
}

impl SigningKey {
    /// A new key.
    pub fn generate() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(|e| KeyError::Failed(e.to_string()))?;
        Self::from_pkcs8(Zeroizing::new(made.as_ref().to_vec()))
    }

    /// The key in `text`, in plain PKCS #8 or under a password as Cosign keeps
    /// it; only then is `password` asked.
    pub fn from_pem(
        text: &str,
        password: impl FnOnce() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyError> {
        let block = pem::parse(text).map_err(|e| KeyError::Unusable(e.to_string()))?;
        match block.tag() {
            PLAIN => Self::from_pkcs8(Zeroizing::new(block.into_contents())),
            SEALED | SEALED_BEFORE => {
                let password = password().map_err(|why| KeyError::Io {
                    what: "read the password of the key".to_owned(),
                    why,
                })?;
                let pkcs8 = sealed::open(block.contents(), password.as_bytes())?;
                Self::from_pkcs8(pkcs8)
            }
            other => Err(KeyError::Unusable(format!("the block is `{other}`"))),
        }
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let unusable = |e: sigstore_crypto::Error| {
            KeyError::Unusable(format!("{e} (ECDSA P-256 in PKCS #8 is understood)"))
        };
        let pair = KeyPair::from_pkcs8_der(&pkcs8).map_err(unusable)?;
        let public = pair.public_key_der().map_err(unusable)?;
        Ok(Self {
            pair,
            public,
            pkcs8,
        })
    }

    /// Reads a key file; one in plain text has to be its owner's alone.
    pub fn load(
        path: &Path,
        password: impl FnOnce() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyError> {
        let failed = |why| KeyError::Io {
            what: format!("read {}", path.display()),
            why,
        };
        let bytes = read_bounded(path, MAX_FILE).map_err(failed)?;
        let bytes = bytes.ok_or_else(|| KeyError::Unusable("the file is too long".into()))?;
        let text = Zeroizing::new(
            String::from_utf8(bytes).map_err(|_| KeyError::Unusable("it is not text".into()))?,
        );
        let plain = text.contains(&format!("-----BEGIN {PLAIN}-----"));
        if plain && fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.display().to_string(),
            });
        }
        Self::from_pem(&text, password)
    }

    /// Keeps the key in the new file `path`, mode 0600: under `password`, or in
    /// plain text without one. An existing file is never replaced.
    pub fn save_new(&self, path: &Path, password: Option<&str>) -> Result<(), KeyError> {
        let text = match password {
            Some(password) => self.to_sealed_pem(password)?,
            None => self.to_plain_pem(),
        };
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .map_err(|why| KeyError::Io {
                what: format!("write {}", path.display()),
                why,
            })
    }

    /// The private key in plain PKCS #8.
    pub fn to_plain_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(encode(PLAIN, &self.pkcs8))
    }

    /// The private key under `password`, as `cosign` reads it.
    pub fn to_sealed_pem(&self, password: &str) -> Result<Zeroizing<String>, KeyError> {
        let sealed = sealed::seal(&self.pkcs8, password.as_bytes())?;
        Ok(Zeroizing::new(encode(SEALED, &sealed)))
    }

    /// The public key (SubjectPublicKeyInfo), as `cosign verify --key` reads it.
    pub fn public_pem(&self) -> String {
        encode("PUBLIC KEY", self.public.as_bytes())
    }

    /// The digest of the public key's SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.public.as_bytes())
    }

    /// Signs the manifest `digest`: the Sigstore bundle, in JSON, that Cosign
    /// writes for `cosign sign --key` without a log.
    pub fn sign(&self, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        let statement = dsse::statement(digest);
        let signature = self.signature(&dsse::message(&statement))?;
        let hint = digest::key_hint(&self.fingerprint());
        dsse::seal(&statement, signature, hint)
            .map_err(|e: DsseError| KeyError::Failed(e.to_string()))
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Result<SignatureBytes, KeyError> {
        let signed = self.pair.sign(message);
        signed.map_err(|e| KeyError::Failed(e.to_string()))
    }
}

impl From<SealError> for KeyError {
    fn from(error: SealError) -> Self {
        Self::Shut(error.to_string())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey")
            .field(&self.fingerprint())
            .finish()
    }
}

fn encode(tag: &str, contents: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(tag, contents), config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn nobody_asks() -> io::Result<Zeroizing<String>> {
        Err(io::Error::other("the password was asked for"))
    }

    #[test]
    fn a_key_in_plain_text_is_kept_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.key");
        let key = SigningKey::generate().unwrap();
        key.save_new(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let read = SigningKey::load(&path, nobody_asks).unwrap();
        assert_eq!(read.fingerprint(), key.fingerprint());
        assert!(key.save_new(&path, None).is_err(), "replaced a key");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(&path, open).unwrap();
        assert!(matches!(
            SigningKey::load(&path, nobody_asks),
            Err(KeyError::Exposed { .. })
        ));
    }

    #[test]
    fn a_key_under_a_password_opens_with_it_only() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_sealed_pem("pass").unwrap();
        let open = |password: &str| {
            let password = Zeroizing::new(password.to_owned());
            SigningKey::from_pem(&pem, || Ok(password))
        };
        assert_eq!(open("pass").unwrap().fingerprint(), key.fingerprint());
        assert!(matches!(open(""), Err(KeyError::Shut(_))));
        assert!(matches!(
            SigningKey::from_pem(&pem, nobody_asks),
            Err(KeyError::Io { .. })
        ));
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let key = SigningKey::generate().unwrap();
        let plain = key.to_plain_pem();
        let public = key.public_pem();
        let cut = plain.replace("MIGH", "MIGI");
        for text in ["", "hello", &public, &cut, "-----BEGIN PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(text, nobody_asks).is_err(), "{text}");
        }
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}
