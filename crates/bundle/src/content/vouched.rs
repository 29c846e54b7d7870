//! Who vouches for a bundle, of all that was found to sign it, and what of that is kept.

use jiff::Timestamp;

use crate::{
    artifact::{digest::Digest, name::BundleName},
    content::admit::AdmitError,
    source::transfer::Signatures,
    trust::{
        set::TrustSet,
        verdict::Verdict,
        verify::{Candidate, examine},
    },
};

/// The candidates for a bundle, and which of them count.
#[derive(Debug)]
pub(crate) struct Vouched {
    pub(crate) candidates: Vec<Candidate>,
    /// Their places among them.
    pub(crate) counted: Vec<usize>,
}

impl Vouched {
    pub(crate) fn new(candidates: Vec<Candidate>, counted: Vec<usize>) -> Self {
        Self {
            candidates,
            counted,
        }
    }
}

impl Signatures {
    /// Who of `trust` vouches for the bundle.
    pub fn judge(
        self,
        name: &BundleName,
        digest: &Digest,
        trust: &TrustSet,
        now: Timestamp,
    ) -> Result<Verdict, AdmitError> {
        let judged = self.vouch(name, digest, trust, now);
        judged.map(|(verdict, _)| verdict)
    }

    /// As [`Signatures::judge`], with what is to be kept of the signatures.
    pub(crate) fn vouch(
        self,
        name: &BundleName,
        digest: &Digest,
        trust: &TrustSet,
        now: Timestamp,
    ) -> Result<(Verdict, Vouched), AdmitError> {
        match examine(name, digest, &self.candidates, trust, now) {
            Ok((mut verdict, counted)) => {
                let unreadable = self.unreadable.into_iter().map(|(_, one)| one);
                verdict.passed_over.extend(unreadable);
                Ok((verdict, Vouched::new(self.candidates, counted)))
            }
            Err(mut refusal) => {
                refusal.add(self.unreadable, self.left_out);
                Err(match self.unreachable {
                    // The signature that counts may be the one that was not read.
                    Some(why) => AdmitError::Unheard {
                        refusal: Box::new(refusal),
                        why,
                    },
                    // That stands although more may be there than was looked at (`left_out`): each place had its
                    // share, so who lists too much at one hides nothing but what that one has.
                    None => refusal.into(),
                })
            }
        }
    }
}
