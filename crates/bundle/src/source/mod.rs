//! Where bundles come from and go to: registries and layouts on disk, and the way between two of them. What may not
//! enter: unpacking, and the decision whether a bundle is trusted.

pub(crate) mod challenge;
pub(crate) mod contract;
pub(crate) mod credentials;
pub(crate) mod failure;
pub(crate) mod http;
pub(crate) mod layout;
pub(crate) mod reference;
pub(crate) mod registry;
pub(crate) mod sink;
pub(crate) mod sources;
pub(crate) mod token;
pub(crate) mod transfer;
pub(crate) mod turns;
pub(crate) mod within;
