//! The one worker that a launcher starts to see what the machine gives: what it leaves, and what its failure
//! is taken for.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `aion-launcher probe` with its temporary files in `folder`.
fn probe(folder: &Path, worker: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aion-launcher"))
        .args(["probe", "-o", "json", "--worker"])
        .arg(worker)
        .env("TMPDIR", folder)
        .env("AION_LOG", "warn")
        .output()
        .unwrap()
}

fn captive() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_aion-launcher"))
        .with_file_name("examples")
        .join("captive")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_probe_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = probe(folder.path(), &captive());
    assert!(output.status.success(), "{}", said(&output));
    let layers: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(layers.iter().any(|layer| layer["name"] == "seccomp"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// What the launcher says of a layer where programs of images may not send: they cannot say that they are confined.
#[test]
fn what_an_images_program_does_not_get_is_not_said_to_hold() {
    if !rustix::process::geteuid().is_root() {
        aion_testkit::skip("root", "only root has a mount namespace everywhere");
        return;
    }
    let text = include_str!("../../../config/seccomp_profile.json");
    let folder = tempfile::tempdir().unwrap();
    let probed = |text: &str| -> serde_json::Value {
        let profile = folder.path().join("profile.json");
        fs::write(&profile, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_aion-launcher"))
            .args(["probe", "-o", "json", "--worker"])
            .arg(captive())
            .arg("--seccomp-profile")
            .arg(&profile)
            .env("AION_LOG", "warn")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let layers: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        let mut layers = layers.into_iter();
        let found = layers.find(|layer| layer["name"] == "mount-namespace");
        found.unwrap()["state"].clone()
    };
    assert_eq!(probed(text), "enforced");
    let mut profile: serde_json::Value = serde_json::from_str(text).unwrap();
    for group in profile["syscalls"].as_array_mut().unwrap() {
        let names = group["names"].as_array().unwrap();
        if names.iter().any(|name| name == "sendmsg") {
            group["excludes"] = serde_json::json!({"runtimes": ["process"]});
        }
    }
    let why = probed(&profile.to_string())["missing"]["why"].to_string();
    assert!(why.contains("profile process"), "{why}");
}

#[test]
fn only_a_worker_that_does_not_come_up_speaks_against_namespaces() {
    let folder = tempfile::tempdir().unwrap();
    let output = probe(folder.path(), Path::new("/bin/true"));
    assert!(!output.status.success());
    let text = said(&output);
    assert!(
        text.contains("no worker lives in namespaces here"),
        "{text}"
    );
    assert!(
        text.contains("no worker can be started from /bin/true"),
        "{text}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let output = probe(&folder.path().join("none"), &captive());
    assert!(!output.status.success());
    let text = said(&output);
    assert!(
        !text.contains("no worker lives in namespaces here"),
        "{text}"
    );
    assert!(text.contains("a folder for the trial"), "{text}");
}
