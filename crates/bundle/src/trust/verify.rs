//! Verification of signatures: offline. It sees a name, a digest, the
//! signature material found and the signers trusted; it fetches nothing, and
//! nothing is unpacked before it says yes.
//!
//! A signature counts when a trusted key verifies it (ECDSA or RSA over DSSE's
//! pre-authentication encoding), or when the authorities of a trust root show
//! that a trusted identity made it; its statement is about this very digest;
//! and the signer is trusted for the bundle. One that counts is enough.

use aion_abi::reason::Reason;
use jiff::Timestamp;

use crate::{
    artifact::{digest::Digest, name::BundleName},
    trust::{
        dsse::{By, Envelope},
        fault::Fault,
        keyless::identity_of,
        refusal::Refusal,
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
/// The largest attestation that is looked at, in bytes: an SBOM lists thousands of packages.
pub const MAX_ATTACHED: u64 = 4 << 20;
/// How many bytes of signatures and attestations, with the manifests they come in, where attestations are looked at.
pub const MAX_ATTACHED_BYTES: u64 = 16 << 20;

/// Signature material that refers to a bundle: a Sigstore bundle in JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The manifest it came in.
    pub origin: Digest,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
}

/// Whether the bundle `name` with the manifest `digest` is signed by somebody
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

/// As [`verify`], with the places of the candidates that count: the signature, and what is attested.
pub(crate) fn examine(
    name: &BundleName,
    digest: &Digest,
    candidates: &[Candidate],
    trust: &TrustSet,
    now: Timestamp,
) -> Result<(Verdict, Vec<usize>), Refusal> {
    let refuse = |reason, passed_over| Refusal {
        reason,
        name: name.clone(),
        digest: *digest,
        passed_over,
        left_out: 0,
        lacking: Vec::new(),
    };
    if trust.revoked.bundle(digest) {
        return Err(Refusal::revoked(name, digest));
    }
    if trust.keys.is_empty() && trust.identities.is_empty() {
        return Err(refuse(Reason::NoTrustPolicy, Vec::new()));
    }
    let case = Case {
        name,
        digest,
        trust,
        now,
    };
    let mut faults = Vec::new();
    let mut accepted = None;
    for (at, candidate) in candidates.iter().enumerate() {
        match case.signer_of(candidate) {
            Ok(signer) => {
                accepted = Some((signer, at));
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
        Some(((signer, grade), at)) => {
            let (attested, places) = case.attested(candidates).map_err(|lacking| {
                let reason = lacking
                    .first()
                    .map_or(Reason::AttestationMissing, |it| it.reason);
                Refusal {
                    lacking,
                    ..refuse(reason, Vec::new())
                }
            })?;
            let verdict = Verdict {
                digest: *digest,
                signer,
                grade,
                trust_revision: trust.revision.clone(),
                verified_at: now,
                passed_over,
                attested,
            };
            Ok((verdict, std::iter::once(at).chain(places).collect()))
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

/// What is asked of each of the candidates for a bundle.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) name: &'a BundleName,
    pub(crate) digest: &'a Digest,
    pub(crate) trust: &'a TrustSet,
    /// By the wall clock.
    pub(crate) now: Timestamp,
}

/// Who of `trust` made `candidate`, a signature or an attestation of whatever kind, about `digest`.
///
/// # Errors
/// Why it does not count.
pub fn attested(
    name: &BundleName,
    digest: &Digest,
    candidate: &Candidate,
    trust: &TrustSet,
    now: Timestamp,
) -> Result<Signer, PassedOver> {
    let case = Case {
        name,
        digest,
        trust,
        now,
    };
    let parsed = Envelope::parse_any(&candidate.bytes).map_err(Fault::from);
    let made = parsed.and_then(|envelope| case.maker_of(&envelope));
    let made = made.map(|(signer, _)| signer);
    made.map_err(|fault| PassedOver::new(candidate.origin, fault.reason(), fault))
}

impl<'a> Case<'a> {
    fn signer_of(&self, candidate: &Candidate) -> Result<(Signer, Grade), Fault> {
        if candidate.bytes.len() as u64 > MAX_SIGNATURE {
            return Err(Fault::Malformed(
                "it is too long for a signature".to_owned(),
            ));
        }
        self.maker_of(&Envelope::parse(&candidate.bytes)?)
    }

    pub(crate) fn maker_of(&self, envelope: &Envelope) -> Result<(Signer, Grade), Fault> {
        match &envelope.by {
            By::Key(hint) => {
                let key = self.key_of(envelope, hint)?;
                let signer = Signer::Key {
                    name: key.name().to_owned(),
                    fingerprint: *key.fingerprint(),
                };
                Ok((signer, key.grade()))
            }
            By::Certificate(bundle) => Ok((identity_of(self, envelope, bundle)?, Grade::Signed)),
        }
    }

    fn key_of(&self, envelope: &Envelope, hint: &str) -> Result<&'a TrustedKey, Fault> {
        let message = envelope.message();
        let mut fault = None;
        for key in &self.trust.keys {
            if !key.verifies(&message, envelope.signature()) {
                continue;
            }
            let subjects = envelope.subjects()?;
            if !subjects.contains(self.digest) {
                let signer = format!("key `{}`", key.name());
                return Err(Fault::OtherDigest(signer, subjects));
            }
            if self.trust.revoked.key(key.fingerprint()) {
                fault = Some(Fault::Revoked(format!("key `{}`", key.name())));
            } else if key.covers(self.name, self.digest) {
                return Ok(key);
            } else {
                fault = fault.max(Some(Fault::OutOfScope(key.name().to_owned())));
            }
        }
        Err(fault.unwrap_or_else(|| {
            let mut keys = self.trust.keys.iter();
            match keys.find(|key| key.hint() == hint) {
                Some(key) => Fault::Altered(key.name().to_owned()),
                None => Fault::WrongKey(hint.chars().take(64).collect()),
            }
        }))
    }
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
            let key = TrustedKey::new("k", &key.public_pem(), any).unwrap();
            let trust = TrustSet::of_keys("", vec![key]);
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
