//! A started process ends with its owner, and its log outlives a failure.

use std::{path::Path, process::Command, time::Duration};

use aion_testkit::{Process, until};
use nix::sys::signal::Signal;

const BOUND: Duration = Duration::from_secs(30);

fn sh(script: &str, folder: &Path) -> Process {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env("COLOUR", "green")
        .current_dir(folder);
    Process::spawn(&command, &folder.join("log")).unwrap()
}

fn gone(pid: u32) -> Result<(), String> {
    match Path::new(&format!("/proc/{pid}")).exists() {
        false => Ok(()),
        true => Err(format!("{pid} is still there")),
    }
}

#[test]
fn a_dropped_process_is_gone_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = sh("sleep 1000 & echo $!; wait", folder.path());
    let child: u32 = process
        .until_ready(BOUND, |process| {
            process
                .log()
                .trim()
                .parse()
                .map_err(|_| "no pid".to_owned())
        })
        .unwrap();
    let pid = process.pid();
    assert!(gone(pid).is_err() && gone(child).is_err());
    drop(process);
    until("the end of both", BOUND, || {
        gone(pid).and_then(|()| gone(child))
    })
    .unwrap();
}

#[test]
fn a_program_gets_its_environment_its_folder_and_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = sh("echo $COLOUR; pwd; exit 7", folder.path());
    assert_eq!(process.wait(BOUND).unwrap(), 7);
    assert_eq!(
        process.log(),
        format!("green\n{}\n", folder.path().display())
    );
}

#[test]
fn a_signal_reaches_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = sh(
        "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done",
        folder.path(),
    );
    process
        .until_ready(BOUND, |process| match process.log().contains("up") {
            true => Ok(()),
            false => Err("not up".to_owned()),
        })
        .unwrap();
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(BOUND).unwrap(), 3);
    assert!(process.log().ends_with("bye\n"));
}

#[test]
fn a_program_killed_by_a_signal_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = sh("exec sleep 1000", folder.path());
    process.signal(Signal::SIGKILL);
    assert_eq!(process.wait(BOUND).unwrap(), 128 + 9);
}

#[test]
fn a_program_that_ends_before_it_is_ready_is_reported_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = sh("echo the disk is full; exit 1", folder.path());
    let error = process
        .until_ready(BOUND, |_| Err::<(), _>("not yet".to_owned()))
        .unwrap_err();
    assert!(error.last.contains("ended with code 1"), "{error}");
    assert!(error.last.contains("the disk is full"), "{error}");
}

#[test]
fn a_program_that_does_not_exist_is_reported_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let command = Command::new("/no/such/program");
    let mut process = Process::spawn(&command, &folder.path().join("log")).unwrap();
    assert_eq!(process.wait(BOUND).unwrap(), 127);
    assert!(
        process.log().contains("/no/such/program"),
        "{}",
        process.log()
    );
}
