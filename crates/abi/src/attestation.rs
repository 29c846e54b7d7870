//! Words of what is attested of a bundle: of a TrustPolicy, and of the verifier. How a statement is read may not enter.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a vulnerability is. One of which the scanner does not say it is critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Hardly.
    Negligible,
    /// A CVSS score below 4.
    Low,
    /// Below 7.
    Medium,
    /// Below 9.
    High,
    /// From 9.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// How a list of parts is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SbomFormat {
    /// SPDX, in JSON.
    Spdx,
    /// CycloneDX, in JSON.
    CycloneDx,
}
