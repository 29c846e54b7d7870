//! Signatures without a key, and trust roots, that are not what they claim to be.

use aion_bundle::{Digest, Reason, RootError, SigningKey, TrustRoot};
use aion_testkit::Evidence;
use serde_json::{Value, json};

use crate::{
    fixture::trusting,
    keyless::{BUNDLE, Place, altered, judged, judged_bytes, signing, with},
};

#[test]
fn malformed_material_is_refused_and_never_panics() {
    let place = Place::new();
    let trust = place.trust();
    // Rekor 2 says twice where an entry is and in which log, and signs one of the two.
    let twice = [
        "rootHash",
        "treeSize",
        "inclusionProof/logIndex",
        "integratedTime",
        "logId/keyId",
    ];
    for (evidence, unsigned) in [(Evidence::Rekor1, &[][..]), (Evidence::Rekor2, &twice)] {
        let signed = place.sign(&with(|it| it.evidence = evidence));
        judged(&trust, &signed).unwrap();
        // Each part replaced by nothing, by what it cannot be, and by bytes that are none of its kind.
        let mut paths = Vec::new();
        walk(&signed, String::new(), &mut paths);
        for path in &paths {
            for junk in [
                json!(null),
                json!(7),
                json!([]),
                json!("AAAA"),
                json!({"a": 1}),
            ] {
                let bad = altered(&signed, |it| *it.pointer_mut(path).unwrap() = junk.clone());
                let counts = judged(&trust, &bad).is_ok();
                let harmless = bad == signed || unsigned.iter().any(|it| path.ends_with(it));
                assert!(harmless || !counts, "{evidence:?}: {path} as {junk} counts");
            }
        }
    }
    let two = altered(&place.sign(&signing()), |it| {
        let chain = json!([it["verificationMaterial"]["certificate"]]);
        it["verificationMaterial"] = json!({"x509CertificateChain": {"certificates": chain}});
    });
    place.refuses("a chain", &two, Reason::Malformed);
}

#[test]
fn what_is_by_a_key_and_by_a_certificate_is_by_neither() {
    let place = Place::new();
    let mut trust = place.trust();
    let key = SigningKey::generate().unwrap();
    trust.keys = trusting(&key).keys;
    let keyed = key.sign(&Digest::of(BUNDLE)).unwrap();
    let keyed: Value = serde_json::from_slice(&keyed).unwrap();
    let keyless = place.sign(&signing());
    for good in [&keyed, &keyless] {
        judged(&trust, good).unwrap();
        let both = altered(good, |it| {
            let (material, of) = (&mut it["verificationMaterial"], "verificationMaterial");
            material["publicKey"] = keyed[of]["publicKey"].clone();
            material["certificate"] = keyless[of]["certificate"].clone();
        });
        place.refuses_under("both", &trust, &both, Reason::Malformed);
        let both = altered(good, |it| {
            it["messageSignature"] = json!({"signature": "AAAA"});
        });
        place.refuses_under("two contents", &trust, &both, Reason::Malformed);
    }
    let text = keyless.to_string();
    let twice = text.replacen(
        r#""verificationMaterial":{"#,
        r#""verificationMaterial":{"certificate":{"rawBytes":"AAAA"},"#,
        1,
    );
    assert_ne!(text, twice);
    let (reason, _) = judged_bytes(&trust, twice.into_bytes()).unwrap_err();
    assert_eq!(reason, Reason::Malformed);
}

fn walk(value: &Value, path: String, into: &mut Vec<String>) {
    match value {
        Value::Object(all) => all
            .iter()
            .for_each(|(key, it)| walk(it, format!("{path}/{key}"), into)),
        Value::Array(all) => all
            .iter()
            .enumerate()
            .for_each(|(at, it)| walk(it, format!("{path}/{at}"), into)),
        _ => {}
    }
    if !path.is_empty() {
        into.push(path);
    }
}

#[test]
fn what_is_no_trust_root_is_refused_with_what_is_missing() {
    let whole = Place::new().root;
    let check = |json: &Value, expect: &str| {
        let told = TrustRoot::parse(&json.to_string()).unwrap_err().to_string();
        assert!(told.contains(expect), "{told}");
    };
    let without = |part: &str| altered(&whole, |it| it[part] = json!([]));
    check(&without("certificateAuthorities"), "certificate authority");
    check(&without("ctlogs"), "ctlogs");
    check(&without("tlogs"), "tlogs");
    TrustRoot::parse(&without("timestampAuthorities").to_string()).unwrap();
    check(&json!({}), "trusted_root.json");
    check(&json!([1]), "trusted_root.json");
    let bent = altered(&whole, |it| {
        it["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into();
    });
    check(&bent, "trusted_root.json");
    let config = altered(&whole, |it| {
        it["mediaType"] = "application/vnd.dev.sigstore.signingconfig.v0.2+json".into();
    });
    check(&config, "signingconfig");
    let backwards = altered(&whole, |it| {
        let window = &mut it["tlogs"][0]["publicKey"]["validFor"];
        window["end"] = "2001-01-01T00:00:00Z".into();
    });
    check(&backwards, "ends before it starts");
    // What a later Sigstore adds.
    let added = altered(&whole, |it| {
        it["tlogs"][0]["operator"] = "example".into();
        it["added"] = json!({"later": true});
    });
    TrustRoot::parse(&added.to_string()).unwrap();
    let long = TrustRoot::parse(&" ".repeat(1 << 20)).unwrap_err();
    assert_eq!(long, RootError::TooLong(1 << 20));
}
