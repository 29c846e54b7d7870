//! `aionctl new` makes a project where nothing is yet, under a name that agents may have.

#![allow(clippy::unwrap_used, clippy::panic)]

mod admin;

use std::fs;

use admin::{command, ran};

#[test]
fn a_project_is_called_as_it_is_told_and_nothing_is_overwritten() {
    for (language, program) in [("--python", "main.py"), ("--typescript", "main.ts")] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("deep/keeper");
        let make = |name: &str| {
            let mut new = command(home.path());
            new.args(["new", "agent", language, name, "--dir"]);
            ran(new.arg(&folder))
        };
        let made = make("note-keeper");
        assert_eq!(made.status, 0, "{made:?}");
        let manifest = fs::read_to_string(folder.join("agent.yaml")).unwrap();
        assert!(manifest.contains("name: note-keeper"), "{manifest}");
        for file in fs::read_dir(&folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            assert!(!text.contains("NAME_OF_AGENT"), "{text}");
        }
        fs::write(folder.join(program), "mine").unwrap();
        let again = make("note-keeper");
        assert_eq!(again.status, 2, "{again:?}");
        assert!(again.err.contains("--dir"), "{again:?}");
        assert_eq!(fs::read_to_string(folder.join(program)).unwrap(), "mine");
    }
}

#[test]
fn a_name_that_no_agent_may_have_and_a_language_that_is_not_said_make_nothing() {
    let home = tempfile::tempdir().unwrap();
    for words in [
        &["--python", "Note_Keeper"][..],
        &["--python", ".."],
        &["--typescript", ".."],
        &["--python", "--typescript", "keeper"],
        &["keeper"],
    ] {
        let mut new = command(home.path());
        let refused = ran(new
            .current_dir(home.path())
            .args(["new", "agent"])
            .args(words));
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(fs::read_dir(home.path()).unwrap().next().is_none());
    }
}
