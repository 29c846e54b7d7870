//! What sources and tenants that share a store have of each other: a layer's files, and nothing else.

use std::time::Duration;

use aion_bundle::{Answer, Digest, Layout, Sink, Source, manifest::Descriptor};
use tokio::{sync::Notify, time::timeout};

use crate::{
    fixture::{sign, trusting},
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

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Vec<Descriptor>> {
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
