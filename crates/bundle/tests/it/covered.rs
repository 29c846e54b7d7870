//! All that a bundle is made of, whatever its form, hangs on the digest that is signed: nothing else is fetched for it, and
//! none of it may be another.

use std::{collections::BTreeSet, fs};

use aion_bundle::{
    Answer, BundleRef, Digest, Layout, Referrers, Sink, Source, Store, manifest::Descriptor,
};
use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    fixture::{blob_path, declarative, reference, sign, trusting, wasm},
    image::Place,
    images::{Image, Layer, base, gzip, here, index, wanted, zstd},
};

/// What is asked of a layout.
struct Asked<'l> {
    layout: &'l Layout,
    of: Mutex<BTreeSet<Digest>>,
}

impl Source for Asked<'_> {
    fn describe(&self) -> String {
        self.layout.describe()
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        self.of.lock().insert(*digest);
        self.layout.manifest_within(digest, most)
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        self.of.lock().insert(sink.expected().digest);
        self.layout.blob(sink)
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        self.layout.has_blob(blob)
    }

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        self.layout.referrers(digest)
    }
}

/// `digest` and all that its document leads to, of an index what is for this machine.
fn led_to(layout: &Layout, digest: &Digest) -> BTreeSet<Digest> {
    let bytes = fs::read(blob_path(layout, digest)).unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let listed = |field: &str| document[field].as_array().cloned().unwrap_or_default();
    let of = |it: &Value| it["digest"].as_str().unwrap().parse::<Digest>().unwrap();
    let mut all = BTreeSet::from([*digest]);
    for entry in listed("manifests") {
        if entry["platform"]["architecture"] == here() {
            all.extend(led_to(layout, &of(&entry)));
        }
    }
    let config = document.get("config").cloned();
    all.extend(config.iter().chain(&listed("layers")).map(of));
    all
}

/// Lets `bundle` in from a layout in which it is signed; then nothing of it may be otherwise by a single bit, nor cut short.
async fn is_covered(what: &str, place: &Place, bundle: &BundleRef, parts: usize) {
    let layout = &place.layout;
    sign(layout, &place.key, &bundle.digest).await;
    let trust = trusting(&place.key);
    let fresh = || Store::open(tempfile::tempdir().unwrap().keep()).unwrap();
    let admitted = async |source: &dyn Source, store: &Store| {
        let admitted = store.admit(source, bundle, &trust, &place.limits).await;
        fs::remove_dir_all(store.root()).unwrap();
        admitted
    };

    let asked = Asked {
        layout,
        of: Mutex::default(),
    };
    admitted(&asked, &fresh()).await.unwrap();
    let signed = led_to(layout, &bundle.digest);
    let mut asked = asked.of.into_inner();
    for signature in layout.referrers(&bundle.digest).await.unwrap().all() {
        asked.retain(|it| !led_to(layout, &signature.digest).contains(it));
    }
    assert_eq!(asked, signed, "{what}");
    assert_eq!(signed.len(), parts, "{what}");

    for part in &signed {
        let path = blob_path(layout, part);
        let whole = fs::read(&path).unwrap();
        let turned = |at: usize| {
            let mut other = whole.clone();
            other[at] ^= 1;
            other
        };
        let middle = whole.len() / 2;
        for other in [
            turned(0),
            turned(middle),
            turned(whole.len() - 1),
            whole[..whole.len() - 1].to_vec(),
            [&whole[..], b"\n"].concat(),
        ] {
            fs::write(&path, other).unwrap();
            let store = fresh();
            let refused = store.admit(layout, bundle, &trust, &place.limits).await;
            assert!(refused.is_err(), "{what}, {part}: {refused:?}");
            assert!(store.list().unwrap().is_empty(), "{what}, {part}");
            fs::remove_dir_all(store.root()).unwrap();
        }
        fs::write(&path, &whole).unwrap();
    }
    admitted(layout, &fresh()).await.unwrap();
}

#[tokio::test]
async fn each_part_of_a_bundle_in_each_form_is_covered_by_its_signature() {
    let place = Place::new();
    // Manifest, configuration, definition and files; those of a module; an index, and of an image each of its layers.
    let agent = declarative(&place.layout);
    is_covered("a definition", &place, &reference(&agent), 4).await;
    let module = wasm(&place.layout);
    is_covered("a module", &place, &reference(&module), 3).await;

    let mut image = Image::new([base(), Layer::default().file("a", "text")]);
    for (packing, text) in [("", "plain"), ("+zstd", "zstd"), ("+gzip", "gzip")] {
        let tar = Layer::default().file(text, text).tar();
        let packed = match packing {
            "" => tar.clone(),
            "+zstd" => zstd(&tar),
            _ => gzip(&tar),
        };
        image.add(packing, &tar, packed);
    }
    let digest = image.put(&place.layout).await;
    is_covered("an image", &place, &wanted(digest), 7).await;

    let other = Image::new([base(), Layer::default().file("other", "text")]);
    let (ours, foreign) = (format!("linux/{}", here()), "linux/s390x");
    let listed = [(foreign, &other), (ours.as_str(), &image)];
    let digest = index(&place.layout, &listed).await;
    is_covered("an index", &place, &wanted(digest), 8).await;
}
