//! A bundle's content: made of a folder, let onto a node once it is verified, unpacked, kept, and compiled. What may
//! not enter: what a definition means, and how programs run.

pub(crate) mod admit;
pub(crate) mod archive;
pub(crate) mod build;
pub(crate) mod compiled;
pub(crate) mod image;
pub(crate) mod kept;
pub(crate) mod layer;
pub(crate) mod store;
pub(crate) mod tenants;
pub(crate) mod unpack;
pub(crate) mod vouched;
