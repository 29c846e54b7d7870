//! The daemon of a node: the kernel and its shell, the sockets of the running instances, the admin
//! interface, the source of instances. Journal and drivers are crates beside it.
//!
//! It has no capabilities, hosts no agent and runs no third-party program: what it does not trust runs in
//! a worker, which the launcher starts and which comes in through a socket like any other.

#![forbid(unsafe_code)]
// What only `cluster` asks for is built standalone, too: one set of types for both.
#![cfg_attr(not(feature = "kubernetes"), allow(dead_code))]

mod admin;
mod call;
mod callees;
mod clock;
#[cfg(feature = "kubernetes")]
mod cluster;
pub mod config;
mod devices;
mod dispatch;
mod external;
mod feed;
mod files;
mod housekeeping;
mod instance;
mod instances;
mod kernel_trace;
mod keys;
mod lanes;
pub mod launching;
mod logs;
pub mod machine;
mod modules;
mod mounts;
mod network;
mod node;
mod pushes;
mod run;
mod secret;
mod server;
mod shares;
mod shell;
mod telemetry;
mod traces;
mod triggers;
mod turns;
mod workers;

pub use clock::Clock;
pub use config::Config;
pub use node::{Node, NodeError, Options};
pub use run::{RunError, run};
