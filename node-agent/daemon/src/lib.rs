//! The daemon of a node: the kernel and its shell, the sockets of the running instances, the admin
//! interface, the source of instances, the drivers.
//!
//! It has no capabilities, hosts no agent and runs no third-party program: what it does not trust runs in
//! a worker, which the launcher starts and which comes in through a socket like any other.

#![forbid(unsafe_code)]

pub mod drivers;
pub mod journal;
