//! What is asked of attestations.

use std::time::Duration;

use aion_api::RequiredAttestation;
use aion_bundle::{Provenance, Rule, Sbom, Scan};

/// What a TrustPolicy asks of attestations.
pub fn rule(required: &RequiredAttestation) -> Rule {
    match (
        &required.sbom,
        &required.provenance,
        &required.vulnerabilities,
    ) {
        (Some(sbom), None, None) => {
            let formats = sbom.formats.clone();
            Rule::Sbom(Sbom { formats })
        }
        (None, Some(of), None) => {
            let rule = Provenance::new(of.builders.clone(), of.sources.clone());
            rule.map_or_else(Rule::Unknown, Rule::Provenance)
        }
        (None, None, Some(of)) => Rule::Scan(Scan {
            max_age: of
                .max_age_hours
                .map(|it| Duration::from_secs(u64::from(it.unsigned_abs()) * 3600)),
            max_severity: of.max_severity,
        }),
        _ => Rule::Unknown("keep one of sbom, provenance and vulnerabilities".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use aion_api::{ProvenanceRule, SbomFormat, SbomRule, Severity, VulnerabilitiesRule};

    use super::*;

    #[test]
    fn a_rule_is_one_of_three_and_what_is_neither_is_not_understood() {
        let sbom = RequiredAttestation {
            sbom: Some(SbomRule {
                formats: vec![SbomFormat::CycloneDx],
            }),
            ..RequiredAttestation::default()
        };
        let formats = vec![SbomFormat::CycloneDx];
        assert_eq!(rule(&sbom), Rule::Sbom(Sbom { formats }));
        let scan = RequiredAttestation {
            vulnerabilities: Some(VulnerabilitiesRule {
                max_age_hours: Some(24),
                max_severity: Some(Severity::Low),
            }),
            ..RequiredAttestation::default()
        };
        let expect = Scan {
            max_age: Some(Duration::from_secs(86_400)),
            max_severity: Some(Severity::Low),
        };
        assert_eq!(rule(&scan), Rule::Scan(expect));
        let open = RequiredAttestation {
            provenance: Some(ProvenanceRule {
                builders: vec!["*".into()],
                sources: Vec::new(),
            }),
            ..RequiredAttestation::default()
        };
        let both = RequiredAttestation {
            vulnerabilities: scan.vulnerabilities,
            ..sbom
        };
        for unknown in [RequiredAttestation::default(), open, both] {
            assert!(matches!(rule(&unknown), Rule::Unknown(_)), "{unknown:?}");
        }
    }
}
