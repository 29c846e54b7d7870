//! The daemon of a node: the kernel and its shell, the sockets of the running instances, the admin
//! interface, the source of instances. Journal and drivers are crates beside it.
//!
//! It has no capabilities, hosts no agent and runs no third-party program: what it does not trust runs in
//! a worker, which the launcher starts and which comes in through a socket like any other.

#![forbid(unsafe_code)]

pub mod admin;
pub mod call;
mod clock;
#[cfg(feature = "kubernetes")]
pub mod cluster;
pub mod config;
pub mod dispatch;
mod files;
mod housekeeping;
pub mod instance;
pub mod instances;
mod lanes;
pub mod launching;
pub mod logs;
pub mod machine;
pub mod modules;
pub mod mounts;
pub mod node;
mod run;
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
pub use run::{RunError, run};
