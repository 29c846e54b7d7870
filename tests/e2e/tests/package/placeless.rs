//! A program is the same from whatever folder it is built, the compiler's too, whose workspace uses crates that lie
//! outside of it. A small workspace of that form stands in: the real one takes minutes.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use aion_e2e::cluster::root;

/// The project in `$1`, built as install.sh, `$2`, has cargo build.
const BUILD: &str = r#"
set -eu
here=$1 target=$1/target
mkdir "$target"
for function in absolute fail quoted find_wrapper forget_places build_placeless; do
    eval "$(sed -n "/^$function()/,/^}/p" "$2")"
done
forget_places
build_placeless
cd "$here/program"
unset CARGO_ENCODED_RUSTFLAGS RUSTFLAGS
export CARGO_TARGET_DIR="$target"
cargo build --offline --release
"#;

const FILES: [(&str, &str); 4] = [
    (
        "program/Cargo.toml",
        r#"
            [workspace]
            [package]
            name = "program"
            edition = "2024"
            [dependencies]
            part = { path = "../part" }
            [profile.release]
            strip = "debuginfo"
        "#,
    ),
    (
        "program/src/main.rs",
        "fn main() { println!(\"{}\", part::told(std::env::args().count())) }",
    ),
    (
        "part/Cargo.toml",
        "[package]\nname = \"part\"\nedition = \"2024\"\n",
    ),
    // Its place is in the words of its panic, and its name in the program's symbols.
    (
        "part/src/lib.rs",
        "#[inline(never)] pub fn told(n: usize) -> u8 { [1, 2, 3][n] }",
    ),
];

/// The project built in `at`, by somebody who has a `wrapper` of rustc; what is said where that fails.
fn built(at: &Path, wrapper: Option<&Path>) -> Result<Vec<u8>, String> {
    for (path, text) in FILES {
        let path = at.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut build = Command::new("sh");
    build.args(["-c", BUILD, "sh"]);
    build.env_remove("CARGO_BUILD_RUSTC_WRAPPER");
    match wrapper {
        Some(wrapper) => build.env("RUSTC_WRAPPER", wrapper),
        None => build.env_remove("RUSTC_WRAPPER"),
    };
    let made = build.arg(at).arg(root().join("install.sh")).output();
    let made = made.unwrap();
    match made.status.success() {
        true => Ok(fs::read(at.join("target/release/program")).unwrap()),
        false => Err(String::from_utf8_lossy(&made.stderr).into_owned()),
    }
}

#[test]
fn programs_of_two_folders_are_the_same_and_name_neither() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] =
        ["one", "another/folder"].map(|it| built(&folder.path().join(it), None).unwrap());
    let place = folder.path().to_str().unwrap().as_bytes();
    assert!(memchr::memmem::find(&first, place).is_none());
    let part = memchr::memmem::find(&first, b"/aion/part/src/lib.rs");
    assert!(part.is_some(), "a place is named as it is everywhere");
    assert!(first == second, "another program from another folder");
}

#[test]
fn a_wrapper_of_the_users_own_is_called_and_changes_no_program() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (wrapper, calls) = (at("my \"$HOME\" `wrapper`"), at("calls"));
    let text = format!(
        "#!/bin/sh\necho \"$1\" >>'{}'\nexec \"$@\"\n",
        calls.display()
    );
    fs::write(&wrapper, text).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let without = built(&at("without"), None).unwrap();
    let with = built(&at("with"), Some(&wrapper)).unwrap();
    assert!(without == with, "another program through a wrapper");
    let called = fs::read_to_string(&calls).unwrap();
    assert!(called.lines().count() > 1, "{called}");
    // As most people set it: in a file of cargo's, here by a path from where that file is.
    fs::create_dir(at(".cargo")).unwrap();
    fs::rename(&wrapper, at("set")).unwrap();
    fs::write(at(".cargo/config.toml"), "build.rustc-wrapper = './set'").unwrap();
    fs::remove_file(&calls).unwrap();
    let set = built(&at("set it's"), None).unwrap();
    assert!(without == set, "another program through a wrapper");
    assert!(calls.exists(), "the wrapper that cargo is set to");
    let said = built(&at("none"), Some(&at("no-wrapper"))).unwrap_err();
    assert!(
        said.contains("no-wrapper, which is not a program"),
        "{said}"
    );
}
