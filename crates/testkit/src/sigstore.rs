//! A private Sigstore: a certificate authority, a log of its certificates, a log of signatures and a clock that signs,
//! each with a key of its own, and the trusted root that names them. It signs statements as Cosign does without a key,
//! at any time that a test asks for, offline. What may not enter: verification.

mod bundle;
mod certificate;
mod key;
mod log;
mod timestamp;

pub use bundle::{Evidence, Sct, Signing};

use std::time::Duration;

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use der::DateTime;
use serde_json::{Value, json};

use self::{certificate::Authority, key::Key, log::Log, timestamp::Clock};

/// Since when every authority of a [`PrivateSigstore`] is there, in seconds of the epoch.
const FOUNDED: i64 = 1_700_000_000;
/// Until when.
const CLOSED: i64 = FOUNDED + 20 * 365 * 86_400;

/// See the module.
#[derive(Debug)]
pub struct PrivateSigstore {
    authority: Authority,
    certificates: Key,
    log: Log,
    clock: Clock,
}

impl PrivateSigstore {
    /// A new one, with keys of its own.
    ///
    /// # Errors
    /// When a key or a certificate cannot be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            authority: Authority::new()?,
            certificates: Key::new()?,
            log: Log::new()?,
            clock: Clock::new()?,
        })
    }

    /// Its `trusted_root.json`.
    ///
    /// # Errors
    /// When a certificate cannot be encoded.
    pub fn trusted_root(&self) -> Result<Value> {
        let founded = Duration::from_secs(FOUNDED.unsigned_abs());
        let from = DateTime::from_unix_duration(founded)?.to_string();
        let log = |key: &Key| {
            json!({
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(key.spki()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": from},
                },
                "logId": {"keyId": STANDARD.encode(key.id())},
            })
        };
        let chain = |certificates: Vec<Vec<u8>>| {
            let certificates = certificates.iter();
            let certificates = certificates.map(|it| json!({"rawBytes": STANDARD.encode(it)}));
            json!({"certificates": certificates.collect::<Vec<_>>()})
        };
        let subject = json!({"organization": "example", "commonName": "example"});
        Ok(json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log.key())],
            "certificateAuthorities": [{
                "subject": subject,
                "uri": "https://ca.example",
                "certChain": chain(self.authority.chain()?),
                "validFor": {"start": from},
            }],
            "ctlogs": [log(&self.certificates)],
            "timestampAuthorities": [{
                "subject": subject,
                "uri": "https://clock.example",
                "certChain": chain(self.clock.chain()?),
                "validFor": {"start": from},
            }],
        }))
    }
}
