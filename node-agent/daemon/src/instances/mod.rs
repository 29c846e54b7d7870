//! The instances that this node is to have: where they come from, what is needed before they can run,
//! what is said about them.
//!
//! [`InstanceSource`] is the folder of manifests or the Kubernetes API; the [`keeper`] prepares what it
//! gives (trust, bundle), tells the kernel, and writes the status up. What may not enter: turns, workers,
//! syscalls.

pub mod folder;
mod instance;
mod keeper;
mod prepare;
mod source;
mod status;
mod turn_rights;

pub use folder::Folder;
pub use instance::{Instance, Instances, Prepared};
pub use keeper::{Keeper, Standing, Standings};
pub use prepare::{PrepareError, Preparer};
pub use source::{Change, InstanceSource, SourceError};
pub(crate) use status::layer_of;
