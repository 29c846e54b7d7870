//! What is wrong with one signature, and which reason that has.

use std::fmt;

use aion_abi::reason::Reason;
use sigstore_verify::{Error, bundle};

use crate::{artifact::digest::Digest, trust::dsse::DsseError};

/// What is wrong with one signature, the least far from counting last.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fault {
    Attestation(String),
    Malformed(String),
    /// By a certificate, where no identity is trusted.
    Nobody,
    WrongKey(String),
    Certificate(String),
    Time(String),
    NotLogged(String),
    Altered(String),
    /// The holder of a certificate in order did not make it.
    Forged(String),
    OtherDigest(String, Vec<Digest>),
    /// Subject and issuer.
    OtherIdentity(String, String),
    OutOfScope(String),
    IdentityOutOfScope(String),
    /// Made by somebody who was trusted.
    Revoked(String),
}

impl Fault {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Attestation(_) => Reason::Unsigned,
            Self::Malformed(_) => Reason::Malformed,
            Self::WrongKey(_) => Reason::UntrustedKey,
            Self::Certificate(_) => Reason::BadCertificate,
            Self::Time(_) => Reason::BadTimestamp,
            Self::NotLogged(_) => Reason::NotLogged,
            Self::Altered(_) | Self::Forged(_) => Reason::BadSignature,
            Self::OtherDigest(..) => Reason::DigestMismatch,
            Self::Nobody | Self::OtherIdentity(..) => Reason::UntrustedIdentity,
            Self::OutOfScope(_) => Reason::KeyOutOfScope,
            Self::IdentityOutOfScope(_) => Reason::IdentityOutOfScope,
            Self::Revoked(_) => Reason::Revoked,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attestation(why) | Self::Malformed(why) => f.write_str(why),
            Self::Nobody => f.write_str(
                "it is by a certificate (keyless) and no identity is trusted; add its signer to `identities` of a TrustPolicy",
            ),
            Self::WrongKey(hint) => {
                write!(f, "no trusted key made it (its key calls itself `{hint}`)")
            }
            Self::Certificate(why) => write!(
                f,
                "its certificate does not count: {why}; sign again with the Sigstore of the trust root"
            ),
            Self::Time(why) => write!(
                f,
                "nothing shows that it was made while its certificate counted: {why}"
            ),
            Self::NotLogged(why) => write!(
                f,
                "nothing shows that it was logged: {why}; sign with a log that the trust root names"
            ),
            Self::Altered(key) => write!(
                f,
                "it names key `{key}` but does not fit: the statement or the signature was altered"
            ),
            Self::Forged(why) => write!(
                f,
                "it does not fit its certificate: the statement or the signature was altered ({why})"
            ),
            Self::OtherDigest(signer, digests) => {
                write!(f, "{signer} signed another digest:")?;
                digests.iter().try_for_each(|d| write!(f, " {d}"))
            }
            Self::OtherIdentity(subject, issuer) => write!(
                f,
                "`{subject}` of `{issuer}` signed it, who is no trusted identity"
            ),
            Self::OutOfScope(key) => {
                write!(f, "key `{key}` is not trusted for this name or digest")
            }
            Self::IdentityOutOfScope(identity) => write!(
                f,
                "identity `{identity}` is not trusted for this name or digest"
            ),
            Self::Revoked(signer) => write!(
                f,
                "{signer} signed it, who is revoked; have it signed by somebody else, or take the revocation out of the TrustPolicy"
            ),
        }
    }
}

impl From<DsseError> for Fault {
    fn from(error: DsseError) -> Self {
        match error {
            DsseError::Malformed(_) => Self::Malformed(error.to_string()),
            DsseError::Attestation(_) => Self::Attestation(error.to_string()),
        }
    }
}

/// Of a signature by a certificate that is about the right digest.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let why = error.to_string();
        match error {
            Error::Certificate(_) | Error::InvalidTrustRoot(_) => Self::Certificate(why),
            Error::Timestamp(_) | Error::Bundle(bundle::Error::MissingSigningTimeEvidence) => {
                Self::Time(why)
            }
            Error::TransparencyLog(_) | Error::ArtifactMismatch(_) => Self::NotLogged(why),
            Error::Bundle(
                bundle::Error::MissingInclusionProof(_)
                | bundle::Error::MissingCheckpoint
                | bundle::Error::LogIndexOutOfRange { .. }
                | bundle::Error::CheckpointRootMismatch,
            ) => Self::NotLogged(why),
            Error::SignatureInvalid(_) => Self::Forged(why),
            _ => Self::Malformed(format!("the signature is malformed: {why}")),
        }
    }
}
