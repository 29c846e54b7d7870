//! Images for the tests: layers entry by entry, packed in each way, and the documents around them.

use std::{collections::BTreeMap, io::Write};

use aion_bundle::{
    BundleRef, Digest, Layout, Payload, Target,
    manifest::{Descriptor, INDEX, MANIFEST},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::fixture::name;

pub(crate) const OCI: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// This machine's processor, as images name it.
pub(crate) fn here() -> &'static str {
    aion_testkit::architecture()
}

/// The archive of a layer.
#[derive(Default, Clone)]
pub(crate) struct Layer(Vec<u8>);

impl Layer {
    /// An entry as whoever made it wrote it.
    pub(crate) fn entry(
        mut self,
        path: &str,
        kind: u8,
        mode: u32,
        link: &str,
        text: &[u8],
    ) -> Self {
        let mut header = tar::Header::new_ustar();
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        old.linkflag[0] = kind;
        header.set_mode(mode);
        header.set_mtime(1_700_000_000);
        header.set_size(text.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(text);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.entry(path, b'0', 0o644, "", text.as_bytes())
    }

    pub(crate) fn program(self, path: &str, text: &str) -> Self {
        self.entry(path, b'0', 0o755, "", text.as_bytes())
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, b'2', 0o777, target, b"")
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.entry(path, b'1', 0o644, target, b"")
    }

    /// The bytes of the archive.
    pub(crate) fn tar(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A layer that is all that many images need: something to run.
pub(crate) fn base() -> Layer {
    Layer::default()
        .program("usr/bin/run", "#!/usr/bin/sh\n")
        .program("usr/bin/sh", "\x7fELF")
        .symlink("bin", "usr/bin")
        .file("etc/passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n")
        .file("etc/group", "staff:x:50:\n")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// An image on its way into a layout.
#[derive(Clone)]
pub(crate) struct Image {
    /// The media type of a layer and its bytes, packed.
    pub(crate) layers: Vec<(String, Vec<u8>)>,
    pub(crate) config: Value,
}

impl Image {
    /// One that runs `run`.
    pub(crate) fn new(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut image = Self {
            layers: Vec::new(),
            config: json!({
                "os": "linux",
                "architecture": here(),
                "config": {"Entrypoint": ["run"], "Env": ["PATH=/bin"]},
                "rootfs": {"type": "layers", "diff_ids": []},
            }),
        };
        for layer in layers {
            let tar = layer.tar();
            let packed = gzip(&tar);
            image.add("+gzip", &tar, packed);
        }
        image
    }

    /// Adds a layer that unpacks to `tar`.
    pub(crate) fn add(&mut self, packing: &str, tar: &[u8], packed: Vec<u8>) {
        self.layers.push((format!("{OCI}{packing}"), packed));
        let ids = self.config["rootfs"]["diff_ids"].as_array_mut().unwrap();
        ids.push(Digest::of(tar).to_string().into());
    }

    pub(crate) fn set(mut self, field: &str, value: Value) -> Self {
        self.config["config"][field] = value;
        self
    }

    /// The manifest in `layout`, as a registry would have it.
    pub(crate) async fn manifest(&self, layout: &Layout) -> Vec<u8> {
        let config = serde_json::to_vec(&self.config).unwrap();
        let mut blobs = vec![(CONFIG.to_owned(), config)];
        blobs.extend(self.layers.clone());
        let mut described = Vec::new();
        for (kind, bytes) in &blobs {
            let blob = Descriptor::of(kind, bytes);
            layout.put_blob(&blob, Payload::Bytes(bytes)).await.unwrap();
            described.push(serde_json::to_value(blob).unwrap());
        }
        let config = described.remove(0);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described});
        serde_json::to_vec(&manifest).unwrap()
    }

    pub(crate) async fn put(&self, layout: &Layout) -> Digest {
        let manifest = self.manifest(layout).await;
        layout.put_manifest(&manifest, None).await.unwrap()
    }
}

/// An index in `layout` of images by platform, `os/architecture`.
pub(crate) async fn index(layout: &Layout, images: &[(&str, &Image)]) -> Digest {
    let mut listed = Vec::new();
    for (platform, image) in images {
        let bytes = image.manifest(layout).await;
        layout.put_listed(&bytes).await.unwrap();
        let mut one = serde_json::to_value(Descriptor::of(MANIFEST, &bytes)).unwrap();
        let words: BTreeMap<_, _> = ["os", "architecture"]
            .into_iter()
            .zip(platform.split('/'))
            .collect();
        one["platform"] = json!(words);
        listed.push(one);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed});
    let bytes = serde_json::to_vec(&index).unwrap();
    layout.put_manifest(&bytes, None).await.unwrap()
}

pub(crate) fn wanted(digest: Digest) -> BundleRef {
    BundleRef {
        name: name("team/tool"),
        digest,
    }
}
