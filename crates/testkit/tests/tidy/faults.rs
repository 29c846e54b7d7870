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

/// Whether a test of this path is in the program whose modules lie in `place`, or which is the file of that name alone.
fn is_there(sources: &[File], place: &str, test: &str) -> bool {
    let mut modules: Vec<&str> = test.split("::").collect();
    let name = modules.pop().unwrap();
    // As far as modules are files; the rest are blocks in the last one, or files that it names by `#[path]`.
    (0..=modules.len()).rev().any(|depth| {
        let (outer, inner) = modules.split_at(depth);
        let at = [&[place], outer].concat().join("/");
        let mut names = vec![format!("{at}.rs"), format!("{at}/mod.rs")];
        if outer.is_empty() {
            names.extend(["lib", "main"].map(|it| format!("{at}/{it}.rs")));
        }
        let mut found = sources.iter().filter(|it| names.contains(&it.path));
        found.any(|it| holds(sources, it, inner, name))
    })
}

/// Whether `file` has this test in these modules within it.
fn holds(sources: &[File], file: &File, modules: &[&str], name: &str) -> bool {
    let Some((first, inner)) = modules.split_first() else {
        return tests(&file.text).any(|it| it == name);
    };
    let block = format!("mod {first} {{");
    if let Some((_, rest)) = file.text.split_once(&block) {
        let within = File {
            path: file.path.clone(),
            text: rest.to_owned(),
        };
        return holds(sources, &within, inner, name);
    }
    let elsewhere = format!("\"]\nmod {first};");
    let Some((before, _)) = file.text.split_once(&elsewhere) else {
        return false;
    };
    let beside = before.rsplit_once("#[path = \"").map(|(_, it)| it);
    let folder = file.path.rsplit_once('/').map(|(folder, _)| folder);
    let Some((beside, folder)) = beside.zip(folder) else {
        return false;
    };
    let path = format!("{folder}/{beside}");
    let mut found = sources.iter().filter(|it| it.path == path);
    found.any(|it| holds(sources, it, inner, name))
}

/// The functions that are tests, by the attributes above them, as far as the next module within.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    let lines = text.lines().map(str::trim);
    let own = lines.take_while(|line| !(line.starts_with("mod ") && line.ends_with('{')));
    own.filter_map(move |line| {
        if line.starts_with("#[") || line.starts_with("//") {
            is_test |= line == "#[test]" || line.starts_with("#[") && line.contains("::test");
            return None;
        }
        let (_, begun) = line.split_once("fn ").filter(|_| is_test)?;
        is_test = false;
        begun.split(['(', '<']).next()
    })
}

#[test]
fn a_test_is_looked_for_in_the_module_that_its_path_names() {
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let sources = [
        file("x/src/lib.rs", "mod a;\nmod b;\n"),
        file(
            "x/src/a.rs",
            "mod tests {\n #[test]\n fn holds() {}\n fn no_test() {}\n}\n",
        ),
        file(
            "x/src/b/mod.rs",
            "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;\n",
        ),
        file(
            "x/src/b/b_tests.rs",
            "#[tokio::test]\nasync fn waits() {}\n",
        ),
        file("x/tests/one.rs", "#[test]\n#[cfg(unix)]\nfn alone() {}\n"),
        file("x/tests/many/main.rs", "mod part;\n"),
        file("x/tests/many/part.rs", "#[test]\nfn first() {}\n"),
    ];
    for (place, test) in [
        ("x/src", "a::tests::holds"),
        ("x/src", "b::tests::waits"),
        ("x/tests/one", "alone"),
        ("x/tests/many", "part::first"),
    ] {
        assert!(is_there(&sources, place, test), "{test}");
    }
    for (place, test) in [
        ("x/src", "holds"),
        ("x/src", "b::tests::holds"),
        ("x/src", "a::holds"),
        ("x/src", "a::tests::no_test"),
        ("x/tests/one", "part::alone"),
        ("x/tests/many", "first"),
    ] {
        assert!(!is_there(&sources, place, test), "{test}");
    }
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
            "unit" => format!("{folder}/src"),
            target => format!("{folder}/tests/{target}"),
        };
        if !is_there(&sources, &place, test) {
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
