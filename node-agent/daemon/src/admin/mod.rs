//! The admin and invoke interface: what people's tools say to this node, over a Unix socket of mode 0600
//! or, in a cluster, over TCP behind the API server's word on who may.
//!
//! What may not enter: syscalls (they have sockets of their own), decisions of the kernel, rules about
//! resources.

mod access;
mod agents;
mod answer;
mod approvals;
mod audit;
mod devices;
mod events;
mod held;
mod keys;
mod leaving;
mod memory;
mod metrics;
mod mounts;
mod page;
mod programs;
mod proposals;
mod pushes;
mod queues;
mod rejections;
mod resources;
mod router;
#[cfg(test)]
mod serve_tests;
mod status;
mod tools;
mod triggers;
mod turns;
mod unix;
mod usage;
mod why;

pub(crate) use access::{Access, Peer};
#[cfg(feature = "kubernetes")]
pub(crate) use access::{Asked, Reviewer};
pub(crate) use leaving::Leaving;
pub(crate) use router::{Admin, router};
pub(crate) use unix::serve_unix;
