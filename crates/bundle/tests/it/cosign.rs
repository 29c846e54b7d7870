//! The real Cosign and a real registry, in both directions.

use std::fs;

use aion_bundle::{
    Built, Credentials, Digest, Layout, Limits, Reason, Reference, Registry, RegistryAccess,
    SigningKey, Store, TrustedKey, attach, attached, attested, claims, copy, signatures,
    verify_blob,
};
use aion_testkit::{Cosign, Evidence, RegistryKind, or_skip};
use jiff::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    fixture::{declarative, reference, trust_pem, trusting},
    keyless,
};

/// A bundle pushed to a running registry, and Cosign.
pub(crate) struct Stage {
    pub(crate) at: tempfile::TempDir,
    running: aion_testkit::Registry,
    pub(crate) cosign: Cosign,
    pub(crate) ours: Registry,
    pub(crate) built: Built,
}

impl Stage {
    pub(crate) async fn set(kind: RegistryKind) -> Option<Self> {
        let running = or_skip(aion_testkit::Registry::start(kind))?;
        let cosign = or_skip(Cosign::find())?;
        let at = tempfile::tempdir().unwrap();
        let layout = Layout::create(at.path().join("layout")).unwrap();
        let built = declarative(&layout);
        let place: Reference = format!("{}/agents/reader", running.address())
            .parse()
            .unwrap();
        let credentials = running
            .credentials()
            .map(|c| Credentials::new(c.user, c.password));
        let access = RegistryAccess {
            credentials,
            ..RegistryAccess::default()
        };
        let ours = Registry::new(&place, &access).unwrap();
        copy(&layout, &ours, &built.digest, None, &|_| {})
            .await
            .unwrap();
        Some(Self {
            at,
            running,
            cosign,
            ours,
            built,
        })
    }

    pub(crate) fn named(&self) -> String {
        let digest = self.built.digest;
        format!("{}/agents/reader@{digest}", self.running.address())
    }

    fn accepted_by_cosign(&self, public_pem: &str) -> Result<(), String> {
        let path = self.at.path().join("key.pub");
        fs::write(&path, public_pem).unwrap();
        self.cosign
            .verify(&path, &self.named(), self.running.credentials())
            .map_err(|e| e.to_string())
    }

    async fn admitted_by_us(&self, public_pem: &str) -> Result<(), Reason> {
        let store = Store::open(self.at.path().join("store")).unwrap();
        let wanted = reference(&self.built);
        let (trust, limits) = (trust_pem(public_pem), Limits::default());
        let admitted = store.admit(&self.ours, &wanted, &trust, &limits).await;
        store.prune(&[], std::time::Duration::ZERO).unwrap();
        admitted.map(|_| ()).map_err(|e| e.reason())
    }
}

async fn both_ways(kind: RegistryKind) {
    let Some(stage) = Stage::set(kind).await else {
        return;
    };
    let stranger = SigningKey::generate().unwrap().public_pem();

    // Theirs to us.
    let theirs = stage.cosign.generate_key_pair("theirs").unwrap();
    let their_pem = theirs.public_pem().unwrap();
    let before = stage.admitted_by_us(&their_pem).await;
    assert_eq!(before, Err(Reason::Unsigned));
    let login = stage.running.credentials();
    stage
        .cosign
        .sign(&theirs.private, &stage.named(), login)
        .unwrap();
    stage.admitted_by_us(&their_pem).await.unwrap();
    let wrong = stage.admitted_by_us(&stranger).await;
    assert_eq!(wrong, Err(Reason::UntrustedKey));

    // Ours to them, beside theirs.
    let key = SigningKey::generate().unwrap();
    let our_pem = key.public_pem();
    assert!(stage.accepted_by_cosign(&our_pem).is_err());
    let bundle = key.sign(&stage.built.digest).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    attach(&stage.ours, &stage.built.digest, &bundle, now)
        .await
        .unwrap();
    stage.accepted_by_cosign(&our_pem).unwrap();
    stage.accepted_by_cosign(&their_pem).unwrap();
    assert!(stage.accepted_by_cosign(&stranger).is_err());
    stage.admitted_by_us(&our_pem).await.unwrap();
    stage.admitted_by_us(&their_pem).await.unwrap();
}

#[tokio::test]
async fn signatures_go_both_ways_by_the_referrers_tag() {
    both_ways(RegistryKind::Anonymous).await;
}

#[tokio::test]
async fn signatures_go_both_ways_by_the_referrers_api() {
    both_ways(RegistryKind::Referrers).await;
}

#[tokio::test]
async fn signatures_go_both_ways_with_a_password() {
    both_ways(RegistryKind::Password).await;
}

#[tokio::test]
async fn a_signature_by_cosign_travels_in_a_layout() {
    let Some(stage) = Stage::set(RegistryKind::Anonymous).await else {
        return;
    };
    let theirs = stage.cosign.generate_key_pair("theirs").unwrap();
    stage
        .cosign
        .sign(&theirs.private, &stage.named(), None)
        .unwrap();
    let layout = Layout::create(stage.at.path().join("carried")).unwrap();
    let count = copy(&stage.ours, &layout, &stage.built.digest, None, &|_| {}).await;
    assert_eq!(count.unwrap(), 1);
    let store = Store::open(stage.at.path().join("store")).unwrap();
    let wanted = reference(&stage.built);
    let (trust, limits) = (trust_pem(&theirs.public_pem().unwrap()), Limits::default());
    store
        .admit(&layout, &wanted, &trust, &limits)
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_go_both_ways() {
    let Some(stage) = Stage::set(RegistryKind::Anonymous).await else {
        return;
    };
    // Cosign signs with a key that we made.
    let ours = SigningKey::generate().unwrap();
    let path = stage.at.path().join("ours.key");
    ours.save_new(&path, Some("")).unwrap();
    stage.cosign.sign(&path, &stage.named(), None).unwrap();
    stage.accepted_by_cosign(&ours.public_pem()).unwrap();
    stage.admitted_by_us(&ours.public_pem()).await.unwrap();

    // We sign with a key that Cosign made.
    let theirs = stage.cosign.generate_key_pair("theirs").unwrap();
    let key = SigningKey::load(&theirs.private, || Ok(Zeroizing::new(String::new()))).unwrap();
    let public = theirs.public_pem().unwrap();
    assert_eq!(
        trusting(&key).keys[0].fingerprint(),
        trust_pem(&public).keys[0].fingerprint()
    );
    let bundle = key.sign(&stage.built.digest).unwrap();
    attach(
        &stage.ours,
        &stage.built.digest,
        &bundle,
        Timestamp::UNIX_EPOCH,
    )
    .await
    .unwrap();
    stage.accepted_by_cosign(&public).unwrap();
    let wrong = SigningKey::load(&theirs.private, || Ok(Zeroizing::new("no".to_owned())));
    assert!(wrong.is_err());
}

#[test]
fn signatures_over_files_go_both_ways() {
    let Some(cosign) = or_skip(Cosign::find()) else {
        return;
    };
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("package.tar.gz");
    fs::write(&file, b"a package").unwrap();
    let keep = |name: &str, text: &[u8]| {
        let path = at.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };

    // Ours to them.
    let key = SigningKey::generate().unwrap();
    let public = keep("ours.pub", key.public_pem().as_bytes());
    let signature = keep("ours.json", &key.sign_blob(b"a package").unwrap());
    cosign.verify_blob(&public, &file, &signature).unwrap();
    let other = keep("other.tar.gz", b"another package");
    assert!(cosign.verify_blob(&public, &other, &signature).is_err());

    // Theirs to us.
    let theirs = cosign.generate_key_pair("theirs").unwrap();
    assert!(
        cosign
            .verify_blob(&theirs.public, &file, &signature)
            .is_err()
    );
    let signature = at.path().join("theirs.json");
    cosign
        .sign_blob(&theirs.private, &file, &signature)
        .unwrap();
    let signature = fs::read(&signature).unwrap();
    let trusted = TrustedKey::new("theirs", &theirs.public_pem().unwrap(), Vec::new()).unwrap();
    verify_blob(b"a package", &signature, &trusted).unwrap();
    verify_blob(b"another package", &signature, &trusted).unwrap_err();
}

/// What the tests of [`crate::keyless`] stand on is what Cosign takes, too.
#[tokio::test]
async fn what_a_private_sigstore_signs_counts_here_as_it_does_for_cosign() {
    for evidence in [
        Evidence::Rekor1AndTimestamp,
        Evidence::Rekor1,
        Evidence::Rekor2,
    ] {
        if let Some(stage) = Stage::set(RegistryKind::Referrers).await {
            counts_for_both(&stage, evidence).await;
        }
    }
}

async fn counts_for_both(stage: &Stage, evidence: Evidence) {
    let (sigstore, other) = (keyless::Place::new(), keyless::Place::new());
    let who = (keyless::ISSUER, keyless::SUBJECT);
    let file = |name: &str, place: &keyless::Place| {
        let path = stage.at.path().join(name);
        fs::write(&path, place.root.to_string()).unwrap();
        path
    };
    let (root, other_root) = (file("root.json", &sigstore), file("other.json", &other));
    let named = stage.named();
    let by_cosign = |root, who| stage.cosign.verify_keyless(root, who, &named);
    by_cosign(&root, who).expect_err("it is not signed yet");
    let signing = keyless::with(|it| it.evidence = evidence);
    let bundle = sigstore.sign_digest(&stage.built.digest, &signing);
    let bundle = serde_json::to_vec(&bundle).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    attach(&stage.ours, &stage.built.digest, &bundle, now)
        .await
        .unwrap();
    by_cosign(&root, who).unwrap();
    by_cosign(&other_root, who).expect_err("it is another Sigstore's");
    by_cosign(&root, (who.0, "https://git.example/x")).expect_err("it is another's");

    let store = Store::open(stage.at.path().join("store")).unwrap();
    let (wanted, limits) = (reference(&stage.built), Limits::default());
    let trust = sigstore.trust();
    let admitted = store.admit(&stage.ours, &wanted, &trust, &limits).await;
    assert_eq!(admitted.unwrap().verdict.signer.name(), "ci");
}

#[tokio::test]
async fn what_cosign_attests_is_read_and_is_by_whom_it_says() {
    let Some(stage) = Stage::set(RegistryKind::Anonymous).await else {
        return;
    };
    let theirs = stage.cosign.generate_key_pair("theirs").unwrap();
    let file = |name: &str, json: &Value| {
        let path = stage.at.path().join(name);
        fs::write(&path, json.to_string()).unwrap();
        path
    };
    // More of them than a signature is long.
    let packages: Vec<_> = (0..4000)
        .map(|n| json!({"SPDXID": format!("SPDXRef-{n}"), "name": format!("package-{n:04}"), "versionInfo": "1.0"}))
        .collect();
    let spdx = json!({"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "reader", "packages": packages});
    let cyclone = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": "serde", "version": "1.0.2"}]});
    let (spdx, cyclone) = (file("spdx.json", &spdx), file("bom.json", &cyclone));
    for of in [("spdxjson", &*spdx), ("cyclonedx", &*cyclone)] {
        stage
            .cosign
            .attest(&theirs.private, of, &stage.named())
            .unwrap();
    }
    stage
        .cosign
        .sign(&theirs.private, &stage.named(), None)
        .unwrap();

    let digest = &stage.built.digest;
    let found = attached(&stage.ours, digest).await.unwrap();
    assert!(found.unreadable.is_empty() && found.left_out == 0);
    let name = crate::fixture::name("reader");
    let trust = trust_pem(&theirs.public_pem().unwrap());
    let stranger = trusting(&SigningKey::generate().unwrap());
    let mut kinds = Vec::new();
    let now = Timestamp::UNIX_EPOCH;
    for candidate in &found.candidates {
        let signer = attested(&name, digest, candidate, &trust, now).unwrap();
        assert_eq!(signer.name(), "release");
        let refused = attested(&name, digest, candidate, &stranger, now).unwrap_err();
        assert_eq!(refused.reason, "UntrustedKey");
        let other = Digest::of(b"another");
        let refused = attested(&name, &other, candidate, &trust, now).unwrap_err();
        assert_eq!(refused.reason, "DigestMismatch");
        let said = claims(&candidate.bytes).unwrap();
        assert_eq!(said.subjects, [*digest]);
        let packages = said.packages.map(|all| (all.len(), all[0].name.clone()));
        kinds.push((said.predicate_type, packages));
    }
    kinds.sort();
    let kind = |kind: &str, packages: Option<(usize, &str)>| {
        (
            kind.to_owned(),
            packages.map(|(n, first)| (n, first.to_owned())),
        )
    };
    let expect = [
        kind("https://cyclonedx.org/bom", Some((1, "serde"))),
        kind("https://sigstore.dev/cosign/sign/v1", None),
        kind("https://spdx.dev/Document", Some((4000, "package-0000"))),
    ];
    assert_eq!(kinds, expect);
    // None of the attestations is taken for a signature, and the large one is not even read for one.
    let signed = signatures(&stage.ours, digest).await.unwrap();
    assert_eq!(signed.candidates.len(), 2);
}
