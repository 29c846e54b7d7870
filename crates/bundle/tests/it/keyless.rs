//! Signatures without a key: what a private Sigstore makes counts, and whatever is wrong in it does not.

use std::sync::Arc;

use aion_bundle::{
    Candidate, Digest, Grade, Reason, SigningKey, TrustRoot, TrustSet, TrustedIdentity, Verdict,
    verify,
};
use aion_testkit::{Evidence, PrivateSigstore, Sct, Signing};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{name, trusting};

pub(crate) const BUNDLE: &[u8] = b"the manifest";
pub(crate) const ISSUER: &str = "https://token.example";
pub(crate) const SUBJECT: &str = "https://git.example/acme/reader/.ci/release@refs/tags/v1";

fn root(json: &Value) -> Arc<TrustRoot> {
    Arc::new(TrustRoot::parse(&json.to_string()).unwrap())
}

fn identity(issuer: &str, subject: &str, root: &Arc<TrustRoot>) -> TrustedIdentity {
    TrustedIdentity::of_policy("ci", issuer, subject, Arc::clone(root), &[], &[]).unwrap()
}

fn trust_in(identity: TrustedIdentity) -> TrustSet {
    TrustSet {
        revision: "1".into(),
        identities: vec![identity],
        ..TrustSet::default()
    }
}

pub(crate) fn judged(trust: &TrustSet, bundle: &Value) -> Result<Verdict, (Reason, String)> {
    judged_bytes(trust, serde_json::to_vec(bundle).unwrap())
}

pub(crate) fn judged_bytes(trust: &TrustSet, bytes: Vec<u8>) -> Result<Verdict, (Reason, String)> {
    let candidate = Candidate {
        origin: Digest::of(&bytes),
        bytes,
    };
    let digest = Digest::of(BUNDLE);
    let now = "2025-07-01T00:00:00Z".parse().unwrap();
    verify(&name("acme/reader"), &digest, &[candidate], trust, now)
        .map_err(|it| (it.reason(), it.to_string()))
}

/// A private Sigstore, and a trust in one signer of it.
pub(crate) struct Place {
    sigstore: PrivateSigstore,
    pub(crate) root: Value,
}

impl Place {
    pub(crate) fn new() -> Self {
        let sigstore = PrivateSigstore::new().unwrap();
        let root = sigstore.trusted_root().unwrap();
        Self { sigstore, root }
    }

    pub(crate) fn sign(&self, signing: &Signing) -> Value {
        self.sign_digest(&Digest::of(BUNDLE), signing)
    }

    /// A signature over a bundle.
    pub(crate) fn sign_digest(&self, digest: &Digest, signing: &Signing) -> Value {
        let signed = self.sigstore.sign_artifact(&digest.to_string(), signing);
        signed.unwrap()
    }

    /// Another statement.
    pub(crate) fn sign_statement(&self, statement: &Value, signing: &Signing) -> Value {
        let signed = self
            .sigstore
            .sign(statement.to_string().as_bytes(), signing);
        signed.unwrap()
    }

    pub(crate) fn trust(&self) -> TrustSet {
        trust_in(identity(ISSUER, SUBJECT, &root(&self.root)))
    }

    #[track_caller]
    pub(crate) fn refuses(&self, what: &str, bundle: &Value, expect: Reason) {
        self.refuses_under(what, &self.trust(), bundle, expect);
    }

    #[track_caller]
    pub(crate) fn refuses_under(
        &self,
        what: &str,
        trust: &TrustSet,
        bundle: &Value,
        expect: Reason,
    ) {
        let (reason, told) = judged(trust, bundle).expect_err(what);
        assert_eq!(reason, expect, "{what}: {told}");
    }
}

pub(crate) fn signing() -> Signing {
    Signing::by(ISSUER, SUBJECT)
}

pub(crate) fn with(change: impl FnOnce(&mut Signing)) -> Signing {
    let mut signing = signing();
    change(&mut signing);
    signing
}

pub(crate) fn altered(bundle: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut bundle = bundle.clone();
    change(&mut bundle);
    bundle
}

#[test]
fn a_trusted_identity_vouches_by_every_kind_of_evidence() {
    let place = Place::new();
    for evidence in [
        Evidence::Rekor1,
        Evidence::Rekor1AndTimestamp,
        Evidence::Rekor2,
    ] {
        let signing = with(|it| it.evidence = evidence);
        let verdict = judged(&place.trust(), &place.sign(&signing));
        let verdict = verdict.unwrap_or_else(|why| panic!("{evidence:?}: {why:?}"));
        assert_eq!(verdict.grade, Grade::Signed);
        let at = Timestamp::from_second(signing.signed_at).unwrap();
        let told = format!("identity ci: {SUBJECT} of {ISSUER}, at {at}");
        assert_eq!(verdict.signer.to_string(), told);
    }
}

#[test]
fn an_email_address_is_a_subject() {
    let place = Place::new();
    let signed = place.sign(&Signing::by(ISSUER, "ada@acme.example"));
    let root = root(&place.root);
    let by = |subject| trust_in(identity(ISSUER, subject, &root));
    judged(&by("ada@acme.example"), &signed).unwrap();
    judged(&by("*@acme.example"), &signed).unwrap();
    let other = Reason::UntrustedIdentity;
    place.refuses_under("another", &by("bob@acme.example"), &signed, other);
    place.refuses_under("another domain", &by("*@acme.exampl"), &signed, other);
}

#[test]
fn only_the_issuer_and_the_subject_that_are_named_vouch() {
    let place = Place::new();
    let (signed, root) = (place.sign(&signing()), root(&place.root));
    let check = |issuer: &str, subject: &str, expect: bool| {
        let trust = trust_in(identity(issuer, subject, &root));
        let told = judged(&trust, &signed).map(drop).map_err(|(why, _)| why);
        let expect = match expect {
            true => Ok(()),
            false => Err(Reason::UntrustedIdentity),
        };
        assert_eq!(told, expect, "{subject} of {issuer}");
    };
    check(ISSUER, SUBJECT, true);
    check(ISSUER, "https://git.example/acme/*", true);
    check(ISSUER, "*@refs/tags/v*", true);
    check("https://other.example", SUBJECT, false);
    check("https://token.example/*", SUBJECT, false);
    check("https://token.exampl", SUBJECT, false);
    check(ISSUER, "https://git.example/evil/*", false);
    // What is a prefix, a suffix or a middle alone matches nothing.
    check(ISSUER, "https://git.example/acme/", false);
    check(ISSUER, "https://git.example/acme/*@refs/tags/", false);
    check(ISSUER, "reader/.ci/release@refs/tags/v1", false);
    check(ISSUER, "acme/*", false);
}

#[test]
fn an_identity_vouches_for_its_names_and_digests_only() {
    let place = Place::new();
    let (signed, root) = (place.sign(&signing()), root(&place.root));
    let scoped = |bundles: &[&str], digests: &[Digest]| {
        let bundles: Vec<String> = bundles.iter().map(|it| (*it).to_owned()).collect();
        let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
        let root = Arc::clone(&root);
        let it = TrustedIdentity::of_policy("ci", ISSUER, SUBJECT, root, &bundles, &digests);
        trust_in(it.unwrap())
    };
    judged(&scoped(&["acme/*"], &[Digest::of(BUNDLE)]), &signed).unwrap();
    let out = Reason::IdentityOutOfScope;
    place.refuses_under("another name", &scoped(&["other/*"], &[]), &signed, out);
    let trust = scoped(&[], &[Digest::of(b"x")]);
    place.refuses_under("another digest", &trust, &signed, out);
}

#[test]
fn an_identity_that_is_revoked_vouches_for_nothing_and_takes_nothing_from_others() {
    let place = Place::new();
    let signed = place.sign(&signing());
    let check = |issuer: &str, subject: &str, expect: bool| {
        let mut trust = place.trust();
        trust.revoked.identities = vec![(issuer.to_owned(), subject.to_owned())];
        match expect {
            true => place.refuses_under(subject, &trust, &signed, Reason::Revoked),
            false => drop(judged(&trust, &signed).unwrap()),
        }
    };
    check(ISSUER, SUBJECT, true);
    check("*", "https://git.example/*", true);
    check(ISSUER, "*", true);
    check(ISSUER, "https://git.example/acme/", false);
    check("https://other.example", "*", false);
    let mut trust = place.trust();
    trust.revoked.digests = [Digest::of(BUNDLE).to_string()].into();
    place.refuses_under("the digest", &trust, &signed, Reason::Revoked);
}

#[test]
fn a_certificate_counts_while_it_lives_and_when_it_was_logged() {
    let place = Place::new();
    for evidence in [
        Evidence::Rekor1,
        Evidence::Rekor1AndTimestamp,
        Evidence::Rekor2,
    ] {
        let check = |what: &str, change: fn(&mut Signing)| {
            let signing = with(|it| {
                it.evidence = evidence;
                change(it);
            });
            place.refuses(what, &place.sign(&signing), Reason::BadCertificate);
        };
        check("expired when it signed", |it| {
            it.signed_at = it.issued_at + 601
        });
        check("not yet valid when it signed", |it| {
            it.signed_at = it.issued_at - 1
        });
        check("no SCT", |it| it.sct = Sct::None);
        check("an SCT of another certificate", |it| {
            it.sct = Sct::OfAnotherCertificate;
        });
    }
    // A clock that is ahead of the one here shows nothing.
    for evidence in [Evidence::Rekor1, Evidence::Rekor2] {
        let ahead = with(|it| {
            (it.issued_at, it.signed_at) = (1_752_000_000, 1_752_000_060);
            it.evidence = evidence;
        });
        place.refuses("ahead", &place.sign(&ahead), Reason::BadTimestamp);
    }
    // On the very edges it lives.
    for at in [0, 600] {
        let signing = with(|it| it.signed_at = it.issued_at + at);
        judged(&place.trust(), &place.sign(&signing)).unwrap();
    }
}

#[test]
fn each_authority_of_the_trust_root_is_needed_and_no_other_does() {
    let (place, other) = (Place::new(), Place::new());
    let signed = place.sign(&with(|it| it.evidence = Evidence::Rekor1AndTimestamp));
    judged(&place.trust(), &signed).unwrap();
    let with_root = |change: &dyn Fn(&mut Value)| {
        let mut json = place.root.clone();
        change(&mut json);
        trust_in(identity(ISSUER, SUBJECT, &root(&json)))
    };
    for (part, expect) in [
        ("certificateAuthorities", Reason::BadCertificate),
        ("ctlogs", Reason::BadCertificate),
        ("tlogs", Reason::NotLogged),
        ("timestampAuthorities", Reason::BadTimestamp),
    ] {
        let trust = with_root(&|it| it[part] = other.root[part].clone());
        place.refuses_under(part, &trust, &signed, expect);
    }
    // A log with the same name and another key.
    for (part, expect) in [
        ("ctlogs", Reason::BadCertificate),
        ("tlogs", Reason::NotLogged),
    ] {
        let key = other.root[part][0]["publicKey"].clone();
        let trust = with_root(&|it| it[part][0]["publicKey"] = key.clone());
        place.refuses_under(part, &trust, &signed, expect);
    }
    // Authorities that were closed when it was signed.
    let closed = json!({"start": "2023-11-15T00:00:00Z", "end": "2024-01-01T00:00:00Z"});
    for (part, expect) in [
        ("certificateAuthorities", Reason::BadCertificate),
        ("timestampAuthorities", Reason::BadTimestamp),
    ] {
        let trust = with_root(&|it| it[part][0]["validFor"] = closed.clone());
        place.refuses_under(part, &trust, &signed, expect);
    }
    for (part, expect) in [
        ("ctlogs", Reason::BadCertificate),
        ("tlogs", Reason::NotLogged),
    ] {
        let trust = with_root(&|it| it[part][0]["publicKey"]["validFor"] = closed.clone());
        place.refuses_under(part, &trust, &signed, expect);
    }
    // Two roots: the one that knows the signer is found wherever it is.
    let mut trust = trust_in(identity(ISSUER, SUBJECT, &root(&other.root)));
    place.refuses_under("another Sigstore", &trust, &signed, Reason::BadTimestamp);
    trust
        .identities
        .push(identity(ISSUER, SUBJECT, &root(&place.root)));
    judged(&trust, &signed).unwrap();
}

#[test]
fn an_identity_of_one_trust_root_is_not_that_of_another() {
    let (place, other) = (Place::new(), Place::new());
    let signed = place.sign(&signing());
    let mut trust = trust_in(identity(ISSUER, SUBJECT, &root(&other.root)));
    let known = identity(ISSUER, "https://git.example/other", &root(&place.root));
    trust.identities.push(known);
    place.refuses_under("", &trust, &signed, Reason::UntrustedIdentity);
}

#[test]
fn a_signature_that_was_not_logged_does_not_count() {
    let place = Place::new();
    let entry = |it: &Value| it["verificationMaterial"]["tlogEntries"][0].clone();
    for evidence in [Evidence::Rekor1AndTimestamp, Evidence::Rekor2] {
        let signing = with(|it| it.evidence = evidence);
        let (signed, other) = (place.sign(&signing), place.sign(&signing));
        judged(&place.trust(), &other).unwrap();
        let check = |what: &str, change: &dyn Fn(&mut Value)| {
            let bad = altered(&signed, |it| {
                change(&mut it["verificationMaterial"]["tlogEntries"][0]);
            });
            place.refuses(what, &bad, Reason::NotLogged);
        };
        check("another entry", &|it| *it = entry(&other));
        check("the proof of another entry", &|it| {
            it["inclusionProof"] = entry(&other)["inclusionProof"].clone();
            it["logIndex"] = entry(&other)["logIndex"].clone();
        });
        check("the checkpoint of another tree", &|it| {
            it["inclusionProof"]["checkpoint"] =
                entry(&other)["inclusionProof"]["checkpoint"].clone();
        });
        check("a path that leads elsewhere", &|it| {
            it["inclusionProof"]["hashes"][0] = STANDARD.encode([7; 32]).into();
        });
        check("no path", &|it| it["inclusionProof"]["hashes"] = json!([]));
        check("a checkpoint that was altered", &|it| {
            let note = &mut it["inclusionProof"]["checkpoint"]["envelope"];
            *note = note
                .as_str()
                .unwrap()
                .replacen("log.example", "log.examples", 1)
                .into();
        });
        check("no proof", &|it| {
            it.as_object_mut().unwrap().remove("inclusionProof");
        });
        let none = altered(&signed, |it| {
            it["verificationMaterial"]["tlogEntries"] = json!([]);
        });
        place.refuses("no entry", &none, Reason::NotLogged);
    }
    let stamped = place.sign(&with(|it| it.evidence = Evidence::Timestamp));
    place.refuses("a time alone", &stamped, Reason::NotLogged);
}

#[test]
fn a_checkpoint_by_another_key_is_none() {
    let (place, other) = (Place::new(), Place::new());
    let signing = with(|it| it.evidence = Evidence::Rekor2);
    let (signed, theirs) = (place.sign(&signing), other.sign(&signing));
    // The same tree but for this entry, signed by another log that takes its name.
    let proof = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
    let note = theirs.pointer(proof).unwrap().as_str().unwrap();
    let signature = note.rsplit(' ').next().unwrap();
    let forged = altered(&signed, |it| {
        let ours = it.pointer_mut(proof).unwrap();
        let text = ours.as_str().unwrap();
        let (body, _) = text.rsplit_once(' ').unwrap();
        *ours = format!("{body} {signature}").into();
    });
    place.refuses("another log", &forged, Reason::NotLogged);
    let hinted = altered(&forged, |it| {
        let ours = it.pointer_mut(proof).unwrap();
        let mut bytes = STANDARD.decode(signature.trim()).unwrap();
        let id = place.root["tlogs"][0]["logId"]["keyId"].as_str().unwrap();
        bytes[..4].copy_from_slice(&STANDARD.decode(id).unwrap()[..4]);
        let text = ours.as_str().unwrap();
        let (body, _) = text.rsplit_once(' ').unwrap();
        *ours = format!("{body} {}\n", STANDARD.encode(bytes)).into();
    });
    place.refuses("another log under our hint", &hinted, Reason::NotLogged);
}

#[test]
fn a_time_that_nobody_trusted_shows_does_not_count() {
    let place = Place::new();
    let time = |it: &Value| it["verificationMaterial"]["timestampVerificationData"].clone();
    for evidence in [Evidence::Rekor1AndTimestamp, Evidence::Rekor2] {
        let signing = with(|it| it.evidence = evidence);
        let (signed, other) = (place.sign(&signing), place.sign(&signing));
        let of_another = altered(&signed, |it| {
            it["verificationMaterial"]["timestampVerificationData"] = time(&other);
        });
        place.refuses("of another message", &of_another, Reason::BadTimestamp);
        let bent = altered(&signed, |it| {
            let at = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
            let token = it.pointer_mut(at).unwrap();
            let mut bytes = STANDARD.decode(token.as_str().unwrap()).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            *token = STANDARD.encode(bytes).into();
        });
        place.refuses("a bent token", &bent, Reason::BadTimestamp);
    }
    let untimed = place.sign(&with(|it| it.evidence = Evidence::Rekor2Untimed));
    place.refuses("no time", &untimed, Reason::BadTimestamp);
    // Rekor 1: its time counts because its promise is over it.
    let signed = place.sign(&signing());
    let later = altered(&signed, |it| {
        it["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = "1750000061".into();
    });
    place.refuses("another time than promised", &later, Reason::NotLogged);
    let unpromised = altered(&signed, |it| {
        let entry = &mut it["verificationMaterial"]["tlogEntries"][0];
        entry.as_object_mut().unwrap().remove("inclusionPromise");
    });
    place.refuses("no promise", &unpromised, Reason::BadTimestamp);
    // Of two times, each has to be good.
    let late = place.sign(&with(|it| {
        it.evidence = Evidence::Rekor1AndTimestamp;
        it.signed_at = it.issued_at + 601;
    }));
    place.refuses("after the certificate", &late, Reason::BadCertificate);
}

#[test]
fn what_was_altered_after_it_was_signed_does_not_count() {
    let place = Place::new();
    for evidence in [Evidence::Rekor1, Evidence::Rekor2] {
        let signing = with(|it| it.evidence = evidence);
        let signed = place.sign(&signing);
        let theirs = place.sign_digest(&Digest::of(b"x"), &signing);
        let payload = altered(&signed, |it| {
            it["dsseEnvelope"]["payload"] = theirs["dsseEnvelope"]["payload"].clone();
        });
        place.refuses("another payload", &payload, Reason::BadSignature);
        let other = place.sign(&signing);
        let certificate = altered(&signed, |it| {
            it["verificationMaterial"]["certificate"] =
                other["verificationMaterial"]["certificate"].clone();
        });
        place.refuses("another certificate", &certificate, Reason::BadSignature);
        let bent = altered(&signed, |it| {
            let raw = &mut it["verificationMaterial"]["certificate"]["rawBytes"];
            let mut bytes = STANDARD.decode(raw.as_str().unwrap()).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            *raw = STANDARD.encode(bytes).into();
        });
        place.refuses("a bent certificate", &bent, Reason::BadCertificate);
        place.refuses("of another digest", &theirs, Reason::DigestMismatch);
        let payload = signed["dsseEnvelope"]["payload"].as_str().unwrap();
        let sbom = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
        let sbom = sbom.replace(
            "https://sigstore.dev/cosign/sign/v1",
            "https://spdx.dev/Document",
        );
        let sbom = place.sigstore.sign(sbom.as_bytes(), &signing).unwrap();
        place.refuses("an attestation", &sbom, Reason::Unsigned);
    }
}

#[test]
fn keys_and_identities_do_not_stand_for_each_other() {
    let place = Place::new();
    let key = SigningKey::generate().unwrap();
    let keyed: Value = serde_json::from_slice(&key.sign(&Digest::of(BUNDLE)).unwrap()).unwrap();
    let keyless = place.sign(&signing());
    place.refuses("a key", &keyed, Reason::UntrustedKey);
    let keys_only = trusting(&key);
    place.refuses_under(
        "no identity",
        &keys_only,
        &keyless,
        Reason::UntrustedIdentity,
    );
    let mut both = place.trust();
    both.keys = keys_only.keys;
    judged(&both, &keyed).unwrap();
    judged(&both, &keyless).unwrap();
}
