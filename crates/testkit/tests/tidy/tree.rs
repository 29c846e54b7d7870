//! Which files are the project's: what git would take, in a clone with everything that was built in it and in a
//! source archive without git.

use std::{fs, path::Path};

use ignore::WalkBuilder;

use crate::root;

/// A text file of the project: its path from the root, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The project's files whose names end in `.extension`, by path.
pub(crate) fn files(extension: &str) -> Vec<File> {
    files_of(&root(), extension)
}

fn files_of(root: &Path, extension: &str) -> Vec<File> {
    let mut walk = WalkBuilder::new(root);
    // The project's own .gitignore decides: neither the user's settings nor a folder above it, where a clone may lie.
    walk.require_git(false)
        .git_global(false)
        .git_exclude(false)
        .parents(false)
        .ignore(false);
    // Cargo marks what it fills, also where CARGO_TARGET_DIR names another folder in here. What the corpus holds
    // is input, in any encoding.
    walk.filter_entry(|entry| {
        let path = entry.path();
        !path.join("CACHEDIR.TAG").exists() && !path.ends_with("tests/corpus")
    });
    let mut found: Vec<File> = walk
        .build()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|it| it == extension) && path.is_file())
        .map(|path| File {
            text: fs::read_to_string(&path).unwrap(),
            path: path.strip_prefix(root).unwrap().display().to_string(),
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[test]
fn what_git_ignores_is_no_file_of_the_project_with_or_without_git() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        (".gitignore", "/target/\n"),
        ("src/lib.rs", ""),
        // A folder that was there before cargo filled it carries no mark of cargo's.
        ("target/release/build/x/out/made.rs", ""),
        ("elsewhere/CACHEDIR.TAG", ""),
        ("elsewhere/debug/build/y/out/made.rs", ""),
    ] {
        let path = folder.path().join("project").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // Whatever the folder above says of a clone in it.
    fs::write(folder.path().join(".gitignore"), "/project/\n").unwrap();
    let project = folder.path().join("project");
    for git in [false, true] {
        if git {
            fs::create_dir(project.join(".git")).unwrap();
        }
        let found = files_of(&project, "rs");
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["src/lib.rs"], "with git: {git}");
    }
}
