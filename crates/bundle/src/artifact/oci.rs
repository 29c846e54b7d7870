//! OCI's documents: descriptors, image manifests and indexes. Parsing and
//! writing only; what a bundle is, is `manifest`'s matter.

use std::collections::BTreeMap;

use aion_abi::reason::Reason;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::artifact::digest::Digest;

/// Media type of an OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Artifact type of a Sigstore bundle that refers to a manifest.
pub const SIGSTORE_BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The largest manifest or index that is read, in bytes.
pub const MAX_MANIFEST: u64 = 1 << 20;
/// The longest content that is read where its descriptor stands, in bytes.
const MAX_INLINE: u64 = 16 << 10;

/// An OCI descriptor. `urls` are not read: content comes from the source that was asked, and nowhere else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// What the content digests to.
    pub digest: Digest,
    /// How long the content is, in bytes.
    pub size: u64,
    /// The artifact type of the manifest described, where the writer told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself, in base64, where it is short and a round trip is to be saved (image spec 1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// Free words about the content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields of other writers, kept when an index is written again.
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

/// What is read of a descriptor where nothing of it is written again: whatever else stands there takes no memory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bare {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    data: Option<String>,
}

impl From<Bare> for Descriptor {
    fn from(bare: Bare) -> Self {
        Self {
            media_type: bare.media_type,
            digest: bare.digest,
            size: bare.size,
            artifact_type: bare.artifact_type,
            data: bare.data.filter(|_| bare.size <= MAX_INLINE),
            annotations: BTreeMap::new(),
            others: BTreeMap::new(),
        }
    }
}

/// Reads a descriptor without what other writers added.
fn bare<'de, D: Deserializer<'de>>(from: D) -> Result<Descriptor, D::Error> {
    Bare::deserialize(from).map(Descriptor::from)
}

fn bare_subject<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Descriptor>, D::Error> {
    Ok(Option::<Bare>::deserialize(from)?.map(Descriptor::from))
}

fn all_bare<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Descriptor>, D::Error> {
    let all = Vec::<Bare>::deserialize(from)?;
    Ok(all.into_iter().map(Descriptor::from).collect())
}

impl Descriptor {
    /// Without what other writers added, which may be much.
    pub(crate) fn bare(mut self) -> Self {
        self.data = None;
        self.annotations.clear();
        self.others.clear();
        self
    }

    /// Describes `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::sized(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Describes `bytes` and, where they are short, has them in itself.
    pub(crate) fn inline(media_type: &str, bytes: &[u8]) -> Self {
        let is_short = bytes.len() as u64 <= MAX_INLINE;
        Self {
            data: is_short.then(|| STANDARD.encode(bytes)),
            ..Self::of(media_type, bytes)
        }
    }

    /// The content, where it stands here and is short. Something else that stands here is as good as nothing: else who may
    /// describe a content once more could hide it.
    pub(crate) fn content(&self) -> Option<Vec<u8>> {
        let data = self.data.as_ref().filter(|_| self.size <= MAX_INLINE)?;
        let bytes = STANDARD.decode(data).ok()?;
        (bytes.len() as u64 == self.size && Digest::of(&bytes) == self.digest).then_some(bytes)
    }

    /// Describes what has this digest and size.
    pub(crate) fn sized(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: None,
            data: None,
            annotations: BTreeMap::new(),
            others: BTreeMap::new(),
        }
    }
}

/// An OCI image manifest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: SchemaVersion,
    /// Always [`MANIFEST`] in what is written.
    #[serde(default)]
    pub media_type: Option<String>,
    /// What kind of artifact this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    #[serde(deserialize_with = "bare")]
    pub config: Descriptor,
    /// The layers, in order.
    #[serde(deserialize_with = "all_bare")]
    pub layers: Vec<Descriptor>,
    /// The manifest this one refers to (a signature refers to what it signs).
    #[serde(
        default,
        deserialize_with = "bare_subject",
        skip_serializing_if = "Option::is_none"
    )]
    pub subject: Option<Descriptor>,
    /// Free words about the artifact.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An OCI image index: a list of manifests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: SchemaVersion,
    /// Always [`INDEX`] in what is written.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The manifests.
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
}

/// The number 2, which every OCI manifest carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct SchemaVersion;

impl TryFrom<u8> for SchemaVersion {
    type Error = String;

    fn try_from(version: u8) -> Result<Self, String> {
        match version {
            2 => Ok(Self),
            other => Err(format!("schemaVersion must be 2, not {other}")),
        }
    }
}

impl From<SchemaVersion> for u8 {
    fn from(_: SchemaVersion) -> u8 {
        2
    }
}

/// A manifest that is not a bundle of ours, or not one that can be read.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// Not JSON of the right shape.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// The document.
        what: &'static str,
        /// What the parser says.
        why: serde_json::Error,
    },
    /// Another kind of artifact.
    #[error("the manifest is not an agent bundle: {0}")]
    NotABundle(String),
    /// A layer larger than the limits.
    #[error("layer {digest} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The layer.
        digest: Digest,
        /// Its size as declared.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// More of something than the limits allow.
    #[error("it has more {what} than the {limit} allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// An image for other machines.
    #[error(
        "the image runs on {found}, and this node is {wanted}; build it for {wanted}, or place the agent by spec.nodeSelector"
    )]
    WrongPlatform {
        /// This machine.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// A layer of a kind that is not unpacked.
    #[error("layer {digest} is of type `{media_type}`: {why}")]
    UnsupportedLayer {
        /// The layer.
        digest: Digest,
        /// Its media type.
        media_type: String,
        /// Why it is not unpacked, and what to do.
        why: &'static str,
    },
    /// An image whose configuration contradicts it.
    #[error("the image's configuration is malformed: {0}; build the image anew")]
    Image(String),
}

impl ManifestError {
    /// The stable name of the refusal.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed { .. } => Reason::Malformed,
            Self::NotABundle(_) => Reason::NotABundle,
            Self::TooLarge { .. } | Self::TooMany { .. } => Reason::TooLarge,
            Self::WrongPlatform { .. } => Reason::WrongArchitecture,
            Self::UnsupportedLayer { .. } => Reason::UnsupportedLayer,
            Self::Image(_) => Reason::Malformed,
        }
    }
}

impl Manifest {
    /// An image manifest of `artifact_type` with nothing but a configuration.
    pub(crate) fn new(artifact_type: &str, config: Descriptor) -> Self {
        Self {
            schema_version: SchemaVersion,
            media_type: Some(MANIFEST.to_owned()),
            artifact_type: Some(artifact_type.to_owned()),
            config,
            layers: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Reads a manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        parse("manifest", bytes)
    }

    /// The artifact type as OCI defines it: the field, else the media type of
    /// the configuration.
    pub fn kind(&self) -> &str {
        self.artifact_type
            .as_deref()
            .unwrap_or(&self.config.media_type)
    }
}

impl Index {
    /// An index of `manifests`.
    pub(crate) fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: SchemaVersion,
            media_type: Some(INDEX.to_owned()),
            manifests,
        }
    }

    /// What an index lists, without what other writers added.
    pub(crate) fn entries(bytes: &[u8]) -> Result<Vec<Descriptor>, ManifestError> {
        #[derive(Deserialize)]
        struct Entries {
            #[serde(default, deserialize_with = "all_bare")]
            manifests: Vec<Descriptor>,
        }
        parse::<Entries>("index", bytes).map(|index| index.manifests)
    }

    /// Reads an index.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        parse("index", bytes)
    }
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, ManifestError> {
    serde_json::from_slice(bytes).map_err(|why| ManifestError::Malformed { what, why })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut manifest = Manifest::new("application/x", Descriptor::of("text/plain", b"{}"));
        manifest.layers.push(Descriptor::of("text/plain", b"x"));
        let bytes = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse(&bytes).unwrap(), manifest);
        assert!(Manifest::parse(&bytes[..bytes.len() - 1]).is_err());
        let other = String::from_utf8(bytes).unwrap().replace(":2,", ":1,");
        assert!(Manifest::parse(other.as_bytes()).is_err());
    }

    #[test]
    fn a_content_is_where_it_is_described_if_it_is_short_and_the_one() {
        let written = |descriptor: &Descriptor| {
            let mut manifest = Manifest::new("application/x", Descriptor::of("text/plain", b"{}"));
            manifest.layers.push(descriptor.clone());
            let bytes = serde_json::to_vec(&manifest).unwrap();
            Manifest::parse(&bytes).unwrap().layers.remove(0).content()
        };
        let short = Descriptor::inline("text/plain", b"signed");
        assert_eq!(written(&short).unwrap(), b"signed");
        assert_eq!(written(&Descriptor::of("text/plain", b"signed")), None);
        let long = vec![b'x'; MAX_INLINE as usize + 1];
        assert_eq!(written(&Descriptor::inline("text/plain", &long)), None);
        for other in ["", "c2lnbmVk\n", "c2lnbmVE", "c2lnbg=="] {
            let mut descriptor = short.clone();
            descriptor.data = Some(other.to_owned());
            assert_eq!(written(&descriptor), None, "{other:?}");
        }
    }

    #[test]
    fn an_index_keeps_what_other_writers_put_there() {
        let theirs = r#"{"schemaVersion":2,"mediaType":"m","manifests":[{"mediaType":"m","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1,"platform":{"os":"linux"}}]}"#;
        let index = Index::parse(theirs.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&index).unwrap(), theirs);
    }
}
