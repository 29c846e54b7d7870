//! Where bundles are read from and written to: two narrow traits, and how
//! they fail. The implementations are `layout` and `registry`; neither is
//! trusted with sizes or digests, [`Sink`] checks both while the bytes pass.

use std::{io, path::Path};

use futures::future::BoxFuture;
use thiserror::Error;

use crate::{
    Digest, Reason, Sink,
    manifest::{Descriptor, MANIFEST, Manifest, ManifestError},
};

/// What the futures of a source resolve to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, SourceError>>;

/// Something bundles are read from.
pub trait Source: Send + Sync {
    /// The source in words for messages.
    fn describe(&self) -> String;

    /// The bytes of the manifest or index `digest`, at most
    /// [`MAX_MANIFEST`](crate::manifest::MAX_MANIFEST) of them, digest checked.
    fn manifest<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Vec<u8>>;

    /// Streams the blob the sink expects into it. The caller finishes the sink.
    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()>;

    /// What refers to `digest`, in the order listed; nothing where nothing
    /// does.
    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Vec<Descriptor>>;
}

/// A source that can be written to.
pub trait Target: Source {
    /// Keeps a blob. A blob that is already there costs no transfer.
    fn put_blob<'a>(&'a self, blob: &'a Descriptor, payload: Payload<'a>) -> Answer<'a, ()>;

    /// Keeps a manifest under its digest and, where given, under a tag.
    fn put_manifest<'a>(&'a self, bytes: &'a [u8], tag: Option<&'a str>) -> Answer<'a, Digest>;

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

/// Why a source gave nothing, or not what was asked for.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It has no such thing.
    #[error("{what} is not in {at}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// The source.
        at: String,
    },
    /// No answer, a broken connection, or a server that failed.
    #[error("{at} cannot be reached: {why}")]
    Unreachable {
        /// The source.
        at: String,
        /// What happened.
        why: String,
    },
    /// Access refused.
    #[error("{at} refuses access ({why}); give credentials for it in a docker config file")]
    Denied {
        /// The source.
        at: String,
        /// What it says.
        why: String,
    },
    /// Off this machine, and the node is offline.
    #[error("{at} is off this machine and the node runs offline; use a local OCI layout")]
    Offline {
        /// The source.
        at: String,
    },
    /// It cannot be asked as it is configured.
    #[error("{at} cannot be asked: {why}")]
    Shut {
        /// The source.
        at: String,
        /// What is wrong with its address or credentials.
        why: String,
    },
    /// More bytes than announced or allowed.
    #[error("{what} from {at} is larger than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: String,
        /// The source.
        at: String,
        /// The bound, in bytes.
        limit: u64,
    },
    /// Other bytes than asked for.
    #[error("{at} gave content of digest {actual} for {expected}")]
    Mismatch {
        /// The source.
        at: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// An answer outside the protocol.
    #[error("{at} gave an answer that is malformed: {why}")]
    Malformed {
        /// The source.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// The local disk, while reading a layout or keeping what came.
    #[error("{what}: {why}")]
    Io {
        /// What was done to which path.
        what: String,
        /// The error.
        why: io::Error,
    },
}

impl SourceError {
    /// The stable name of the refusal.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotFound { .. } => Reason::BundleNotFound,
            Self::Unreachable { .. } => Reason::RegistryUnavailable,
            Self::Denied { .. } => Reason::AccessDenied,
            Self::Offline { .. } => Reason::Offline,
            Self::Shut { .. } => Reason::AccessDenied,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Mismatch { .. } => Reason::DigestMismatch,
            Self::Malformed { .. } => Reason::Malformed,
            Self::Io { why, .. } => io_reason(why),
        }
    }

    pub(crate) fn io(what: impl Into<String>, why: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            why,
        }
    }

    pub(crate) fn malformed(at: impl Into<String>, why: impl ToString) -> Self {
        Self::Malformed {
            at: at.into(),
            why: why.to_string(),
        }
    }
}

/// A full disk is told apart from one that fails.
pub(crate) fn io_reason(why: &io::Error) -> Reason {
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Reason::NoSpace,
        _ => Reason::StoreFailed,
    }
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

impl From<(&str, ManifestError)> for SourceError {
    fn from((at, why): (&str, ManifestError)) -> Self {
        Self::malformed(at, why)
    }
}
