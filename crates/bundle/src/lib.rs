//! Bundles of agents: built, signed, fetched, verified and unpacked.
//!
//! A bundle is an OCI artifact that is signed with Cosign and referred to by
//! digest. [`build`] makes one from a folder, [`SigningKey`] and [`attach`]
//! sign it, [`copy`] moves it between [`Layout`]s and [`Registry`]s with its
//! signatures, and [`Store::admit`] lets it onto a node once [`verify`] says
//! who vouches for it.
//!
//! *Invariant:* nothing of a bundle but its manifest is read before its
//! signature is verified, and verification reads neither network nor disk.
//!
//! What is not here: what a definition means, who may use a bundle, how
//! programs run.

mod admit;
mod build;
mod challenge;
mod compiled;
mod credentials;
mod digest;
mod dsse;
mod entry_path;
mod file;
mod http;
mod kept;
mod key;
mod layout;
mod limits;
pub mod manifest;
mod name;
mod oci;
mod reason;
mod reference;
mod registry;
mod sealed;
mod sink;
mod source;
mod sources;
mod store;
mod token;
mod transfer;
mod trust;
mod unpack;
mod verdict;
mod verify;
mod within;

pub use admit::{AdmitError, Admitted, BundleRef, Recalled};
pub use build::{BuildError, Built, RECIPE, build};
pub use compiled::Compiled;
pub use credentials::{Credentials, CredentialsError};
pub use digest::{Digest, NotADigest};
pub use key::{KeyError, SigningKey};
pub use layout::Layout;
pub use limits::Limits;
pub use manifest::{BundleConfig, Runtime};
pub use name::{BundleName, MAX_NAME, NamePattern, NotAName};
pub use reason::Reason;
pub use reference::{NotAReference, Reference};
pub use registry::{Registry, RegistryAccess};
pub use sink::{Sink, read_blob, save_blob};
pub use source::{Answer, Payload, Source, SourceError, Target};
pub use sources::{Mirrors, Place, RuleError, SourceRule, Sources, SourcesError};
pub use store::{Store, StoreError, Stored};
pub use transfer::{Signatures, attach, copy, signatures};
pub use trust::{TrustError, TrustSet, TrustedKey};
pub use unpack::UnpackError;
pub use verdict::{Grade, PassedOver, Signer, Verdict};
pub use verify::{Candidate, MAX_SIGNATURE, MAX_SIGNATURE_BYTES, MAX_SIGNATURES, Refusal, verify};
pub use within::Within;
