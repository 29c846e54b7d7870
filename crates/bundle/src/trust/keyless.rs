//! Signatures by a certificate: who made one, as an authority, a log and a clock of a trust root show it, and whether
//! that is somebody who is trusted.

use std::sync::Arc;

use jiff::Timestamp;
use sigstore_types::Bundle;
use sigstore_verify::{Error, VerificationResult};

use crate::trust::{
    dsse::Envelope, fault::Fault, identity::TrustedIdentity, root::TrustRoot, set::TrustSet,
    verdict::Signer, verify::Case,
};

/// Who made a signature by a certificate, and when, as an authority, a log and a clock show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who vouched for the subject.
    pub issuer: String,
    /// Whose the certificate is.
    pub subject: String,
    /// The earliest time that is shown.
    pub at: Timestamp,
}

/// The trusted identity that made `envelope` over the digest of `case`, for whom `bundle` has the certificate.
pub(crate) fn identity_of(
    case: &Case<'_>,
    envelope: &Envelope,
    bundle: &Bundle,
) -> Result<Signer, Fault> {
    let trust = case.trust;
    let mut nearest = None;
    for root in roots(trust) {
        let maker = match maker(root, case, envelope, bundle) {
            Ok(maker) => maker,
            Err(fault) => {
                nearest = nearest.max(Some(fault));
                continue;
            }
        };
        if trust.revoked.identity(&maker.issuer, &maker.subject) {
            let who = format!("`{}` of `{}`", shown(&maker.subject), shown(&maker.issuer));
            nearest = nearest.max(Some(Fault::Revoked(who)));
            continue;
        }
        let of_root = |it: &&TrustedIdentity| Arc::ptr_eq(it.root(), root);
        let theirs = |it: &&TrustedIdentity| it.matches(&maker.issuer, &maker.subject);
        let mut identities = trust.identities.iter().filter(of_root).filter(theirs);
        let mut fault = Fault::OtherIdentity(shown(&maker.subject), shown(&maker.issuer));
        let covering = identities.find(|it| {
            fault = Fault::IdentityOutOfScope(it.name().to_owned());
            it.covers(case.name, case.digest)
        });
        match covering {
            Some(identity) => {
                return Ok(Signer::Identity {
                    name: identity.name().to_owned(),
                    issuer: maker.issuer,
                    subject: maker.subject,
                    at: maker.at,
                });
            }
            None => nearest = nearest.max(Some(fault)),
        }
    }
    Err(nearest.unwrap_or(Fault::Nobody))
}

/// Each of the trust roots once.
fn roots(trust: &TrustSet) -> Vec<&Arc<TrustRoot>> {
    let mut roots: Vec<&Arc<TrustRoot>> = Vec::new();
    for root in trust.identities.iter().map(TrustedIdentity::root) {
        if !roots.iter().any(|it| Arc::ptr_eq(it, root)) {
            roots.push(root);
        }
    }
    roots
}

fn maker(
    root: &TrustRoot,
    case: &Case<'_>,
    envelope: &Envelope,
    bundle: &Bundle,
) -> Result<Holder, Fault> {
    let digest = case.digest;
    let shown = match root.verify(bundle, digest) {
        Ok(shown) => shown,
        // It is given where the signature fits and the statement is about another digest, too.
        Err(error @ Error::ArtifactMismatch(_)) => {
            let subjects = envelope.subjects()?;
            return Err(match subjects.contains(digest) {
                true => error.into(),
                false => Fault::OtherDigest("its signer".to_owned(), subjects),
            });
        }
        Err(error) => return Err(error.into()),
    };
    // What is signed is a signature, and not another kind of statement.
    if !envelope.subjects()?.contains(digest) {
        return Err(Fault::Malformed("it is about no digest".to_owned()));
    }
    holder(&shown, case.now)
}

/// Whose the certificate of what was verified is, where all of it was.
pub(crate) fn holder(shown: &VerificationResult, now: Timestamp) -> Result<Holder, Fault> {
    let (Some(subject), Some(issuer)) = (shown.identity(), shown.issuer()) else {
        return Err(Fault::Certificate("it does not say whose it is".to_owned()));
    };
    let whole = shown.certificate_verified() && shown.sct_verified() && shown.tlog_verified();
    let times = shown.verified_timestamps().iter();
    let (true, Some(at), Some(latest)) = (whole, times.clone().min(), times.max()) else {
        return Err(Fault::Certificate("it was not verified".to_owned()));
    };
    if *latest > now {
        return Err(Fault::Time(format!(
            "it is of {latest}, and here it is {now}; set the clock of this machine"
        )));
    }
    Ok(Holder {
        issuer: issuer.to_owned(),
        subject: subject.as_str().to_owned(),
        at: *at,
    })
}

/// As much of what an authority wrote as a message holds.
fn shown(text: &str) -> String {
    text.chars().take(128).collect()
}
