//! One layer of an image: what it does to the layers below it, read from an archive that may mean harm. What may not
//! enter: other layers, the network, and where files are kept.

pub(crate) mod extension;
pub(crate) mod index;
pub(crate) mod packing;
pub(crate) mod path;
pub(crate) mod read;
