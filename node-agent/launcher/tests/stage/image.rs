//! Programs of images on a stage: a root file system of this machine's programs, and starts of it.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use aion_abi::boot::{Boot, Input, Process, Program};
use aion_abi::signing::Key;
use aion_sandbox::protocol::{Exited, InsideUser, Limits, Role, Rules, Start, WorkerId};
use aion_sandbox::{Client, ClientError};
use aion_testkit::RootFiles;
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Captive, Stage, example, exit_of, is_root, launcher_program};

/// The program of the images here, where it is in them.
pub(crate) const RESIDENT: &str = "/bin/resident";

/// A start of an image's program.
pub(crate) struct Run {
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: String,
    pub(crate) user: Option<InsideUser>,
    pub(crate) scratch_bytes: Option<u64>,
    pub(crate) limits: Limits,
    pub(crate) seccomp: Vec<String>,
    pub(crate) mounts: Vec<(String, PathBuf)>,
    pub(crate) ports: Vec<u16>,
}

impl Run {
    /// What does these words, as root inside.
    pub(crate) fn words(words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned());
        Self::command(std::iter::once(RESIDENT.to_owned()).chain(words))
    }

    /// Any command.
    pub(crate) fn command(command: impl IntoIterator<Item = String>) -> Self {
        Self {
            command: command.into_iter().collect(),
            env: Vec::new(),
            folder: "/".into(),
            user: None,
            scratch_bytes: None,
            limits: Limits::default(),
            seccomp: Vec::new(),
            mounts: Vec::new(),
            ports: Vec::new(),
        }
    }
}

/// The worker itself: a captive executes no program. `None` where it was not built, which is noted.
pub(crate) fn worker() -> Option<PathBuf> {
    let path = launcher_program().with_file_name("aion-worker");
    if !path.exists() {
        let why = format!(
            "{} is not built: cargo build -p aion-worker",
            path.display()
        );
        aion_testkit::skip("aion-worker", &why);
        return None;
    }
    Some(path)
}

/// A stage of root's with the worker itself, or a noted skip.
pub(crate) fn roots() -> Option<Stage> {
    is_root()
        .then(worker)?
        .map(|it| Stage::with_worker(&it, None, false))
}

impl Stage {
    /// An image with the resident in it, of the launcher's user.
    pub(crate) fn image(&self) -> RootFiles {
        self.image_in(&self.path(""))
    }

    /// The same in a folder of the test's.
    pub(crate) fn image_in(&self, folder: &Path) -> RootFiles {
        let files = RootFiles::make(&folder.join("image")).unwrap();
        files.program(&example("resident"), RESIDENT).unwrap();
        files
    }

    /// Starts it up to its gate.
    pub(crate) async fn resident(
        &self,
        client: &Client,
        name: &str,
        files: &RootFiles,
        run: Run,
    ) -> Result<Captive, ClientError> {
        let id = WorkerId {
            instance: name.into(),
            incarnation: 1,
        };
        let boot = document(&id, &run);
        let shown: Vec<File> = std::iter::once(files.path())
            .chain(run.mounts.iter().map(|(_, path)| path.as_path()))
            .map(|path| File::open(path).unwrap())
            .collect();
        let start = Start {
            id,
            role: Role::Process,
            profile: "process".into(),
            limits: run.limits,
            seccomp: run.seccomp,
            socket: None,
            mounts: run.mounts.iter().map(|(name, _)| name.clone()).collect(),
            user: run.user,
            scratch_bytes: run.scratch_bytes,
            ports: run.ports,
            rules: Rules::default(),
        };
        let rest = shown.iter().map(AsFd::as_fd).collect();
        self.captive(client, start, boot.as_fd(), rest).await
    }

    /// Runs it to its end: what it printed, what it complained of, and how it ended.
    pub(crate) async fn reside(
        &self,
        name: &str,
        files: &RootFiles,
        run: Run,
    ) -> (String, String, Exited) {
        let (client, mut exits) = self.connect().await;
        let captive = self.resident(&client, name, files, run).await.unwrap();
        client.open_gate(&captive.id).await.unwrap();
        let exited = exit_of(&mut exits, &captive.id).await;
        client.acknowledge(&captive.id).await.unwrap();
        let (printed, complained) = captive.said();
        (printed, complained, exited)
    }

    /// Runs these words to their end, which must be a good one, and gives their lines.
    pub(crate) async fn does(&self, name: &str, files: &RootFiles, words: &[&str]) -> Vec<String> {
        let (printed, complained, exited) = self.reside(name, files, Run::words(words)).await;
        assert_eq!((&*complained, exited.note), ("", None));
        lines(&printed)
    }
}

/// What came of each word.
pub(crate) fn lines(printed: &str) -> Vec<String> {
    let came = |line: &str| line.split_once(": ").map(|(_, came)| came.to_owned());
    printed.lines().filter_map(came).collect()
}

fn document(id: &WorkerId, run: &Run) -> OwnedFd {
    let boot = Boot {
        instance: id.instance.clone(),
        incarnation: id.incarnation,
        turn: 1,
        agent: "default/resident".into(),
        key: Key::new([7; 32]),
        program: Program::Process(Process {
            command: run.command.clone(),
            env: run.env.clone(),
            working_dir: run.folder.clone(),
        }),
        input: Input::default(),
        checkpoint: None,
        turn_ms: 60_000,
    };
    let memory = memfd_create("boot", MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(memory);
    file.write_all(&serde_json::to_vec(&boot).unwrap()).unwrap();
    file.rewind().unwrap();
    file.into()
}
