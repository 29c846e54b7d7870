//! What a cluster is given, before a real API server with the operator beside it: one control plane for all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admission;
mod admission_devices;
mod agents;
mod finalizers;
mod gitops;
mod lost;
mod resources;
mod roles;
mod stories;
mod trouble;
mod unreadable;
