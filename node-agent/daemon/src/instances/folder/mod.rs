//! Standalone: the resources of a folder of manifests, resolved by the same code as a cluster's.
//!
//! One owner of the folder: applying writes one file an object; files that people edit by hand are noticed
//! and taken in, and a broken one changes nothing but a line in the log. What may not enter: workers and
//! turns; rules about resources, which are `aion-resolve`'s.

mod agents;
mod files;
mod going;
mod manifests;
mod objects;
mod rejection;
mod source;
mod standings;
#[cfg(test)]
mod tests;
mod watch;
mod world;

pub(crate) use manifests::{FolderError, ObjectKey};
pub(crate) use source::{Folder, NodeFacts};
