//! A program of the node that runs on its own: started detached, found again by its pid file, stopped. A pid alone
//! says nothing, it may have been given to another program since: the moment of its start is kept with it.

use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use aion_folders::{Folder, FolderError, Trust};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// How often a process that is on its way is looked at.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
/// How long a program is given after it was told to end at once: one that hangs in the kernel does not.
pub(crate) const AFTER_KILL: Duration = Duration::from_secs(10);
/// Bytes of a log beyond which it is put aside, in the place of the one before, when its program is started.
const MAX_LOG: u64 = 8 << 20;

/// A program of the node: where its files are.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// `aion-node`, `aion-launcher`, `aion-gateway`.
    pub(crate) name: &'static str,
    /// Where its pid file is: the first is written to, the others are where an earlier version had it.
    pub(crate) pids: Vec<PathBuf>,
    /// Where its log is.
    pub(crate) logs: PathBuf,
    /// What is asked of these folders. A pid file has a process killed.
    pub(crate) trust: Trust,
}

/// A process that was started once; whether it still runs is another question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// Clock ticks from the machine's start to the process's, as the kernel tells them.
    start: u64,
}

impl Program {
    /// The process, if it runs.
    pub(crate) fn running(&self) -> Option<Running> {
        self.pids.iter().find_map(|folder| {
            let folder = Folder::open(folder, self.trust).ok()?;
            let noted = folder.read(self.pid_file()).ok()??;
            let noted: Running = serde_json::from_slice(&noted).ok()?;
            noted.is_alive().then_some(noted)
        })
    }

    /// Whether it was started and nobody stopped it: it runs, or ended by itself.
    pub(crate) fn is_noted(&self) -> bool {
        self.pids.iter().any(|folder| {
            let folder = Folder::open(folder, self.trust);
            folder.is_ok_and(|it| matches!(it.read(self.pid_file()), Ok(Some(_))))
        })
    }

    /// Starts `command` with its output appended to the log, and notes it in the pid file. The command must be the
    /// program or replace itself by it (as [`become_program`] does), so that its pid is the program's.
    pub(crate) fn start(&self, mut command: Command) -> Result<Running, StartError> {
        let log = self.open_log()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.noted(child.id())
    }

    /// Notes a child that was just started. One that cannot be noted is ended: nobody would find it again.
    pub(crate) fn noted(&self, child: u32) -> Result<Running, StartError> {
        let running = Running::of(child)?;
        if let Err(why) = self.note(&running) {
            running.signal(Signal::KILL)?;
            return Err(why);
        }
        Ok(running)
    }

    /// Writes the pid file.
    pub(crate) fn note(&self, running: &Running) -> Result<(), StartError> {
        let bytes = serde_json::to_vec(running).map_err(io::Error::from)?;
        let folder = self
            .pids
            .first()
            .map(|folder| Folder::make(folder, self.trust, 0o700));
        if let Some(folder) = folder {
            folder?.replace_unsynced(self.pid_file(), &bytes, 0o600)?;
        }
        Ok(())
    }

    /// Opens the log to write at its end.
    pub(crate) fn open_log(&self) -> Result<File, StartError> {
        let folder = Folder::make(&self.logs, self.trust, 0o700)?;
        let (name, before) = (self.log_file(), format!("{}.1", self.log_file()));
        let file = folder.append(&name, 0o600)?;
        if file.metadata()?.len() < MAX_LOG {
            return Ok(file);
        }
        folder.move_to(&name, &folder, before)?;
        Ok(folder.append(&name, 0o600)?)
    }

    /// Where its log is, for people.
    pub(crate) fn log(&self) -> PathBuf {
        self.logs.join(self.log_file())
    }

    /// The end of the log, at most `lines` lines.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        const MOST: u64 = 16 << 10;
        let tail = || -> io::Result<String> {
            use std::io::{Read, Seek, SeekFrom};
            let mut file = File::open(self.log())?;
            let from = file.metadata()?.len().saturating_sub(MOST);
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(MOST).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = tail().unwrap_or_default();
        let all: Vec<_> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Forgets a process that has ended.
    pub(crate) fn forget(&self) {
        for folder in &self.pids {
            if let Ok(folder) = Folder::open(folder, self.trust) {
                let _ = folder.remove(self.pid_file());
            }
        }
    }

    fn pid_file(&self) -> String {
        format!("{}.pid", self.name)
    }

    fn log_file(&self) -> String {
        format!("{}.log", self.name)
    }
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Where its files are to be.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Running {
    /// A process that was just started.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        let start = started_at(pid).ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Self { pid, start })
    }

    /// A descriptor that stands for it and is readable once it has ended; `None` where it has.
    pub(crate) fn hold(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        let held = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(held) => held,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(why) => return Err(why.into()),
        };
        // Compared after it was opened: it holds on to whatever has the number now.
        Ok(self.is_alive().then_some(held))
    }

    /// Sends a signal to this process and no other. A process that is gone is not an error.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(held) = self.hold()? else {
            return Ok(());
        };
        match pidfd_send_signal(&held, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        started_at(self.pid) == Some(self.start)
    }

    /// Waits until it has ended; false where it has not within `bound`.
    pub(crate) async fn ended(&self, bound: Duration) -> bool {
        ended(bound, || self.is_alive()).await
    }
}

/// Waits until what `runs` asks of has ended; false where it has not within `bound`.
pub(crate) async fn ended(bound: Duration, runs: impl Fn() -> bool) -> bool {
    let until = Instant::now() + bound;
    while runs() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// Leaves the terminal's session and becomes `program`. Comes back only with an error.
pub(crate) fn become_program(program: &Path, arguments: &[std::ffi::OsString]) -> io::Error {
    use std::os::unix::process::CommandExt;
    if let Err(why) = rustix::process::setsid() {
        return why.into();
    }
    Command::new(program).args(arguments).exec()
}

/// When a process started, if it is there and has not ended. Field 22 of `/proc/PID/stat`, counted after the name,
/// which is in brackets and may hold anything (proc_pid_stat(5)).
fn started_at(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn program(folder: &Path) -> Program {
        Program {
            name: "sleeper",
            pids: vec![folder.join("run")],
            logs: folder.join("logs"),
            trust: Trust::Own,
        }
    }

    fn sleeper() -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; exec sleep 600"]);
        command
    }

    #[tokio::test]
    async fn a_started_process_is_found_again_and_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path());
        assert_eq!(program.running(), None);
        let started = program.start(sleeper()).unwrap();
        assert_eq!(program.running(), Some(started.clone()));
        started.signal(Signal::TERM).unwrap();
        assert!(started.ended(Duration::from_secs(30)).await);
        assert_eq!(program.running(), None);
    }

    #[tokio::test]
    async fn a_pid_that_belongs_to_another_process_now_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path());
        let started = program.start(sleeper()).unwrap();
        let another = Running {
            start: started.start + 1,
            ..started.clone()
        };
        fs::write(
            folder.path().join("run/sleeper.pid"),
            serde_json::to_vec(&another).unwrap(),
        )
        .unwrap();
        assert_eq!(program.running(), None);
        another.signal(Signal::KILL).unwrap();
        assert!(started.is_alive());
        started.signal(Signal::KILL).unwrap();
        assert!(started.ended(Duration::from_secs(30)).await);
    }

    #[tokio::test]
    async fn a_child_that_cannot_be_noted_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path());
        fs::write(folder.path().join("run"), "not a folder").unwrap();
        let mut child = sleeper().spawn().unwrap();
        program.noted(child.id()).unwrap_err();
        let ended = child.wait().unwrap();
        assert!(!ended.success(), "{ended:?}");
    }

    #[test]
    fn a_pid_file_that_says_nothing_means_that_nothing_runs() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path());
        fs::create_dir_all(folder.path().join("run")).unwrap();
        for text in ["", "12", "{\"pid\":-4,\"start\":1}", "{\"pid\":1}"] {
            fs::write(folder.path().join("run/sleeper.pid"), text).unwrap();
            assert_eq!(program.running(), None, "{text}");
        }
    }
}
