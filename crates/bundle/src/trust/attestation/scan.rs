//! What is known against a bundle: scans for vulnerabilities, as Cosign's `vuln/v1` (with what Trivy or Grype write) and
//! in-toto's `vulns` say it.

use std::time::Duration;

use aion_abi::{attestation::Severity, reason::Reason};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sigstore_types::Statement;

use super::{Met, Unmet};

const COSIGN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const IN_TOTO: [&str; 2] = [
    "https://in-toto.io/attestation/vulns/v0.1",
    "https://in-toto.io/attestation/vulns/v0.2",
];
/// By how much the clock of the machine that scanned may be ahead of the one here.
const AHEAD: Duration = Duration::from_secs(300);
/// How many vulnerabilities are named in a message.
const MAX_NAMED: usize = 4;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    /// How long ago it may be.
    pub max_age: Option<Duration>,
    /// How bad what it found may be.
    pub max_severity: Option<Severity>,
}

/// What a scanner found.
struct Found<'v> {
    id: &'v str,
    severity: Severity,
}

/// What a scan says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Scanned {
    /// When.
    pub at: Option<Timestamp>,
    /// How many vulnerabilities it found, where that is understood.
    pub found: Option<usize>,
    /// How bad the worst of them is.
    pub worst: Option<Severity>,
}

/// What a scan says of itself, for eyes.
pub(crate) fn scanned(statement: &Statement) -> Option<Scanned> {
    if !Scan::is_about(&statement.predicate_type) {
        return None;
    }
    let found = found(statement).ok();
    Some(Scanned {
        at: finished(&statement.predicate),
        worst: found.iter().flatten().map(|it| it.severity).max(),
        found: found.map(|all| all.len()),
    })
}

impl Scan {
    pub(super) fn is_about(predicate_type: &str) -> bool {
        predicate_type == COSIGN || IN_TOTO.contains(&predicate_type)
    }

    pub(super) fn judge(&self, statement: &Statement, now: Timestamp) -> Result<Met, Unmet> {
        let at = finished(&statement.predicate);
        let until = match self.max_age {
            Some(max_age) => Some(fresh_until(at, max_age, now)?),
            None => None,
        };
        if let Some(most) = self.max_severity {
            let found = found(statement)?;
            let worse: Vec<_> = found.iter().filter(|it| it.severity > most).collect();
            if !worse.is_empty() {
                return Err(too_bad(&worse, most));
            }
        }
        Ok(Met { at, until })
    }
}

fn fresh_until(
    at: Option<Timestamp>,
    max_age: Duration,
    now: Timestamp,
) -> Result<Timestamp, Unmet> {
    let at = at.ok_or_else(|| Unmet::malformed("it does not say when it was made"))?;
    if at.saturating_sub(AHEAD).is_ok_and(|it| it > now) {
        return Err(Unmet::new(
            Reason::BadTimestamp,
            format_args!("it is of {at}, and here it is {now}; set the clock that is wrong"),
        ));
    }
    let until = at.saturating_add(max_age).unwrap_or(Timestamp::MAX);
    match until < now {
        true => Err(Unmet::new(
            Reason::ScanTooOld,
            format_args!(
                "it is of {at}, and counts for {} hours; scan it again and attest that",
                max_age.as_secs() / 3600
            ),
        )),
        false => Ok(until),
    }
}

fn too_bad(worse: &[&Found<'_>], most: Severity) -> Unmet {
    let mut named: Vec<String> = worse
        .iter()
        .take(MAX_NAMED)
        .map(|it| {
            let id: String = it.id.chars().take(64).collect();
            format!("{id} ({})", it.severity)
        })
        .collect();
    match worse.len().saturating_sub(MAX_NAMED) {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    Unmet::new(
        Reason::SeverityTooHigh,
        format_args!(
            "it found worse than {most}: {}; mend them, scan it again and attest that",
            named.join(", ")
        ),
    )
}

/// When a scan was finished, or begun where that is all it says.
pub(super) fn finished(predicate: &Value) -> Option<Timestamp> {
    let said = ["/metadata/scanFinishedOn", "/metadata/scanStartedOn"];
    let mut said = said.iter().filter_map(|path| predicate.pointer(path));
    said.find_map(Value::as_str)?.parse().ok()
}

fn found(statement: &Statement) -> Result<Vec<Found<'_>>, Unmet> {
    let result = statement.predicate.pointer("/scanner/result");
    let found = match &*statement.predicate_type {
        COSIGN => result.and_then(|it| trivy(it).or_else(|| grype(it))),
        _ => result.and_then(in_toto),
    };
    found.ok_or_else(|| {
        Unmet::malformed(
            "what its scanner found is not understood; let Trivy or Grype write it in JSON",
        )
    })
}

/// `Results`, of which each may have `Vulnerabilities`.
fn trivy(result: &Value) -> Option<Vec<Found<'_>>> {
    // Trivy leaves out what is empty, also all of it.
    let targets = match result.get("Results") {
        Some(targets) => targets.as_array()?.as_slice(),
        None if result.get("SchemaVersion").is_some() => &[],
        None => return None,
    };
    let mut found = Vec::new();
    for target in targets {
        let all = match target.get("Vulnerabilities") {
            None | Some(Value::Null) => continue,
            Some(all) => all.as_array()?,
        };
        found.extend(all.iter().map(|it| Found {
            id: text(it, "/VulnerabilityID"),
            severity: severity([it.get("Severity")]),
        }));
    }
    Some(found)
}

/// `matches`, each of a vulnerability.
fn grype(result: &Value) -> Option<Vec<Found<'_>>> {
    let matches = result.get("matches")?.as_array()?;
    let found = matches.iter().map(|it| Found {
        id: text(it, "/vulnerability/id"),
        severity: severity([it.pointer("/vulnerability/severity")]),
    });
    Some(found.collect())
}

/// A list, each with what methods say of it, of which the worst counts.
fn in_toto(result: &Value) -> Option<Vec<Found<'_>>> {
    let found = result.as_array()?.iter().map(|it| {
        let methods = it.get("severity").and_then(Value::as_array);
        let scores = methods.into_iter().flatten();
        Found {
            id: text(it, "/id"),
            severity: severity(scores.map(|one| one.get("score"))),
        }
    });
    Some(found.collect())
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    let text = value.pointer(path).and_then(Value::as_str);
    text.unwrap_or("one without a name")
}

/// The worst of what is said of one, of those that are understood.
fn severity<'v>(said: impl IntoIterator<Item = Option<&'v Value>>) -> Severity {
    let said = said.into_iter().flatten().filter_map(read).max();
    said.unwrap_or(Severity::Critical)
}

/// A word, or a CVSS score.
fn read(said: &Value) -> Option<Severity> {
    let said = match said {
        Value::String(text) => text.to_ascii_lowercase(),
        Value::Number(score) => score.to_string(),
        _ => return None,
    };
    match &*said {
        "none" | "negligible" => Some(Severity::Negligible),
        "low" => Some(Severity::Low),
        "medium" | "moderate" => Some(Severity::Medium),
        "high" | "important" => Some(Severity::High),
        "critical" => Some(Severity::Critical),
        score => match score.parse::<f64>() {
            Ok(score) if !(0.0..=10.0).contains(&score) => None,
            Ok(score) if score < 0.1 => Some(Severity::Negligible),
            Ok(score) if score < 4.0 => Some(Severity::Low),
            Ok(score) if score < 7.0 => Some(Severity::Medium),
            Ok(score) if score < 9.0 => Some(Severity::High),
            Ok(_) => Some(Severity::Critical),
            Err(_) => None,
        },
    }
}
