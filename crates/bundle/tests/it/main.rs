//! The crate from outside: signatures, sources, the store, and the real Cosign
//! and registries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admit;
mod attestations;
mod budget;
mod build;
mod cosign;
mod covered;
mod crash;
mod fixture;
mod hostile;
mod image;
mod image_refused;
mod images;
mod keyless;
mod keyless_malformed;
mod mutants;
mod no_space;
mod process;
mod real;
mod room;
mod sources;
mod steps;
mod tenants;
mod verify;
