//! Who is let in where a policy wants more than a signature.

use super::*;

#[tokio::test]
async fn what_a_policy_wants_attested_is_needed_by_whom_it_names_and_told() {
    let machine = Machine::new();
    let sigstore = PrivateSigstore::new().unwrap();
    let built = machine.bundle("quick/a").await;
    let digest = built.digest.to_string();
    let instance = instance("home", "quick/a", &digest);
    let preparer = machine.preparer(None);
    let signing = Signing::by("https://token.example", "scanner@acme.example");
    let inline = sigstore.trusted_root().unwrap().to_string();
    let mut trust = Trust {
        keyless: vec![aion_policy::Keyless {
            policy: "public".into(),
            root: aion_api::TrustRoot {
                inline: Some(inline),
                named: None,
            },
            identities: vec![aion_api::TrustedIdentity {
                name: "scanner".into(),
                issuer: signing.issuer.clone(),
                subject: signing.subject.clone(),
                ..aion_api::TrustedIdentity::default()
            }],
        }],
        ..machine.trust(&[])
    };
    prepared(&preparer, &instance, &trust).await.unwrap();
    let required = |signers: &[&str]| aion_api::RequiredAttestation {
        name: "sbom".into(),
        signers: signers.iter().map(|it| (*it).to_owned()).collect(),
        sbom: Some(aion_api::SbomRule::default()),
        ..aion_api::RequiredAttestation::default()
    };
    trust.attestations = vec![required(&["scanner"])];
    let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
    assert_eq!(refused.judgement.reason, reason::ATTESTATION_MISSING);
    assert_eq!((refused.before, refused.passing), (Before::Ends, true));

    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": built.digest.hex()}}],
        "predicateType": "https://spdx.dev/Document",
        "predicate": {"spdxVersion": "SPDX-2.3"},
    });
    let made = sigstore.sign(statement.to_string().as_bytes(), &signing);
    let made = serde_json::to_vec(&made.unwrap()).unwrap();
    let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    attach(&machine.layout, &built.digest, &made, now)
        .await
        .unwrap();
    for _ in 0..2 {
        let judgement = prepared(&preparer, &instance, &trust).await.unwrap();
        let told = "; attested: sbom by identity scanner: scanner@acme.example";
        assert!(judgement.message.contains(told), "{}", judgement.message);
    }
    // By the key that signs it is not attested.
    trust.attestations = vec![required(&["machine"])];
    let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
    assert_eq!(refused.judgement.reason, reason::ATTESTATION_MISSING);
    // One that is not understood is not passed over.
    trust.attestations = vec![aion_api::RequiredAttestation {
        sbom: None,
        ..required(&[])
    }];
    let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
    assert!(refused.judgement.message.contains("keep one of sbom"));
}
