//! The rules of the house, checked: who may depend on whom, and what a source file
//! looks like. A rule that nobody checks is not a rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod compiler;
mod components;
mod edges;
mod faults;
mod links;
mod rooms;
mod sources;
mod tree;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// What a cargo command writes to standard output.
fn cargo(args: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(args)
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {said}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with all that is wrong, one a line, rather than with the first.
fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}\n", broken.join("\n  "));
}
