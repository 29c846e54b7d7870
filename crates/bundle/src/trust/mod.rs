//! Who vouches for a bundle: keys, identities, signatures, what has to be attested, and the verdict over them. What may not enter: network, and any byte of
//! a bundle's content.

pub(crate) mod attestation;
pub(crate) mod blob;
pub(crate) mod dsse;
pub(crate) mod fault;
pub(crate) mod identity;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod keyless;
pub(crate) mod refusal;
pub(crate) mod required;
pub(crate) mod revoked;
pub(crate) mod root;
pub(crate) mod scope;
pub(crate) mod sealed;
pub(crate) mod set;
pub(crate) mod verdict;
pub(crate) mod verify;
