//! Why a bundle is not admitted, by stable name: the reason of the condition `Verified=False`, the label of a metric,
//! the type of an event. A name is never changed or given a second meaning. Which fault has which reason may not
//! enter; that is the business of `aion-bundle`.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Why a bundle was not admitted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name, in CamelCase.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

reasons! {
    /// No signature refers to the bundle.
    Unsigned,
    /// There are signatures, none by a key that is trusted.
    UntrustedKey,
    /// A trusted key signed, but it is not trusted for this name or digest.
    KeyOutOfScope,
    /// A signature by a certificate is in order, and its holder is no identity that is trusted.
    UntrustedIdentity,
    /// A trusted identity signed, but it is not trusted for this name or digest.
    IdentityOutOfScope,
    /// The certificate of a signature is not of an authority of the trust root, did not count when it was used, or was
    /// not logged.
    BadCertificate,
    /// Nothing that is trusted shows when a signature by a certificate was made.
    BadTimestamp,
    /// Nothing that is trusted shows that a signature by a certificate was logged.
    NotLogged,
    /// What was read, or what was signed, has another digest.
    DigestMismatch,
    /// A signature does not fit the statement it comes with.
    BadSignature,
    /// Not in the form it claims to have.
    Malformed,
    /// Larger than the limits allow.
    TooLarge,
    /// A TrustPolicy revokes the bundle, or all who signed it.
    Revoked,
    /// Nobody who may has attested something that a TrustPolicy requires.
    AttestationMissing,
    /// Another builder made it than a TrustPolicy allows.
    BuilderNotAllowed,
    /// It is built from another source than a TrustPolicy allows.
    SourceNotAllowed,
    /// It was scanned for vulnerabilities longer ago than a TrustPolicy allows.
    ScanTooOld,
    /// A scan found something worse in it than a TrustPolicy allows.
    SeverityTooHigh,
    /// The trust root of a TrustPolicy cannot be used, and nobody else is trusted.
    TrustRootUnusable,
    /// No key and no identity is trusted at all.
    NoTrustPolicy,
    /// It was found nowhere.
    BundleNotFound,
    /// No source is configured for the name.
    NoSource,
    /// A registry does not answer, or fails.
    RegistryUnavailable,
    /// A registry refuses access.
    AccessDenied,
    /// The registry is off this machine and the node is offline.
    Offline,
    /// The artifact is not a bundle of ours.
    NotABundle,
    /// The bundle carries another name than the one asked for.
    NameMismatch,
    /// The archive breaks a rule for unpacking.
    BadArchive,
    /// The image is for other machines than this one.
    WrongArchitecture,
    /// A layer of the image is of a kind that is not unpacked.
    UnsupportedLayer,
    /// The image says no program to run.
    NoEntrypoint,
    /// The program of the image, or what interprets it, is not in it.
    EntrypointNotFound,
    /// The user or group of the image is not in its own lists of them.
    UserNotFound,
    /// The store has no room.
    NoSpace,
    /// The store cannot be read or written.
    StoreFailed,
}

impl Reason {
    /// Whether the same request may succeed later with nothing changed here:
    /// then it is worth asking again, with backoff.
    #[must_use]
    pub fn may_pass_later(self) -> bool {
        matches!(
            self,
            Self::Unsigned
                | Self::AttestationMissing
                | Self::ScanTooOld
                | Self::SeverityTooHigh
                | Self::BadTimestamp
                | Self::TrustRootUnusable
                | Self::BundleNotFound
                | Self::RegistryUnavailable
                | Self::NoSpace
                | Self::StoreFailed
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
