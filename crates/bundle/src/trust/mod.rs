//! Who vouches for a bundle: keys, signatures, and the verdict over them. What may not enter: network, and any byte of
//! a bundle's content.

pub(crate) mod dsse;
pub(crate) mod key;
pub(crate) mod sealed;
pub(crate) mod set;
pub(crate) mod verdict;
pub(crate) mod verify;
