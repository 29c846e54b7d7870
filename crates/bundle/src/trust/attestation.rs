//! What has to be attested of a bundle beside its signature: a list of its parts, who built it from what, a scan. What may
//! not enter: how it is signed, and where it is found.
//!
//! A requirement reads a statement only once its signature is verified, and asks of one kind of statement.

pub(crate) mod provenance;
pub(crate) mod sbom;
pub(crate) mod scan;

use std::fmt;

use aion_abi::reason::Reason;
use jiff::Timestamp;
use sigstore_types::Statement;

pub use self::{
    provenance::{BuiltBy, Provenance},
    sbom::Sbom,
    scan::{Scan, Scanned},
};
use crate::trust::set::TrustSet;

/// Something that has to be attested, and by whom.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// What it is called.
    pub name: String,
    /// What is asked.
    pub rule: Rule,
    /// Who may attest it. Its requirements are not looked at.
    pub by: TrustSet,
}

/// What is asked of attestations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rule {
    /// What it is made of.
    Sbom(Sbom),
    /// Who built it from what.
    Provenance(Provenance),
    /// What is known against it.
    Scan(Scan),
    /// Something that is not understood here: nothing meets it.
    Unknown(String),
}

/// What meets a requirement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Met {
    /// What the attestation says of its time.
    pub(crate) at: Option<Timestamp>,
    /// Until when it does.
    pub(crate) until: Option<Timestamp>,
}

/// Why an attestation that is signed by somebody trusted does not meet a requirement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unmet {
    pub(crate) reason: Reason,
    pub(crate) why: String,
}

impl Unmet {
    fn new(reason: Reason, why: impl fmt::Display) -> Self {
        Self {
            reason,
            why: why.to_string(),
        }
    }

    fn malformed(why: impl fmt::Display) -> Self {
        Self::new(Reason::Malformed, why)
    }
}

impl Rule {
    /// Whether it asks of statements of this kind.
    pub(crate) fn is_about(&self, predicate_type: &str) -> bool {
        match self {
            Self::Sbom(rule) => rule.is_about(predicate_type),
            Self::Provenance(_) => Provenance::is_about(predicate_type),
            Self::Scan(_) => Scan::is_about(predicate_type),
            Self::Unknown(_) => false,
        }
    }

    /// Whether `statement`, of a kind that it asks of, meets it.
    pub(crate) fn judge(&self, statement: &Statement, now: Timestamp) -> Result<Met, Unmet> {
        match self {
            Self::Sbom(rule) => rule.judge(statement),
            Self::Provenance(rule) => rule.judge(statement),
            Self::Scan(rule) => rule.judge(statement, now),
            Self::Unknown(why) => Err(Unmet::malformed(why)),
        }
    }

    /// When what `statement` says was the case: of two scans the later counts.
    pub(crate) fn date(&self, statement: &Statement) -> Option<Timestamp> {
        match self {
            Self::Scan(_) => scan::finished(&statement.predicate),
            _ => None,
        }
    }

    /// How it is got.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Sbom(rule) => rule.remedy().to_owned(),
            Self::Provenance(_) => {
                "attest it with `cosign attest --type slsaprovenance1 --predicate FILE`".to_owned()
            }
            Self::Scan(_) => {
                "scan it and attest that with `cosign attest --type vuln --predicate FILE`"
                    .to_owned()
            }
            Self::Unknown(why) => format!("correct it in the TrustPolicy: {why}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sbom(rule) => rule.fmt(f),
            Self::Provenance(_) => f.write_str("provenance (SLSA)"),
            Self::Scan(_) => f.write_str("scan for vulnerabilities"),
            Self::Unknown(_) => f.write_str("something that is not understood here"),
        }
    }
}
