//! Every launcher against the real thing, so that what a test builds on is known
//! to work. Where a component is missing its test is skipped by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod artifact;
mod control_plane;
mod cosign;
mod mcp;
mod model;
mod process;
mod registry;
