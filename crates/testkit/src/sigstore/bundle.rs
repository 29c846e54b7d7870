//! Bundles without a key: a certificate for a key that lives for one signature, and what shows when it was made.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pem::Pem;
use serde_json::{Value, json};

use super::{
    PrivateSigstore,
    key::{Key, sha256},
};

const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Who signs, when, and with what evidence.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Who vouches for the signer: an OIDC issuer.
    pub issuer: String,
    /// The signer: an email address or a URI.
    pub subject: String,
    /// When the certificate was issued, in seconds of the epoch.
    pub issued_at: i64,
    /// For how many seconds it counts.
    pub lives: i64,
    /// When the signature was made, in seconds of the epoch.
    pub signed_at: i64,
    /// The promise of the log of certificates.
    pub sct: Sct,
    /// What shows the time.
    pub evidence: Evidence,
}

/// The promise of the log of certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sct {
    /// In order.
    Good,
    /// There is none.
    None,
    /// It is about another certificate.
    OfAnotherCertificate,
}

/// What shows when a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Rekor 1: an entry with a promise and its time.
    Rekor1,
    /// Rekor 1, and a signed time beside it.
    Rekor1AndTimestamp,
    /// Rekor 2: an entry without a time, and a signed time beside it.
    Rekor2,
    /// Rekor 2 without a time.
    Rekor2Untimed,
    /// A signed time alone.
    Timestamp,
}

impl Signing {
    /// By `subject`, for whom `issuer` vouches; in order.
    #[must_use]
    pub fn by(issuer: &str, subject: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            issued_at: 1_750_000_000,
            lives: 600,
            signed_at: 1_750_000_060,
            sct: Sct::Good,
            evidence: Evidence::Rekor1,
        }
    }
}

impl PrivateSigstore {
    /// Signs the artifact with this digest, `sha256:…`, as `cosign sign` does; gives the Sigstore bundle.
    ///
    /// # Errors
    /// When a part of it cannot be made.
    pub fn sign_artifact(&self, digest: &str, signing: &Signing) -> Result<Value> {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": hex}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "predicate": {},
        });
        self.sign(statement.to_string().as_bytes(), signing)
    }

    /// Signs an in-toto statement; gives the Sigstore bundle.
    ///
    /// # Errors
    /// When a part of it cannot be made.
    pub fn sign(&self, statement: &[u8], signing: &Signing) -> Result<Value> {
        let key = Key::new()?;
        let certificate = self.authority.issue(&key, signing, &self.certificates)?;
        let length = statement.len();
        let mut message = format!("DSSEv1 {} {IN_TOTO} {length} ", IN_TOTO.len()).into_bytes();
        message.extend(statement);
        let signature = key.sign(&message)?;
        let envelope = json!({
            "payload": STANDARD.encode(statement),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": STANDARD.encode(&signature)}],
        });
        let mut material = json!({"certificate": {"rawBytes": STANDARD.encode(&certificate)}});
        let logged = match signing.evidence {
            Evidence::Rekor1 | Evidence::Rekor1AndTimestamp => {
                let body = dsse(&envelope, statement, &signature, &certificate);
                Some(
                    self.log
                        .append("dsse", "0.0.1", &body, Some(signing.signed_at))?,
                )
            }
            Evidence::Rekor2 | Evidence::Rekor2Untimed => {
                let body = hashed(&message, &signature, &certificate);
                Some(self.log.append("hashedrekord", "0.0.2", &body, None)?)
            }
            Evidence::Timestamp => None,
        };
        if let Some(entry) = logged {
            material["tlogEntries"] = json!([entry]);
        }
        if !matches!(signing.evidence, Evidence::Rekor1 | Evidence::Rekor2Untimed) {
            let stamp = STANDARD.encode(self.clock.stamp(&signature, signing.signed_at)?);
            material["timestampVerificationData"] =
                json!({"rfc3161Timestamps": [{"signedTimestamp": stamp}]});
        }
        Ok(json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": envelope,
        }))
    }
}

/// An entry of Rekor 1 for an envelope.
fn dsse(envelope: &Value, statement: &[u8], signature: &[u8], certificate: &[u8]) -> Value {
    let certificate = pem::encode(&Pem::new("CERTIFICATE", certificate));
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": hex::encode(sha256(envelope.to_string().as_bytes()))},
            "payloadHash": {"algorithm": "sha256", "value": hex::encode(sha256(statement))},
            "signatures": [{
                "signature": STANDARD.encode(signature),
                "verifier": STANDARD.encode(certificate),
            }],
        },
    })
}

/// An entry of Rekor 2 for what was signed.
fn hashed(message: &[u8], signature: &[u8], certificate: &[u8]) -> Value {
    json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": {"hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": STANDARD.encode(sha256(message))},
            "signature": {
                "content": STANDARD.encode(signature),
                "verifier": {
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "x509Certificate": {"rawBytes": STANDARD.encode(certificate)},
                },
            },
        }},
    })
}
