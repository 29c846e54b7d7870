//! What the program of an image is given, and what it cannot do.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::fs;

use aion_sandbox::Layer;
use aion_sandbox::protocol::{ExitStatus, InsideUser, Limits};
use stage::image::{Run, lines, roots};
use stage::shared::SharedFolder;
use stage::{PATIENCE, exit_of};

#[tokio::test]
async fn a_program_has_its_arguments_its_environment_its_folder_and_its_user() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    fs::create_dir(image.at("app")).unwrap();
    let mut run = Run::words(&["arguments", "environment", "folder", "who", "status Umask"]);
    run.command[0] = "resident".into();
    run.env = [
        ("A", "old"),
        ("PATH", "/nowhere:/bin"),
        ("A", "x=y z"),
        ("HOME", "/app"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    run.folder = "/app".into();
    run.user = Some(InsideUser {
        uid: 65_532,
        gid: 1000,
    });
    let (printed, complained, exited) = stage.reside("a", &image, run).await;
    assert_eq!((&*complained, exited.status), ("", ExitStatus::Code(0)));
    assert_eq!(
        lines(&printed),
        [
            r#"["resident", "arguments", "environment", "folder", "who", "status Umask"]"#,
            "A=x=y z AION_BOOT_FD=3 HOME=/app LANG=C.UTF-8 PATH=/nowhere:/bin TMPDIR=/tmp",
            "/app",
            "65532 65532 1000 1000 with 0 groups",
            "Umask: 0022",
        ]
    );
}

#[tokio::test]
async fn no_signal_is_ignored_or_blocked_when_it_begins() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    // The standard library of the resident ignores one itself.
    image.program("/bin/cat".as_ref(), "/bin/cat").unwrap();
    let run = Run::command(["cat", "/proc/self/status"].map(str::to_owned));
    let (printed, complained, _) = stage.reside("a", &image, run).await;
    for key in ["SigIgn", "SigBlk"] {
        let line = format!("{key}:\t0000000000000000\n");
        assert!(printed.contains(&line), "{printed}{complained}");
    }
}

#[tokio::test]
async fn the_boot_document_is_on_descriptor_3_and_no_other_is_open() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let came = stage.does("a", &image, &["descriptors", "boot"]).await;
    assert_eq!(came[0], "0,1,2,3");
    assert!(
        came[1].starts_with(r#"{"instance":"a","incarnation":1"#),
        "{}",
        came[1]
    );
    assert!(came[1].contains(r#""runtime":"process""#), "{}", came[1]);
}

#[tokio::test]
async fn it_reaches_its_socket_and_its_images_files_and_nothing_else() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    image.put("/app/data", "of the image").unwrap();
    let words = [
        "connect /run/aion.sock",
        "list /run",
        "read /app/data",
        "list /",
        "list /sys",
        "list /mnt",
        "list /dev",
        "list /dev/shm",
        "read /etc/hostname",
        "read /var/log",
        "device /tmp/null",
        "device /dev/mine",
    ];
    let came = stage.does("a", &image, &words).await;
    let root = fs::read_dir(image.path()).unwrap();
    let mut root: Vec<_> = root
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    root.sort();
    assert_eq!(
        came,
        [
            "connected",
            // The daemon's folder can be entered, not listed.
            "refused, EACCES",
            "of the image",
            &root.join(" "),
            "",
            "",
            "fd full null random shm stderr stdin stdout urandom zero",
            "",
            "refused, ENOENT",
            "refused, ENOENT",
            "refused, EACCES",
            "refused, EROFS",
        ]
    );
}

#[tokio::test]
async fn only_its_scratch_can_be_written_within_its_bound_and_nothing_there_is_executed() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let mut run = Run::words(&[
        "write /x",
        "write /etc/x",
        "write /run/x",
        "write /run/aion.sock",
        "write /dev/x",
        "write /mnt/x",
        "write /sys/x",
        "write /proc/self/comm",
        "append /bin/resident",
        "write /tmp/x",
        "write /dev/shm/x",
        "write /dev/null",
        "execute /tmp/program",
        "execute /dev/shm/program",
        "fill /tmp/full",
        "fill /dev/shm/full",
    ]);
    run.scratch_bytes = Some(32 << 20);
    run.user = Some(InsideUser {
        uid: 1000,
        gid: 1000,
    });
    let (printed, complained, _) = stage.reside("a", &image, run).await;
    assert_eq!(complained, "");
    let came = lines(&printed);
    for (at, refused) in came[..9].iter().enumerate() {
        assert!(refused.starts_with("refused, "), "{at}: {came:?}");
    }
    assert_eq!(came[9..12], ["written", "written", "written"]);
    assert_eq!(came[12..14], ["refused, EACCES", "refused, EACCES"]);
    // Two copies of a program of a few mebibytes are there already.
    let mib = |came: &str| {
        came.strip_suffix(" MiB, then ENOSPC")
            .and_then(|it| it.parse::<u32>().ok())
    };
    assert!(
        mib(&came[14]).is_some_and(|it| (1..32).contains(&it)),
        "{came:?}"
    );
    assert_eq!(mib(&came[15]), Some(0), "one bound for both: {came:?}");
}

#[tokio::test]
async fn it_sees_its_own_processes_and_nothing_of_the_machine() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let words = [
        "list /proc",
        "read /proc/1/comm",
        "read /proc/kcore",
        "read /proc/keys",
        "read /proc/timer_list",
        "read /proc/interrupts",
        "list /proc/scsi",
        "list /proc/acpi",
        "write /proc/sys/kernel/hostname",
        "write /proc/sysrq-trigger",
        "write /proc/self/oom_score_adj",
    ];
    let came = stage.does("a", &image, &words).await;
    let processes: Vec<_> = came[0]
        .split(' ')
        .filter(|it| it.parse::<u32>().is_ok())
        .collect();
    assert_eq!(processes, ["1"], "{}", came[0]);
    assert_eq!(came[1], "resident");
    for masked in &came[2..8] {
        assert!(masked.is_empty() || masked == "refused, ENOENT", "{came:?}");
    }
    for written in &came[8..] {
        // One of them is not on every kernel.
        let refused = ["refused, EACCES", "refused, EROFS", "refused, ENOENT"];
        assert!(refused.contains(&written.as_str()), "{came:?}");
    }
}

#[tokio::test]
async fn it_has_no_rights_and_the_kernel_refuses_what_it_has_no_use_for() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let calls = [
        "mount",
        "umount2",
        "open_tree",
        "fsopen",
        "mount_setattr",
        "pivot_root",
        "chroot",
        "unshare",
        "clone",
        "setns",
        "ptrace",
        "process_vm_readv",
        "bpf",
        "keyctl",
        "add_key",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "memfd_create",
        "inet",
        "inet6",
        "netlink",
        "packet",
        "vsock",
        "datagram",
        "sethostname",
    ];
    let words: Vec<String> = calls.iter().map(|call| format!("call {call}")).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend([
        "call clone3",
        "call setuid",
        "status Cap",
        "status NoNewPrivs",
        "status Seccomp:",
    ]);
    let came = stage.does("a", &image, &words).await;
    for (call, came) in calls.iter().zip(&came) {
        assert_eq!(came, "refused, EPERM", "{call}");
    }
    let none = "0000000000000000";
    let sets =
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|set| format!("{set}: {none}"));
    assert_eq!(
        came[calls.len()..],
        [
            "refused, ENOSYS".to_owned(),
            "refused, Invalid argument (os error 22)".into(),
            sets.join(", "),
            "NoNewPrivs: 1".into(),
            "Seccomp: 2".into(),
        ]
    );
}

#[tokio::test]
async fn a_newer_call_is_not_there_and_a_harmless_one_is_let_through() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let words = [
        "fchmodat2",
        "unknown",
        "fgetxattr",
        "setresuid",
        "setresgid",
    ];
    let words = words.map(|call| format!("call {call}"));
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.push("memory-file");
    let came = stage.does("a", &image, &words).await;
    assert_eq!(came[..2], ["refused, ENOSYS", "refused, ENOSYS"]);
    // Asked, and answered by what the descriptor is.
    assert_ne!(came[2], "refused, EPERM");
    assert_eq!(came[3..5], ["done", "done"]);
    assert_eq!(came[5], "mode refused, EPERM, refused, EACCES");
}

#[tokio::test]
async fn every_layer_of_it_is_read_back() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let (client, _exits) = stage.connect().await;
    let mut run = Run::words(&[]);
    run.user = Some(InsideUser {
        uid: 1000,
        gid: 1000,
    });
    run.limits.io_read_bps = Some(1 << 40);
    let captive = stage.resident(&client, "a", &image, run).await.unwrap();
    for layer in &captive.started.layers {
        assert!(layer.is_enforced(), "{layer:?}");
    }
    let root = &captive.layer(Layer::MountNamespace).evidence;
    assert!(
        root.contains("of which /tmp and /dev/shm can be written"),
        "{root}"
    );
    assert!(root.contains("/proc has its own processes"), "{root}");
    let user = &captive.layer(Layer::UserNamespace).evidence;
    assert!(user.contains("user 1000 is 18790"), "{user}");
    let landlock = &captive.layer(Layer::Landlock).evidence;
    assert!(
        landlock.contains("making a device is refused"),
        "{landlock}"
    );
}

#[tokio::test]
async fn folders_are_shown_by_name_to_read_and_not_to_execute() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let shown = stage.path("shown");
    fs::create_dir(&shown).unwrap();
    fs::write(shown.join("note"), "of the machine").unwrap();
    fs::copy(stage::example("resident"), shown.join("program")).unwrap();
    let mut run = Run::words(&[
        "list /mnt",
        "read /mnt/docs/note",
        "write /mnt/docs/x",
        "append /mnt/docs/note",
        "execute /mnt/docs/program",
    ]);
    run.mounts = vec![("docs".into(), shown), ("more".into(), stage.path("state"))];
    let (printed, _, _) = stage.reside("a", &image, run).await;
    let came = lines(&printed);
    assert_eq!(came[..2], ["docs more", "of the machine"]);
    assert!(
        came[2..4]
            .iter()
            .all(|it| it == "refused, EROFS" || it == "refused, EACCES"),
        "{came:?}"
    );
    assert_eq!(came[4], "refused, EACCES");
}

#[tokio::test]
async fn what_is_mounted_for_it_is_mounted_nowhere_else() {
    let Some(stage) = roots() else { return };
    let folder = SharedFolder::make();
    let image = stage.image_in(folder.path());
    let (client, _exits) = stage.connect().await;
    let run = Run::words(&[]);
    let _captive = stage.resident(&client, "a", &image, run).await.unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let image = image.path().display().to_string();
    assert!(!mounts.contains(&image), "{mounts}");
}

#[tokio::test]
async fn the_request_to_stop_reaches_it_and_its_code_is_its_own() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let (client, mut exits) = stage.connect().await;
    let captive = stage
        .resident(&client, "a", &image, Run::words(&["term"]))
        .await
        .unwrap();
    client.open_gate(&captive.id).await.unwrap();
    let _ready = captive.connection().await;
    client.kill(&captive.id, PATIENCE).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!((exited.status, exited.note), (ExitStatus::Code(42), None));
}

#[tokio::test]
async fn its_children_end_with_it() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let (client, mut exits) = stage.connect().await;
    let captive = stage
        .resident(&client, "a", &image, Run::words(&["children"]))
        .await
        .unwrap();
    client.open_gate(&captive.id).await.unwrap();
    let _ready = captive.connection().await;
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(&captive.started.pid.to_string()).unwrap();
    let within = || {
        let all = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|it| it.ok()?.file_name().into_string().ok());
        all.filter(|pid| namespace(pid).as_ref() == Some(&own))
            .count()
    };
    assert_eq!(within(), 3);
    client
        .kill(&captive.id, std::time::Duration::ZERO)
        .await
        .unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Signal(libc::SIGKILL));
    assert_eq!(within(), 0);
}

#[tokio::test]
async fn its_processes_are_bounded_those_that_ended_too() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    for word in ["forks", "zombies"] {
        let mut run = Run::words(&[word]);
        run.limits.pids = Some(8);
        let (client, mut exits) = stage.connect().await;
        let captive = stage.resident(&client, word, &image, run).await.unwrap();
        // Where the group is not in force, a count says nothing of it.
        let group = captive.layer(Layer::CgroupPids);
        assert!(group.is_enforced(), "{word}: {group:?}");
        client.open_gate(&captive.id).await.unwrap();
        let exited = exit_of(&mut exits, &captive.id).await;
        client.acknowledge(&captive.id).await.unwrap();
        let (printed, complained) = captive.said();
        assert_eq!((&*complained, exited.status), ("", ExitStatus::Code(0)));
        assert_eq!(lines(&printed), ["7, then EAGAIN"], "{word}");
        assert_eq!(exited.process_refused, Some(true), "{word}");
    }
    let (_, _, exited) = stage.reside("none", &image, Run::words(&["who"])).await;
    assert_eq!(exited.process_refused, Some(false));
}

#[tokio::test]
async fn one_that_runs_out_of_memory_is_reported_so() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let mut run = Run::words(&["touch-mib 100"]);
    run.limits = Limits {
        memory_bytes: Some(32 << 20),
        ..Limits::default()
    };
    let (printed, _, exited) = stage.reside("a", &image, run).await;
    assert_eq!(
        (&*printed, exited.status),
        ("", ExitStatus::Signal(libc::SIGKILL))
    );
    assert_eq!(exited.oom, Some(true));
    let mut run = Run::words(&["fill /tmp/x"]);
    run.limits = Limits {
        memory_bytes: Some(32 << 20),
        ..Limits::default()
    };
    let (_, _, exited) = stage.reside("b", &image, run).await;
    assert_eq!(
        exited.oom,
        Some(true),
        "what it keeps in files is memory of its own"
    );
}
