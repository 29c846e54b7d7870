//! What every Rust file of the workspace looks like.

use std::{fs, path::Path};

use crate::{
    none, root,
    tree::{File, files},
};

/// A file about one thing fits into this.
const LINES: usize = 500;

/// Rooms that say nothing about what is in them.
const ROOMS: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "misc",
];

/// The packages that talk to the kernel of the machine, the attempts to get around them, and a guest's binding to what
/// the worker offers it.
const UNSAFE: &[&str] = &[
    "agents/analyst/src/host/binding.rs",
    "node-agent/launcher/",
    "node-agent/sandbox/",
    "node-agent/worker/",
    "tests/escape/src/kernel.rs",
];

impl File {
    /// The modules that it compiles for tests only (its own or another crate's), as paths without an extension.
    fn test_modules(&self) -> Vec<String> {
        let path = Path::new(&self.path);
        let stem = path.file_stem().unwrap().to_string_lossy();
        let folder = match stem.as_ref() {
            "lib" | "main" | "mod" => path.parent().unwrap().to_owned(),
            _ => path.with_extension(""),
        };
        let lines: Vec<&str> = self.text.lines().collect();
        let declared = lines.windows(2).filter(|pair| {
            let condition = pair[0].trim();
            condition == "#[cfg(test)]" || condition.starts_with("#[cfg(any(test,")
        });
        declared
            .filter_map(|pair| {
                let declared = pair[1].trim();
                let declared = declared.strip_prefix("pub ").unwrap_or(declared);
                declared.strip_prefix("mod ")?.strip_suffix(';')
            })
            .map(|name| folder.join(name).to_string_lossy().into_owned())
            .collect()
    }

    /// Its lines with their numbers, without what is in a comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }
}

fn sources() -> Vec<File> {
    let found = files("rs");
    assert!(found.len() > 20, "the sources were not found");
    found
}

#[test]
fn no_file_is_longer_than_its_bound() {
    let broken: Vec<String> = sources()
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(source, lines)| format!("{}: {lines} lines", source.path))
        .collect();
    none(
        &format!("a file has at most {LINES} lines; split it by what it is about"),
        &broken,
    );
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let broken: Vec<String> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path.clone())
        .collect();
    none("a file begins with //! and what the room is for", &broken);
}

/// Workspaces beside the main one take modules of it by their path, and are not built with it.
#[test]
fn a_module_that_is_taken_by_its_path_is_there() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for pair in lines.windows(2) {
            let named = pair[0].strip_prefix("#[path = \"");
            let Some(named) = named.and_then(|it| it.strip_suffix("\"]")) else {
                continue;
            };
            let folder = root().join(&source.path);
            let is_module = pair[1].contains("mod ");
            if is_module && !folder.parent().unwrap().join(named).exists() {
                broken.push(format!("{}: {named}", source.path));
            }
        }
    }
    none("a module's path leads to one", &broken);
}

#[test]
fn no_room_is_named_after_nothing() {
    let mut broken = Vec::new();
    for source in sources() {
        let parts = Path::new(&source.path).with_extension("");
        for part in parts
            .iter()
            .filter(|part| ROOMS.iter().any(|room| part == room))
        {
            broken.push(format!("{}: {}", source.path, part.to_string_lossy()));
        }
        for (line, code) in source.code() {
            let words: Vec<&str> = code.split([' ', ';', '{']).collect();
            let inline = words
                .windows(2)
                .any(|pair| pair[0] == "mod" && ROOMS.contains(&pair[1]));
            if inline {
                broken.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    none("a module is named after what is in it", &broken);
}

#[test]
fn unsafe_is_at_the_edges_and_says_why_it_is_sound() {
    let opens = [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe extern",
        "allow(unsafe_code)",
    ];
    let allowed = |path: &str| UNSAFE.iter().any(|package| path.starts_with(package));
    let mut broken = Vec::new();
    for source in sources() {
        if source.path.starts_with("crates/testkit/tests/tidy/") {
            continue;
        }
        let lines: Vec<&str> = source.text.lines().collect();
        for (line, code) in source.code() {
            if !opens.iter().any(|open| code.contains(open)) {
                continue;
            }
            if !allowed(&source.path) {
                broken.push(format!("{}:{line}: it may not be here", source.path));
            } else if code.contains("unsafe {") && !is_explained(&lines[..line]) {
                broken.push(format!("{}:{line}: no SAFETY in its function", source.path));
            }
        }
    }
    none(
        "unsafe code is in launcher, sandbox, worker, the attempts on them and a guest's binding only, with its reason",
        &broken,
    );
}

/// Whether a SAFETY comment stands between the last line and the head of its function.
fn is_explained(lines: &[&str]) -> bool {
    for line in lines.iter().rev() {
        if line.contains("SAFETY") {
            return true;
        }
        if line.contains("fn ") && !line.trim_start().starts_with("//") {
            return false;
        }
    }
    false
}

#[test]
fn nothing_is_left_for_later_in_a_comment() {
    // Put together here, else this file would be the first to break the rule.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let mut broken = Vec::new();
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            let is_word = |word: &str| marks.iter().any(|mark| mark == word);
            if line.split(|c: char| !c.is_alphanumeric()).any(is_word) {
                broken.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    none("what is missing is an issue, not a comment", &broken);
}

#[test]
fn a_test_that_is_ignored_says_why() {
    let bare = ["#[ign", "ore]"].concat();
    let mut broken = Vec::new();
    for source in sources() {
        for (line, code) in source.code().filter(|(_, code)| code.contains(&bare)) {
            broken.push(format!("{}:{line}: {}", source.path, code.trim()));
        }
    }
    none("an ignored test carries its reason", &broken);
}

#[test]
fn a_test_that_cannot_run_is_noted_for_the_summary() {
    let by_hand = ["\"SKIP", "PED"].concat();
    let mut broken = Vec::new();
    for source in sources() {
        if source.path == "crates/testkit/src/skip.rs" {
            continue;
        }
        for (line, code) in source.code().filter(|(_, code)| code.contains(&by_hand)) {
            broken.push(format!("{}:{line}: {}", source.path, code.trim()));
        }
    }
    none(
        "a test is skipped by testkit::skip, or it counts as passed",
        &broken,
    );
}

#[test]
fn no_program_knows_a_shipped_agent_by_name() {
    let agents: Vec<String> = fs::read_dir(root().join("agents"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let sources = sources();
    let tests: Vec<String> = sources.iter().flat_map(File::test_modules).collect();
    let is_program = |source: &&File| {
        let below = |module: &String| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest.starts_with(['.', '/']))
        };
        source.path.contains("src/") && !tests.iter().any(below)
    };
    let mut broken = Vec::new();
    for source in sources.iter().filter(is_program) {
        let shipped = source
            .code()
            .take_while(|(_, code)| !code.contains("#[cfg(test)]"));
        for (line, code) in shipped {
            // Whole strings: an example in a help text may speak of one.
            if code
                .split('"')
                .any(|text| agents.iter().any(|agent| agent == text))
            {
                broken.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    none("a shipped agent is one like any other", &broken);
}
