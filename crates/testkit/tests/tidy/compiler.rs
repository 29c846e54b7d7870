//! The compiler's workspace: it stands beside the one that the worker is in, so that cargo never unites what the two
//! ask for, and uses the same versions.

use std::{collections::BTreeSet, fs};

use crate::{cargo, none, root};

const MANIFEST: &str = "node-agent/compiler/Cargo.toml";

/// What a code generator is made of.
const GENERATOR: &[&str] = &[
    "cranelift-codegen",
    "cranelift-frontend",
    "regalloc2",
    "wasmtime-internal-cranelift",
];

/// Everything that a tree names.
fn named(arguments: &[&str]) -> BTreeSet<String> {
    let fixed = ["tree", "--prefix=none", "--format={p}"];
    let tree = cargo(&[&fixed[..], arguments].concat());
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// The packages of a lock file, each as `name version checksum`.
fn locked(path: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let field = |package: &str, name: &str| {
        let start = format!("{name} = \"");
        let line = package.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or("", |rest| rest.trim_end_matches('"'))
            .to_owned()
    };
    let packages = text.split("[[package]]").skip(1);
    packages
        .map(|it| ["name", "version", "checksum"].map(|name| field(it, name)))
        .map(|fields| fields.join(" "))
        .collect()
}

#[test]
fn no_command_links_a_code_generator_into_the_worker() {
    let workspace = named(&["--workspace", "--all-features", "--edges=all"]);
    let broken: Vec<String> = GENERATOR
        .iter()
        .filter(|name| workspace.contains(**name))
        .map(|name| format!("the workspace is built from {name}"))
        .collect();
    none(
        "the code generator is in the compiler's workspace alone",
        &broken,
    );
    // The names are those that such a crate has.
    let compiler = named(&["--manifest-path", MANIFEST]);
    assert!(GENERATOR.iter().all(|name| compiler.contains(*name)));
}

#[test]
fn the_compiler_holds_the_sandbox_and_nothing_privileged() {
    let compiler = named(&["--manifest-path", MANIFEST]);
    let ours: Vec<&String> = compiler
        .iter()
        .filter(|it| it.starts_with("aion-"))
        .collect();
    assert_eq!(
        ours,
        ["aion-abi", "aion-compiler", "aion-engine", "aion-sandbox"]
    );
    assert!(!compiler.contains("tokio"));
}

/// A package and the part of its version that a requirement allows no step from: `rustix 1`, `landlock 0.4`.
fn line(package: &str) -> String {
    let mut fields = package.split(' ');
    let (name, version) = (fields.next().unwrap(), fields.next().unwrap());
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let version: Vec<&str> = version.split('.').take(parts).collect();
    format!("{name} {}", version.join("."))
}

#[test]
fn the_compiler_is_locked_to_the_versions_of_the_workspace() {
    let workspace = locked("Cargo.lock");
    let lines: BTreeSet<String> = workspace.iter().map(|it| line(it)).collect();
    let compiler = locked("node-agent/compiler/Cargo.lock");
    let (shared, broken): (Vec<_>, Vec<_>) = compiler
        .into_iter()
        .filter(|it| lines.contains(&line(it)))
        .partition(|it| workspace.contains(it));
    none(
        "a package has one version in both lock files; cargo update --precise brings them together",
        &broken,
    );
    assert!(shared.len() > 50, "{} packages in both", shared.len());
}
