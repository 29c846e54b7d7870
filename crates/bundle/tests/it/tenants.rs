//! What sources and tenants that share a store have of each other: a layer's files, and nothing else.

use std::{fs, time::Duration};

use aion_abi::tenant::Tenant;
use aion_bundle::{
    Answer, Digest, Layout, Reason, Recalled, Referrers, Sink, Source, Store, manifest::Descriptor,
};
use tokio::{sync::Notify, time::timeout};

use crate::{
    fixture::{blob_path, reference, sign, trusting, wasm},
    image::Place,
    images::{Image, Layer, base, wanted},
};

/// A layout that begins to give a layer, and never ends.
struct Stuck<'l> {
    layout: &'l Layout,
    began: Notify,
}

impl Source for Stuck<'_> {
    fn describe(&self) -> String {
        "stuck".to_owned()
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        self.layout.manifest_within(digest, most)
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        Box::pin(async move {
            if !sink.expected().media_type.contains("layer") {
                return self.layout.blob(sink).await;
            }
            self.began.notify_one();
            std::future::pending().await
        })
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        self.layout.has_blob(blob)
    }

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        self.layout.referrers(digest)
    }
}

#[tokio::test]
async fn a_source_that_is_stuck_in_a_layer_holds_up_no_other() {
    let place = Place::new();
    let digest = Image::new([base()]).put(&place.layout).await;
    sign(&place.layout, &place.key, &digest).await;
    let (wanted, trust) = (wanted(digest), trusting(&place.key));
    let stuck = Stuck {
        layout: &place.layout,
        began: Notify::new(),
    };
    let mut first = Box::pin(place.store.admit(&stuck, &wanted, &trust, &place.limits));
    tokio::select! {
        ended = &mut first => panic!("{ended:?}"),
        () = stuck.began.notified() => {}
    }
    let second = place
        .store
        .admit(&place.layout, &wanted, &trust, &place.limits);
    let admitted = timeout(Duration::from_secs(60), second).await;
    admitted.expect("it waits for the other").unwrap();
    drop(first);
    assert_eq!((place.layers(), place.left()), (1, 0));
}

#[tokio::test]
async fn a_layer_that_two_sources_bring_at_once_is_there_once() {
    let place = Place::new();
    let other = Layout::create(place.at.path().join("other")).unwrap();
    let image = Image::new([base(), Layer::default().file("a", "a")]);
    let digest = image.put(&place.layout).await;
    assert_eq!(image.put(&other).await, digest);
    for layout in [&place.layout, &other] {
        sign(layout, &place.key, &digest).await;
    }
    let (wanted, trust) = (wanted(digest), trusting(&place.key));
    let admit = |layout| place.store.admit(layout, &wanted, &trust, &place.limits);
    let (first, second) = tokio::join!(admit(&place.layout), admit(&other));
    assert_eq!(first.unwrap().bundle, second.unwrap().bundle);
    assert_eq!((place.layers(), place.left()), (2, 0));
}

#[tokio::test]
async fn who_knows_the_digest_of_a_layer_does_not_have_it() {
    let place = Place::new();
    let private = Layer::default().file("private", "of a tenant");
    let digest = Image::new([base(), private.clone()])
        .put(&place.layout)
        .await;
    sign(&place.layout, &place.key, &digest).await;
    let trust = trusting(&place.key);
    let admit = async |tenant: &str, layout: &Layout, digest| {
        let store = place.store.for_tenant(&Tenant::from(tenant));
        let wanted = wanted(digest);
        let admitted = store.admit(layout, &wanted, &trust, &place.limits).await;
        admitted.map_err(|error| error.reason())
    };
    admit("a", &place.layout, digest).await.unwrap();

    // Another tenant signs an image with that layer, which its own source does not have.
    let other = Layout::create(place.at.path().join("other")).unwrap();
    let image = Image::new([base(), private, Layer::default().file("own", "")]);
    let theirs = image.put(&other).await;
    sign(&other, &place.key, &theirs).await;
    let layer = blob_path(&other, &Digest::of(&image.layers[1].1));
    let bytes = fs::read(&layer).unwrap();
    fs::remove_file(&layer).unwrap();
    let refused = admit("b", &other, theirs).await.unwrap_err();
    assert_eq!(refused, Reason::BundleNotFound);
    assert_eq!(place.left(), 0);
    // Once that has it, the files that are here are theirs, too.
    fs::write(&layer, "what is not read again").unwrap();
    admit("b", &other, theirs).await.unwrap();
    fs::write(&layer, bytes).unwrap();
    assert_eq!(place.layers(), 3);
}

#[tokio::test]
async fn what_another_tenant_has_is_asked_for_once_and_then_works_offline() {
    let place = Place::new();
    let image = Image::new([base()]).put(&place.layout).await;
    let module = wasm(&place.layout);
    let empty = Layout::create(place.at.path().join("empty")).unwrap();
    let trust = trusting(&place.key);
    for wanted in [wanted(image), reference(&module)] {
        sign(&place.layout, &place.key, &wanted.digest).await;
        let of = |store: &Store, tenant: &str| store.for_tenant(&Tenant::from(tenant));
        let admit = async |tenant: &str, layout: &Layout| {
            let store = of(&place.store, tenant);
            let admitted = store.admit(layout, &wanted, &trust, &place.limits).await;
            admitted.map_err(|error| error.reason())
        };
        let has = async |store: &Store, tenant: &str| {
            let recalled = of(store, tenant).recall(&wanted, &trust).await.unwrap();
            matches!(recalled, Recalled::Admitted(_))
        };
        let first = admit("a", &place.layout).await.unwrap();
        assert!(has(&place.store, "a").await && !has(&place.store, "b").await);
        let refused = admit("b", &empty).await.unwrap_err();
        assert_eq!(refused, Reason::BundleNotFound);
        let second = admit("b", &place.layout).await.unwrap();
        assert_eq!(second.bundle, first.bundle);
        // From here on no source is needed.
        assert!(has(&place.store, "b").await && !has(&place.store, "c").await);
        admit("b", &empty).await.unwrap();
    }
    let Place { at, store, .. } = place;
    drop(store);
    let store = Store::open(at.path().join("store")).unwrap();
    let again = store.for_tenant(&Tenant::from("b"));
    let recalled = again.recall(&wanted(image), &trust).await.unwrap();
    assert!(matches!(recalled, Recalled::Admitted(_)));
}
