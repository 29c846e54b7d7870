//! A program is the same from whatever folder it is built, the compiler's too, whose workspace uses crates that lie
//! outside of it. A small workspace of that form stands in: the real one takes minutes.

use std::{fs, path::Path, process::Command};

use aion_e2e::cluster::root;

/// The project in `$1`, built as install.sh, `$2`, has cargo build.
const BUILD: &str = r#"
set -eu
here=$1 target=$1/target
mkdir "$target"
eval "$(sed -n '/^forget_places()/,/^}/p' "$2")"
forget_places
cd "$here/program"
unset CARGO_ENCODED_RUSTFLAGS RUSTFLAGS
export PATH="$target/placeless:$PATH" RUSTC_WRAPPER="$target/placeless/rustc-wrapper" CARGO_TARGET_DIR="$target"
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

fn built(at: &Path) -> Vec<u8> {
    for (path, text) in FILES {
        let path = at.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut build = Command::new("sh");
    build.args(["-c", BUILD, "sh"]);
    let made = build.arg(at).arg(root().join("install.sh")).output();
    let made = made.unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::read(at.join("target/release/program")).unwrap()
}

#[test]
fn programs_of_two_folders_are_the_same_and_name_neither() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["one", "another/folder"].map(|it| built(&folder.path().join(it)));
    let place = folder.path().to_str().unwrap().as_bytes();
    assert!(memchr::memmem::find(&first, place).is_none());
    let part = memchr::memmem::find(&first, b"/aion/part/src/lib.rs");
    assert!(part.is_some(), "a place is named as it is everywhere");
    assert!(first == second, "another program from another folder");
}
