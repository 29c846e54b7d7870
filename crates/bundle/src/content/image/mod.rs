//! A container image on a node: its layers become one root file system, and its configuration what is run there. What may
//! not enter: how it is run.

pub(crate) mod admit;
pub(crate) mod command;
pub(crate) mod compose;
pub(crate) mod error;
pub(crate) mod kept;
pub(crate) mod layers;
pub(crate) mod tree;
pub(crate) mod user;
pub(crate) mod write;
