//! What one admission may take in all: signatures, bytes and time, however little each of them takes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aion_bundle::{
    Answer, Built, Digest, Layout, Limits, MAX_SIGNATURE, MAX_SIGNATURE_BYTES, MAX_SIGNATURES,
    Mirrors, Reason, Recalled, Referrers, SigningKey, Sink, Source, SourceError, Store, Within,
    attach,
    manifest::{Descriptor, MANIFEST, SIGSTORE_BUNDLE},
    signatures,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{declarative, name, reference, sign, trusting};

/// A layout, and what somebody hostile made refer to its bundle.
struct Crowded {
    layout: Layout,
    manifests: HashMap<Digest, Vec<u8>>,
    blobs: HashMap<Digest, Vec<u8>>,
    referrers: Vec<Descriptor>,
    /// How long each answer takes.
    takes: Duration,
    asked: Arc<AtomicUsize>,
    /// How many bytes of manifests were given.
    sent: AtomicU64,
}

impl Crowded {
    fn new(layout: Layout) -> Self {
        Self {
            layout,
            manifests: HashMap::new(),
            blobs: HashMap::new(),
            referrers: Vec::new(),
            takes: Duration::ZERO,
            asked: Arc::default(),
            sent: AtomicU64::new(0),
        }
    }

    fn layer(&mut self, bytes: Vec<u8>) -> Value {
        let descriptor = Descriptor::of(SIGSTORE_BUNDLE, &bytes);
        self.blobs.insert(descriptor.digest, bytes);
        serde_json::to_value(descriptor).unwrap()
    }

    /// One more referrer, with these signatures.
    fn refer(&mut self, subject: &Digest, layers: &[Value]) {
        let empty = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
        let subject = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
        let manifest = json!({"schemaVersion": 2, "artifactType": SIGSTORE_BUNDLE, "config": empty,
            "layers": layers, "subject": subject});
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let mut descriptor = Descriptor::of(MANIFEST, &bytes);
        descriptor.artifact_type = Some(SIGSTORE_BUNDLE.to_owned());
        self.manifests.insert(descriptor.digest, bytes);
        self.referrers.push(descriptor);
    }

    async fn answer(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
    }
}

impl Source for Crowded {
    fn describe(&self) -> String {
        "a crowd".to_owned()
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            self.answer().await;
            match self.manifests.get(digest) {
                Some(bytes) if bytes.len() as u64 > most => Err(SourceError::TooLarge {
                    what: digest.to_string(),
                    at: self.describe(),
                    limit: most,
                }),
                Some(bytes) => {
                    self.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                    Ok(bytes.clone())
                }
                None => self.layout.manifest_within(digest, most).await,
            }
        })
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        Box::pin(async move {
            self.answer().await;
            match self.blobs.get(&sink.expected().digest) {
                Some(bytes) => sink.write("a crowd", bytes).await,
                None => self.layout.blob(sink).await,
            }
        })
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        self.layout.has_blob(blob)
    }

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        Box::pin(async move {
            self.answer().await;
            let mut all = self.referrers.clone();
            all.extend(self.layout.referrers(digest).await?.all().cloned());
            Ok(all.into())
        })
    }
}

struct Place {
    at: tempfile::TempDir,
    built: Built,
    key: SigningKey,
    crowd: Crowded,
}

impl Place {
    /// A bundle that is signed, with room for a crowd before its signature.
    async fn signed() -> Self {
        let at = tempfile::tempdir().unwrap();
        let layout = Layout::create(at.path().join("layout")).unwrap();
        let (built, key) = (declarative(&layout), SigningKey::generate().unwrap());
        sign(&layout, &key, &built.digest).await;
        Self {
            at,
            built,
            key,
            crowd: Crowded::new(layout),
        }
    }

    fn store(&self) -> Store {
        Store::open(self.at.path().join("store")).unwrap()
    }
}

fn junk(n: usize, length: u64) -> Vec<u8> {
    let mut bytes = n.to_string().into_bytes();
    bytes.resize(usize::try_from(length).unwrap(), b' ');
    bytes
}

#[tokio::test]
async fn a_thousand_signatures_of_one_referrer_cost_no_more_than_sixty_four() {
    let mut place = Place::signed().await;
    let layers: Vec<_> = (0..1000)
        .map(|n| place.crowd.layer(junk(n, MAX_SIGNATURE)))
        .collect();
    place.crowd.refer(&place.built.digest, &layers);
    let found = signatures(&place.crowd, &place.built.digest).await.unwrap();
    assert!(found.candidates.len() <= MAX_SIGNATURES);
    let bytes: usize = found.candidates.iter().map(|it| it.bytes.len()).sum();
    assert!(bytes as u64 <= MAX_SIGNATURE_BYTES, "{bytes}");
    assert_eq!(found.candidates.len() + found.left_out, 1001);
    // And the one that counts is among them, though the others came first.
    let (trust, now) = (trusting(&place.key), Timestamp::UNIX_EPOCH);
    let judged = found.judge(&name("reader"), &place.built.digest, &trust, now);
    assert_eq!(judged.unwrap().signer.name(), "release");
}

#[tokio::test]
async fn a_list_that_lies_about_sizes_costs_no_more_than_it_says() {
    for says in [|_| 0, |size: u64| size - 1, |size| size + 1] {
        let mut place = Place::signed().await;
        for n in 0..MAX_SIGNATURES - 1 {
            let mut layer = place.crowd.layer(junk(n, 10));
            layer["x"] = json!(" ".repeat(200_000));
            place.crowd.refer(&place.built.digest, &[layer]);
        }
        for listed in &mut place.crowd.referrers {
            listed.size = says(listed.size);
        }
        let found = signatures(&place.crowd, &place.built.digest).await.unwrap();
        let sent = place.crowd.sent.load(Ordering::SeqCst);
        assert!(sent <= MAX_SIGNATURE_BYTES, "{sent}");
        // Only the one that is what its list says.
        assert_eq!(found.candidates.len(), 1);
        assert_eq!(found.unreadable.len() + found.left_out, MAX_SIGNATURES - 1);
    }
}

#[tokio::test]
async fn one_blob_that_is_listed_a_thousand_times_is_read_once() {
    let mut place = Place::signed().await;
    let layer = place.crowd.layer(junk(0, MAX_SIGNATURE));
    place.crowd.refer(&place.built.digest, &vec![layer; 1000]);
    let found = signatures(&place.crowd, &place.built.digest).await.unwrap();
    assert_eq!(found.candidates.len(), 2);
}

#[tokio::test]
async fn a_signature_that_stands_in_its_manifest_is_not_asked_for() {
    let mut place = Place::signed().await;
    let found = signatures(&place.crowd, &place.built.digest).await.unwrap();
    // The list, and the manifest of the signature.
    let asked = place.crowd.asked.load(Ordering::SeqCst);
    assert_eq!((found.candidates.len(), asked), (1, 2));
    // And who describes it with other bytes hides nothing, nor does who makes it shorter.
    let bytes = found.candidates[0].bytes.clone();
    let mut layer = place.crowd.layer(bytes.clone());
    layer["data"] = json!("e30=");
    place.crowd.refer(&place.built.digest, &[layer.clone()]);
    layer["size"] = json!(1);
    place.crowd.refer(&place.built.digest, &[layer]);
    let found = signatures(&place.crowd, &place.built.digest).await.unwrap();
    assert_eq!(found.candidates.len(), 1);
    assert_eq!(found.candidates[0].bytes, bytes);
}

#[tokio::test]
async fn what_was_not_looked_at_is_said() {
    let mut place = Place::signed().await;
    for n in 0..MAX_SIGNATURES + 7 {
        let layer = place.crowd.layer(junk(n, 10));
        place.crowd.refer(&place.built.digest, &[layer]);
    }
    let found = signatures(&place.crowd, &place.built.digest).await.unwrap();
    assert_eq!(found.candidates.len(), MAX_SIGNATURES);
    let (trust, now) = (trusting(&place.key), Timestamp::UNIX_EPOCH);
    let refused = found
        .judge(&name("reader"), &place.built.digest, &trust, now)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("8 more were not looked at"), "{refused}");
    assert!(refused.len() < 4096, "{}", refused.len());
}

#[tokio::test]
async fn a_signature_that_counts_is_kept_whatever_its_referrer_holds_beside_it() {
    let mut place = Place::signed().await;
    let unsigned = place.crowd.layout.clone();
    let signature = place.key.sign(&place.built.digest).unwrap();
    let layers = [junk(0, 10), signature].map(|bytes| place.crowd.layer(bytes));
    place.crowd.refer(&place.built.digest, &layers);
    // No other signature than the second of that referrer.
    std::fs::remove_dir_all(unsigned.root()).unwrap();
    place.crowd.layout = Layout::create(place.at.path().join("bare")).unwrap();
    assert_eq!(declarative(&place.crowd.layout).digest, place.built.digest);
    let (store, limits) = (place.store(), Limits::default());
    let (wanted, mut trust) = (reference(&place.built), trusting(&place.key));
    let admitted = store.admit(&place.crowd, &wanted, &trust, &limits).await;
    assert!(!admitted.unwrap().cached);
    trust.revision = "2".into();
    let away = Mirrors::default();
    let admitted = store.admit(&away, &wanted, &trust, &limits).await;
    assert_eq!(admitted.unwrap().verdict.trust_revision, "2");
    let recalled = store.recall(&wanted, &trust).await.unwrap();
    assert!(matches!(recalled, Recalled::Admitted(it) if it.cached));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_drips_has_one_deadline_for_all_it_is_asked() {
    let mut place = Place::signed().await;
    for n in 0..MAX_SIGNATURES {
        let layer = place.crowd.layer(junk(n, 10));
        place.crowd.refer(&place.built.digest, &[layer]);
    }
    place.crowd.takes = Duration::from_secs(50);
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let (store, wanted, trust) = (place.store(), reference(&place.built), trusting(&place.key));
    let refused = store.admit(&place.crowd, &wanted, &trust, &limits).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::RegistryUnavailable, "{refused}");
    assert!(refused.may_pass_later());
    assert_eq!(place.crowd.asked.load(Ordering::SeqCst), 12);
    // Nor does it answer anybody who asks on.
    let late = Within::new(&place.crowd, Duration::ZERO);
    let error = late.manifest(&place.built.digest).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_drips_takes_no_time_from_the_one_behind_it() {
    let slow = Place::signed().await;
    let mut crowd = slow.crowd;
    crowd.takes = Limits::default().time;
    let asked = Arc::clone(&crowd.asked);
    let (behind, store) = (
        crowd.layout.clone(),
        Store::open(slow.at.path().join("store")),
    );
    let mut mirrors = Mirrors::default();
    mirrors.add(Ok(crowd));
    mirrors.add(Ok(behind));
    let admitted = store
        .unwrap()
        .admit(
            &mirrors,
            &reference(&slow.built),
            &trusting(&slow.key),
            &Limits::default(),
        )
        .await;
    assert_eq!(admitted.unwrap().verdict.signer.name(), "release");
    // For the manifest, and for what refers to it, which is gathered from all.
    assert!(asked.load(Ordering::SeqCst) <= 2);
}

/// Whether a bundle is let in whose only signature, of `length` bytes, is at one place, while another lists beside it
/// what `crowd` makes.
async fn is_let_in_beside(length: usize, crowd: impl Fn(&mut Crowded, &Digest)) {
    let at = tempfile::tempdir().unwrap();
    let layout = |of: &str| Layout::create(at.path().join(of)).unwrap();
    let (honest, hostile, key) = (layout("a"), layout("b"), SigningKey::generate().unwrap());
    let built = declarative(&honest);
    assert_eq!(declarative(&hostile).digest, built.digest);
    let mut signature = key.sign(&built.digest).unwrap();
    signature.resize(length.max(signature.len()), b' ');
    let now = Timestamp::UNIX_EPOCH;
    let origin = attach(&honest, &built.digest, &signature, now)
        .await
        .unwrap();
    // Which it lists, too, or not.
    for is_listed in [false, true] {
        let mut hostile = Crowded::new(hostile.clone());
        crowd(&mut hostile, &built.digest);
        if is_listed {
            let honest = honest.referrers(&built.digest).await.unwrap();
            let mut ours = honest.all().filter(|it| it.digest == origin);
            hostile.referrers.push(ours.next().unwrap().clone());
        }
        let mut mirrors = Mirrors::default();
        mirrors.add(Ok(hostile));
        mirrors.add(Ok(honest.clone()));
        let store = Store::open(at.path().join(format!("store-{is_listed}"))).unwrap();
        let (wanted, trust, limits) = (reference(&built), trusting(&key), Limits::default());
        let admitted = store.admit(&mirrors, &wanted, &trust, &limits).await;
        assert_eq!(admitted.unwrap().verdict.signer.name(), "release");
    }
}

#[tokio::test]
async fn what_one_place_lists_hides_nothing_that_another_does() {
    // By their number.
    is_let_in_beside(0, |crowd, subject| {
        for n in 0..2 * MAX_SIGNATURES {
            let layer = crowd.layer(junk(n, 10));
            crowd.refer(subject, &[layer]);
        }
    })
    .await;
    // By the bytes of the signatures.
    let length = 200_000;
    is_let_in_beside(length, |crowd, subject| {
        for n in 0..MAX_SIGNATURES / 2 {
            let layer = crowd.layer(junk(n, length as u64 - 1));
            crowd.refer(subject, &[layer]);
        }
    })
    .await;
    // By the bytes of what they come in.
    is_let_in_beside(length, |crowd, subject| {
        for n in 0..MAX_SIGNATURES / 2 {
            let mut layer = crowd.layer(junk(n, 10));
            layer["x"] = json!(" ".repeat(length));
            crowd.refer(subject, &[layer]);
        }
    })
    .await;
}
