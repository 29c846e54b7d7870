//! The sandbox, as everybody who has a part in it sees it: what the daemon asks of the launcher, what is known
//! of each layer, how a worker shuts itself in, and what its end means.
//!
//! | module | for | what |
//! |---|---|---|
//! | [`protocol`], [`wire`] | daemon, launcher | the messages between the two, and packets |
//! | [`plan`] | launcher, worker | the messages between those two |
//! | [`exit`], [`LayerReading`] | everybody | exit codes; layers and their states |
//! | [`confine`] | every confined program | [`hold`]: confining itself, up to its gate |
//! | `client` (feature) | the daemon | `Client`; a feature, since it needs a runtime and nobody else does |
//!
//! What may not enter: anything that needs a privilege. Making namespaces, cgroups and processes, and reading
//! back what is in force, is `node-agent/launcher`.

#[cfg(feature = "client")]
pub mod client;
pub mod confine;
pub mod exit;
mod layer;
pub mod plan;
pub mod protocol;
pub mod wire;

pub use aion_abi::layer::Layer;
#[cfg(feature = "client")]
pub use client::{Client, ClientError, StartFds, Started, Told};
pub use confine::{Held, HoldError, MAX_BOOT, MAX_MODULE, hold};
pub use layer::{LayerReading, LayerState};
