//! The program of a project as a process: in a process group of its own, and gone with the `aionctl` that started it.

use std::{io, os::unix::process::CommandExt, path::Path, process::ExitStatus, time::Duration};

use aion_bundle::Program;
use rustix::process::{Pid, Signal, getppid, kill_process_group, set_parent_process_death_signal};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::failure::Failure;

/// How long it has to end its turns, as the SDKs take it.
const GRACE: Duration = Duration::from_secs(12);

/// See the module.
pub(super) struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    /// Starts it in `folder`, with `variables` beside its own.
    pub(super) fn start(
        program: &Program,
        folder: &Path,
        variables: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(|why| Failure::new(format!("cannot find aionctl itself: {why}")))?;
        // It becomes the program, once it is bound to this process.
        let child = Command::new(own)
            .args(["dev", "--child-of", &std::process::id().to_string(), "--"])
            .args(&program.command)
            .envs(&program.env)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(std::process::Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|why| Failure::new(format!("cannot start the program: {why}")))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self { child, group })
    }

    /// Until it ends by itself.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Tells it to end, and ends it where it does not.
    pub(super) async fn stop(mut self) {
        self.signal(Signal::TERM);
        if timeout(GRACE, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            let _ = self.child.wait().await;
        }
        // What it started and left behind.
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Becomes `command`, which ends when the process `parent` does. Comes back only with an error.
pub(super) fn become_bound(parent: i32, command: &[String]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "there is no command");
    };
    if let Err(why) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return why.into();
    }
    // It may have ended before it was bound to.
    if getppid().map(Pid::as_raw_nonzero).map(i32::from) != Some(parent) {
        return io::Error::other("who started it has ended");
    }
    std::process::Command::new(program).args(arguments).exec()
}
