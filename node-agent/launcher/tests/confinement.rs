//! What a confined worker cannot do, and what the launcher says of it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use aion_sandbox::protocol::{ExitStatus, Limits, WorkerId};
use aion_sandbox::{ClientError, Layer, LayerState};
use stage::{Stage, exit_of, is_root, wider_profile};

/// Calls that the built-in profile refuses, let through so that another layer has
/// to refuse them.
const OTHERWISE_REFUSED: [&str; 9] = [
    "clone", "clone3", "execve", "kill", "mount", "open", "openat", "socket", "wait4",
];

#[tokio::test]
async fn every_layer_of_a_worker_is_enforced_and_read_back() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    let limits = Limits {
        io_read_bps: Some(1 << 40),
        ..Limits::default()
    };
    let captive = stage.try_start(&client, "a", "say hello", limits, None);
    let captive = captive.await.unwrap();
    let names: Vec<Layer> = captive.started.layers.iter().map(|it| it.name).collect();
    assert_eq!(names, Layer::ALL);
    for layer in &captive.started.layers {
        assert!(layer.is_enforced(), "{layer:?}");
        assert!(!layer.evidence.is_empty(), "{layer:?}");
    }
    assert!(
        captive
            .layer(Layer::Landlock)
            .evidence
            .starts_with("probed")
    );
    let features = client.features().await.unwrap();
    assert!(features.iter().all(|layer| layer.is_enforced()));
}

#[tokio::test]
async fn the_first_instruction_waits_for_the_gate() {
    let stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "say now").await;
    let listed = client.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!listed[0].running);
    assert_eq!(listed[0].start_time, captive.started.start_time);
    client.open_gate(&captive.id).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Code(0));
    assert_eq!(captive.printed(), "say now: now\n");
}

#[tokio::test]
async fn a_worker_killed_at_its_gate_never_ran() {
    let stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "say now").await;
    client.kill(&captive.id, stage::PATIENCE).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Signal(libc::SIGKILL));
    assert_eq!(captive.printed(), "");
}

#[tokio::test]
async fn a_worker_has_its_socket_its_descriptors_and_nothing_else() {
    let stage = Stage::new(&[]);
    let (printed, _) = stage.run("a", "connect\ndescriptors\nenvironment").await;
    // 3 is the launcher and 4 the boot document; all others that came with the plan
    // are closed by now.
    assert_eq!(
        printed,
        "connect : connected\ndescriptors : 0,1,2,3,4\nenvironment : 0\n"
    );
}

#[tokio::test]
async fn a_wasm_worker_has_its_module_too() {
    let stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let captive = stage
        .try_start(&client, "a", "module", Limits::default(), Some("(module)"))
        .await
        .unwrap();
    client.open_gate(&captive.id).await.unwrap();
    exit_of(&mut exits, &captive.id).await;
    assert_eq!(captive.printed(), "module : (module)\n");
}

#[tokio::test]
async fn forbidden_calls_are_refused() {
    let stage = Stage::new(&[]);
    let words = "open /etc/passwd\nopen /\nopen /proc/self/status\ncreate /x\ntcp 127.0.0.1:80\n\
                 fork\nkill 1\nexecutable-memory\nabstract aion";
    let (printed, exited) = stage.run("a", words).await;
    assert_eq!(
        printed,
        "open /etc/passwd: refused, PermissionDenied\n\
         open /: refused, PermissionDenied\n\
         open /proc/self/status: refused, PermissionDenied\n\
         create /x: refused, PermissionDenied\n\
         tcp 127.0.0.1:80: refused, PermissionDenied\n\
         fork : refused, PermissionDenied\n\
         kill 1: refused, PermissionDenied\n\
         executable-memory : refused, PermissionDenied\n\
         abstract aion: refused, ConnectionRefused\n",
        "an abstract socket is looked for in the worker's own network namespace, where there is none"
    );
    assert_eq!(exited.status, ExitStatus::Code(0));
}

#[tokio::test]
async fn calls_with_no_innocent_use_end_the_worker() {
    let stage = Stage::new(&[]);
    for word in ["ptrace", "mount"] {
        let (printed, exited) = stage.run(word, &format!("{word}\nsay survived")).await;
        assert_eq!(printed, "", "{word}");
        assert_eq!(exited.status, ExitStatus::Signal(libc::SIGSYS), "{word}");
    }
}

#[tokio::test]
async fn without_seccomp_in_the_way_the_other_layers_refuse_too() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let profile = wider_profile(folder.path(), &OTHERWISE_REFUSED);
    let stage = Stage::new(&["--seccomp-profile", profile.to_str().unwrap()]);
    let pid = std::process::id();
    let words = format!(
        "open /\nopen /etc/passwd\ncreate /run/x\ntcp 127.0.0.1:80\nmount\nkill {pid}\nexec /bin/sh"
    );
    let (printed, _) = stage.run("a", &words).await;
    assert_eq!(
        printed,
        format!(
            "open /: refused, PermissionDenied\n\
             open /etc/passwd: refused, NotFound\n\
             create /run/x: refused, ReadOnlyFilesystem\n\
             tcp 127.0.0.1:80: refused, PermissionDenied\n\
             mount : refused, PermissionDenied\n\
             kill {pid}: refused, Uncategorized\n\
             exec /bin/sh: refused, NotFound\n"
        ),
        "no such process, which the standard library has no kind for"
    );
}

#[tokio::test]
async fn a_worker_that_forks_without_end_is_stopped_by_its_limit() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let profile = wider_profile(folder.path(), &OTHERWISE_REFUSED);
    let stage = Stage::new(&["--seccomp-profile", profile.to_str().unwrap()]);
    let (printed, _) = stage.run("a", "forks").await;
    assert_eq!(printed, "forks : 3, then WouldBlock\n");
}

#[tokio::test]
async fn a_worker_that_runs_out_of_memory_is_reported_so() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let limits = Limits {
        memory_bytes: Some(32 << 20),
        ..Limits::default()
    };
    let captive = stage
        .try_start(&client, "a", "touch-mib 100\nsay survived", limits, None)
        .await
        .unwrap();
    client.open_gate(&captive.id).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Signal(libc::SIGKILL));
    assert_eq!(exited.oom, Some(true));
    assert!(exited.peak_memory_bytes.unwrap() > 30 << 20);
    assert_eq!(captive.printed(), "");
}

#[tokio::test]
async fn a_worker_within_its_memory_is_not_reported_so() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&[]);
    let (printed, exited) = stage.run("a", "touch-mib 20").await;
    assert_eq!(printed, "touch-mib 20: 20 MiB\n");
    assert_eq!(exited.oom, Some(false));
    assert!(exited.cpu_us.is_some());
}

#[tokio::test]
async fn a_limit_that_no_one_set_is_not_requested() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("profiles.yaml");
    let text = "profiles: {declarative: {pids: 4, openFiles: 64, addressSpaceOverMemory: 256Mi}}";
    std::fs::write(&profiles, text).unwrap();
    let stage = Stage::new(&["--cgroup-profiles", profiles.to_str().unwrap()]);
    let (client, _exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "").await;
    let memory = captive.layer(Layer::CgroupMemory);
    assert_eq!(memory.state, LayerState::NotRequested);
    assert!(captive.layer(Layer::CgroupPids).is_enforced());
}

#[tokio::test]
async fn what_a_worker_says_of_its_end_is_passed_on() {
    let stage = Stage::new(&[]);
    let (_, exited) = stage.run("a", "note the guest trapped\nexit 81").await;
    assert_eq!(exited.status, ExitStatus::Code(81));
    assert_eq!(exited.note.as_deref(), Some("the guest trapped"));
}

#[tokio::test]
async fn a_start_that_cannot_be_is_refused_with_its_reason() {
    let stage = Stage::new(&["--max-workers", "1"]);
    let (client, _exits) = stage.connect().await;
    let first = stage.start(&client, "a", "sleep").await;
    let why = |outcome: Result<stage::Captive, ClientError>| match outcome {
        Err(ClientError::NotStarted { why, .. }) => why,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("started"),
    };
    let second = stage
        .try_start(&client, "b", "", Limits::default(), None)
        .await;
    assert_eq!(why(second), "1 workers run, which is the most");
    assert!(matches!(
        client.open_gate(&WorkerId { instance: "nobody".into(), incarnation: 1 }).await,
        Err(ClientError::Refused(why)) if why == "no such worker"
    ));
    drop(first);
}

#[tokio::test]
async fn a_tool_whose_root_cannot_be_made_never_comes_to_its_gate() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    for (name, folder, told) in [
        ("a", "/", "not shown the whole machine"),
        ("b", "/mnt", "/mnt cannot be shown to a tool"),
    ] {
        match stage.try_tool(&client, name, folder.as_ref()).await {
            Err(ClientError::NotStarted { why, .. }) => {
                assert!(why.contains(told), "{why}");
                let code = format!("exited with {}", aion_sandbox::exit::SANDBOX);
                assert!(why.contains(&code), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    let shown = tempfile::tempdir_in("/dev/shm").unwrap();
    let started = stage.try_tool(&client, "c", shown.path()).await.unwrap();
    let root = started
        .layers
        .iter()
        .find(|layer| layer.name == Layer::MountNamespace)
        .unwrap();
    assert!(root.is_enforced(), "{root:?}");
}

#[tokio::test]
async fn a_path_that_is_no_socket_is_not_given_to_a_worker() {
    use aion_sandbox::StartFds;
    use aion_sandbox::protocol::{Role, Rules, Start};
    use std::os::fd::AsFd;

    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    let nothing = std::fs::File::open("/dev/null").unwrap();
    let outcome = client
        .start(
            Start {
                id: WorkerId {
                    instance: "a".into(),
                    incarnation: 1,
                },
                role: Role::Declarative,
                profile: "declarative".into(),
                limits: Limits::default(),
                seccomp: Vec::new(),
                socket: Some("/etc/passwd".into()),
                mounts: Vec::new(),
                user: None,
                scratch_bytes: None,
                ports: Vec::new(),
                rules: Rules::default(),
            },
            StartFds {
                boot: nothing.as_fd(),
                stdout: nothing.as_fd(),
                stderr: nothing.as_fd(),
                rest: Vec::new(),
            },
        )
        .await;
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("/etc/passwd is not a socket"), "{error}");
    assert!(client.list().await.unwrap().is_empty());
}
