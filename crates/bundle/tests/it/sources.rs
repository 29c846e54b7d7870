//! One suite for everything that is a source and a target: a layout, a registry
//! without the referrers API, one with it, and one that wants a password.

use std::fs;

use aion_bundle::{
    BundleRef, Credentials, Digest, Layout, Limits, Mirrors, NamePattern, Payload, Place, Reason,
    Reference, Registry, RegistryAccess, Room, SigningKey, Sink, Source, SourceError, SourceRule,
    Sources, Store, Target, attach, copy,
    manifest::{Descriptor, Manifest},
    read_blob, signatures,
};
use aion_testkit::{RegistryKind, or_skip};
use jiff::Timestamp;

use crate::fixture::{blob_path, declarative, name, reference, sign, trusting};

async fn conforms(target: &dyn Target) {
    keeps_blobs(target).await;
    copies_a_bundle_with_its_signatures(target).await;
    refuses_what_is_not_there(target).await;
}

async fn keeps_blobs(target: &dyn Target) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n / 7) as u8).collect();
    fs::write(file.path(), &content).unwrap();
    let from_file = Descriptor::of("application/x", &content);
    let from_memory = Descriptor::of("application/x", b"in memory");
    for _ in 0..2 {
        let payload = Payload::File(file.path());
        target.put_blob(&from_file, payload).await.unwrap();
        let payload = Payload::Bytes(b"in memory");
        target.put_blob(&from_memory, payload).await.unwrap();
    }
    let read = |d: Descriptor| async move { read_blob(target, &d, 1 << 20).await };
    assert_eq!(read(from_file.clone()).await.unwrap(), content);
    assert_eq!(read(from_memory.clone()).await.unwrap(), b"in memory");
    target.has_blob(&from_file).await.unwrap();
    let absent = Descriptor::of("application/x", b"nowhere");
    let error = target.has_blob(&absent).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BundleNotFound, "{error}");

    let mut short = from_memory.clone();
    short.size -= 1;
    let error = read(short).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge, "{error}");
    let mut long = from_memory;
    long.size += 1;
    let error = read(long).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DigestMismatch, "{error}");
    let error = read_blob(target, &from_file, 1000).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge, "{error}");
}

async fn copies_a_bundle_with_its_signatures(target: &dyn Target) {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("from")).unwrap();
    let key = SigningKey::generate().unwrap();
    let built = declarative(&layout);
    sign(&layout, &key, &built.digest).await;
    let count = copy(&layout, target, &built.digest, Some("v1"), &|_| {})
        .await
        .unwrap();
    assert_eq!(count, 1);
    let again = copy(&layout, target, &built.digest, None, &|_| {})
        .await
        .unwrap();
    assert_eq!(again, 1);

    // A second signature, made in place; a first one that is attached again.
    let other = SigningKey::generate().unwrap();
    let bundle = other.sign(&built.digest).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let origin = attach(target, &built.digest, &bundle, now).await.unwrap();
    assert_eq!(
        attach(target, &built.digest, &bundle, now).await.unwrap(),
        origin
    );
    let found = signatures(target, &built.digest).await.unwrap();
    assert_eq!(found.candidates.len(), 2);
    assert!(
        found
            .candidates
            .iter()
            .any(|c| c.origin == origin && c.bytes == bundle)
    );
    assert!(found.unreadable.is_empty() && found.unreachable.is_none());

    let back = Layout::create(at.path().join("back")).unwrap();
    assert_eq!(
        copy(target, &back, &built.digest, None, &|_| {})
            .await
            .unwrap(),
        2
    );
    for signer in [&key, &other] {
        let store = Store::open(at.path().join(signer.fingerprint().hex())).unwrap();
        for source in [target as &dyn Source, &back] {
            let got = store
                .admit(
                    source,
                    &reference(&built),
                    &trusting(signer),
                    &Limits::default(),
                )
                .await
                .unwrap();
            assert_eq!(
                got.verdict.signer.fingerprint(),
                Some(&signer.fingerprint())
            );
            store.prune(&[], std::time::Duration::ZERO).unwrap();
        }
    }
}

async fn refuses_what_is_not_there(target: &dyn Target) {
    let nothing = Digest::of(b"never written");
    let error = target.manifest(&nothing).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BundleNotFound, "{error}");
    let blob = Descriptor::of("application/x", b"never written");
    let error = read_blob(target, &blob, 100).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BundleNotFound, "{error}");
    let found = target.referrers(&nothing).await.unwrap();
    assert!(found.all().next().is_none());
}

fn registry(address: &str, credentials: Option<Credentials>) -> Registry {
    let reference: Reference = format!("{address}/agents/reader").parse().unwrap();
    let access = RegistryAccess {
        credentials,
        ..RegistryAccess::default()
    };
    Registry::new(&reference, &access).unwrap()
}

#[tokio::test]
async fn a_layout_conforms() {
    let at = tempfile::tempdir().unwrap();
    conforms(&Layout::create(at.path()).unwrap()).await;
}

#[tokio::test]
async fn a_registry_without_the_referrers_api_conforms() {
    let started = aion_testkit::Registry::start(RegistryKind::Anonymous);
    let Some(running) = or_skip(started) else {
        return;
    };
    let ours = registry(running.address(), None);
    conforms(&ours).await;
    let manifest = ours.resolve("v1").await.unwrap();
    assert!(ours.manifest(&manifest).await.is_ok());
}

#[tokio::test]
async fn a_registry_with_the_referrers_api_conforms() {
    let started = aion_testkit::Registry::start(RegistryKind::Referrers);
    let Some(running) = or_skip(started) else {
        return;
    };
    conforms(&registry(running.address(), None)).await;
}

#[tokio::test]
async fn a_registry_that_wants_a_password_conforms_and_refuses_strangers() {
    let started = aion_testkit::Registry::start(RegistryKind::Password);
    let Some(running) = or_skip(started) else {
        return;
    };
    let account = running.credentials().unwrap();
    let right = Credentials::new(account.user, account.password);
    conforms(&registry(running.address(), Some(right))).await;
    let wrong = Credentials::new(account.user, "guess");
    for stranger in [None, Some(wrong)] {
        let ours = registry(running.address(), stranger);
        let error = ours.manifest(&Digest::of(b"")).await.unwrap_err();
        assert_eq!(error.reason(), Reason::AccessDenied, "{error}");
        assert!(!error.to_string().contains("guess"));
    }
}

#[tokio::test]
async fn a_registry_that_is_gone_is_unreachable_and_stops_nothing_verified() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let (built, key) = (declarative(&layout), SigningKey::generate().unwrap());
    sign(&layout, &key, &built.digest).await;
    let store = Store::open(at.path().join("store")).unwrap();
    let limits = Limits::default();
    let trust = trusting(&key);
    let gone = registry("127.0.0.1:1", None);
    let error = store
        .admit(&gone, &reference(&built), &trust, &limits)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable, "{error}");
    assert!(error.reason().may_pass_later());
    store
        .admit(&layout, &reference(&built), &trust, &limits)
        .await
        .unwrap();
    let got = store
        .admit(&gone, &reference(&built), &trust, &limits)
        .await;
    assert!(got.unwrap().cached);
}

#[tokio::test]
async fn a_layout_of_another_tool_is_read() {
    // A referring manifest listed in index.json, with no tag for its subject.
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path()).unwrap();
    let (built, key) = (declarative(&layout), SigningKey::generate().unwrap());
    let origin = sign(&layout, &key, &built.digest).await;
    let index = at.path().join("index.json");
    let text = format!(
        r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
        entry(&layout, &built.digest),
        entry(&layout, &origin)
    );
    fs::write(index, text).unwrap();
    let found = signatures(&layout, &built.digest).await.unwrap();
    assert_eq!(found.candidates.len(), 1);
    assert_eq!(found.candidates[0].origin, origin);
}

fn entry(layout: &Layout, digest: &Digest) -> String {
    let size = fs::metadata(blob_path(layout, digest)).unwrap().len();
    format!(
        r#"{{"mediaType":"{}","digest":"{digest}","size":{size}}}"#,
        aion_bundle::manifest::MANIFEST
    )
}

#[tokio::test]
async fn one_unreadable_signature_does_not_hide_another() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let (built, key) = (declarative(&layout), SigningKey::generate().unwrap());
    // So long that it is no part of its manifest.
    let mut long = key.sign(&built.digest).unwrap();
    long.resize(20_000, b' ');
    let now = Timestamp::UNIX_EPOCH;
    let broken = attach(&layout, &built.digest, &long, now).await.unwrap();
    let good = sign(&layout, &key, &built.digest).await;
    let bytes = layout.manifest(&broken).await.unwrap();
    let layer = Manifest::parse(&bytes).unwrap().layers[0].digest;
    fs::remove_file(blob_path(&layout, &layer)).unwrap();
    let store = Store::open(at.path().join("store")).unwrap();
    let wanted = reference(&built);
    let (trust, limits) = (trusting(&key), Limits::default());
    let got = store
        .admit(&layout, &wanted, &trust, &limits)
        .await
        .unwrap();
    let named: Vec<_> = got.verdict.passed_over.iter().map(|p| p.origin).collect();
    assert_eq!(named, [broken]);
    store.prune(&[], std::time::Duration::ZERO).unwrap();
    fs::remove_file(blob_path(&layout, &good)).unwrap();
    let error = store
        .admit(&layout, &wanted, &trust, &limits)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::BundleNotFound, "{error}");
}

#[tokio::test]
async fn mirrors_are_tried_in_order_and_signatures_gathered_from_all() {
    let at = tempfile::tempdir().unwrap();
    let whole = Layout::create(at.path().join("whole")).unwrap();
    let bare = Layout::create(at.path().join("bare")).unwrap();
    let (built, key) = (declarative(&whole), SigningKey::generate().unwrap());
    assert_eq!(declarative(&bare).digest, built.digest);
    sign(&whole, &key, &built.digest).await;
    let mirrors = |all: &[&Layout]| {
        let mut mirrors = Mirrors::default();
        for layout in all {
            mirrors.add(Ok((*layout).clone()));
        }
        mirrors
    };
    let empty = Layout::at(at.path().join("none"));
    let store = Store::open(at.path().join("store")).unwrap();
    let (wanted, trust) = (reference(&built), trusting(&key));
    let admit = |source: Mirrors| {
        let (store, wanted, trust) = (&store, &wanted, &trust);
        async move {
            store
                .admit(&source, wanted, trust, &Limits::default())
                .await
        }
    };
    admit(mirrors(&[&empty, &bare, &whole])).await.unwrap();
    store.prune(&[], std::time::Duration::ZERO).unwrap();
    // A mirror with a bent blob is passed by.
    let bytes = bare.manifest(&built.digest).await.unwrap();
    for layer in Manifest::parse(&bytes).unwrap().layers {
        fs::write(blob_path(&bare, &layer.digest), "bent").unwrap();
    }
    admit(mirrors(&[&bare, &whole])).await.unwrap();
    store.prune(&[], std::time::Duration::ZERO).unwrap();
    let error = admit(mirrors(&[&bare])).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unsigned, "{error}");
    let mut with_gone = mirrors(&[&bare]);
    with_gone.add(Ok(registry("127.0.0.1:1", None)));
    let error = admit(with_gone).await.unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable, "{error}");
    // Nor is it all that there is where one has a signature that does not count.
    sign(&bare, &SigningKey::generate().unwrap(), &built.digest).await;
    let error = admit(mirrors(&[&bare])).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UntrustedKey, "{error}");
    let mut with_gone = mirrors(&[&bare]);
    with_gone.add(Ok(registry("127.0.0.1:1", None)));
    let error = admit(with_gone).await.unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable, "{error}");
    assert!(error.may_pass_later());
    // Whatever is in the way there; and what was found is told beside it.
    let shut = SourceError::Shut {
        at: "origin".to_owned(),
        why: "no login".to_owned(),
    };
    assert!(!shut.reason().may_pass_later());
    let mut with_shut = mirrors(&[&bare]);
    with_shut.add::<Layout>(Err(shut));
    let error = admit(with_shut).await.unwrap_err();
    assert!(error.may_pass_later(), "{error}");
    assert!(error.to_string().contains("does not count"), "{error}");
    // But that the node is offline is no reason to wait.
    let mut with_offline = mirrors(&[&bare]);
    let at = "origin".to_owned();
    with_offline.add::<Layout>(Err(SourceError::Offline { at }));
    let error = admit(with_offline).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UntrustedKey, "{error}");
    admit(mirrors(&[&bare, &whole])).await.unwrap();
}

#[tokio::test]
async fn sources_are_configured_by_name_and_offline_keeps_to_this_machine() {
    let at = tempfile::tempdir().unwrap();
    let rule = |pattern: &str, place: Place| SourceRule {
        bundles: pattern.parse().unwrap(),
        place,
    };
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let built = declarative(&layout);
    let remote = Place::Registry("registry.invalid/agents".into());
    let sources = Sources {
        sources: vec![
            rule("reader", Place::Layout(layout.root().to_owned())),
            rule("acme/*", remote),
        ],
        ..Sources::default()
    };
    let reader = sources.open(&name("reader"), &[], true).unwrap();
    assert!(reader.manifest(&built.digest).await.is_ok());
    let acme = sources.open(&name("acme/x"), &[], false).unwrap();
    assert_eq!(acme.describe(), "registry.invalid/agents/acme/x");
    let acme = sources.open(&name("acme/x"), &[], true).unwrap();
    let error = acme.manifest(&built.digest).await.unwrap_err();
    assert!(matches!(error, SourceError::Offline { .. }), "{error}");
    let unknown = sources.open(&name("other"), &[], false).err().unwrap();
    assert!(matches!(unknown, SourceError::NoSource(_)), "{unknown}");
}

#[tokio::test]
async fn a_registry_whose_credentials_cannot_be_read_takes_nothing_from_the_others() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let built = declarative(&layout);
    let config = at.path().join("docker.json");
    fs::write(&config, "{").unwrap();
    let rule = |place| SourceRule {
        bundles: NamePattern::any(),
        place,
    };
    let registry = rule(Place::Registry("registry.invalid/agents".into()));
    let mut sources = Sources {
        sources: vec![registry, rule(Place::Layout(layout.root().to_owned()))],
        docker_config: Some(config),
        ..Sources::default()
    };
    let both = sources.open(&name("reader"), &[], false).unwrap();
    assert!(both.manifest(&built.digest).await.is_ok());
    sources.sources.pop();
    let alone = sources.open(&name("reader"), &[], false).unwrap();
    let error = alone.manifest(&built.digest).await.unwrap_err();
    assert!(error.to_string().contains("docker.json"), "{error}");
}

#[test]
fn a_rule_names_one_place() {
    let read = |yaml: &str| serde_saphyr::from_str::<Sources>(yaml).map_err(|e| e.to_string());
    let good = "sources:\n- layout: /l\n- {match: acme/*, registry: 'r.example:5000/a'}\ninsecureHosts: [r.example:5000]\n";
    let sources = read(good).unwrap();
    assert_eq!(
        sources.sources[1].place,
        Place::Registry("r.example:5000/a".into())
    );
    let check = |yaml: &str, word: &str| {
        let error = read(yaml).unwrap_err();
        assert!(error.contains(word), "`{word}` in: {error}");
    };
    check("sources: [{match: a}]", "either `registry` or `layout`");
    check(
        "sources: [{layout: /l, registry: r.e}]",
        "either `registry` or `layout`",
    );
    check("sources: [{registry: agents}]", "host");
    check("sources: [{layout: /l, path: /x}]", "path");
    check("sorces: []", "sorces");
}

#[tokio::test]
async fn a_sink_takes_no_byte_more_than_announced() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().join("blob");
    let blob = Descriptor::of("application/x", b"abc");
    let mut sink = Sink::file(&blob, &path, Room::default()).await.unwrap();
    sink.write("here", b"ab").await.unwrap();
    let error = sink.write("here", b"cd").await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge);
    sink.restart().await.unwrap();
    sink.write("here", b"abc").await.unwrap();
    sink.finish("here").await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc");
    let second = Sink::file(&blob, &path, Room::default()).await;
    assert!(second.is_err(), "an existing file is never written over");
    let bundle = BundleRef {
        name: name("a"),
        digest: blob.digest,
    };
    let json = serde_json::to_string(&bundle).unwrap();
    assert_eq!(
        json,
        format!(r#"{{"name":"a","digest":"{}"}}"#, blob.digest)
    );
}
