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

mod artifact;
mod content;
mod file;
mod recent;
mod room;
mod source;
mod trust;

pub use aion_abi::{reason::Reason, runtime::Runtime};
pub use artifact::digest::{Digest, NotADigest};
pub use artifact::image;
pub use artifact::limits::Limits;
pub use artifact::manifest;
pub use artifact::manifest::BundleConfig;
pub use artifact::name::{BundleName, MAX_NAME, NamePattern, NotAName};
pub use content::admit::{AdmitError, Admitted, BundleRef, Recalled};
pub use content::archive::UnpackError;
pub use content::build::{
    BuildError, Built, build,
    image::{base, bring},
    recipe::{Base, BasePlace, Program, RECIPE, program},
};
pub use content::compiled::Compiled;
pub use content::image::{error::ImageError, kept::Image, user::ImageUser};
pub use content::store::{Content, Store, StoreError, Stored};
pub use room::Room;
pub use source::contract::{Answer, Payload, Referrers, Source, Target, read_blob, save_blob};
pub use source::credentials::{Credentials, CredentialsError, DockerConfig};
pub use source::failure::SourceError;
pub use source::layout::Layout;
pub use source::reference::{NotAReference, Reference};
pub use source::registry::{Registry, RegistryAccess};
pub use source::sink::Sink;
pub use source::sources::{Mirrors, Place, RuleError, SourceRule, Sources};
pub use source::transfer::{
    Signatures, attach, attach_document, attached, copy, evidence, signatures,
};
pub use source::within::Within;
pub use trust::attestation::{BuiltBy, Provenance, Requirement, Rule, Sbom, Scan, Scanned};
pub use trust::blob::{BlobRefusal, MAX_BLOB, verify_blob, verify_blob_by_certificate};
pub use trust::identity::{IdentityPattern, TrustedIdentity};
pub use trust::inspect::{Claims, Logged, Maker, Package, claims};
pub use trust::key::{KeyError, SigningKey};
pub use trust::keyless::Holder;
pub use trust::refusal::{Lacking, Refusal};
pub use trust::revoked::Revoked;
pub use trust::root::{MAX_TRUST_ROOT, RootError, TrustRoot};
pub use trust::set::{TrustError, TrustSet, TrustedKey};
pub use trust::verdict::{Attested, Grade, PassedOver, Signer, Verdict};
pub use trust::verify::{
    Candidate, MAX_ATTACHED, MAX_ATTACHED_BYTES, MAX_SIGNATURE, MAX_SIGNATURE_BYTES,
    MAX_SIGNATURES, attested, verify,
};
