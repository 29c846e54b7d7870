//! The store: what is let in, what stays out and leaves nothing behind.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use aion_bundle::{
    AdmitError, Admitted, Built, Digest, Grade, Layout, Limits, Mirrors, Reason, Recalled, Revoked,
    Room, SigningKey, Source, SourceError, Store, StoreError, TrustSet, TrustedKey,
};

use crate::fixture::{blob_path, declarative, name, parts, reference, sign, trusting, wasm};

struct Place {
    at: tempfile::TempDir,
    layout: Layout,
    store: Store,
    key: SigningKey,
}

impl Place {
    fn new() -> Self {
        let at = tempfile::tempdir().unwrap();
        Self {
            layout: Layout::create(at.path().join("layout")).unwrap(),
            store: Store::open(at.path().join("store")).unwrap(),
            key: SigningKey::generate().unwrap(),
            at,
        }
    }

    async fn signed(&self) -> Built {
        let built = declarative(&self.layout);
        sign(&self.layout, &self.key, &built.digest).await;
        built
    }

    async fn admit(&self, built: &Built, trust: &TrustSet) -> Result<Admitted, AdmitError> {
        let limits = Limits::default();
        let wanted = reference(built);
        self.store
            .admit(&self.layout, &wanted, trust, &limits)
            .await
    }

    /// A refusal with this reason, which left nothing in the store.
    async fn refuses(&self, built: &Built, expect: Reason) -> AdmitError {
        let error = self.admit(built, &trusting(&self.key)).await.unwrap_err();
        assert_eq!(error.reason(), expect, "{error}");
        assert!(self.store.list().unwrap().is_empty());
        assert_eq!(left_in(&self.at.path().join("store/tmp")), 0);
        assert_eq!(left_in(&self.at.path().join("store/verdicts")), 0);
        error
    }
}

fn left_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn a_signed_bundle_is_let_in_and_unpacked_read_only() {
    let place = Place::new();
    let built = place.signed().await;
    let got = place.admit(&built, &trusting(&place.key)).await.unwrap();
    assert!(!got.cached);
    assert_eq!(got.verdict.grade, Grade::Signed);
    let (config, program, files) = parts(&got.bundle);
    assert_eq!(config.name, built.name);
    let text = |path: &Path| {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o444
        );
        fs::read_to_string(path).unwrap()
    };
    assert_eq!(text(&program), "instructions: Quote.\n");
    let files = files.unwrap();
    assert_eq!(text(&files.join("prompts/system.md")), "Be brief.\n");
    assert_eq!(text(&files.join("prompts/more/deep.md")), "Be exact.\n");
    assert_eq!(place.store.get(&built.digest), Some(got.bundle));
    assert_eq!(left_in(&place.at.path().join("store/tmp")), 0);
}

#[tokio::test]
async fn a_wasm_bundle_is_its_module() {
    let place = Place::new();
    let built = wasm(&place.layout);
    sign(&place.layout, &place.key, &built.digest).await;
    let got = place.admit(&built, &trusting(&place.key)).await.unwrap();
    let (_, program, files) = parts(&got.bundle);
    assert_eq!(fs::read(program).unwrap(), b"\0asm\x01\0\0\0");
    assert_eq!(files, None);
}

#[tokio::test]
async fn a_verified_bundle_needs_its_source_no_more() {
    let place = Place::new();
    let built = place.signed().await;
    let trust = trusting(&place.key);
    let first = place.admit(&built, &trust).await.unwrap();
    fs::remove_dir_all(place.layout.root()).unwrap();
    let again = place.admit(&built, &trust).await.unwrap();
    assert!(again.cached);
    assert_eq!(again.verdict, first.verdict);
    assert_eq!(place.store.verdict(&built.digest, "1"), Some(first.verdict));
    assert_eq!(place.store.verdict(&built.digest, "2"), None);
}

#[tokio::test]
async fn a_new_revision_verifies_the_kept_signature_again() {
    let place = Place::new();
    let built = place.signed().await;
    let mut trust = trusting(&place.key);
    place.admit(&built, &trust).await.unwrap();
    fs::remove_dir_all(place.layout.root()).unwrap();
    trust.revision = "2".into();
    let got = place.admit(&built, &trust).await.unwrap();
    assert!(!got.cached);
    assert_eq!(got.verdict.trust_revision, "2");
}

#[tokio::test]
async fn a_key_that_is_trusted_no_more_shuts_its_bundles_out() {
    let place = Place::new();
    let built = place.signed().await;
    place.admit(&built, &trusting(&place.key)).await.unwrap();
    let other = SigningKey::generate().unwrap();
    let mut trust = trusting(&other);
    let error = place.admit(&built, &trust).await.unwrap_err();
    assert_eq!(
        error.reason(),
        Reason::UntrustedKey,
        "even where the revision was forgotten to change"
    );
    trust.revision = "2".into();
    let error = place.admit(&built, &trust).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UntrustedKey);
    // Nor while its source is away: what was let in once does not stand for ever.
    let limits = Limits::default();
    let mut away = Mirrors::default();
    away.add::<Layout>(Err(SourceError::Unreachable {
        at: "a registry".to_owned(),
        why: "it does not answer".to_owned(),
    }));
    let wanted = reference(&built);
    let error = place.store.admit(&away, &wanted, &trust, &limits).await;
    let error = error.unwrap_err();
    assert_eq!(error.reason(), Reason::UntrustedKey, "{error}");
    assert!(error.may_pass_later(), "another signature may be found");
    sign(&place.layout, &other, &built.digest).await;
    let got = place.admit(&built, &trust).await.unwrap();
    assert_eq!(got.verdict.signer.fingerprint(), Some(&other.fingerprint()));
}

#[tokio::test]
async fn the_machine_key_lets_in_what_was_built_here() {
    let place = Place::new();
    let built = place.signed().await;
    let pem = place.key.public_pem();
    let mut trust = TrustSet::of_keys(
        "1",
        vec![TrustedKey::machine(&pem, [Digest::of(b"another")]).unwrap()],
    );
    let error = place.admit(&built, &trust).await.unwrap_err();
    assert_eq!(error.reason(), Reason::KeyOutOfScope);
    trust.keys = vec![TrustedKey::machine(&pem, [built.digest]).unwrap()];
    let got = place.admit(&built, &trust).await.unwrap();
    assert_eq!(got.verdict.grade, Grade::LocalKey);
}

#[tokio::test]
async fn an_unsigned_bundle_stays_out() {
    let place = Place::new();
    let built = declarative(&place.layout);
    let error = place.refuses(&built, Reason::Unsigned).await;
    assert!(error.to_string().contains("aionctl bundle sign"), "{error}");
}

#[tokio::test]
async fn nothing_but_the_manifest_is_read_before_the_signature_counts() {
    let place = Place::new();
    let built = declarative(&place.layout);
    let other = SigningKey::generate().unwrap();
    sign(&place.layout, &other, &built.digest).await;
    let bytes = place.layout.manifest(&built.digest).await.unwrap();
    let manifest = aion_bundle::manifest::Manifest::parse(&bytes).unwrap();
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        fs::remove_file(blob_path(&place.layout, &blob.digest)).unwrap();
    }
    place.refuses(&built, Reason::UntrustedKey).await;
}

#[tokio::test]
async fn an_altered_bundle_stays_out() {
    let alter = |which: usize, content: Option<&'static [u8]>, expect: Reason| async move {
        let place = Place::new();
        let built = place.signed().await;
        let bytes = place.layout.manifest(&built.digest).await.unwrap();
        let manifest = aion_bundle::manifest::Manifest::parse(&bytes).unwrap();
        let blob = match which {
            0 => built.digest,
            1 => manifest.config.digest,
            n => manifest.layers[n - 2].digest,
        };
        let path = blob_path(&place.layout, &blob);
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => {
                let mut bytes = fs::read(&path).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(&path, bytes).unwrap();
            }
        }
        place.refuses(&built, expect).await;
    };
    for blob in 0..4 {
        alter(blob, None, Reason::DigestMismatch).await;
        alter(blob, Some(b"x"), Reason::DigestMismatch).await;
    }
    for blob in 1..4 {
        alter(blob, Some(&[b'x'; 9000]), Reason::TooLarge).await;
    }
}

#[tokio::test]
async fn a_bundle_under_a_false_name_stays_out() {
    let place = Place::new();
    let mut built = place.signed().await;
    built.name = name("counter");
    let error = place.refuses(&built, Reason::NameMismatch).await;
    assert!(
        error.to_string().contains("calls itself `reader`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_bundle_over_the_limits_stays_out() {
    let place = Place::new();
    let built = place.signed().await;
    let trust = trusting(&place.key);
    let check = |limits: Limits| {
        let (place, trust, wanted) = (&place, &trust, reference(&built));
        async move {
            let admit = place.store.admit(&place.layout, &wanted, trust, &limits);
            let error = admit.await.unwrap_err();
            assert_eq!(error.reason(), Reason::TooLarge, "{error}");
            assert!(place.store.list().unwrap().is_empty());
        }
    };
    let usual = Limits::default();
    check(Limits {
        program: 3,
        ..usual
    })
    .await;
    check(Limits { packed: 3, ..usual }).await;
    check(Limits {
        unpacked: 600,
        ..usual
    })
    .await;
    check(Limits {
        entries: 1,
        ..usual
    })
    .await;
}

#[tokio::test]
async fn what_is_no_bundle_or_nowhere_stays_out() {
    let place = Place::new();
    let mut built = place.signed().await;
    built.digest = Digest::of(b"nothing");
    place.refuses(&built, Reason::BundleNotFound).await;
    let signature = sign(
        &place.layout,
        &place.key,
        &declarative(&place.layout).digest,
    )
    .await;
    built.digest = signature;
    place.refuses(&built, Reason::NotABundle).await;
}

#[tokio::test]
async fn what_a_crash_left_is_cleared_and_the_rest_stays() {
    let place = Place::new();
    let built = place.signed().await;
    let trust = trusting(&place.key);
    place.admit(&built, &trust).await.unwrap();
    let root = place.store.root().to_owned();
    let busy = Store::open(&root).unwrap_err();
    assert!(matches!(busy, StoreError::InUse { .. }), "{busy}");
    drop(place.store);
    let half = root.join("tmp/half");
    fs::create_dir_all(half.join("bundle/files")).unwrap();
    fs::write(half.join("bundle/agent.yaml"), "half").unwrap();
    fs::write(root.join("tmp/file"), "half").unwrap();
    let store = Store::open(&root).unwrap();
    assert_eq!(left_in(&root.join("tmp")), 0);
    assert_eq!(store.list().unwrap(), [built.digest]);
}

#[tokio::test]
async fn a_broken_entry_is_fetched_again() {
    let place = Place::new();
    let built = place.signed().await;
    let trust = trusting(&place.key);
    let got = place.admit(&built, &trust).await.unwrap();
    for document in ["manifest.json", "config.json"] {
        let document = got.bundle.root.join(document);
        fs::remove_file(&document).unwrap();
        assert_eq!(place.store.get(&built.digest), None);
        fs::write(&document, "{}").unwrap();
        assert_eq!(place.store.get(&built.digest), None);
        let again = place.admit(&built, &trust).await.unwrap();
        assert!(!again.cached);
        assert_eq!(again.bundle, got.bundle);
    }
    assert_eq!(left_in(&place.at.path().join("store/tmp")), 0);
}

/// The only thread that may wait for the disk is kept busy, and the other goes on.
#[test]
fn a_disk_that_is_slow_holds_up_no_other_task() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = Place::new();
        let built = place.signed().await;
        let (trust, wanted) = (trusting(&place.key), reference(&built));
        place.admit(&built, &trust).await.unwrap();
        let (done, slow) = std::sync::mpsc::channel::<()>();
        let disk = tokio::task::spawn_blocking(move || slow.recv());
        let limits = Limits::default();
        let mut recalling = Box::pin(place.store.recall(&wanted, &trust));
        let admitting = place.store.admit(&place.layout, &wanted, &trust, &limits);
        let mut admitting = Box::pin(admitting);
        assert!(futures::poll!(&mut recalling).is_pending());
        assert!(futures::poll!(&mut admitting).is_pending());
        done.send(()).unwrap();
        disk.await.unwrap().unwrap();
        assert!(matches!(recalling.await.unwrap(), Recalled::Admitted(it) if it.cached));
        assert!(admitting.await.unwrap().cached);
    });
}

#[tokio::test]
async fn pruning_keeps_what_is_used() {
    let place = Place::new();
    let (one, two) = (place.signed().await, wasm(&place.layout));
    sign(&place.layout, &place.key, &two.digest).await;
    let trust = trusting(&place.key);
    place.admit(&one, &trust).await.unwrap();
    place.admit(&two, &trust).await.unwrap();
    assert_eq!(
        place
            .store
            .prune(&[two.digest], std::time::Duration::ZERO)
            .unwrap(),
        1
    );
    assert_eq!(place.store.list().unwrap(), [two.digest]);
    assert_eq!(place.store.verdict(&one.digest, "1"), None);
    assert!(place.store.verdict(&two.digest, "1").is_some());
    assert_eq!(left_in(&place.at.path().join("store/tmp")), 0);
    assert_eq!(
        place.store.prune(&[], std::time::Duration::ZERO).unwrap(),
        1
    );
    assert_eq!(
        place.store.prune(&[], std::time::Duration::ZERO).unwrap(),
        0
    );
}

/// Of an entry the store's time alone says how long nobody wanted it, whatever the machine's calendar says.
#[tokio::test]
async fn what_nobody_wants_goes_by_the_time_of_the_store_across_runs() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let mut place = Place::new();
    let built = place.signed().await;
    let trust = trusting(&place.key);
    let root = place.at.path().join("store");
    place.store = Store::open(place.at.path().join("another")).unwrap();
    // Long before what the calendar shows.
    let at = |days| move || DAY * days;
    let opened = |days| Store::open_in(&root, Room::default(), at(days)).unwrap();
    place.store = opened(1000);
    place.admit(&built, &trust).await.unwrap();
    assert_eq!(place.store.prune(&[], 7 * DAY).unwrap(), 0);
    for (days, gone) in [(1006, 0), (900, 0), (1007, 1)] {
        place.store = Store::open(place.at.path().join("another")).unwrap();
        place.store = opened(days);
        assert_eq!(place.store.prune(&[], 7 * DAY).unwrap(), gone, "{days}");
    }
}

#[tokio::test]
async fn a_bundle_that_cannot_be_pruned_keeps_no_other() {
    let place = Place::new();
    let (one, two) = (place.signed().await, wasm(&place.layout));
    sign(&place.layout, &place.key, &two.digest).await;
    let trust = trusting(&place.key);
    for built in [&one, &two] {
        place.admit(built, &trust).await.unwrap();
    }
    let least = one.digest.min(two.digest);
    for stuck in [least, one.digest.max(two.digest)] {
        // A file where the folder of its verdicts was.
        let verdicts = place.store.root().join("verdicts").join(stuck.hex());
        fs::remove_dir_all(&verdicts).unwrap();
        fs::write(&verdicts, "").unwrap();
        place
            .store
            .prune(&[], std::time::Duration::ZERO)
            .unwrap_err();
        assert_eq!(place.store.list().unwrap(), [stuck]);
        fs::remove_file(&verdicts).unwrap();
        for built in [&one, &two] {
            place.admit(built, &trust).await.unwrap();
        }
    }
}

#[tokio::test]
async fn many_admissions_at_once_make_one_entry() {
    let place = Place::new();
    let built = place.signed().await;
    let trust = trusting(&place.key);
    let all = (0..8).map(|_| place.admit(&built, &trust));
    for got in futures::future::join_all(all).await {
        assert_eq!(got.unwrap().bundle.digest, built.digest);
    }
    assert_eq!(place.store.list().unwrap(), [built.digest]);
    assert_eq!(left_in(&place.at.path().join("store/tmp")), 0);
}

#[tokio::test]
async fn what_is_revoked_is_let_in_no_more_even_where_its_verdict_is_kept() {
    let place = Place::new();
    let built = place.signed().await;
    let mut trust = trusting(&place.key);
    place.admit(&built, &trust).await.unwrap();
    // Under the same revision, as a caller would have it that does not count revocations in.
    trust.revoked.keys = [place.key.fingerprint().to_string()].into();
    let refused = place.admit(&built, &trust).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Revoked);
    trust.revoked = Revoked {
        digests: [built.digest.to_string()].into(),
        ..Revoked::default()
    };
    let refused = place.admit(&built, &trust).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Revoked);
    assert!(!refused.may_pass_later(), "{refused}");
    trust.revoked = Revoked::default();
    place.admit(&built, &trust).await.unwrap();
}
