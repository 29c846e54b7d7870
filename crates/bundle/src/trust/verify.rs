//! Verification of signatures by key: pure and offline. It sees a name, a
//! digest, the signature material found and the keys trusted; it fetches
//! nothing, and nothing is unpacked before it says yes.
//!
//! A signature counts when a trusted key verifies it (ECDSA, RSA or Ed25519
//! over DSSE's pre-authentication encoding), its statement is about this very
//! digest, and the key is trusted for the bundle. One that counts is enough.

use std::fmt;

use aion_abi::reason::Reason;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    artifact::{digest::Digest, name::BundleName},
    trust::{
        dsse::{DsseError, Envelope},
        set::{TrustSet, TrustedKey},
        verdict::{Grade, PassedOver, Signer, Verdict},
    },
};

/// The largest signature that is looked at, in bytes.
pub const MAX_SIGNATURE: u64 = 256 << 10;
/// How many signatures of one bundle are looked at, whatever they come in.
pub const MAX_SIGNATURES: usize = 64;
/// How many bytes of them all, with the manifests they come in. A signature by
/// key has about two thousand.
pub const MAX_SIGNATURE_BYTES: u64 = 4 << 20;
/// How many of those that did not count are named in a message.
const MAX_NAMED: usize = 8;

/// Signature material that refers to a bundle: a Sigstore bundle in JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The manifest it came in.
    pub origin: Digest,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
}

/// A bundle that is not to be let in, and why.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub struct Refusal {
    reason: Reason,
    name: BundleName,
    digest: Digest,
    /// What was wrong with each signature found.
    pub passed_over: Vec<PassedOver>,
    /// How many more there are that were not looked at.
    pub left_out: usize,
}

impl Refusal {
    /// The stable name of the refusal.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Names signatures that could not be read at all, and counts those that
    /// were not looked at. Where there is nothing else, the first of them is the
    /// reason.
    pub(crate) fn add(&mut self, more: Vec<(Reason, PassedOver)>, left_out: usize) {
        self.left_out = left_out;
        if let (true, Some((reason, _))) = (self.passed_over.is_empty(), more.first()) {
            self.reason = *reason;
        }
        self.passed_over
            .extend(more.into_iter().map(|(_, one)| one));
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} is not verified: ", self.name, self.digest)?;
        match self.reason {
            Reason::NoTrustPolicy => {
                return f.write_str("no key is trusted; add one to a TrustPolicy");
            }
            Reason::Unsigned if self.passed_over.is_empty() => f.write_str(
                "no signature refers to it; sign it with `aionctl bundle sign` or `cosign sign --key`",
            )?,
            _ => {}
        }
        for (at, one) in self.passed_over.iter().take(MAX_NAMED).enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            write!(f, "{comma}signature {}: {}", short(&one.origin), one.why)?;
        }
        match self.passed_over.len().saturating_sub(MAX_NAMED) {
            0 => {}
            more => write!(f, "; and {more} more")?,
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(
                f,
                "; {more} more were not looked at, since {MAX_SIGNATURES} signatures and {} MiB of them are the most",
                MAX_SIGNATURE_BYTES >> 20
            ),
        }
    }
}

/// What is wrong with one signature, the least far from counting last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Attestation(String),
    Malformed(String),
    Keyless,
    WrongKey(String),
    Altered(String),
    OtherDigest(String, Vec<Digest>),
    OutOfScope(String),
}

impl Fault {
    fn reason(&self) -> Reason {
        match self {
            Self::Attestation(_) => Reason::Unsigned,
            Self::Malformed(_) => Reason::Malformed,
            Self::Keyless => Reason::KeylessUnsupported,
            Self::WrongKey(_) => Reason::UntrustedKey,
            Self::Altered(_) => Reason::BadSignature,
            Self::OtherDigest(..) => Reason::DigestMismatch,
            Self::OutOfScope(_) => Reason::KeyOutOfScope,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attestation(why) | Self::Malformed(why) => f.write_str(why),
            Self::Keyless => f.write_str("it is by a certificate (keyless); sign with a key"),
            Self::WrongKey(hint) => {
                write!(f, "no trusted key made it (its key calls itself `{hint}`)")
            }
            Self::Altered(key) => write!(
                f,
                "it names key `{key}` but does not fit: the statement or the signature was altered"
            ),
            Self::OtherDigest(key, digests) => {
                write!(f, "key `{key}` signed another digest:")?;
                digests.iter().try_for_each(|d| write!(f, " {d}"))
            }
            Self::OutOfScope(key) => {
                write!(f, "key `{key}` is not trusted for this name or digest")
            }
        }
    }
}

impl From<DsseError> for Fault {
    fn from(error: DsseError) -> Self {
        match error {
            DsseError::Keyless => Self::Keyless,
            DsseError::Malformed(_) => Self::Malformed(error.to_string()),
            DsseError::Attestation(_) => Self::Attestation(error.to_string()),
        }
    }
}

/// Whether the bundle `name` with the manifest `digest` is signed by a key
/// trusted for it.
pub fn verify(
    name: &BundleName,
    digest: &Digest,
    candidates: &[Candidate],
    trust: &TrustSet,
    now: Timestamp,
) -> Result<Verdict, Refusal> {
    examine(name, digest, candidates, trust, now).map(|(verdict, _)| verdict)
}

/// As [`verify`], with the place of the candidate that counts.
pub(crate) fn examine(
    name: &BundleName,
    digest: &Digest,
    candidates: &[Candidate],
    trust: &TrustSet,
    now: Timestamp,
) -> Result<(Verdict, usize), Refusal> {
    let refuse = |reason, passed_over| Refusal {
        reason,
        name: name.clone(),
        digest: *digest,
        passed_over,
        left_out: 0,
    };
    if trust.keys.is_empty() {
        return Err(refuse(Reason::NoTrustPolicy, Vec::new()));
    }
    let mut faults = Vec::new();
    let mut accepted = None;
    for (at, candidate) in candidates.iter().enumerate() {
        match signer_of(name, digest, candidate, trust) {
            Ok(key) => {
                accepted = Some((key, at));
                break;
            }
            Err(fault) => faults.push((candidate.origin, fault)),
        }
    }
    let passed_over = faults
        .iter()
        .map(|(origin, fault)| PassedOver::new(*origin, fault.reason(), fault))
        .collect();
    match accepted {
        Some((key, at)) => {
            let verdict = Verdict {
                digest: *digest,
                signer: Signer {
                    key: key.name().to_owned(),
                    fingerprint: *key.fingerprint(),
                },
                grade: if key.is_machine() {
                    Grade::LocalKey
                } else {
                    Grade::Signed
                },
                trust_revision: trust.revision.clone(),
                verified_at: now,
                passed_over,
            };
            Ok((verdict, at))
        }
        None => {
            let nearest = faults.iter().map(|(_, fault)| fault).max();
            Err(refuse(
                nearest.map_or(Reason::Unsigned, Fault::reason),
                passed_over,
            ))
        }
    }
}

fn signer_of<'t>(
    name: &BundleName,
    digest: &Digest,
    candidate: &Candidate,
    trust: &'t TrustSet,
) -> Result<&'t TrustedKey, Fault> {
    if candidate.bytes.len() as u64 > MAX_SIGNATURE {
        return Err(Fault::Malformed(
            "it is too long for a signature".to_owned(),
        ));
    }
    let envelope = Envelope::parse(&candidate.bytes)?;
    let message = envelope.message();
    let mut fault = None;
    for key in &trust.keys {
        if !key.verifies(&message, envelope.signature()) {
            continue;
        }
        let subjects = envelope.subjects()?;
        if !subjects.contains(digest) {
            return Err(Fault::OtherDigest(key.name().to_owned(), subjects));
        }
        if key.covers(name, digest) {
            return Ok(key);
        }
        fault = Some(Fault::OutOfScope(key.name().to_owned()));
    }
    Err(fault.unwrap_or_else(
        || match trust.keys.iter().find(|k| k.hint() == envelope.hint) {
            Some(key) => Fault::Altered(key.name().to_owned()),
            None => Fault::WrongKey(envelope.hint.chars().take(64).collect()),
        },
    ))
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        artifact::{digest, name::NamePattern},
        trust::{dsse, key::SigningKey},
    };

    #[test]
    fn an_attestation_by_a_trusted_key_is_no_signature() {
        let key = SigningKey::generate().unwrap();
        let subject = Digest::of(b"manifest");
        let statement = String::from_utf8(dsse::statement(&subject)).unwrap();
        let check = |from: &str, to: &str, expect: Result<(), Reason>| {
            let statement = statement.replace(from, to).into_bytes();
            let signature = key.signature(&dsse::message(&statement)).unwrap();
            let hint = digest::key_hint(&key.fingerprint());
            let candidate = Candidate {
                origin: subject,
                bytes: dsse::seal(&statement, signature, hint).unwrap(),
            };
            let any = vec![NamePattern::any()];
            let trust = TrustSet {
                revision: String::new(),
                keys: vec![TrustedKey::new("k", &key.public_pem(), any).unwrap()],
            };
            let name = "a".parse().unwrap();
            let now = Timestamp::UNIX_EPOCH;
            let outcome = verify(&name, &subject, &[candidate], &trust, now);
            assert_eq!(outcome.map(|_| ()).map_err(|e| e.reason()), expect, "{to}");
        };
        check("", "", Ok(()));
        let sbom = "https://spdx.dev/Document";
        check(dsse::SIGN_PREDICATE, sbom, Err(Reason::Unsigned));
        check("Statement/v1", "Statement/v0.1", Err(Reason::Malformed));
        check("subject", "object", Err(Reason::Malformed));
        check("sha256", "sha512", Err(Reason::Malformed));
        check("sha256", "gitCommit", Err(Reason::DigestMismatch));
    }
}
