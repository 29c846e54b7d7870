//! The programs that are measured, found beside this one, whatever cargo's target folder is, and the parts of this one that run as
//! processes of their own: all ended with what measures them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a program may take to end by itself.
const END: Duration = Duration::from_secs(5);

/// The program of that name as `make bench` built it.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program")?;
    let program = own.with_file_name(name);
    ensure!(
        program.is_file(),
        "{} is not there: make bench builds it",
        program.display()
    );
    Ok(program)
}

/// A folder that is removed in the end, with a short name: a socket's path has 107 bytes at most.
pub(crate) fn scratch() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("aion-")
        .tempdir_in("/tmp")
        .context("making a folder in /tmp")
}

/// What a process holds of memory, in MiB, by a word of `smaps_rollup` (`Rss:`, `Pss:`).
pub(crate) fn mib(pid: u32, word: &str) -> Result<f64> {
    mib_of(pid, "smaps_rollup", word)
}

/// The most that it ever held, in MiB.
pub(crate) fn peak_mib(pid: u32) -> Result<f64> {
    mib_of(pid, "status", "VmHWM:")
}

/// The time that its threads have had of a processor, in seconds (proc_pid_stat(5), `utime` and `stime`).
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of a program may have spaces; what follows it is numbers.
    let (_, rest) = text.rsplit_once(") ").context("no name")?;
    let mut ticks = rest.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let (Some(Ok(user)), Some(Ok(system))) = (ticks.next(), ticks.next()) else {
        anyhow::bail!("no time");
    };
    Ok((user + system) / rustix::param::clock_ticks_per_second() as f64)
}

fn mib_of(pid: u32, file: &str, word: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find(|line| line.starts_with(word));
    let line = line.with_context(|| format!("no {word}"))?;
    let kib = line.split_whitespace().nth(1).context("no figure")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// A program in the background; told to end when dropped, and killed where it does not.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// An error once it has ended.
    pub(crate) fn runs(&mut self) -> Result<()> {
        let ended = self.0.try_wait()?;
        ensure!(ended.is_none(), "a program ended early: {ended:?}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let until = Instant::now() + END;
        while Instant::now() < until {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A part of this program as a process, so that client and server do not share a scheduler; killed when dropped.
pub(crate) struct Part {
    child: Child,
}

impl Part {
    /// Starts it, and waits for its first line: whatever it has to say, it listens then.
    pub(crate) fn start(arguments: &[&str]) -> Result<(Self, String)> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a part of the benchmark")?;
        let out = child.stdout.take().context("a part has no output")?;
        let part = Self { child };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(
            !line.is_empty(),
            "{} of the benchmark did not start; its errors are above",
            arguments[0]
        );
        Ok((part, line.trim_end().to_owned()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
