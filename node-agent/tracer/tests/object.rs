//! The programs in the repository are what their source makes.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// What they were built by.
const CLANG: &str = "14.0.6";

#[test]
fn the_object_is_what_its_source_makes() {
    let said = Command::new("clang-14").arg("--version").output();
    let version = said.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    if !version.is_ok_and(|it| it.contains(CLANG)) {
        aion_testkit::skip("clang-14", "the programs are built by clang 14.0.6 alone");
        return;
    }
    let strips = Command::new("llvm-strip-14").arg("--version").output();
    if strips.is_err() {
        aion_testkit::skip("llvm-strip-14", "it comes with Debian's llvm-14");
        return;
    }
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf");
    let folder = tempfile::tempdir().unwrap();
    let built = folder.path().join("built.o");
    let done = Command::new(programs.join("build"))
        .arg(&built)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words}");
    assert!(
        fs::read(&built).unwrap() == fs::read(programs.join("trace.bpf.o")).unwrap(),
        "bpf/trace.bpf.o is another than bpf/trace.bpf.c makes: run node-agent/tracer/bpf/build"
    );
}
