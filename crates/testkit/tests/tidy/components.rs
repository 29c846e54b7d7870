//! The components that tests run against: what has a version can be brought.

use std::fs;

use crate::{none, root};

/// What others are built or run with: `ensure` brings it where it is needed.
const TOOLS: [&str; 2] = ["go", "node"];
/// One version, several programs.
const TOGETHER: &str = "kubernetes";

#[test]
fn every_component_that_has_a_version_can_be_asked_for() {
    let read = |name: &str| fs::read_to_string(root().join("tests/components").join(name)).unwrap();
    let (ensure, versions) = (read("ensure"), read("versions"));
    let lists = ["all=(", "cluster=(", "asked=("];
    let known: Vec<&str> = ensure
        .lines()
        .filter_map(|line| lists.iter().find_map(|list| line.strip_prefix(list)))
        .flat_map(|list| list.trim_end_matches(')').split_whitespace())
        .collect();
    let components = versions
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| !TOOLS.contains(name) && *name != TOGETHER);
    let unknown = components.filter(|name| !known.contains(name));
    let unknown: Vec<String> = unknown.map(str::to_owned).collect();
    none(
        "tests/components/ensure has a version of what it does not bring",
        &unknown,
    );
}
