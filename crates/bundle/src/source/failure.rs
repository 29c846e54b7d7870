//! How sources fail, and the stable name of each failure.

use std::io;

use aion_abi::reason::Reason;
use thiserror::Error;

use crate::artifact::{digest::Digest, manifest::ManifestError, name::BundleName};

/// Why a source gave nothing, or not what was asked for.
#[derive(Debug, Error)]
pub enum SourceError {
    /// No place is configured for the bundle.
    #[error("no source is configured for bundle `{0}`; add one to the node's `sources`")]
    NoSource(BundleName),
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
            Self::NoSource(_) => Reason::NoSource,
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

impl From<(&str, ManifestError)> for SourceError {
    fn from((at, why): (&str, ManifestError)) -> Self {
        Self::malformed(at, why)
    }
}
