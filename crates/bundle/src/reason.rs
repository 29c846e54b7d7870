//! The stable names under which a refusal is told: the reason of the
//! condition `Verified=False`, the label of a metric, the type of an event.
//!
//! A name in this list is never changed or given a second meaning.

use std::fmt;

/// Why a bundle was not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No signature refers to the bundle.
    Unsigned,
    /// There are signatures, none by a key that is trusted.
    WrongKey,
    /// A trusted key signed, but it is not trusted for this name or digest.
    KeyOutOfScope,
    /// What was read, or what was signed, has another digest.
    DigestMismatch,
    /// A signature by a trusted key does not fit the statement it comes with.
    PayloadAltered,
    /// Not in the form it claims to have.
    Malformed,
    /// Larger than the limits allow.
    TooLarge,
    /// The signature is by a certificate, which no offline key can verify.
    KeylessUnsupported,
    /// The trust set holds no key at all.
    NothingTrusted,
    /// Nowhere to be found.
    NotFound,
    /// No source is configured for the name.
    NoSource,
    /// The source did not answer, or failed; a later attempt may work.
    Unreachable,
    /// The source refuses access.
    AccessDenied,
    /// The source is off this machine and the node is offline.
    Offline,
    /// The artifact is not a bundle of ours.
    NotABundle,
    /// The bundle carries another name than the one asked for.
    NameMismatch,
    /// The archive holds something that is never unpacked.
    UnsafeArchive,
    /// The store has no room.
    NoSpace,
    /// The store could not be read or written.
    StoreFailed,
}

impl Reason {
    /// The name, in CamelCase.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "Unsigned",
            Self::WrongKey => "WrongKey",
            Self::KeyOutOfScope => "KeyOutOfScope",
            Self::DigestMismatch => "DigestMismatch",
            Self::PayloadAltered => "PayloadAltered",
            Self::Malformed => "Malformed",
            Self::TooLarge => "TooLarge",
            Self::KeylessUnsupported => "KeylessUnsupported",
            Self::NothingTrusted => "NothingTrusted",
            Self::NotFound => "NotFound",
            Self::NoSource => "NoSource",
            Self::Unreachable => "Unreachable",
            Self::AccessDenied => "AccessDenied",
            Self::Offline => "Offline",
            Self::NotABundle => "NotABundle",
            Self::NameMismatch => "NameMismatch",
            Self::UnsafeArchive => "UnsafeArchive",
            Self::NoSpace => "NoSpace",
            Self::StoreFailed => "StoreFailed",
        }
    }

    /// Whether the same request may succeed later with nothing changed by the
    /// user: then it is worth asking again, with backoff.
    pub fn may_pass_later(self) -> bool {
        matches!(
            self,
            Self::Unsigned | Self::NotFound | Self::Unreachable | Self::NoSpace | Self::StoreFailed
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
