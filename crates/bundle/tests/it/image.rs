//! Container images: what is let in is one root file system of verified layers, and what is not leaves nothing.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use aion_bundle::{
    AdmitError, Admitted, Answer, Content, Digest, Image as Stored, ImageUser, Layout, Limits,
    Reason, Recalled, Referrers, SigningKey, Sink, Source, Store, manifest::Descriptor,
};
use parking_lot::Mutex;
use serde_json::json;

use crate::{
    fixture::{blob_path, sign, trusting},
    images::{Image, Layer, base, gzip, here, index, wanted, zstd},
};

/// A layout to let images in from, and a store.
pub(crate) struct Place {
    pub(crate) at: tempfile::TempDir,
    pub(crate) layout: Layout,
    pub(crate) store: Store,
    pub(crate) key: SigningKey,
    pub(crate) limits: Limits,
}

impl Place {
    pub(crate) fn new() -> Self {
        let at = tempfile::tempdir().unwrap();
        Self {
            layout: Layout::create(at.path().join("layout")).unwrap(),
            store: Store::open(at.path().join("store")).unwrap(),
            key: SigningKey::generate().unwrap(),
            limits: Limits::default(),
            at,
        }
    }

    pub(crate) async fn admit(&self, digest: Digest) -> Result<Admitted, AdmitError> {
        sign(&self.layout, &self.key, &digest).await;
        let trust = trusting(&self.key);
        let wanted = wanted(digest);
        self.store
            .admit(&self.layout, &wanted, &trust, &self.limits)
            .await
    }

    pub(crate) async fn takes(&self, image: &Image) -> Stored {
        self.takes_digest(image.put(&self.layout).await).await
    }

    pub(crate) async fn takes_digest(&self, digest: Digest) -> Stored {
        let stored = self.admit(digest).await.unwrap().bundle;
        assert_eq!(self.store.get(&digest), Some(stored.clone()));
        assert_eq!(self.left(), 0);
        match stored.content {
            Content::Image(image) => image,
            other => panic!("{other:?}"),
        }
    }

    /// A refusal with this reason and word, which left no entry.
    pub(crate) async fn refuses(&self, image: &Image, reason: Reason, word: &str) {
        self.refuses_digest(image.put(&self.layout).await, reason, word)
            .await;
    }

    pub(crate) async fn refuses_digest(&self, digest: Digest, reason: Reason, word: &str) {
        let refused = self.admit(digest).await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{refused}");
        let words = refused.to_string();
        assert!(words.contains(word), "`{word}` in: {words}");
        assert!(!self.store.list().unwrap().contains(&digest));
        assert_eq!(self.left(), 0);
    }

    pub(crate) fn left(&self) -> usize {
        fs::read_dir(self.at.path().join("store/tmp"))
            .unwrap()
            .count()
    }

    pub(crate) fn layers(&self) -> usize {
        fs::read_dir(self.at.path().join("store/layers"))
            .unwrap()
            .count()
    }
}

fn text(image: &Stored, path: &str) -> String {
    fs::read_to_string(image.rootfs.join(path)).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn an_image_becomes_a_root_file_system_and_what_is_run_there() {
    let place = Place::new();
    let second = Layer::default()
        .file("etc/.wh.group", "")
        .entry("app/main", b'0', 0o4700, "", b"#!/bin/sh\n")
        .link("app/same", "app/main")
        .symlink("app/out", "../../../etc/passwd");
    let image = Image::new([base(), second])
        .set("Entrypoint", json!(["/app/main", "-v"]))
        .set("Cmd", json!(["serve"]))
        .set("Env", json!(["B=2", "A=1=1"]))
        .set("WorkingDir", json!("work/here"))
        .set("User", json!("app"));
    let image = place.takes(&image).await;
    assert_eq!(image.command, ["/app/main", "-v", "serve"]);
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(image.env, [pair("B", "2"), pair("A", "1=1")]);
    assert_eq!(image.working_dir, Path::new("/work/here"));
    assert_eq!(
        image.user,
        ImageUser {
            uid: 1000,
            gid: 1001
        }
    );
    assert_eq!(image.name, None);

    assert_eq!(text(&image, "app/main"), "#!/bin/sh\n");
    assert_eq!(text(&image, "bin/sh"), "\x7fELF");
    assert!(!image.rootfs.join("etc/group").exists());
    for folder in [
        "proc",
        "sys",
        "dev",
        "tmp",
        "run",
        "mnt",
        "etc",
        "work/here",
        "app",
        ".",
    ] {
        assert_eq!(mode(&image.rootfs.join(folder)), 0o755, "{folder}");
    }
    let main = fs::metadata(image.rootfs.join("app/main")).unwrap();
    assert_eq!(
        main.permissions().mode() & 0o7777,
        0o555,
        "everybody may run it, as no other user"
    );
    assert_eq!(mode(&image.rootfs.join("etc/passwd")), 0o444);
    assert_eq!(
        main.ino(),
        fs::metadata(image.rootfs.join("app/same")).unwrap().ino()
    );
    assert_eq!(main.mtime(), 1_700_000_000);
    let link = fs::read_link(image.rootfs.join("app/out")).unwrap();
    assert_eq!(link, Path::new("../../../etc/passwd"));
}

#[tokio::test]
async fn an_image_says_where_it_is_silent_what_runtimes_take() {
    let place = Place::new();
    let mut bare = Image::new([base()]);
    bare.config["config"] = json!({"Cmd": ["sh"], "Entrypoint": null});
    let image = place.takes(&bare).await;
    assert_eq!(image.command, ["sh"]);
    assert_eq!(image.env, []);
    assert_eq!(image.working_dir, Path::new("/"));
    assert_eq!(image.user, ImageUser { uid: 0, gid: 0 });
}

#[tokio::test]
async fn layers_come_packed_in_each_way() {
    let place = Place::new();
    let mut image = Image::new([base()]);
    let tar = |name: &str| Layer::default().file(name, name).tar();
    image.add("", &tar("plain"), tar("plain"));
    image.add("+zstd", &tar("zstd"), zstd(&tar("zstd")));
    // Several frames, one of them to be skipped; several members of gzip; nothing at all.
    let frames = tar("frames");
    let skipped = [0x184D_2A50_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    let (one, two) = frames.split_at(700);
    let packed = [
        skipped.as_slice(),
        b"toc",
        &zstd(one),
        &skipped,
        b"toc",
        &zstd(two),
    ]
    .concat();
    image.add("+zstd", &frames, packed);
    let members = tar("members");
    let (one, two) = members.split_at(700);
    image.add("+gzip", &members, [gzip(one), gzip(two)].concat());
    image.add("+gzip", b"", gzip(b""));
    image.add("+gzip", &[0; 1024], gzip(&[0; 1024]));
    image.add("+gzip", &[0; 1024], gzip(&[0; 1024]));
    let image = place.takes(&image).await;
    for name in ["plain", "zstd", "frames", "members"] {
        assert_eq!(text(&image, name), name);
    }
}

#[tokio::test]
async fn images_share_their_layers_until_none_is_made_of_them() {
    let place = Place::new();
    let one = Image::new([base(), Layer::default().file("one", "1")]);
    let two = Image::new([base(), Layer::default().file("two", "2")]);
    let first = place.takes(&one).await;
    // What is here needs no source.
    fs::remove_file(blob_path(&place.layout, &Digest::of(&one.layers[0].1))).unwrap();
    let second = Image::put(&two, &place.layout).await;
    fs::remove_file(blob_path(&place.layout, &Digest::of(&one.layers[0].1))).unwrap();
    let second = place.takes_digest(second).await;
    let inode = |image: &Stored| fs::metadata(image.rootfs.join("usr/bin/sh")).unwrap().ino();
    assert_eq!(inode(&first), inode(&second));
    assert_eq!(place.layers(), 3);

    let digests = place.store.list().unwrap();
    assert_eq!(place.store.prune(&digests, Duration::ZERO).unwrap(), 0);
    assert_eq!(place.layers(), 3);
    let of_one = one.put(&place.layout).await;
    assert_eq!(place.store.prune(&[of_one], Duration::ZERO).unwrap(), 1);
    assert_eq!(place.layers(), 2);
    assert_eq!(text(&first, "bin/sh"), "\x7fELF");
    assert_eq!(place.store.prune(&[], Duration::ZERO).unwrap(), 1);
    assert_eq!(place.layers(), 0);
    assert_eq!(place.left(), 0);
}

#[tokio::test]
async fn an_image_that_is_here_needs_its_source_no_more() {
    let place = Place::new();
    let digest = Image::new([base()]).put(&place.layout).await;
    place.takes_digest(digest).await;
    fs::remove_dir_all(place.layout.root()).unwrap();
    let mut trust = trusting(&place.key);
    for revision in ["1", "2"] {
        trust.revision = revision.to_owned();
        let recalled = place.store.recall(&wanted(digest), &trust).await.unwrap();
        assert!(matches!(recalled, Recalled::Admitted(_)), "{recalled:?}");
    }
}

#[tokio::test]
async fn of_an_index_this_machine_takes_its_own_image() {
    let place = Place::new();
    let ours = Image::new([base().file("ours", "")]);
    let mut other = Image::new([base().file("other", "")]);
    other.config["architecture"] = json!("s390x");
    let mut attestation = Image::new([]);
    attestation.layers = vec![("application/vnd.in-toto+json".to_owned(), b"{}".to_vec())];
    attestation.config["architecture"] = json!("unknown");
    let platform = format!("linux/{}", here());
    let listed = [
        ("unknown/unknown", &attestation),
        ("linux/s390x", &other),
        (platform.as_str(), &ours),
    ];
    let image = place
        .takes_digest(index(&place.layout, &listed).await)
        .await;
    assert!(image.rootfs.join("ours").exists());

    let none = index(&place.layout, &listed[..2]).await;
    place
        .refuses_digest(
            none,
            Reason::WrongArchitecture,
            "linux/s390x, and this node",
        )
        .await;
    // An index that says something else than the image's own configuration.
    let lies = index(&place.layout, &[(platform.as_str(), &other)]).await;
    place
        .refuses_digest(lies, Reason::WrongArchitecture, "runs on linux/s390x")
        .await;
    place
        .refuses(&other, Reason::WrongArchitecture, "linux/s390x")
        .await;
    let not = index(&place.layout, &[(platform.as_str(), &attestation)]).await;
    place
        .refuses_digest(not, Reason::UnsupportedLayer, "in-toto")
        .await;
}

#[tokio::test]
async fn an_image_says_its_name_or_takes_the_one_that_is_asked_for() {
    let place = Place::new();
    let named =
        |name: &str| Image::new([base()]).set("Labels", json!({"dev.aion.bundle.name": name}));
    let image = place.takes(&named("team/tool")).await;
    assert_eq!(image.name.as_deref(), Some("team/tool"));
    place
        .refuses(&named("team/other"), Reason::NameMismatch, "team/other")
        .await;
    place
        .refuses(&named("\u{1b}[2J"), Reason::NameMismatch, "`[2J`")
        .await;
    // Nor is it recalled under another name than its own.
    let mut other = wanted(named("team/tool").put(&place.layout).await);
    other.name = "team/other".parse().unwrap();
    let refused = place
        .store
        .recall(&other, &trusting(&place.key))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::NameMismatch);
}

#[tokio::test]
async fn a_layer_is_fetched_once_however_many_want_it_at_a_time() {
    let place = Place::new();
    let counted = Counted::new(&place.layout);
    let mut digests = Vec::new();
    for n in 0..8 {
        let own = Layer::default().file(&n.to_string(), "");
        let image = Image::new([base(), base().file("shared", "x"), own]);
        let digest = image.put(&place.layout).await;
        sign(&place.layout, &place.key, &digest).await;
        // Each twice: the second waits for nothing that the first does not bring.
        digests.extend([digest, digest]);
    }
    let trust = trusting(&place.key);
    let admitted = futures::future::join_all(digests.iter().map(async |digest| {
        let (wanted, trust) = (wanted(*digest), trust.clone());
        place
            .store
            .admit(&counted, &wanted, &trust, &place.limits)
            .await
    }));
    for admitted in admitted.await {
        admitted.unwrap();
    }
    assert_eq!(place.layers(), 10);
    let asked = counted.asked.into_inner();
    let layers: Vec<_> = asked
        .iter()
        .filter(|(what, _)| what.contains("layer"))
        .collect();
    assert_eq!(layers.len(), 10);
    assert!(layers.iter().all(|(_, times)| **times == 1), "{layers:?}");
    assert_eq!(place.left(), 0);
}

/// A layout that counts how often each of its blobs is asked for.
struct Counted<'l> {
    layout: &'l Layout,
    asked: Mutex<BTreeMap<String, usize>>,
}

impl<'l> Counted<'l> {
    fn new(layout: &'l Layout) -> Self {
        Self {
            layout,
            asked: Mutex::default(),
        }
    }
}

impl Source for Counted<'_> {
    fn describe(&self) -> String {
        self.layout.describe()
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        self.layout.manifest_within(digest, most)
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        let blob = sink.expected();
        let what = format!("{} {}", blob.media_type, blob.digest);
        *self.asked.lock().entry(what).or_default() += 1;
        self.layout.blob(sink)
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        self.layout.has_blob(blob)
    }

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        self.layout.referrers(digest)
    }
}
