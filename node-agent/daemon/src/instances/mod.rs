//! The instances that this node is to have: where they come from, what is needed before they can run,
//! what is said about them.
//!
//! [`InstanceSource`] is the folder of manifests or the Kubernetes API; the [`keeper`] prepares what it
//! gives (trust, bundle), tells the kernel, and writes the status up. What may not enter: how a turn runs,
//! workers, syscalls. What an agent leaves is erased by `traces`; what a turn may do is said by `turns`.

mod alike;
#[cfg(feature = "kubernetes")]
pub(crate) mod cluster;
mod damped;
mod device_standings;
mod fetch;
pub(crate) mod folder;
mod keeper;
mod kept;
mod prepare;
mod release;
mod shared;
mod source;
mod standings;
mod status;
mod telling;

pub(crate) use fetch::Fetcher;
pub(crate) use folder::Folder;
pub(crate) use keeper::Keeper;
pub(crate) use prepare::{Before, Meanwhile, PrepareError, Preparer};
pub(crate) use source::{Change, InstanceSource, SourceError};
pub(crate) use standings::{Standing, Standings};

use aion_abi::layer::Layer;
use aion_api::program::Runtime;

use crate::launching::stands;

/// The runtimes that a node has on which these layers are enforced.
pub(crate) fn runtimes(enforced: &[Layer]) -> Vec<Runtime> {
    let mut runtimes = Runtime::ALL.to_vec();
    runtimes.retain(|it| *it != Runtime::Process || stands(enforced));
    runtimes
}
