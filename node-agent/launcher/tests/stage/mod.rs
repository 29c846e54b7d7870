//! A launcher process with captives for workers, and a daemon's view of both.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod groups;
pub(crate) mod image;
pub(crate) mod shared;
pub(crate) mod spawn;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use aion_sandbox::protocol::{Exited, Limits, Role, Rules, Start, WorkerId};
use aion_sandbox::{Client, ClientError, Layer, LayerReading, StartFds, Started};
use rustix::fs::Uid;
use rustix::thread::set_thread_res_uid;
use spawn::{Within, spawn};
use tokio::sync::mpsc::Receiver;

/// Long enough for anything here on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A launcher in a folder of its own. Killed when dropped, its workers with it.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    launcher: Child,
    arguments: Vec<String>,
    user: Option<u32>,
    contained: bool,
    pub within: Within,
    /// The daemon's user, where it is not the launcher's.
    daemon: Option<u32>,
}

/// A worker under way: its logs, and its socket.
pub(crate) struct Captive {
    pub id: WorkerId,
    pub started: Started,
    stdout: File,
    stderr: File,
    pub listener: UnixListener,
}

impl Stage {
    /// Starts a launcher as the tests' own user.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self::launched(arguments, None, false)
    }

    /// Starts a launcher as an ordinary user; the tests must run as root.
    pub(crate) fn as_user(user: u32) -> Self {
        Self::launched(&[], Some(user), false)
    }

    /// Starts a launcher in a cgroup, as the tests' own user or as another.
    pub(crate) fn within(within: Within, user: Option<u32>) -> Self {
        Self::launched_with(&example("captive"), &[], user, false, within)
    }

    /// Starts a launcher with the worker itself, as the tests' own user or as another.
    pub(crate) fn with_worker(worker: &Path, user: Option<u32>, contained: bool) -> Self {
        Self::launched_with(worker, &[], user, contained, Within::Tests)
    }

    /// Starts root's launcher for a daemon of another user; the tests must run as root.
    pub(crate) fn for_daemon(user: u32) -> Self {
        let mut stage = Self::launched(&["--daemon-uid", &user.to_string()], None, false);
        stage.daemon = Some(user);
        stage
    }

    /// Starts a launcher as in a container, as root or as another user of it; the
    /// tests must run as root.
    pub(crate) fn contained(user: Option<u32>) -> Self {
        Self::launched(&[], user, true)
    }

    fn launched(arguments: &[&str], user: Option<u32>, contained: bool) -> Self {
        Self::launched_with(
            &example("captive"),
            arguments,
            user,
            contained,
            Within::Tests,
        )
    }

    fn launched_with(
        worker: &Path,
        arguments: &[&str],
        user: Option<u32>,
        contained: bool,
        within: Within,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        if user.is_some() {
            // The user must be able to run what may be built where only root looks.
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for program in [&launcher_program(), worker, &example("contained")] {
                fs::copy(program, folder.path().join(program.file_name().unwrap())).unwrap();
            }
            arguments.push("--worker".into());
            let worker = folder.path().join(worker.file_name().unwrap());
            arguments.push(worker.display().to_string());
        } else {
            arguments.push("--worker".into());
            arguments.push(worker.display().to_string());
        }
        for own in ["state", "s"] {
            fs::create_dir(folder.path().join(own)).unwrap();
            std::os::unix::fs::chown(folder.path().join(own), user, user).unwrap();
        }
        let launcher = spawn(folder.path(), &arguments, user, contained, &within);
        Self {
            folder,
            launcher,
            arguments,
            user,
            contained,
            within,
            daemon: user,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.launcher.id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// kill -9, and nothing cleaned up.
    pub(crate) fn kill(&mut self) {
        self.launcher.kill().unwrap();
        self.launcher.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.launcher);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.launcher.wait().unwrap().success());
    }

    /// Another launcher on the same state.
    pub(crate) fn restart(&mut self) {
        self.launcher = spawn(
            self.folder.path(),
            &self.arguments,
            self.user,
            self.contained,
            &self.within,
        );
    }

    /// Connects as the daemon would, waiting for the launcher to listen.
    pub(crate) async fn connect(&self) -> (Client, Receiver<Exited>) {
        let socket = self.path("s/launcher.sock");
        let connected = async {
            loop {
                let as_user = self.daemon.map(AsUser::become_user);
                let connected = Client::connect(&socket).await;
                drop(as_user);
                match connected {
                    Ok(connected) => return connected,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, connected)
            .await
            .expect("the launcher does not listen")
    }

    /// Starts a captive that will do `words`, one a line.
    pub(crate) async fn start(&self, client: &Client, name: &str, words: &str) -> Captive {
        self.try_start(client, name, words, Limits::default(), None)
            .await
            .unwrap()
    }

    pub(crate) async fn try_start(
        &self,
        client: &Client,
        name: &str,
        words: &str,
        limits: Limits,
        module: Option<&str>,
    ) -> Result<Captive, ClientError> {
        let rules = Rules::default();
        self.start_under(client, name, words, (limits, rules), module)
            .await
    }

    /// As [`Stage::try_start`], held to these rules.
    pub(crate) async fn start_under(
        &self,
        client: &Client,
        name: &str,
        words: &str,
        (limits, rules): (Limits, Rules),
        module: Option<&str>,
    ) -> Result<Captive, ClientError> {
        let id = WorkerId {
            instance: name.into(),
            incarnation: 1,
        };
        let (boot, boot_end) = rustix::pipe::pipe().unwrap();
        File::from(boot_end).write_all(words.as_bytes()).unwrap();
        let module: Option<OwnedFd> = module.map(|text| {
            let (read, write) = rustix::pipe::pipe().unwrap();
            File::from(write).write_all(text.as_bytes()).unwrap();
            read
        });
        let start = Start {
            id,
            role: match module {
                Some(_) => Role::Wasm,
                None => Role::Declarative,
            },
            profile: "declarative".into(),
            limits,
            seccomp: Vec::new(),
            socket: None,
            mounts: Vec::new(),
            user: None,
            scratch_bytes: None,
            ports: Vec::new(),
            rules,
        };
        let rest = module.iter().map(AsFd::as_fd).collect();
        self.captive(client, start, boot.as_fd(), rest).await
    }

    /// Has a captive started, with a socket and streams of its own.
    async fn captive(
        &self,
        client: &Client,
        mut start: Start,
        boot: BorrowedFd<'_>,
        rest: Vec<BorrowedFd<'_>>,
    ) -> Result<Captive, ClientError> {
        let id = start.id.clone();
        let folder = self.path("s").join(&id.instance);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        let socket = folder.join(aion_abi::boot::SOCKET_NAME);
        let listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        std::os::unix::fs::chown(&socket, self.daemon, self.daemon).unwrap();
        start.socket = Some(socket);
        let (stdout, stdout_end) = rustix::pipe::pipe().unwrap();
        let (stderr, stderr_end) = rustix::pipe::pipe().unwrap();
        let fds = StartFds {
            boot,
            stdout: stdout_end.as_fd(),
            stderr: stderr_end.as_fd(),
            rest,
        };
        let started = client.start(start, fds).await?;
        Ok(Captive {
            id,
            started,
            stdout: stdout.into(),
            stderr: stderr.into(),
            listener,
        })
    }

    /// Starts a captive as a tool that is shown `folder`.
    pub(crate) async fn try_tool(
        &self,
        client: &Client,
        name: &str,
        folder: &Path,
    ) -> Result<Started, ClientError> {
        let folder = File::open(folder).unwrap();
        self.try_tool_with(client, name, folder).await
    }

    /// Starts a captive as a tool that is shown what is open.
    pub(crate) async fn try_tool_with(
        &self,
        client: &Client,
        name: &str,
        folder: File,
    ) -> Result<Started, ClientError> {
        let start = Start {
            id: WorkerId {
                instance: name.into(),
                incarnation: 1,
            },
            role: Role::Tool,
            profile: "tool".into(),
            limits: Limits::default(),
            seccomp: Vec::new(),
            socket: None,
            mounts: vec!["folder".into()],
            user: None,
            scratch_bytes: None,
            ports: Vec::new(),
            rules: Rules::default(),
        };
        let nothing = File::open("/dev/null").unwrap();
        let program = File::open(example("captive")).unwrap();
        let fds = StartFds {
            boot: nothing.as_fd(),
            stdout: nothing.as_fd(),
            stderr: nothing.as_fd(),
            rest: vec![nothing.as_fd(), program.as_fd(), folder.as_fd()],
        };
        client.start(start, fds).await
    }

    /// Starts a captive, lets it run to its end, and gives what it printed.
    pub(crate) async fn run(&self, name: &str, words: &str) -> (String, Exited) {
        let (client, mut exits) = self.connect().await;
        let captive = self.start(&client, name, words).await;
        client.open_gate(&captive.id).await.unwrap();
        let exited = exit_of(&mut exits, &captive.id).await;
        client.acknowledge(&captive.id).await.unwrap();
        (captive.printed(), exited)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A stop ends the workers too; a launcher that a test killed has none.
        if let Ok(None) = self.launcher.try_wait() {
            let pid = rustix::process::Pid::from_child(&self.launcher);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = self.launcher.wait();
        }
    }
}

impl Captive {
    /// Everything it printed, once it ended without a complaint.
    pub(crate) fn printed(self) -> String {
        let (text, errors) = self.said();
        assert_eq!(errors, "");
        text
    }

    /// Everything on its two streams, once it ended.
    pub(crate) fn said(mut self) -> (String, String) {
        let (mut text, mut errors) = (String::new(), String::new());
        self.stdout.read_to_string(&mut text).unwrap();
        self.stderr.read_to_string(&mut errors).unwrap();
        (text, errors)
    }

    /// Waits until it connects to its socket.
    pub(crate) async fn connection(&self) -> tokio::net::UnixStream {
        let listener = self.listener.try_clone().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::UnixListener::from_std(listener).unwrap();
        let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await;
        accepted.expect("it does not connect").unwrap().0
    }

    pub(crate) fn layer(&self, name: Layer) -> &LayerReading {
        self.started
            .layers
            .iter()
            .find(|layer| layer.name == name)
            .unwrap()
    }
}

/// This thread as another user, until dropped: a connection is of the user who
/// makes it.
struct AsUser;

impl AsUser {
    fn become_user(user: u32) -> Self {
        let user = Uid::from_raw(user);
        set_thread_res_uid(None::<Uid>, user, None::<Uid>).unwrap();
        Self
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        set_thread_res_uid(None::<Uid>, Uid::ROOT, None::<Uid>).unwrap();
    }
}

/// Waits for the exit of this worker.
pub(crate) async fn exit_of(exits: &mut Receiver<Exited>, id: &WorkerId) -> Exited {
    let awaited = async {
        loop {
            match exits.recv().await {
                Some(exited) if exited.id == *id => return exited,
                Some(_) => {}
                None => panic!("the launcher went away"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, awaited)
        .await
        .expect("the worker does not end")
}

/// What a captive tries in [`reaches_its_socket_and_nothing_else`].
pub(crate) const REACH: &str = "open /etc/passwd\ntcp 127.0.0.1:80\nconnect\nfork";

/// Lets a captive that was given [`REACH`] run to its end.
pub(crate) async fn reaches_its_socket_and_nothing_else(
    client: &Client,
    exits: &mut Receiver<Exited>,
    captive: Captive,
) {
    client.open_gate(&captive.id).await.unwrap();
    exit_of(exits, &captive.id).await;
    assert_eq!(
        captive.printed(),
        "open /etc/passwd: refused, PermissionDenied\n\
         tcp 127.0.0.1:80: refused, PermissionDenied\n\
         connect : connected\n\
         fork : refused, PermissionDenied\n"
    );
}

/// Whether the tests run as root; if not, the test is noted as skipped.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        aion_testkit::skip(
            "root",
            "only root can give a worker another user and a cgroup",
        );
    }
    root
}

/// The built-in seccomp profile with more calls allowed, to look at what is behind.
pub(crate) fn wider_profile(folder: &Path, names: &[&str]) -> PathBuf {
    let text = include_str!("../../../../config/seccomp_profile.json");
    let mut profile: serde_json::Value = serde_json::from_str(text).unwrap();
    let groups = profile["syscalls"].as_array_mut().unwrap();
    for group in groups.iter_mut() {
        let kept = group["names"].as_array().unwrap().clone();
        group["names"] = kept
            .into_iter()
            .filter(|name| !names.contains(&name.as_str().unwrap()))
            .collect();
    }
    groups.push(serde_json::json!({"names": names, "action": "SCMP_ACT_ALLOW"}));
    let path = folder.join("wider.json");
    fs::write(&path, profile.to_string()).unwrap();
    path
}

pub(crate) fn launcher_program() -> PathBuf {
    env!("CARGO_BIN_EXE_aion-launcher").into()
}

pub(crate) fn example(name: &str) -> PathBuf {
    let path = launcher_program().with_file_name("examples").join(name);
    assert!(path.exists(), "cargo test builds {}", path.display());
    path
}
