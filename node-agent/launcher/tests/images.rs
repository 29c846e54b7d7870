//! An image whose program does not start, and why in words.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use aion_sandbox::protocol::ExitStatus;
use aion_sandbox::{ClientError, exit};
use stage::image::{RESIDENT, Run, roots};

#[tokio::test]
async fn a_link_where_a_mount_belongs_is_refused_by_name_and_followed_nowhere() {
    let Some(stage) = roots() else { return };
    let (client, _exits) = stage.connect().await;
    let image = stage.image();
    fs::create_dir(stage.path("elsewhere")).unwrap();
    for (at, (name, to)) in [
        ("tmp", "/etc"),
        ("run", "../.."),
        ("dev", "/dev"),
        ("proc", "elsewhere"),
        ("mnt", "/"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::remove_dir(image.at(name)).unwrap();
        symlink(to, image.at(name)).unwrap();
        match stage
            .resident(&client, &format!("a{at}"), &image, Run::words(&[]))
            .await
        {
            Err(ClientError::NotStarted { why, .. }) => {
                assert!(why.contains(&format!("/{name} is not a folder")), "{why}");
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{name} started"),
        }
        fs::remove_file(image.at(name)).unwrap();
        fs::create_dir(image.at(name)).unwrap();
    }
    fs::remove_dir(image.at("sys")).unwrap();
    match stage.resident(&client, "b", &image, Run::words(&[])).await {
        Err(ClientError::NotStarted { why, .. }) => {
            assert!(why.contains("open /sys: No such file"), "{why}")
        }
        _ => panic!("without /sys"),
    }
    assert!(!image.at("sys").exists(), "the image is not written to");
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_told_in_words() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    image.put("/app/text", "echo hello\n").unwrap();
    image.put("/app/empty", "").unwrap();
    image.put("/app/script", "#!/usr/bin/python3 -u\n").unwrap();
    image.put("/app/foreign", foreign()).unwrap();
    image.put("/app/locked", "x").unwrap();
    image
        .program(&stage::example("resident"), "/app/unloaded")
        .unwrap();
    for library in ["lib64", "lib"] {
        // The loader is in one of them, by the processor.
        let folder = image.at(library);
        if folder.exists() {
            fs::rename(&folder, image.at(&format!("moved-{library}"))).unwrap();
        }
    }
    fs::set_permissions(image.at("app/locked"), fs::Permissions::from_mode(0o644)).unwrap();
    let machine = std::env::consts::ARCH;
    for (at, (command, folder, said)) in [
        (
            "nothing",
            "/",
            "the program nothing is not in the image: it is in no folder of PATH (/app:/bin)",
        ),
        (
            "/app/nothing",
            "/",
            "the program /app/nothing is not in the image",
        ),
        (
            "locked",
            "/",
            "/app/locked is not executable: give it the right",
        ),
        ("./app", "/", "./app is not executable: it is a folder"),
        ("text", "/", "/app/text is neither a program nor a script"),
        (
            "./empty",
            "/app",
            "./empty is neither a program nor a script",
        ),
        (
            "script",
            "/",
            "/app/script is a script for /usr/bin/python3, which is not in the image",
        ),
        (
            "foreign",
            "/",
            &format!(
                "/app/foreign is for {}, and this machine is {machine}",
                FOREIGN.1
            ),
        ),
        (
            "unloaded",
            "/",
            "/app/unloaded was linked for a loader (ld.so) that is not in the image",
        ),
        (
            "text",
            "/nowhere",
            "the program cannot start in /nowhere: No such file",
        ),
        ("", "/", "the image has no program"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut run = Run::command([command.to_owned()]);
        run.env = vec![("PATH".into(), "/app:/bin".into())];
        run.folder = folder.into();
        let (printed, complained, exited) = stage.reside(&format!("a{at}"), &image, run).await;
        assert_eq!(
            (&*printed, exited.status),
            ("", ExitStatus::Code(exit::NOT_EXECUTED)),
            "{command}"
        );
        let note = exited.note.unwrap();
        assert!(note.starts_with(said), "{note}");
        assert_eq!(complained.trim_end(), note);
    }
}

/// A processor that this machine is not, and its name.
const FOREIGN: (u8, &str) = match cfg!(target_arch = "aarch64") {
    true => (62, "x86_64"),
    false => (183, "aarch64"),
};

/// The beginning of a program for it.
fn foreign() -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(64, 0);
    (program[16], program[18]) = (2, FOREIGN.0);
    program
}

#[tokio::test]
async fn a_script_is_executed_by_its_interpreter() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    image.put("/app/script", format!("#!{RESIDENT}\n")).unwrap();
    let mut run = Run::words(&["arguments"]);
    run.command[0] = "/app/script".into();
    let (printed, _, _) = stage.reside("a", &image, run).await;
    // The kernel puts the script between.
    assert!(printed.contains("/app/script: unknown word"), "{printed}");
}
