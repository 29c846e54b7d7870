//! The table of faults that were found once: each has a test that fails where it is there again, and the test is there.

use std::{collections::BTreeMap, fs};

use crate::{
    none, root,
    tree::{File, files},
};

/// The folder of each package, from the root.
fn packages() -> BTreeMap<String, String> {
    let manifests = files("toml");
    let manifests = manifests
        .iter()
        .filter(|it| it.path.ends_with("/Cargo.toml"));
    manifests
        .filter_map(|it| {
            let name = it
                .text
                .lines()
                .find_map(|line| line.strip_prefix("name = "))?;
            let folder = it.path.strip_suffix("/Cargo.toml")?;
            Some((name.trim_matches('"').to_owned(), folder.to_owned()))
        })
        .collect()
}

#[test]
fn each_fault_of_the_table_has_tests_that_are_there() {
    let (packages, sources) = (packages(), files("rs"));
    let table = fs::read_to_string(root().join("tests/faults/table")).unwrap();
    let (mut broken, mut tests) = (Vec::new(), BTreeMap::<usize, usize>::new());
    for line in table.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(fault) = line.strip_prefix('F') {
            let number = fault.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(tests.insert(number, 0), None, "{line}");
            continue;
        }
        let [package, target, test] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("no package, target and test: {line}");
        };
        *tests.last_entry().unwrap().get_mut() += 1;
        let folder = packages.get(package).cloned().unwrap_or_default();
        let place = match target {
            "unit" => format!("{folder}/src/"),
            target => format!("{folder}/tests/{target}"),
        };
        let name = test.rsplit("::").next().unwrap();
        let begun = format!("fn {name}(");
        let there = |it: &File| it.path.starts_with(&place) && it.text.contains(&begun);
        let there = sources.iter().any(there);
        if !there {
            broken.push(format!("{package} {target}: no {test}"));
        }
    }
    none("tests that tests/faults/table names", &broken);
    assert!(tests.keys().copied().eq(1..=23), "{:?}", tests.keys());
    let untested = tests.iter().filter(|(_, count)| **count == 0);
    let untested: Vec<String> = untested.map(|(number, _)| format!("F{number}")).collect();
    none("faults without a test", &untested);
    let told = fs::read_to_string(root().join("tests/faults/README.md")).unwrap();
    for number in tests.keys() {
        assert!(told.contains(&format!("| F{number} |")), "F{number}");
    }
}
