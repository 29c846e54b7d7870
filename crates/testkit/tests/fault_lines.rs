//! What `tests/faults/run` says of tests that ran, that failed and that could not be run, with a stand-in for cargo.
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

const TABLE: &str = "\
F1 one that holds
    a unit m::holds
F2 one of which a part cannot be tried
    a unit m::holds
    a root_only needs_root
F3 one that cannot be tried
    a root_only needs_root
F4 one that is there again
    a unit m::fails
";

/// Tells of each test that is asked for as libtest does, and notes a skip as the testkit does.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = test ] || exit 0
for test do
    case $test in
        m::fails) echo "test $test ... FAILED"; failed=yes ;;
        needs_root) printf 'a\t%s\troot\tthis is nobody\n' "$test" >>"$AION_SKIPS"; echo "test $test ... ok" ;;
        m::*) echo "test $test ... ok" ;;
    esac
done
[ -z "$failed" ]
"#;

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What is said of these faults, and with which status.
fn said(faults: &[&str]) -> (String, Option<i32>) {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/faults/run");
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    script(&at("tests/faults/run"), &fs::read_to_string(real).unwrap());
    script(&at("tests/components/ensure"), "#!/bin/sh\n");
    script(&at("bin/cargo"), CARGO);
    fs::write(at("tests/faults/table"), TABLE).unwrap();
    let mut path = vec![at("bin")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap()).collect::<Vec<PathBuf>>());
    let mut run = Command::new(at("tests/faults/run"));
    let run = run.args(faults).env("PATH", env::join_paths(path).unwrap());
    let run = run.output().unwrap();
    (String::from_utf8(run.stdout).unwrap(), run.status.code())
}

#[test]
fn a_fault_whose_tests_were_not_all_run_is_told_by_name() {
    let (text, status) = said(&[]);
    assert_eq!(status, Some(1), "{text}");
    for line in [
        "F1 ok: one that holds",
        "F2 in part: one of which a part cannot be tried",
        "    ok a m::holds",
        "    skipped (no root: this is nobody) a needs_root",
        "F3 not run: one that cannot be tried",
        "F4 failed: one that is there again",
        "4 faults: 1 held, 1 failed, 1 in part, 1 not run: F2 F3",
    ] {
        assert!(text.lines().any(|it| it == line), "no {line:?} in\n{text}");
    }
    for short in ["F2", "F3"] {
        let (text, status) = said(&["F1", short]);
        assert_eq!(status, Some(3), "{text}");
    }
    let (text, status) = said(&["F1"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.ends_with("1 faults: 1 held, 0 failed, 0 in part, 0 not run\n"),
        "{text}"
    );
}
