//! The privileged side of the node agent: starts confined workers, reads back
//! what the kernel enforces and tells how they end. No network, no resource, no
//! configuration format of anyone else's: it parses its own protocol and its own
//! two profiles.
//!
//! | feature | for | what |
//! |---|---|---|
//! | none | everyone | [`protocol`], [`wire`], layers and exit codes |
//! | `client` | the daemon | [`Client`] |
//! | `confine` | the worker | [`hold`]: confining itself, up to its gate |
//! | `server` | the launcher's own binary | starting, reading back, adopting |

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "confine")]
mod confine;
pub mod exit;
mod layer;
pub mod protocol;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;

#[cfg(feature = "client")]
pub use client::{Client, ClientError, StartFds, Started};
#[cfg(feature = "confine")]
pub use confine::{Held, HoldError, MAX_BOOT, MAX_MODULE, hold};
pub use layer::{Layer, LayerName, LayerState};
