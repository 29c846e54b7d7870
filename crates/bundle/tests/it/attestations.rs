//! What has to be attested: what the real Cosign attests meets it, and whatever is wrong in it is refused by its name.

use std::{fs, time::Duration};

use aion_abi::attestation::{SbomFormat, Severity};
use aion_bundle::{
    Candidate, Digest, Limits, Provenance, Reason, Requirement, Rule, Sbom, Scan, SigningKey,
    Store, TrustSet, claims, evidence, verify,
};
use aion_testkit::RegistryKind;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cosign::Stage,
    fixture::{name, reference, trust_pem, trusting},
    keyless::{ISSUER, Place, SUBJECT, signing},
};

const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.2";
const SLSA_0_2: &str = "https://slsa.dev/provenance/v0.2";
const SLSA_1: &str = "https://slsa.dev/provenance/v1";
const SPDX: &str = "https://spdx.dev/Document";
const CYCLONE_DX: &str = "https://cyclonedx.org/bom";
const BUNDLE: &[u8] = b"the manifest";
const SCANNED: &str = "2025-06-15T00:00:00Z";

/// A signer without a key, who attests and signs.
struct Case {
    place: Place,
    trust: TrustSet,
    found: Vec<Candidate>,
}

impl Case {
    /// A bundle that is signed, of which `rule` is required.
    fn of(rule: Rule) -> Self {
        let place = Place::new();
        let mut trust = place.trust();
        let by = trust.clone();
        trust.requirements = vec![Requirement {
            name: "required".into(),
            rule,
            by,
        }];
        let signature = candidate(&place.sign(&signing()));
        Self {
            place,
            trust,
            found: vec![signature],
        }
    }

    fn attest(mut self, kind: &str, predicate: &Value) -> Self {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "subject": [{"name": "", "digest": {"sha256": Digest::of(BUNDLE).hex()}}],
            "predicateType": kind,
            "predicate": predicate,
        });
        let made = self.place.sign_statement(&statement, &signing());
        self.found.push(candidate(&made));
        self
    }

    fn judge(&self, now: &str) -> Result<(), (Reason, String)> {
        let now = now.parse().unwrap();
        let digest = Digest::of(BUNDLE);
        verify(&name("acme/reader"), &digest, &self.found, &self.trust, now)
            .map(drop)
            .map_err(|it| (it.reason(), it.to_string()))
    }

    #[track_caller]
    fn meets(&self) {
        self.judge("2025-06-20T00:00:00Z").unwrap();
    }

    #[track_caller]
    fn refused(&self, expect: Reason, told: &str) {
        let (reason, message) = self.judge("2025-06-20T00:00:00Z").unwrap_err();
        assert_eq!(reason, expect, "{message}");
        assert!(message.contains(told), "{message}");
    }
}

fn candidate(bundle: &Value) -> Candidate {
    let bytes = serde_json::to_vec(bundle).unwrap();
    Candidate {
        origin: Digest::of(&bytes),
        bytes,
    }
}

fn sbom(formats: &[SbomFormat]) -> Rule {
    Rule::Sbom(Sbom {
        formats: formats.to_vec(),
    })
}

fn provenance(builders: &[&str], sources: &[&str]) -> Rule {
    let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
    Rule::Provenance(Provenance::new(owned(builders), owned(sources)).unwrap())
}

fn scan(days: Option<u64>, max_severity: Option<Severity>) -> Rule {
    Rule::Scan(Scan {
        max_age: days.map(|it| Duration::from_secs(it * 86_400)),
        max_severity,
    })
}

fn trivy(at: &str, severities: &[&str]) -> Value {
    let all = severities.iter().enumerate();
    let all: Vec<_> = all
        .map(|(n, it)| json!({"VulnerabilityID": format!("CVE-2025-{n}"), "Severity": it}))
        .collect();
    scanned(
        at,
        json!({"SchemaVersion": 2, "Results": [{"Target": "a"}, {"Vulnerabilities": all}]}),
    )
}

fn scanned(at: &str, result: Value) -> Value {
    json!({
        "invocation": {"uri": "", "event_id": "", "builder.id": "", "parameters": []},
        "scanner": {"uri": "pkg:trivy", "version": "1", "db": {"uri": "", "version": ""}, "result": result},
        "metadata": {"scanStartedOn": at, "scanFinishedOn": at},
    })
}

#[test]
fn a_list_of_parts_is_one_in_a_format_that_is_asked_for() {
    let spdx = json!({"spdxVersion": "SPDX-2.3", "packages": []});
    let cyclone = json!({"bomFormat": "CycloneDX", "components": []});
    Case::of(sbom(&[])).attest(SPDX, &spdx).meets();
    Case::of(sbom(&[])).attest(CYCLONE_DX, &cyclone).meets();
    let of_version = format!("{CYCLONE_DX}/v1.6");
    Case::of(sbom(&[SbomFormat::CycloneDx]))
        .attest(&of_version, &cyclone)
        .meets();
    let missing = Reason::AttestationMissing;
    let bare = Case::of(sbom(&[]));
    bare.refused(
        missing,
        "`required` requires SBOM (SPDX or CycloneDX), and none refers to it; attest it with `cosign attest --type spdxjson",
    );
    let other = Case::of(sbom(&[SbomFormat::CycloneDx])).attest(SPDX, &spdx);
    other.refused(missing, "SBOM (CycloneDX)");
    let other = Case::of(sbom(&[])).attest("https://cyclonedx.org/bomb", &cyclone);
    other.refused(missing, "none refers to it");
    let text = Case::of(sbom(&[])).attest(SPDX, &json!("SPDXVersion: SPDX-2.3"));
    text.refused(Reason::Malformed, "spdxVersion");
}

#[test]
fn provenance_is_by_a_builder_and_from_a_source_that_are_allowed() {
    let v0_2 = json!({
        "builder": {"id": "https://ci.example/runner@v1"},
        "invocation": {"configSource": {"uri": "git+https://git.example/acme/reader@refs/tags/v1"}},
        "materials": [{"uri": "git+https://git.example/evil"}, {"uri": "pkg:npm/x"}],
    });
    let v1 = |parameters: Value, dependencies: Value| {
        json!({
            "buildDefinition": {"externalParameters": parameters, "resolvedDependencies": dependencies},
            "runDetails": {"builder": {"id": "https://ci.example/runner@v1"}},
        })
    };
    let workflow = json!({"workflow": {"repository": "https://git.example/acme/reader"}});
    let workflow = v1(workflow, json!([{"uri": "git+https://git.example/evil"}]));
    let only = v1(
        json!({}),
        json!([{"uri": "git+https://git.example/acme/reader"}]),
    );
    let several = json!([{"uri": "git+https://git.example/acme/reader"}, {"uri": "pkg:npm/x"}]);
    let several = v1(json!({}), several);
    let two = json!({"source": "https://git.example/acme/x", "configSource": {"uri": "https://git.example/evil"}});
    let two = v1(two, json!([]));
    let ours = || provenance(&["https://ci.example/*"], &["*https://git.example/acme/*"]);
    Case::of(ours()).attest(SLSA_0_2, &v0_2).meets();
    Case::of(ours()).attest(SLSA_1, &workflow).meets();
    Case::of(ours()).attest(SLSA_1, &only).meets();
    Case::of(provenance(&[], &[]))
        .attest(SLSA_1, &several)
        .meets();
    let of = |rule: Rule| Case::of(rule).attest(SLSA_1, &workflow);
    let builder = Reason::BuilderNotAllowed;
    of(provenance(&["https://ci.example/runner"], &[])).refused(builder, "runner@v1` built it");
    of(provenance(&["https://ci.exampl*/x"], &[])).refused(builder, "");
    let source = Reason::SourceNotAllowed;
    of(provenance(&[], &["https://git.example/acme"])).refused(source, "git.example/acme/reader");
    Case::of(ours())
        .attest(SLSA_1, &two)
        .refused(source, "evil");
    let unsaid = Case::of(ours()).attest(SLSA_1, &several);
    unsaid.refused(Reason::Malformed, "from which source");
    let nobody = Case::of(ours()).attest(SLSA_1, &json!({}));
    nobody.refused(Reason::Malformed, "no builder");
    // One that is in order is enough.
    Case::of(ours())
        .attest(SLSA_1, &two)
        .attest(SLSA_1, &only)
        .meets();
    for open in ["*", "**", "://"] {
        Provenance::new(vec![open.into()], Vec::new()).unwrap_err();
    }
}

#[test]
fn a_scan_is_not_too_old_and_found_nothing_too_bad() {
    let of = |rule: Rule, predicate: &Value| Case::of(rule).attest(VULN, predicate);
    let clean = trivy(SCANNED, &[]);
    of(scan(Some(7), Some(Severity::Negligible)), &clean).meets();
    let old = of(scan(Some(4), None), &clean);
    old.refused(Reason::ScanTooOld, "counts for 96 hours; scan it again");
    // To the second.
    let case = of(scan(Some(4), None), &clean);
    case.judge("2025-06-19T00:00:00Z").unwrap();
    case.judge("2025-06-19T00:00:01Z").unwrap_err();
    let ahead = of(scan(Some(4), None), &trivy("2025-06-20T00:05:01Z", &[]));
    ahead.refused(Reason::BadTimestamp, "set the clock");
    of(scan(Some(4), None), &trivy("2025-06-20T00:05:00Z", &[])).meets();
    let undated = json!({"scanner": {"result": {"matches": []}}});
    of(scan(Some(4), None), &undated).refused(Reason::Malformed, "when it was made");

    let worse = |most: Severity, result: &Value, expect: bool| {
        let case = of(scan(None, Some(most)), result);
        match expect {
            true => case.refused(Reason::SeverityTooHigh, "worse than"),
            false => case.meets(),
        }
    };
    let found = trivy(SCANNED, &["LOW", "MEDIUM"]);
    worse(Severity::Medium, &found, false);
    worse(Severity::Low, &found, true);
    worse(Severity::High, &trivy(SCANNED, &["UNKNOWN"]), true);
    worse(
        Severity::Critical,
        &trivy(SCANNED, &["CRITICAL", "x"]),
        false,
    );
    let grype = |severity: &str| {
        let one = json!({"vulnerability": {"id": "GHSA-1", "severity": severity}});
        scanned(SCANNED, json!({"matches": [one]}))
    };
    worse(Severity::Medium, &grype("Medium"), false);
    worse(Severity::Medium, &grype("High"), true);
    let unread = of(
        scan(None, Some(Severity::High)),
        &scanned(SCANNED, json!({"x": 1})),
    );
    unread.refused(Reason::Malformed, "not understood");
    of(scan(None, None), &scanned(SCANNED, json!({"x": 1}))).meets();

    let scores = |scores: Value| json!({"scanner": {"result": [{"id": "CVE-1", "severity": scores}]}, "metadata": {"scanFinishedOn": SCANNED}});
    let in_toto = |scores_: Value, most: Severity| {
        Case::of(scan(Some(7), Some(most))).attest(VULNS, &scores(scores_))
    };
    let both = json!([{"method": "nvd", "score": "MEDIUM"}, {"method": "cvss", "score": "7.1"}]);
    in_toto(both.clone(), Severity::High).meets();
    in_toto(both, Severity::Medium).refused(Reason::SeverityTooHigh, "CVE-1 (high)");
    let unsaid = in_toto(json!([]), Severity::High);
    unsaid.refused(Reason::SeverityTooHigh, "CVE-1 (critical)");
}

#[test]
fn of_scans_the_latest_decides() {
    let rule = || scan(None, Some(Severity::Low));
    let (bad, good) = (&["HIGH"][..], &["LOW"][..]);
    let before = "2025-06-01T00:00:00Z";
    Case::of(rule())
        .attest(VULN, &trivy(SCANNED, good))
        .attest(VULN, &trivy(before, bad))
        .meets();
    let worse = Case::of(rule())
        .attest(VULN, &trivy(before, good))
        .attest(VULN, &trivy(SCANNED, bad));
    worse.refused(Reason::SeverityTooHigh, "CVE-2025-0 (high)");
    let tied = Case::of(rule())
        .attest(VULN, &trivy(SCANNED, bad))
        .attest(VULN, &trivy(SCANNED, good));
    tied.refused(Reason::SeverityTooHigh, "");
}

#[test]
fn only_who_may_attests_and_only_of_this_bundle() {
    let spdx = json!({"spdxVersion": "SPDX-2.3"});
    let mut case = Case::of(sbom(&[])).attest(SPDX, &spdx);
    case.meets();
    let key = SigningKey::generate().unwrap();
    case.trust.requirements[0].by = trusting(&key);
    case.refused(Reason::AttestationMissing, "no identity is trusted");
    let mut revoked = Case::of(sbom(&[])).attest(SPDX, &spdx);
    revoked.trust.requirements[0].by.revoked.identities = vec![(ISSUER.into(), SUBJECT.into())];
    revoked.refused(Reason::AttestationMissing, "who is revoked");
    // A signature is no attestation, and an attestation no signature.
    let mut unsigned = Case::of(sbom(&[])).attest(SPDX, &spdx);
    unsigned.found.remove(0);
    let (reason, _) = unsigned.judge("2025-06-20T00:00:00Z").unwrap_err();
    assert_eq!(reason, Reason::Unsigned);
    let mut of_another = Case::of(sbom(&[]));
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": Digest::of(b"x").hex()}}],
        "predicateType": SPDX,
        "predicate": spdx,
    });
    let made = of_another.place.sign_statement(&statement, &signing());
    of_another.found.push(candidate(&made));
    of_another.refused(Reason::AttestationMissing, "another digest");
    let unknown = Case::of(Rule::Unknown("keep one".into())).attest(SPDX, &spdx);
    unknown.refused(Reason::AttestationMissing, "keep one");
}

/// By key, with the real Cosign, in a registry, and again without it.
#[tokio::test]
async fn what_cosign_attests_meets_what_is_required_and_is_kept() {
    let Some(stage) = Stage::set(RegistryKind::Referrers).await else {
        return;
    };
    let theirs = stage.cosign.generate_key_pair("theirs").unwrap();
    stage
        .cosign
        .sign(&theirs.private, &stage.named(), None)
        .unwrap();
    let attest = |kind: &str, predicate: &Value| {
        let path = stage.at.path().join("predicate.json");
        fs::write(&path, predicate.to_string()).unwrap();
        let of = (kind, &*path);
        stage
            .cosign
            .attest(&theirs.private, of, &stage.named())
            .unwrap();
    };
    let mut trust = trust_pem(&theirs.public_pem().unwrap());
    let by = trust.clone();
    let required = |name: &str, rule: Rule| Requirement {
        name: name.into(),
        rule,
        by: by.clone(),
    };
    trust.requirements = vec![
        required("sbom", sbom(&[SbomFormat::Spdx])),
        required(
            "built",
            provenance(&["https://ci.example/*"], &["https://git.example/acme/*"]),
        ),
        required("scan", scan(Some(30), Some(Severity::Medium))),
        required("other-scan", scan(Some(30), None)),
    ];
    let store = Store::open(stage.at.path().join("store")).unwrap();
    let (wanted, limits) = (reference(&stage.built), Limits::default());
    let refused = store.admit(&stage.ours, &wanted, &trust, &limits).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::AttestationMissing);
    assert!(refused.may_pass_later());
    let told = refused.to_string();
    for what in ["`sbom`", "`built`", "`scan`", "`other-scan`"] {
        assert!(told.contains(what), "{told}");
    }

    // More of them than a signature is long.
    let packages: Vec<_> = (0..4000)
        .map(|n| json!({"SPDXID": format!("SPDXRef-{n}"), "name": format!("package-{n:04}")}))
        .collect();
    let spdx = json!({"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "reader", "packages": packages});
    attest("spdxjson", &spdx);
    let built = json!({
        "buildDefinition": {"buildType": "https://ci.example/type", "externalParameters": {"source": "https://git.example/acme/reader"}},
        "runDetails": {"builder": {"id": "https://ci.example/runner"}},
    });
    attest("slsaprovenance1", &built);
    let at = |hours: i64| {
        let at = now().checked_sub(jiff::SignedDuration::from_hours(hours));
        at.unwrap().to_string()
    };
    attest("vuln", &trivy(&at(1), &["MEDIUM"]));
    let admitted = store.admit(&stage.ours, &wanted, &trust, &limits).await;
    let verdict = admitted.unwrap().verdict;
    let names: Vec<_> = verdict.attested.iter().map(|it| &*it.requirement).collect();
    assert_eq!(names, ["sbom", "built", "scan", "other-scan"]);

    // Under another revision, and without the registry.
    trust.revision = "2".into();
    let recalled = store.recall(&wanted, &trust).await.unwrap();
    assert!(
        matches!(recalled, aion_bundle::Recalled::Admitted(_)),
        "{recalled:?}"
    );

    // A later scan in the other form, which found more.
    let later = json!({
        "scanner": {"uri": "pkg:x", "result": [{"id": "CVE-7", "severity": [{"method": "nvd", "score": "CRITICAL"}]}]},
        "metadata": {"scanStartedOn": at(0), "scanFinishedOn": at(0)},
    });
    attest(VULNS, &later);
    let store = Store::open(stage.at.path().join("another")).unwrap();
    let refused = store.admit(&stage.ours, &wanted, &trust, &limits).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::SeverityTooHigh, "{refused}");
    assert!(
        refused.to_string().contains("CVE-7 (critical)"),
        "{refused}"
    );

    let found = evidence(&stage.ours, &stage.built.digest, &trust)
        .await
        .unwrap();
    let said: Vec<_> = found
        .candidates
        .iter()
        .map(|it| claims(&it.bytes).unwrap())
        .collect();
    let builders: Vec<_> = said
        .iter()
        .filter_map(|it| it.built.as_ref()?.builder.clone())
        .collect();
    assert_eq!(builders, ["https://ci.example/runner"]);
    let mut worst: Vec<_> = said
        .iter()
        .filter_map(|it| it.scanned.as_ref()?.worst)
        .collect();
    worst.sort();
    assert_eq!(worst, [Severity::Medium, Severity::Critical]);
}

#[expect(clippy::disallowed_methods, reason = "what is scanned now is not old")]
fn now() -> Timestamp {
    Timestamp::now()
}
