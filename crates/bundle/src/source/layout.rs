//! A local OCI image layout: `oci-layout`, `index.json`, `blobs/sha256/…` (OCI
//! image spec, "image layout"). What one machine needs in place of a registry.
//!
//! Signatures are listed as a registry without referrers API lists them, under
//! the tag `sha256-<digest>`; layouts written by tools that put a referring
//! manifest straight into `index.json` are read as well.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::io::AsyncReadExt;

use crate::{
    artifact::{
        digest::Digest,
        document::media_type,
        manifest::{Descriptor, INDEX, Index, MANIFEST, MAX_MANIFEST, Manifest},
    },
    file::{read_bounded, write_atomically},
    source::{
        contract::{
            Answer, Payload, Referrers, Source, Target, checked, describe_referrer, subject_of,
        },
        failure::SourceError,
        sink::Sink,
    },
};

const MARKER: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const TAG: &str = "org.opencontainers.image.ref.name";
/// How many manifests of `index.json` are looked into for a subject.
const MAX_LISTED: usize = 256;
const PIECE: usize = 64 << 10;

/// A layout in a directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout in `root`, which is looked at when it is first read.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The layout in `root`, made where there is none.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, SourceError> {
        let layout = Self::at(root);
        let blobs = layout.root.join("blobs/sha256");
        fs::create_dir_all(&blobs)
            .map_err(|e| SourceError::io(format!("create {}", blobs.display()), e))?;
        let marker = layout.root.join("oci-layout");
        if !marker.exists() {
            layout.write(&marker, MARKER.as_bytes())?;
        }
        layout.change_index(|_| {})?;
        Ok(layout)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `index.json` lists.
    pub fn index(&self) -> Result<Index, SourceError> {
        let path = self.root.join("index.json");
        let bytes = self.read(&path, "index.json", MAX_MANIFEST)?;
        Index::parse(&bytes).map_err(|e| (self.describe().as_str(), e).into())
    }

    /// The manifest under `tag`.
    pub fn resolve(&self, tag: &str) -> Result<Descriptor, SourceError> {
        find_tag(&self.index()?, tag)
            .cloned()
            .ok_or_else(|| self.not_found(format!("tag {tag}")))
    }

    pub(crate) fn add_blob(&self, blob: &Descriptor, from: Payload<'_>) -> Result<(), SourceError> {
        let path = self.blob_path(&blob.digest);
        if path.exists() {
            return Ok(());
        }
        match from {
            Payload::Bytes(bytes) => self.write(&path, bytes),
            Payload::File(file) => {
                let from = fs::File::open(file)
                    .map_err(|e| SourceError::io(format!("read {}", file.display()), e))?;
                self.write(&path, from)
            }
        }
    }

    pub(crate) fn add_manifest(
        &self,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Digest, SourceError> {
        let mut descriptor = Descriptor::of(&media_type(bytes), bytes);
        descriptor.artifact_type = Manifest::parse(bytes).ok().and_then(|m| m.artifact_type);
        self.add_blob(&descriptor, Payload::Bytes(bytes))?;
        let digest = descriptor.digest;
        self.change_index(|index| {
            if tag.is_none() && index.manifests.iter().any(|m| m.digest == digest) {
                return;
            }
            if let Some(tag) = tag {
                index.manifests.retain(|m| !has_tag(m, tag));
                descriptor.annotations.insert(TAG.into(), tag.into());
            }
            index.manifests.push(descriptor);
        })?;
        Ok(digest)
    }

    fn add_referrer(&self, bytes: &[u8]) -> Result<Digest, SourceError> {
        let (manifest, subject) = subject_of(bytes)?;
        let descriptor = describe_referrer(bytes, &manifest);
        self.add_blob(&descriptor, Payload::Bytes(bytes))?;
        let tag = subject.referrers_tag();
        let mut listed = match find_tag(&self.index()?, &tag) {
            Some(list) => self.read_index(&list.digest)?.manifests,
            None => Vec::new(),
        };
        if listed.iter().any(|m| m.digest == descriptor.digest) {
            return Ok(descriptor.digest);
        }
        let digest = descriptor.digest;
        listed.push(descriptor);
        let list = serde_json::to_vec(&Index::new(listed))
            .map_err(|e| SourceError::malformed(self.describe(), e))?;
        let mut entry = Descriptor::of(INDEX, &list);
        self.add_blob(&entry, Payload::Bytes(&list))?;
        entry.annotations.insert(TAG.into(), tag.clone());
        self.change_index(|index| {
            index.manifests.retain(|m| !has_tag(m, &tag));
            index.manifests.push(entry);
        })?;
        Ok(digest)
    }

    fn list_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        let index = self.index()?;
        let mut found = match find_tag(&index, &subject.referrers_tag()) {
            Some(list) => self.read_index(&list.digest)?.manifests,
            None => Vec::new(),
        };
        let listed = index.manifests.into_iter();
        for entry in listed.filter(|m| m.media_type == MANIFEST).take(MAX_LISTED) {
            let Ok(bytes) = self.read_manifest(&entry.digest, MAX_MANIFEST) else {
                continue;
            };
            let refers = Manifest::parse(&bytes)
                .ok()
                .and_then(|m| m.subject)
                .is_some_and(|s| s.digest == *subject);
            if refers && found.iter().all(|m| m.digest != entry.digest) {
                found.push(entry);
            }
        }
        Ok(found.into_iter().map(Descriptor::bare).collect())
    }

    /// Reads, changes and replaces `index.json` while holding a lock on the
    /// directory, so that no entry of another writer is lost.
    fn change_index(&self, change: impl FnOnce(&mut Index)) -> Result<(), SourceError> {
        let path = self.root.join("index.json");
        let _held = fs::File::open(&self.root)
            .and_then(|dir| {
                rustix::fs::flock(&dir, rustix::fs::FlockOperation::LockExclusive)?;
                Ok(dir)
            })
            .map_err(|e| SourceError::io(format!("lock {}", self.root.display()), e))?;
        let mut index = if path.exists() {
            self.index()?
        } else {
            Index::new(Vec::new())
        };
        change(&mut index);
        let bytes =
            serde_json::to_vec(&index).map_err(|e| SourceError::malformed(self.describe(), e))?;
        self.write(&path, bytes.as_slice())
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    fn read_manifest(&self, digest: &Digest, most: u64) -> Result<Vec<u8>, SourceError> {
        let most = most.min(MAX_MANIFEST);
        let bytes = self.read(&self.blob_path(digest), &digest.to_string(), most)?;
        checked(&self.describe(), bytes, digest)
    }

    /// The bytes of the manifest or index `digest`.
    pub(crate) fn manifest_bytes(&self, digest: &Digest) -> Result<Vec<u8>, SourceError> {
        self.read_manifest(digest, MAX_MANIFEST)
    }

    /// The bytes of a blob of at most `limit` bytes.
    pub(crate) fn blob_bytes(&self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, SourceError> {
        let bytes = self.read(
            &self.blob_path(&blob.digest),
            &blob.digest.to_string(),
            limit,
        )?;
        checked(&self.describe(), bytes, &blob.digest)
    }

    /// Whether all that `manifest` lists is here.
    pub(crate) fn has(&self, manifest: &Manifest) -> bool {
        let mut blobs = manifest.layers.iter().chain([&manifest.config]);
        blobs.all(|it| self.blob_path(&it.digest).exists())
    }

    fn read_index(&self, digest: &Digest) -> Result<Index, SourceError> {
        let bytes = self.read_manifest(digest, MAX_MANIFEST)?;
        Index::parse(&bytes).map_err(|e| (self.describe().as_str(), e).into())
    }

    fn read(&self, path: &Path, what: &str, limit: u64) -> Result<Vec<u8>, SourceError> {
        match read_bounded(path, limit) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(SourceError::TooLarge {
                what: what.to_owned(),
                at: self.describe(),
                limit,
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(self.not_found(what)),
            Err(e) => Err(SourceError::io(format!("read {}", path.display()), e)),
        }
    }

    fn write(&self, path: &Path, from: impl io::Read) -> Result<(), SourceError> {
        write_atomically(path, from, 0o644)
            .map_err(|e| SourceError::io(format!("write {}", path.display()), e))
    }

    fn not_found(&self, what: impl Into<String>) -> SourceError {
        SourceError::NotFound {
            what: what.into(),
            at: self.describe(),
        }
    }

    async fn stream(&self, sink: &mut Sink) -> Result<(), SourceError> {
        let (at, digest) = (self.describe(), sink.expected().digest);
        let path = self.blob_path(&digest);
        let read = |e: io::Error| match e.kind() {
            io::ErrorKind::NotFound => self.not_found(digest.to_string()),
            _ => SourceError::io(format!("read {}", path.display()), e),
        };
        let about = tokio::fs::metadata(&path).await.map_err(read)?;
        if !about.is_file() {
            return Err(SourceError::malformed(
                at,
                format!("{digest} is not a file"),
            ));
        }
        let mut file = tokio::fs::File::open(&path).await.map_err(read)?;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece).await.map_err(read)? {
                0 => return Ok(()),
                n => sink.write(&at, &piece[..n]).await?,
            }
        }
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let layout = self.clone();
        tokio::task::spawn_blocking(move || work(&layout))
            .await
            .map_err(|e| SourceError::io("file work was given up", io::Error::other(e)))?
    }
}

impl Source for Layout {
    fn describe(&self) -> String {
        format!("layout {}", self.root.display())
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        let digest = *digest;
        Box::pin(self.blocking(move |l| l.read_manifest(&digest, most)))
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        Box::pin(self.stream(sink))
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        let digest = blob.digest;
        Box::pin(
            self.blocking(move |l| match l.blob_path(&digest).is_file() {
                true => Ok(()),
                false => Err(l.not_found(digest.to_string())),
            }),
        )
    }

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        let digest = *digest;
        Box::pin(self.blocking(move |l| l.list_referrers(&digest).map(Referrers::from)))
    }
}

impl Target for Layout {
    fn put_blob<'a>(&'a self, blob: &'a Descriptor, payload: Payload<'a>) -> Answer<'a, ()> {
        Box::pin(async move { self.add_blob(blob, payload) })
    }

    fn put_manifest<'a>(&'a self, bytes: &'a [u8], tag: Option<&'a str>) -> Answer<'a, Digest> {
        Box::pin(async move { self.add_manifest(bytes, tag) })
    }

    fn put_listed<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let blob = Descriptor::of(&media_type(bytes), bytes);
            self.add_blob(&blob, Payload::Bytes(bytes))
        })
    }

    fn put_referrer<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, Digest> {
        Box::pin(async move { self.add_referrer(bytes) })
    }
}

fn has_tag(entry: &Descriptor, tag: &str) -> bool {
    entry.annotations.get(TAG).is_some_and(|t| t == tag)
}

fn find_tag<'a>(index: &'a Index, tag: &str) -> Option<&'a Descriptor> {
    index.manifests.iter().find(|m| has_tag(m, tag))
}
