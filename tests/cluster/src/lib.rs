//! AION-OS on a whole cluster, installed from its charts and images as its users do. The
//! stories are under `tests/`; no crate of AION-OS may enter, only its images and charts.
//!
//! For tests: what does not happen panics with what was seen last.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod agents;
mod bundles;
mod certificate;
mod installed;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use installed::{Installed, installed};

/// How long anything is waited for: a machine that is busy compiling needs minutes.
pub const BOUND: Duration = Duration::from_secs(180);

/// What releases and their agents are in.
pub const SYSTEM: &str = "aion-system";

/// The namespace of the stories' agents.
pub const HOME: &str = "home";

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where `make images` leaves archives and programs.
#[must_use]
pub fn images() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/test-0123
    test.ancestors().nth(3).unwrap().join("images")
}
