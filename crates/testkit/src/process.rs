//! A child process that cannot outlive the test that started it.
//!
//! Between the test and the program stands a small shell that leads a process
//! group of its own and reads a pipe that only the test holds. When the pipe
//! closes, by a drop, a panic or a `kill -9` of the test, it kills its own group.
//! `PR_SET_PDEATHSIG` would not do: it fires when the *thread* that started the
//! child ends, and libtest's threads end with their test.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{StartError, WaitError, until};

/// `$0` is what a shell is to do after the end, or nothing. Standard output first carries
/// the program's pid, then nothing: its own output goes to the log on descriptor 2.
const SUPERVISOR: &str = r#"
exec 3<&0
(exec 3<&- </dev/null; exec "$@" >&2) &
program=$!
echo $program
exec >&-
{ read -r _ <&3; kill -9 $program; eval "$0"; kill -9 0; } 2>/dev/null &
exec 3<&-
wait $program
"#;

/// How many lines of a log an error quotes.
const TAIL: usize = 25;

/// A running program; killed with all it started when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    shell: Child,
    /// Closing it is the kill.
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts what `command` says (program, arguments, environment and working
    /// folder are taken from it; its standard streams are not), writing all its
    /// output to `log`.
    ///
    /// # Errors
    /// When the log cannot be made or the program not be started.
    pub fn spawn(command: &Command, log: &Path) -> Result<Self, StartError> {
        Self::spawn_then(command, log, "")
    }

    /// As [`Process::spawn`], and runs `after`, shell words, when the program has been
    /// ended: also where no destructor runs, for a test that is killed and for a value
    /// kept in a static.
    pub(crate) fn spawn_then(
        command: &Command,
        log: &Path,
        after: &str,
    ) -> Result<Self, StartError> {
        let program = Path::new(command.get_program());
        // In a machine of a cluster the program's own name is behind other words.
        let name = log
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let doing = format!("starting {name}");
        let file =
            File::create(log).map_err(StartError::io(format!("making {}", log.display())))?;
        let mut shell = Command::new("/bin/sh");
        shell
            .arg("-c")
            .arg(SUPERVISOR)
            .arg(after)
            .arg(program)
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        let mut shell = shell
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(StartError::io(doing.clone()))?;
        let lifeline = shell.stdin.take();
        let pid = read_pid(shell.stdout.take()).map_err(StartError::io(doing))?;
        Ok(Self {
            name,
            pid,
            shell,
            lifeline,
            log: log.to_owned(),
        })
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// The program itself, not the shell before it.
    pub(crate) fn program(&self) -> Pid {
        self.pid
    }

    /// Sends the program a signal; it may have ended already.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(self.pid, signal);
    }

    /// Waits for the program to end by itself or by a signal sent before, and gives
    /// its exit code: 128 and the signal's number where one ended it.
    ///
    /// # Errors
    /// When it still runs after `bound`.
    pub fn wait(&mut self, bound: Duration) -> Result<i32, WaitError> {
        let name = self.name.clone();
        until(&format!("the end of {name}"), bound, || {
            match self.exit_code() {
                Some(code) => Ok(code),
                None => Err(format!("it still runs\n{}", self.tail())),
            }
        })
    }

    /// The program's exit code, once it has one.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.shell
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.code().unwrap_or(128 + 9))
    }

    /// Everything that it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its log, for an error message.
    #[must_use]
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        format!(
            "--- the end of {}'s log\n{}",
            self.name,
            lines[from..].join("\n")
        )
    }

    /// Asks until the answer is `Ok`, but no longer than the program runs.
    ///
    /// # Errors
    /// With the end of its log, when it ended or `bound` passed.
    pub fn until_ready<T>(
        &mut self,
        bound: Duration,
        mut ask: impl FnMut(&Self) -> Result<T, String>,
    ) -> Result<T, WaitError> {
        let what = format!("{} becoming ready", self.name);
        let answer = until(&what, bound, || match self.exit_code() {
            Some(code) => Ok(Err(format!("it ended with code {code}"))),
            None => ask(self).map(Ok),
        });
        let last = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(ended)) => ended,
            Err(late) => late.last,
        };
        Err(WaitError {
            what,
            last: format!("{last}\n{}", self.tail()),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.shell.wait();
    }
}

/// Shell words that remove a folder, for what is done after an end: others who write
/// into it may be ending at the same moment.
pub(crate) fn remove(folder: &Path) -> String {
    let folder = folder.to_string_lossy().replace('\'', r"'\''");
    format!("for n in 1 2 3 4 5; do rm -rf '{folder}' && break; sleep 0.2; done")
}

fn read_pid(stdout: Option<ChildStdout>) -> io::Result<Pid> {
    let stdout = stdout.ok_or_else(|| io::Error::other("no pipe to its output"))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let pid = line
        .trim()
        .parse()
        .map_err(|_| io::Error::other("it told no process id"))?;
    Ok(Pid::from_raw(pid))
}

/// A loopback port that nothing listens on at this moment. Somebody else may take
/// it before its user does: whoever can, lets its program choose one instead.
///
/// # Errors
/// When no port can be had at all.
pub fn free_port() -> Result<u16, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(StartError::io("looking for a free loopback port"))
}
