//! The daemon of a node: the kernel and its shell, the sockets of the running instances, the admin
//! interface, the source of instances, the drivers.
//!
//! It has no capabilities, hosts no agent and runs no third-party program: what it does not trust runs in
//! a worker, which the launcher starts and which comes in through a socket like any other.

#![forbid(unsafe_code)]

pub mod admin;
mod clock;
#[cfg(feature = "kubernetes")]
pub mod cluster;
pub mod config;
pub mod dispatch;
pub mod drivers;
mod files;
mod housekeeping;
pub mod instances;
pub mod journal;
mod lanes;
pub mod machine;
pub mod mounts;
pub mod node;
pub mod secret;
pub mod server;
pub mod shell;
pub mod telemetry;
mod traces;
pub mod turns;
pub mod workers;

pub use clock::Clock;
pub use config::Config;
pub use node::{Node, NodeError, Options};
