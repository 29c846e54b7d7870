//! Root's launcher beside a daemon of another user, which would like root's rights: what root uses by name lies
//! where only root writes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Child, Command};

use aion_abi::layer::Layer;
use aion_sandbox::protocol::ExitStatus;
use rustix::thread::UnshareFlags;
use stage::shared::SharedFolder;
use stage::{Stage, exit_of, is_root};

const DAEMON: u32 = 61_999;

/// A process of root's that nobody else may end.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("3600").spawn().unwrap())
    }

    /// Writes a record of a worker whose group holds the victim.
    fn is_named_in(&self, folder: &Path) {
        let group = folder.join("group");
        fs::create_dir(&group).unwrap();
        fs::write(group.join("cgroup.procs"), self.0.id().to_string()).unwrap();
        let record = serde_json::json!({"Worker": {
            "id": {"instance": "a", "incarnation": 1}, "pid": 1 << 21, "start_time": 1, "boot": "", "running": false,
            "group": {"directories": [["Pids", "V1", group]], "missing": []}, "user": null,
        }});
        fs::create_dir_all(folder.join("state/workers")).unwrap();
        let path = folder.join("state/workers/a.1.json");
        fs::write(&path, record.to_string()).unwrap();
        chown(path, Some(DAEMON), Some(DAEMON)).unwrap();
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn launcher(state: &Path, socket: &Path) -> Command {
    let mut command = Command::new(stage::launcher_program());
    command.arg("serve").arg("--state").arg(state);
    command.arg("--socket").arg(socket.join("launcher.sock"));
    command.args(["--daemon-uid", &DAEMON.to_string(), "--worker"]);
    command.arg(stage::example("captive"));
    command
}

/// What a launcher says that ends before it listens in `socket`.
fn refused(mut launcher: Command, socket: &Path, folder: &Path) -> String {
    let log = folder.join("log");
    let mut launcher = launcher
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = launcher.try_wait().unwrap() {
            break status;
        }
        if socket.join("launcher.sock").exists() {
            launcher.kill().unwrap();
            launcher.wait().unwrap();
            panic!("it serves");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    assert!(!status.success());
    fs::read_to_string(log).unwrap()
}

#[test]
fn root_serves_from_no_folder_that_the_daemon_may_write() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let mut victim = Victim::new();
    victim.is_named_in(folder.path());
    let (state, socket) = (folder.path().join("state"), folder.path().join("s"));
    fs::create_dir(&socket).unwrap();
    for theirs in [&state.join("workers"), &state, &socket] {
        chown(theirs, Some(DAEMON), Some(DAEMON)).unwrap();
        let said = refused(launcher(&state, &socket), &socket, folder.path());
        let told = format!(
            "{} belongs to user {DAEMON} and not to root",
            theirs.display()
        );
        assert!(said.contains(&told), "{said}");
        chown(theirs, Some(0), Some(0)).unwrap();
    }
    assert!(victim.lives());
    assert_eq!(fs::read_dir(&socket).unwrap().count(), 0);
}

#[tokio::test]
async fn root_kills_nothing_that_a_record_of_another_user_names() {
    if !is_root() {
        return;
    }
    let mut stage = Stage::for_daemon(DAEMON);
    stage.connect().await;
    stage.terminate();
    let mut victim = Victim::new();
    victim.is_named_in(stage.path("").as_path());
    stage.restart();
    let (client, mut exits) = stage.connect().await;
    client.list().await.unwrap();
    assert!(victim.lives());
    assert!(
        exits.try_recv().is_err(),
        "a record of the daemon's is told"
    );
    // It stays: a person may want to see what was there.
    assert!(stage.path("state/workers/a.1.json").exists());
}

#[tokio::test]
async fn a_daemon_of_another_user_has_its_workers_and_they_are_adopted() {
    if !is_root() {
        return;
    }
    let mut stage = Stage::for_daemon(DAEMON);
    let (client, _) = stage.connect().await;
    let owner = |name: &str| fs::symlink_metadata(stage.path(name)).unwrap();
    assert_eq!(owner("s/launcher.sock").uid(), DAEMON);
    for name in ["state", "state/launcher.lock", "state/workers"] {
        assert_eq!(owner(name).uid(), 0, "{name}");
    }
    let captive = stage.start(&client, "a", stage::REACH).await;
    stage.kill();
    // It waited at its gate, and that is all that the next launcher has to tell.
    stage.restart();
    let (client, mut exits) = stage.connect().await;
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Unknown);
    client.acknowledge(&captive.id).await.unwrap();

    let captive = stage.start(&client, "b", stage::REACH).await;
    stage::reaches_its_socket_and_nothing_else(&client, &mut exits, captive).await;
}

/// Opens a folder where the mounts are not the launcher's, as a service manager's daemon has them.
fn opened_elsewhere(path: &Path) -> File {
    let path = path.to_owned();
    let opened = std::thread::spawn(move || {
        #[allow(unsafe_code)]
        // SAFETY: a mount namespace of this thread's own changes no memory and no descriptor.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        File::open(path).unwrap()
    });
    opened.join().unwrap()
}

#[tokio::test]
async fn a_tool_is_shown_a_folder_that_was_opened_among_other_mounts() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    let shown = tempfile::tempdir_in("/tmp").unwrap();
    let folder = opened_elsewhere(shown.path());
    let started = stage.try_tool_with(&client, "a", folder).await.unwrap();
    let root = started
        .layers
        .iter()
        .find(|layer| layer.name == Layer::MountNamespace);
    assert!(root.unwrap().is_enforced(), "{root:?}");
}

#[tokio::test]
async fn a_tool_is_not_shown_what_only_has_the_name_of_what_was_opened() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    let shown = tempfile::tempdir_in("/tmp").unwrap();
    let folder = opened_over(shown.path());
    let refused = stage.try_tool_with(&client, "a", folder).await.unwrap_err();
    let why = refused.to_string();
    assert!(
        why.contains("is another one where the launcher runs"),
        "{why}"
    );
}

/// Opens what another mount namespace has at `path`: a file system that the launcher does not have.
fn opened_over(path: &Path) -> File {
    let path = path.to_owned();
    let opened = std::thread::spawn(move || {
        #[allow(unsafe_code)]
        // SAFETY: as in `opened_elsewhere`.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        mount_change("/", private).unwrap();
        mount("tmpfs", &path, "tmpfs", MountFlags::empty(), c"size=64k").unwrap();
        File::open(path).unwrap()
    });
    opened.join().unwrap()
}

#[tokio::test]
async fn what_the_machine_mounts_later_does_not_come_into_a_folder_that_a_tool_is_shown() {
    if !is_root() {
        return;
    }
    let shown = SharedFolder::make();
    let later = shown.path().join("later");
    fs::create_dir(&later).unwrap();
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    let started = stage.try_tool(&client, "a", shown.path()).await.unwrap();
    SharedFolder::mount(&later);
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", started.pid)).unwrap();
    assert!(
        mounts.contains(&shown.path().display().to_string()),
        "{mounts}"
    );
    assert!(!mounts.contains(&later.display().to_string()), "{mounts}");
}
