//! Where bundles are read from and written to: two narrow traits. The implementations are `layout` and `registry`; neither is
//! trusted with sizes or digests, [`Sink`] checks both while the bytes pass.

use std::path::Path;

use futures::future::BoxFuture;

use crate::{
    artifact::{
        digest::Digest,
        manifest::{Descriptor, MANIFEST, MAX_MANIFEST, Manifest},
    },
    room::Room,
    source::{failure::SourceError, sink::Sink},
};

/// What the futures of a source resolve to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, SourceError>>;

/// What refers to a digest.
#[derive(Debug, Default)]
pub struct Referrers {
    /// The list of each place that was heard, in its order.
    pub places: Vec<Vec<Descriptor>>,
    /// Why a place was not heard although others were: what counts may be there.
    pub unheard: Option<SourceError>,
}

impl Referrers {
    /// What is listed anywhere, once for each place that lists it.
    pub fn all(&self) -> impl Iterator<Item = &Descriptor> {
        self.places.iter().flatten()
    }
}

/// The list of the one place that there is.
impl From<Vec<Descriptor>> for Referrers {
    fn from(listed: Vec<Descriptor>) -> Self {
        Self {
            places: vec![listed],
            unheard: None,
        }
    }
}

/// Something bundles are read from.
pub trait Source: Send + Sync {
    /// The source in words for messages.
    fn describe(&self) -> String;

    /// The bytes of the manifest or index `digest`, at most `most` of them and
    /// never more than [`MAX_MANIFEST`], digest checked.
    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>>;

    /// As [`Source::manifest_within`], with no other bound than its own.
    fn manifest<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Vec<u8>> {
        self.manifest_within(digest, MAX_MANIFEST)
    }

    /// Streams the blob the sink expects into it. The caller finishes the sink.
    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()>;

    /// Whether it has this blob, and would give it. Nothing of it is sent; an error says why not.
    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()>;

    /// What refers to `digest`; nothing where nothing does.
    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers>;
}

/// A source that can be written to.
pub trait Target: Source {
    /// Keeps a blob. A blob that is already there costs no transfer.
    fn put_blob<'a>(&'a self, blob: &'a Descriptor, payload: Payload<'a>) -> Answer<'a, ()>;

    /// Keeps a manifest under its digest and, where given, under a tag.
    fn put_manifest<'a>(&'a self, bytes: &'a [u8], tag: Option<&'a str>) -> Answer<'a, Digest>;

    /// Keeps a manifest that an index lists, under its digest alone.
    fn put_listed<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()>;

    /// Keeps a manifest that has a subject, so that `referrers` lists it.
    fn put_referrer<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, Digest>;
}

/// What a blob is written from.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Bytes in memory.
    Bytes(&'a [u8]),
    /// A file.
    File(&'a Path),
}

/// Checks a manifest against the digest it was asked by.
pub(crate) fn checked(at: &str, bytes: Vec<u8>, digest: &Digest) -> Result<Vec<u8>, SourceError> {
    let actual = Digest::of(&bytes);
    if actual == *digest {
        return Ok(bytes);
    }
    Err(SourceError::Mismatch {
        at: at.to_owned(),
        expected: *digest,
        actual,
    })
}

/// Reads a manifest that is to have a subject.
pub(crate) fn subject_of(bytes: &[u8]) -> Result<(Manifest, Digest), SourceError> {
    let manifest = Manifest::parse(bytes).map_err(|e| SourceError::malformed("the signer", e))?;
    match &manifest.subject {
        Some(subject) => {
            let digest = subject.digest;
            Ok((manifest, digest))
        }
        None => Err(SourceError::malformed("the signer", "no subject")),
    }
}

/// How a referrer is listed in an index.
pub(crate) fn describe_referrer(bytes: &[u8], manifest: &Manifest) -> Descriptor {
    let mut descriptor = Descriptor::of(MANIFEST, bytes);
    descriptor.artifact_type = Some(manifest.kind().to_owned());
    descriptor.annotations = manifest.annotations.clone();
    descriptor
}

/// Reads a whole blob of at most `limit` bytes into memory, from where it is described if it stands there.
pub async fn read_blob(
    source: &dyn Source,
    blob: &Descriptor,
    limit: u64,
) -> Result<Vec<u8>, SourceError> {
    let mut sink = Sink::memory(blob, limit)?;
    match blob.content() {
        Some(bytes) => sink.write(&source.describe(), &bytes).await?,
        None => source.blob(&mut sink).await?,
    }
    sink.finish(&source.describe()).await
}

/// Reads a whole blob into the new file `path`, as long as `room` has some.
pub async fn save_blob(
    source: &dyn Source,
    blob: &Descriptor,
    path: &Path,
    room: &Room,
) -> Result<(), SourceError> {
    let mut sink = Sink::file(blob, path, room.clone()).await?;
    source.blob(&mut sink).await?;
    sink.finish(&source.describe()).await.map(|_| ())
}
