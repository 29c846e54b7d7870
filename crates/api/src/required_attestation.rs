//! What a `TrustPolicy` wants attested of bundles: a list of their parts, who built them from what, a scan.

pub use aion_abi::attestation::{SbomFormat, Severity};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{NAME, said};

/// Something that has to be attested of bundles: one of sbom, provenance and vulnerabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.sbom), has(self.provenance), has(self.vulnerabilities)].filter(it, it).size() == 1").message(said("a required attestation is one of sbom, provenance and vulnerabilities", "keep one of them, and write another entry for each other")),
)]
pub struct RequiredAttestation {
    /// A name for it, used in conditions.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub name: String,
    /// Names of bundles of which it has to be attested; a trailing * stands for the rest. Left out: every name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 200), regex(pattern = r"^[a-z0-9._/-]*\*?$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub bundles: Vec<String>,
    /// Keys and identities of TrustPolicies, by name, of which one has to attest it. Left out: any that is trusted for the
    /// bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub signers: Vec<String>,
    /// A list of what it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<SbomRule>,
    /// Who built it from what, as SLSA 0.2 or 1 says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceRule>,
    /// A scan for vulnerabilities. Of several the latest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<VulnerabilitiesRule>,
}

/// Which lists will do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SbomRule {
    /// How it may be written: spdx, cyclonedx. Left out: either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub formats: Vec<SbomFormat>,
}

/// Who may have built it from what; * stands for any run of characters, and the whole of each has to match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvenanceRule {
    /// Ids of builders. Left out: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 512), regex(pattern = r"^\S*[A-Za-z0-9]\S*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub builders: Vec<String>,
    /// Addresses of sources, all of which that the provenance names have to match. Left out: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 512), regex(pattern = r"^\S*[A-Za-z0-9]\S*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub sources: Vec<String>,
}

/// What a scan may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VulnerabilitiesRule {
    /// Hours for which it counts, by the node's wall clock, when the bundle is let in. Left out: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 87600))]
    pub max_age_hours: Option<i32>,
    /// How bad what it found may be: negligible, low, medium, high or critical. Left out: it need only be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_severity: Option<Severity>,
}
