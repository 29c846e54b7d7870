//! What signatures and attestations say of themselves, for eyes. What may not enter: a decision; nothing here was verified.

use aion_abi::attestation::SbomFormat;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sigstore_crypto::parse_certificate_info;
use sigstore_types::{Bundle, Statement};

use crate::{
    artifact::digest::Digest,
    trust::{
        attestation::{BuiltBy, Scanned, provenance, sbom, scan},
        dsse::{self, By, Envelope},
    },
};

/// What a signature or an attestation says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The kind of statement.
    pub predicate_type: String,
    /// What it is about.
    pub subjects: Vec<Digest>,
    /// Who made it.
    pub by: Maker,
    /// Where it was logged.
    pub logged: Vec<Logged>,
    /// How many clocks signed a time of it.
    pub timestamps: usize,
    /// Of an SBOM, what it lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Vec<Package>>,
    /// Of provenance, who built it from what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built: Option<BuiltBy>,
    /// Of a scan, what it found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanned: Option<Scanned>,
}

/// Who says that they made it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "with", rename_all = "camelCase")]
pub enum Maker {
    /// Somebody with a key.
    Key {
        /// What the key calls itself.
        hint: String,
    },
    /// The holder of a certificate.
    #[serde(rename_all = "camelCase")]
    Certificate {
        /// Who vouches for the holder.
        issuer: Option<String>,
        /// The holder.
        subject: Option<String>,
        /// Since when it counts.
        not_before: Timestamp,
        /// Until when.
        not_after: Timestamp,
    },
}

/// An entry of a log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// Its place.
    pub index: u64,
    /// The kind of entry.
    pub kind: &'static str,
    /// When the log took it, if it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A package of an SBOM.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Package {
    /// What it is called.
    pub name: String,
    /// Its version, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What the Sigstore bundle in `bytes` says.
///
/// # Errors
/// Why it cannot be read.
pub fn claims(bytes: &[u8]) -> Result<Claims, String> {
    let envelope = Envelope::parse_any(bytes).map_err(|why| why.to_string())?;
    let statement = envelope.statement().map_err(|why| why.to_string())?;
    let (by, material) = match &envelope.by {
        By::Key(hint) => (Maker::Key { hint: hint.clone() }, None),
        By::Certificate(bundle) => (holder(bundle)?, Some(&bundle.verification_material)),
    };
    let entries = material.map_or(&[][..], |it| &it.tlog_entries);
    let logged = entries.iter().map(|entry| Logged {
        index: entry.log_index.get(),
        kind: entry.kind_version.kind(),
        at: entry.integrated_time,
    });
    Ok(Claims {
        subjects: dsse::about(&statement),
        by,
        logged: logged.collect(),
        timestamps: material.map_or(0, |it| {
            it.timestamp_verification_data.rfc3161_timestamps.len()
        }),
        packages: packages(&statement),
        built: provenance::built(&statement),
        scanned: scan::scanned(&statement),
        predicate_type: statement.predicate_type,
    })
}

fn holder(bundle: &Bundle) -> Result<Maker, String> {
    let certificate = bundle.signing_certificate();
    let certificate = certificate.ok_or("there is neither a key nor a certificate")?;
    let info = parse_certificate_info(certificate).map_err(|why| why.to_string())?;
    Ok(Maker::Certificate {
        issuer: info.issuer,
        subject: info.identity.map(|it| it.as_str().to_owned()),
        not_before: info.not_before,
        not_after: info.not_after,
    })
}

fn packages(statement: &Statement) -> Option<Vec<Package>> {
    let (list, version) = match sbom::format(&statement.predicate_type)? {
        SbomFormat::Spdx => ("packages", "versionInfo"),
        SbomFormat::CycloneDx => ("components", "version"),
    };
    let text = |it: &Value, field: &str| it.get(field).and_then(Value::as_str).map(str::to_owned);
    let listed = statement.predicate.get(list).and_then(Value::as_array);
    let mut packages: Vec<Package> = listed
        .into_iter()
        .flatten()
        .filter_map(|it| {
            Some(Package {
                name: text(it, "name")?,
                version: text(it, version),
            })
        })
        .collect();
    packages.sort();
    packages.dedup();
    Some(packages)
}
