//! What a bundle is: its name and digest, the documents that describe it, and the bounds it is held to. What may
//! not enter: files, network, keys.

pub(crate) mod digest;
pub(crate) mod document;
pub(crate) mod entry_path;
pub mod image;
pub(crate) mod limits;
pub mod manifest;
pub(crate) mod name;
pub(crate) mod oci;
pub(crate) mod platform;
