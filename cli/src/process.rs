//! A program of the node that runs on its own: started detached, found again by its pid file, stopped. A pid alone
//! says nothing, it may have been given to another program since: the moment of its start is kept with it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// How often a process that is on its way is looked at.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// A program of the node: where its files are.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// `aion-node` or `aion-launcher`.
    pub(crate) name: &'static str,
    pub(crate) pid_file: PathBuf,
    pub(crate) log: PathBuf,
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
        let text = fs::read_to_string(&self.pid_file).ok()?;
        let noted: Running = serde_json::from_str(&text).ok()?;
        (started_at(noted.pid) == Some(noted.start)).then_some(noted)
    }

    /// Starts `command` in a session of its own, its output appended to the log, and notes it in the pid file.
    /// The command must replace itself by the program (as [`become_program`] does), so that its pid is the program's.
    pub(crate) fn start(&self, mut command: Command) -> io::Result<Running> {
        for file in [&self.pid_file, &self.log] {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            }
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let start = started_at(pid).ok_or_else(|| io::Error::other("it ended at once"))?;
        let running = Running { pid, start };
        let part = self.pid_file.with_extension("part");
        fs::write(&part, serde_json::to_vec(&running)?)?;
        fs::rename(&part, &self.pid_file)?;
        Ok(running)
    }

    /// The end of the log, at most `lines` lines.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        const MOST: u64 = 16 << 10;
        let tail = || -> io::Result<String> {
            use std::io::{Read, Seek, SeekFrom};
            let mut file = File::open(&self.log)?;
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
        let _ = fs::remove_file(&self.pid_file);
    }
}

impl Running {
    /// Sends a signal to this process and no other: the descriptor holds on to it, and its start is compared after
    /// it was opened. A process that is gone is no error.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        let held = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(held) => held,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(why) => return Err(why.into()),
        };
        if started_at(self.pid) != Some(self.start) {
            return Ok(());
        }
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
        let until = Instant::now() + bound;
        while self.is_alive() {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        true
    }
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
            pid_file: folder.join("run/sleeper.pid"),
            log: folder.join("logs/sleeper.log"),
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
        fs::write(&program.pid_file, serde_json::to_vec(&another).unwrap()).unwrap();
        assert_eq!(program.running(), None);
        another.signal(Signal::KILL).unwrap();
        assert!(started.is_alive());
        started.signal(Signal::KILL).unwrap();
        assert!(started.ended(Duration::from_secs(30)).await);
    }

    #[test]
    fn a_pid_file_that_says_nothing_means_that_nothing_runs() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path());
        fs::create_dir_all(folder.path().join("run")).unwrap();
        for text in ["", "12", "{\"pid\":-4,\"start\":1}", "{\"pid\":1}"] {
            fs::write(&program.pid_file, text).unwrap();
            assert_eq!(program.running(), None, "{text}");
        }
    }
}
