//! What the end-to-end tests share: the programs under test, as cargo built them.
//! The tests themselves are under `tests/`, one file a story.

mod belongings;
pub mod cluster;
pub mod guest;
pub mod launcher_double;
pub mod local;
pub mod node;
pub mod node_agent;
pub mod node_double;
pub mod operator;
pub mod outcome;
pub mod standalone;
pub mod story;

use std::{env, path::PathBuf};

use anyhow::Context;

/// The program of that name (`aion-node`, `aion-launcher`, `aion-worker`, `aionctl`,
/// `aion-operator`) beside the running test.
///
/// # Errors
/// When it has not been built: `cargo test` makes no program of another package.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let test = env::current_exe().context("cannot find the running test")?;
    // target/debug/deps/test-0123
    let folder = test
        .ancestors()
        .nth(2)
        .context("the running test is in no folder")?;
    let program = folder.join(name);
    anyhow::ensure!(
        program.is_file(),
        "{} does not exist; `make test` builds it (`cargo build --workspace --bins`, and once more in node-agent/compiler)",
        program.display()
    );
    Ok(program)
}
