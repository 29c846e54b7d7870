//! The compiler's workspace: it stands beside the one that the worker is in, so that cargo never unites what the two
//! ask for, and uses the same versions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

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

/// What is built beside the workspace's programs, and in none of them.
const AHEAD: &str = "compiler-ahead";

#[test]
fn no_command_links_a_code_generator_into_the_worker() {
    // Of the whole workspace, since cargo may build all of it together.
    let all = ["--workspace", "--all-features", "--edges=all"];
    let workspace = named(&all);
    let members = named(&["--workspace", "--depth=0"]);
    assert!(members.contains("aion-worker") && members.contains(AHEAD));
    let mut broken = Vec::new();
    for name in GENERATOR {
        if !workspace.contains(*name) {
            continue;
        }
        // Up to the members of the workspace that need it, whichever way.
        let needed_by = named(&[&all[..], &["--invert", name]].concat());
        let members = needed_by.intersection(&members).filter(|it| *it != AHEAD);
        broken.extend(members.map(|member| format!("{member} is built from {name}")));
        assert!(needed_by.contains(AHEAD), "{name}: {needed_by:?}");
    }
    none("the code generator is the compiler's alone", &broken);
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
fn other_workspaces_are_locked_to_the_versions_of_the_first() {
    let workspace = locked("Cargo.lock");
    let lines: BTreeSet<String> = workspace.iter().map(|it| line(it)).collect();
    for (other, at_least) in [
        ("node-agent/compiler/Cargo.lock", 50),
        ("tests/fuzz/Cargo.lock", 50),
        ("agents/analyst/Cargo.lock", 25),
    ] {
        let (shared, broken): (Vec<_>, Vec<_>) = locked(other)
            .into_iter()
            .filter(|it| lines.contains(&line(it)))
            .partition(|it| workspace.contains(it));
        none(
            "a package has one version in all lock files; cargo update --precise brings them together",
            &broken,
        );
        assert!(
            shared.len() > at_least,
            "{other}: {} packages in both",
            shared.len()
        );
    }
}

/// What the worker's engine and the compiler's must not share.
const TWICE: &[&str] = &[
    "aion-abi",
    "aion-sandbox",
    "wasmtime",
    "wasmtime-internal-unwinder",
];

/// Each package of a tree as `name version`, with the sets of features that it is built with.
fn features(arguments: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let fixed = ["tree", "--prefix=none", "--edges=normal,build"];
    let tree = cargo(&[&fixed[..], &["--format={p}|{f}"], arguments].concat());
    let mut packages = BTreeMap::<_, BTreeSet<_>>::new();
    for (package, features) in tree.lines().filter_map(|line| line.split_once('|')) {
        let name: Vec<&str> = package.split(' ').take(2).collect();
        let features = features.trim_end_matches(" (*)").to_owned();
        packages.entry(name.join(" ")).or_default().insert(features);
    }
    packages
}

#[test]
fn what_both_workspaces_build_is_built_once() {
    let node = features(&[
        "--package=aion-daemon",
        "--package=aion-launcher",
        "--package=aion-worker",
        "--package=aion-gateway",
        "--package=aion-cli",
        "--package=compiler-ahead",
    ]);
    let compiler = features(&["--manifest-path", MANIFEST]);
    let (mut twice, mut broken) = (BTreeSet::new(), Vec::new());
    for (package, asked) in &compiler {
        let Some(there) = node.get(package) else {
            continue;
        };
        let name = package.split(' ').next().unwrap();
        let again: Vec<&String> = asked.difference(there).collect();
        if !again.is_empty() && !TWICE.contains(&name) {
            broken.push(format!("{package}: node {there:?}, compiler {again:?}"));
        }
        if !again.is_empty() {
            twice.insert(name);
        }
    }
    let once = TWICE.iter().filter(|name| !twice.contains(**name));
    broken.extend(once.map(|name| format!("{name} is built once by now: take it out of TWICE")));
    none(
        "both workspaces ask a package for the same features; crates/workspace-hack/Cargo.toml makes them equal",
        &broken,
    );
}
