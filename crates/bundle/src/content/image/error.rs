//! Why an image that somebody vouches for is not let in all the same. What may not enter: signatures and sources.

use aion_abi::reason::Reason;
use thiserror::Error;

use crate::{artifact::digest::Digest, content::archive::UnpackError};

/// See the module.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A layer is harmful, broken or too large.
    #[error("layer {layer}: {why}")]
    Layer {
        /// The layer.
        layer: Digest,
        /// Why.
        why: UnpackError,
    },
    /// A layer unpacks to something else than the configuration says.
    #[error(
        "layer {layer} unpacks to {actual}, and the image's configuration says {expected}; build and push the image anew"
    )]
    OtherLayer {
        /// The layer.
        layer: Digest,
        /// The `rootfs.diff_ids` of the configuration.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// Its layers do not make a root file system.
    #[error("its layers do not make a root file system: {0}")]
    Root(UnpackError),
    /// It says nothing to run.
    #[error("the image has neither ENTRYPOINT nor CMD; build it with one")]
    NoEntrypoint,
    /// What it says to run is not there.
    #[error("the image cannot be started: {0}; correct its ENTRYPOINT or CMD, or add the file")]
    EntrypointNotFound(String),
    /// Nobody of that name.
    #[error(
        "the image runs as `{0}`, who is not in its /etc/passwd and /etc/group; use a number, as in USER 65532:65532"
    )]
    UserNotFound(String),
}

impl ImageError {
    /// The stable name of the refusal.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Layer { why, .. } | Self::Root(why) => why.reason(),
            Self::OtherLayer { .. } => Reason::DigestMismatch,
            Self::NoEntrypoint => Reason::NoEntrypoint,
            Self::EntrypointNotFound(_) => Reason::EntrypointNotFound,
            Self::UserNotFound(_) => Reason::UserNotFound,
        }
    }
}
