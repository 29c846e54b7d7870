//! The drivers: what carries out an effect once the kernel has allowed it.
//!
//! Each is a folder with a narrow trait, the real one, a fake beside it, and one conformance suite that
//! both pass. A driver takes a request as it stands in `aion_abi` and what it needs to know of the
//! resources in question, and answers a response or a [`Problem`](aion_abi::problem::Problem).
//!
//! What may not enter: authorisation (the kernel did that), the journal, resources of the Kubernetes API
//! (the daemon lowers them to the plain types here), a thread that blocks among the async ones, an
//! outbound connection that [`outbound`] did not judge.

#![forbid(unsafe_code)]

mod blocking;
pub mod device;
pub mod embed;
pub mod files;
pub mod memory;
pub mod model;
pub mod outbound;
mod private;
pub mod reserve;
pub mod secrets;
pub mod tool;
mod wire;

#[cfg(test)]
mod small_disk;

pub use private::{private_folder, sync_folder};
