//! Signatures, good and bad, without any source.

use aion_bundle::{
    Candidate, Digest, Grade, NamePattern, Reason, SigningKey, TrustSet, TrustedKey, verify,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{name, trusting};

const BUNDLE: &[u8] = b"the manifest";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA06XUMm5g9G02aWKJ4neibsiiPObXa6imkBCEo0s1jnk=
-----END PUBLIC KEY-----
";

fn candidate(bytes: Vec<u8>) -> Candidate {
    Candidate {
        origin: Digest::of(&bytes),
        bytes,
    }
}

fn outcome(trust: &TrustSet, bundle: &str, signatures: &[Vec<u8>]) -> Result<String, Reason> {
    let candidates: Vec<_> = signatures.iter().cloned().map(candidate).collect();
    let digest = Digest::of(BUNDLE);
    verify(
        &name(bundle),
        &digest,
        &candidates,
        trust,
        Timestamp::UNIX_EPOCH,
    )
    .map(|v| v.signer.name().to_owned())
    .map_err(|e| e.reason())
}

fn altered(signature: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut json = serde_json::from_slice(signature).unwrap();
    change(&mut json);
    serde_json::to_vec(&json).unwrap()
}

fn statement(json: &Value) -> Value {
    let payload = json["dsseEnvelope"]["payload"].as_str().unwrap();
    serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap()
}

fn with_statement(signature: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    altered(signature, |json| {
        let mut statement = statement(json);
        change(&mut statement);
        json["dsseEnvelope"]["payload"] = STANDARD.encode(statement.to_string()).into();
    })
}

#[test]
fn a_signature_by_a_trusted_key_counts() {
    let key = SigningKey::generate().unwrap();
    let signed = key.sign(&Digest::of(BUNDLE)).unwrap();
    let verdict = verify(
        &name("reader"),
        &Digest::of(BUNDLE),
        &[candidate(signed)],
        &trusting(&key),
        Timestamp::UNIX_EPOCH,
    )
    .unwrap();
    assert_eq!(verdict.digest, Digest::of(BUNDLE));
    assert_eq!(verdict.signer.name(), "release");
    assert_eq!(verdict.signer.fingerprint(), Some(&key.fingerprint()));
    assert_eq!(verdict.grade, Grade::Signed);
    assert_eq!(verdict.trust_revision, "1");
    assert_eq!(verdict.verified_at, Timestamp::UNIX_EPOCH);
    assert!(verdict.passed_over.is_empty());
}

#[test]
fn every_kind_of_bad_signature_has_its_reason() {
    let key = SigningKey::generate().unwrap();
    let trust = trusting(&key);
    let good = key.sign(&Digest::of(BUNDLE)).unwrap();
    let check = |what: &str, bytes: Vec<u8>, expect: Reason| {
        assert_eq!(outcome(&trust, "reader", &[bytes]), Err(expect), "{what}");
    };
    let other = SigningKey::generate().unwrap();
    let by_other = other.sign(&Digest::of(BUNDLE)).unwrap();
    check("another key", by_other.clone(), Reason::UntrustedKey);
    let hint = serde_json::from_slice::<Value>(&good).unwrap()["verificationMaterial"].clone();
    check(
        "another key under our hint",
        altered(&by_other, |j| j["verificationMaterial"] = hint),
        Reason::BadSignature,
    );
    check(
        "another digest",
        key.sign(&Digest::of(b"another manifest")).unwrap(),
        Reason::DigestMismatch,
    );
    check(
        "a digest put in",
        with_statement(&key.sign(&Digest::of(b"x")).unwrap(), |s| {
            s["subject"][0]["digest"]["sha256"] = Digest::of(BUNDLE).hex().into();
        }),
        Reason::BadSignature,
    );
    check(
        "a predicate put in",
        with_statement(&good, |s| s["predicate"] = json!({"a": 1})),
        Reason::BadSignature,
    );
    check(
        "a signature bit",
        altered(&good, |j| {
            let sig = &mut j["dsseEnvelope"]["signatures"][0]["sig"];
            let mut bytes = STANDARD.decode(sig.as_str().unwrap()).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            *sig = STANDARD.encode(bytes).into();
        }),
        Reason::BadSignature,
    );
    check(
        "an empty signature",
        altered(&good, |j| {
            j["dsseEnvelope"]["signatures"][0]["sig"] = "".into()
        }),
        Reason::BadSignature,
    );
}

#[test]
fn malformed_material_is_refused_and_never_panics() {
    let key = SigningKey::generate().unwrap();
    let trust = trusting(&key);
    let good = key.sign(&Digest::of(BUNDLE)).unwrap();
    let check = |what: &str, bytes: Vec<u8>, expect: Reason| {
        assert_eq!(outcome(&trust, "reader", &[bytes]), Err(expect), "{what}");
    };
    for cut in (0..good.len()).step_by(7) {
        check("cut", good[..cut].to_vec(), Reason::Malformed);
    }
    check("not UTF-8", vec![0xff; 40], Reason::Malformed);
    check("deep", b"[".repeat(100_000), Reason::Malformed);
    check("long", vec![b' '; 1 << 20], Reason::Malformed);
    check("null", b"null".to_vec(), Reason::Malformed);
    check(
        "an older bundle",
        altered(&good, |j| {
            j["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
        }),
        Reason::Malformed,
    );
    check(
        "two signatures",
        altered(&good, |j| {
            let one = j["dsseEnvelope"]["signatures"][0].clone();
            j["dsseEnvelope"]["signatures"]
                .as_array_mut()
                .unwrap()
                .push(one);
        }),
        Reason::Malformed,
    );
    check(
        "a message signature",
        altered(&good, |j| {
            let whole = j.as_object_mut().unwrap();
            whole.remove("dsseEnvelope");
            whole.insert("messageSignature".into(), json!({"signature": "AAAA"}));
        }),
        Reason::Malformed,
    );
    check(
        "another payload type",
        altered(&good, |j| {
            j["dsseEnvelope"]["payloadType"] = "text/plain".into()
        }),
        Reason::Malformed,
    );
    check(
        "a certificate",
        altered(&good, |j| {
            j["verificationMaterial"] = json!({"certificate": {"rawBytes": "AAAA"}});
        }),
        Reason::UntrustedIdentity,
    );
}

#[test]
fn nothing_counts_where_nothing_is_signed_or_trusted() {
    let key = SigningKey::generate().unwrap();
    let good = key.sign(&Digest::of(BUNDLE)).unwrap();
    assert_eq!(outcome(&trusting(&key), "a", &[]), Err(Reason::Unsigned));
    let nobody = TrustSet::of_keys("1", Vec::new());
    assert_eq!(outcome(&nobody, "a", &[good]), Err(Reason::NoTrustPolicy));
}

#[test]
fn one_good_signature_is_enough_and_the_others_are_named() {
    let (key, other) = (
        SigningKey::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    let digest = Digest::of(BUNDLE);
    let junk = candidate(b"junk".to_vec());
    let theirs = candidate(other.sign(&digest).unwrap());
    let ours = candidate(key.sign(&digest).unwrap());
    let all = [junk.clone(), theirs.clone(), ours];
    let now = Timestamp::UNIX_EPOCH;
    let verdict = verify(&name("a"), &digest, &all, &trusting(&key), now).unwrap();
    let named: Vec<_> = verdict
        .passed_over
        .iter()
        .map(|p| (p.origin, p.reason.as_str()))
        .collect();
    assert_eq!(
        named,
        [(junk.origin, "Malformed"), (theirs.origin, "UntrustedKey")]
    );

    let refusal = verify(&name("a"), &digest, &all[..2], &trusting(&key), now).unwrap_err();
    assert_eq!(
        refusal.reason(),
        Reason::UntrustedKey,
        "the nearest miss tells most"
    );
    assert_eq!(refusal.passed_over.len(), 2);
    let text = refusal.to_string();
    assert!(
        text.contains("malformed") && text.contains("no trusted key"),
        "{text}"
    );
}

#[test]
fn a_key_vouches_for_its_names_and_digests_only() {
    let key = SigningKey::generate().unwrap();
    let pem = key.public_pem();
    let signed = [key.sign(&Digest::of(BUNDLE)).unwrap()];
    let check = |key: TrustedKey, bundle: &str, expect: Result<&str, Reason>| {
        let trust = TrustSet::of_keys("1", vec![key]);
        let expect = expect.map(str::to_owned);
        assert_eq!(outcome(&trust, bundle, &signed), expect, "{trust:?}");
    };
    let named = |patterns: &[&str]| {
        let patterns: Vec<NamePattern> = patterns.iter().map(|p| p.parse().unwrap()).collect();
        TrustedKey::new("acme", &pem, patterns).unwrap()
    };
    let out = Err(Reason::KeyOutOfScope);
    check(named(&["acme/*"]), "acme/counter", Ok("acme"));
    check(named(&["x", "acme/*"]), "acme/counter", Ok("acme"));
    check(named(&["acme/*"]), "other", out);
    check(named(&[]), "other", out);
    check(named(&["*"]).only([Digest::of(BUNDLE)]), "a", Ok("acme"));
    check(named(&["*"]).only([Digest::of(b"x")]), "a", out);
    check(named(&["*"]).only([]), "a", out);
    let machine = |digests: &[Digest]| TrustedKey::machine(&pem, digests.to_vec()).unwrap();
    check(machine(&[Digest::of(BUNDLE)]), "a", Ok("machine"));
    check(machine(&[Digest::of(b"x")]), "a", out);
    check(machine(&[]), "a", out);
}

#[test]
fn the_key_of_the_machine_is_told_apart() {
    let key = SigningKey::generate().unwrap();
    let digest = Digest::of(BUNDLE);
    let signed = [candidate(key.sign(&digest).unwrap())];
    let trust = TrustSet::of_keys(
        "1",
        vec![
            TrustedKey::new("acme", &key.public_pem(), vec!["acme/*".parse().unwrap()]).unwrap(),
            TrustedKey::machine(&key.public_pem(), [digest]).unwrap(),
        ],
    );
    let now = Timestamp::UNIX_EPOCH;
    let grade = |bundle: &str| {
        let verdict = verify(&name(bundle), &digest, &signed, &trust, now);
        verdict.unwrap().grade
    };
    assert_eq!(grade("reader"), Grade::LocalKey);
    assert_eq!(grade("acme/x"), Grade::Signed);
    assert_eq!(Grade::LocalKey.as_str(), "LocalKey");
}

#[test]
fn what_is_no_public_key_is_no_trust() {
    let key = SigningKey::generate().unwrap();
    let private = key.to_plain_pem();
    let bent = key.public_pem().replace("MFkw", "MFkx");
    for pem in ["", "hello", &private, &bent, ED25519] {
        let error = TrustedKey::new("acme", pem, Vec::new()).unwrap_err();
        assert!(error.to_string().contains("`acme`"), "{error}");
    }
}
