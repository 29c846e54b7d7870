//! What the end-to-end tests share: the programs under test, as cargo built them.
//! The tests themselves are under `tests/`, one file a story.

pub mod bare_writes;
mod belongings;
pub mod cluster;
pub mod crowd;
pub mod elsewhere;
pub mod gateways;
pub mod guest;
pub mod launcher_double;
pub mod local;
pub mod node;
pub mod node_agent;
pub mod node_double;
pub mod npm;
pub mod operator;
pub mod outcome;
pub mod programs;
pub mod standalone;
pub mod story;
pub mod world;

use std::{env, path::PathBuf};

use anyhow::Context;

/// The program of that name (`aion-node`, `aion-launcher`, `aion-worker`, `aionctl`,
/// `aion-operator`) beside the running one.
///
/// # Errors
/// When it has not been built: `cargo test` makes no program of another package.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let running = env::current_exe().context("cannot find the running program")?;
    let mut folders = running.ancestors().skip(1);
    // A test is target/debug/deps/test-0123.
    let folder = folders
        .find(|folder| !folder.ends_with("deps"))
        .context("the running program is in no folder")?;
    let program = folder.join(name);
    anyhow::ensure!(
        program.is_file(),
        "{} does not exist; `make test` builds it (`cargo build --workspace --bins`, and once more in node-agent/compiler)",
        program.display()
    );
    Ok(program)
}
