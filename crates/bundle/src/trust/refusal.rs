//! Why a bundle is not let in, and what to do. What may not enter: a decision.

use std::fmt;

use aion_abi::reason::Reason;
use thiserror::Error;

use crate::{
    artifact::{digest::Digest, name::BundleName},
    trust::{
        verdict::PassedOver,
        verify::{MAX_ATTACHED_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES},
    },
};

/// How many of those that did not count are named in a message.
const MAX_NAMED: usize = 8;

/// A bundle that is not to be let in, and why.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) name: BundleName,
    pub(crate) digest: Digest,
    /// What was wrong with each signature found.
    pub passed_over: Vec<PassedOver>,
    /// How many more there are that were not looked at.
    pub left_out: usize,
    /// Of one that is signed, what is not attested as it has to be.
    pub lacking: Vec<Lacking>,
}

/// A requirement that is not met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lacking {
    /// What it is called.
    pub requirement: String,
    /// What is required.
    pub what: String,
    /// The stable name of what is wrong.
    pub reason: Reason,
    /// How it is met.
    pub remedy: String,
    /// What is wrong with each attestation of that kind.
    pub passed_over: Vec<PassedOver>,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requirement, what) = (&self.requirement, &self.what);
        write!(f, "`{requirement}` requires {what}, and ")?;
        if self.passed_over.is_empty() {
            return write!(f, "none refers to it; {}", self.remedy);
        }
        named(f, "attestation", &self.passed_over)
    }
}

impl Refusal {
    /// Of a bundle whose digest is revoked, whoever signed it.
    pub(crate) fn revoked(name: &BundleName, digest: &Digest) -> Self {
        Self {
            reason: Reason::Revoked,
            name: name.clone(),
            digest: *digest,
            passed_over: Vec::new(),
            left_out: 0,
            lacking: Vec::new(),
        }
    }

    /// How many bytes were read at most.
    fn most(&self) -> u64 {
        match self.lacking.is_empty() {
            true => MAX_SIGNATURE_BYTES,
            false => MAX_ATTACHED_BYTES,
        }
    }

    /// The stable name of the refusal.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Names signatures that could not be read at all, and counts those that
    /// were not looked at. Where there is nothing else, the first of them is the
    /// reason.
    pub(crate) fn add(&mut self, more: Vec<(Reason, PassedOver)>, left_out: usize) {
        self.left_out = left_out;
        let is_bare = self.passed_over.is_empty() && self.lacking.is_empty();
        if let (true, Some((reason, _))) = (is_bare, more.first()) {
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
                return f.write_str("no key and no identity is trusted; add one to a TrustPolicy");
            }
            Reason::Revoked if self.passed_over.is_empty() => f.write_str(
                "its digest is revoked; use another version, or take the revocation out of the TrustPolicy",
            )?,
            Reason::Unsigned if self.passed_over.is_empty() => f.write_str(
                "no signature refers to it; sign it with `aionctl bundle sign` or `cosign sign` \
                 (of Cosign 3: what Cosign 2 keeps in a tag that ends in .sig is not read)",
            )?,
            _ => {}
        }
        named(f, "signature", &self.passed_over)?;
        for (at, one) in self.lacking.iter().enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            write!(f, "{comma}{one}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(
                f,
                "; {more} more were not looked at, since {MAX_SIGNATURES} signatures and {} MiB of them are the most",
                self.most() >> 20
            ),
        }
    }
}

/// What was wrong with each, as far as a message holds it.
fn named(f: &mut fmt::Formatter<'_>, kind: &str, all: &[PassedOver]) -> fmt::Result {
    for (at, one) in all.iter().take(MAX_NAMED).enumerate() {
        let comma = if at == 0 { "" } else { "; " };
        write!(f, "{comma}{kind} {}: {}", short(&one.origin), one.why)?;
    }
    match all.len().saturating_sub(MAX_NAMED) {
        0 => Ok(()),
        more => write!(f, "; and {more} more"),
    }
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(12).collect()
}
