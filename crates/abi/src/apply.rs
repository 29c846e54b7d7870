//! Manifests on their way into a node, and what became of each: of the interface in [`crate::admin`]. What a manifest means may
//! not enter.

use serde::{Deserialize, Serialize};

/// Manifests to take in: all of them or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRequest {
    /// One a file, each with one or more YAML documents.
    pub manifests: Vec<Manifest>,
    /// Check and say what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A file of manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The file's name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What became of each resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyResponse {
    /// In the order of the manifests.
    pub applied: Vec<Applied>,
    /// Why nothing was taken in; `applied` is empty then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// A resource that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// `Agent`, `Tool`, ….
    pub kind: String,
    /// Absent for a cluster-wide resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// What happened.
    pub change: Change,
}

/// What an apply did to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Created,
    /// It was there and differs.
    Configured,
    /// It was there already.
    Unchanged,
}

/// A place in a manifest that must be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The file.
    pub file: String,
    /// 1-based line, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// `Kind/name`, where the document got that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Dotted path, e.g. `spec.limits.tokensPerHour`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}
