//! Tools that are processes: MCP servers over their standard input and output, each confined by the launcher.
//!
//! One process for each tool of a tenant, started with its first call and ended with its connection. What may
//! not enter: what is said over the pipes (`aion_drivers::tool`).

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    sync::Arc,
    time::Duration,
};

use aion_abi::{boot::Order, code::Code, layer, problem::Problem};
use aion_drivers::tool::{StdioCommand, StdioGuard, StdioProcess, StdioServers, ToolServer};
use aion_sandbox::protocol::{ExitStatus, Exited, Limits, Role, Start, WorkerId};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rustix::{
    fs::OFlags,
    pipe::{PipeFlags, pipe_with},
};
use tokio::{io::AsyncReadExt, net::unix::pipe, runtime};

use crate::{
    launching::{LaunchError, Launcher, WorkerFds, below, lacking, one_line, sealed},
    mounts::Mounts,
};

/// Between the request to end and the kill.
const GRACE: Duration = Duration::from_secs(2);
/// What is kept of what a process writes to its standard error, in bytes.
const KEPT: usize = 2 * 1024;

/// See the module. Clones share it.
#[derive(Clone)]
pub struct ToolProcesses {
    launcher: Arc<dyn Launcher>,
    mounts: Mounts,
    running: Arc<Mutex<HashMap<WorkerId, Arc<Said>>>>,
}

/// The last words of a process.
#[derive(Default)]
struct Said {
    tail: Mutex<Vec<u8>>,
    end: Mutex<Option<String>>,
}

impl ToolProcesses {
    /// Tools that `launcher` starts, with folders of `mounts`.
    pub fn new(launcher: Arc<dyn Launcher>, mounts: Mounts) -> Self {
        Self {
            launcher,
            mounts,
            running: Arc::default(),
        }
    }

    /// Whether `id` is a tool that is wanted.
    pub(super) fn runs(&self, id: &WorkerId) -> bool {
        self.running.lock().contains_key(id)
    }

    /// A process ended that no turn knows; it may be one of these.
    pub(super) fn exited(&self, exited: &Exited) {
        let Some(said) = self.running.lock().get(&exited.id).cloned() else {
            return;
        };
        let memory = match exited.oom {
            Some(true) => ", out of memory",
            _ => "",
        };
        let how = match exited.status {
            ExitStatus::Code(code) => format!("it ended with code {code}{memory}"),
            ExitStatus::Signal(signal) => format!("it was ended by signal {signal}{memory}"),
            ExitStatus::Unknown => "it ended".to_owned(),
        };
        let note = exited.note.as_deref().unwrap_or_default();
        let end = [how.as_str(), note].join(if note.is_empty() { "" } else { ": " });
        tracing::info!(tool = %exited.id, end, said = said.line(), "a tool's process ended");
        *said.end.lock() = Some(end);
    }

    /// Opens what the process inherits. Nothing is opened for it that this process may not open.
    async fn prepare(
        &self,
        server: &ToolServer,
        command: &StdioCommand,
    ) -> Result<Prepared, Problem> {
        let refused =
            |text: String| Problem::new(Code::Unreachable, format!("tool {}: {text}", server.name));
        let program = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::PATH.bits().cast_signed())
            .open(&command.command)
            .map_err(|error| {
                refused(format!("{} cannot be opened: {error}", command.command))
                    .remedy("install the program on this machine, or correct spec.mcp.stdio.command of the Tool")
            })?;
        let mut shown: Vec<OwnedFd> = vec![program.into()];
        for name in &command.mounts {
            let folder = self.mounts.open_folder(name).await.map_err(|problem| {
                refused(problem.detail).remedy(format!(
                    "map it to a folder that is there and that the node's user may open: aionctl mount add {name} FOLDER"
                ))
            })?;
            shown.push(folder);
        }
        let order = Order {
            command: command.command.clone(),
            args: command.args.clone(),
            env: command.env.clone(),
        };
        let mut pipes = || -> io::Result<Prepared> {
            let (stdin_read, stdin) = pipe_with(PipeFlags::CLOEXEC)?;
            let (stdout, stdout_write) = pipe_with(PipeFlags::CLOEXEC)?;
            let (stderr, stderr_write) = pipe_with(PipeFlags::CLOEXEC)?;
            let mut rest = vec![stdin_read];
            rest.append(&mut shown);
            Ok(Prepared {
                fds: WorkerFds {
                    boot: sealed(&serde_json::to_vec(&order)?)?,
                    stdout: stdout_write,
                    stderr: stderr_write,
                    rest,
                },
                stdin,
                stdout,
                stderr,
            })
        };
        pipes()
            .map_err(|error| Problem::new(Code::Internal, format!("tool {}: {error}", server.name)))
    }

    async fn launch(
        &self,
        id: &WorkerId,
        server: &ToolServer,
        command: &StdioCommand,
        fds: WorkerFds,
    ) -> Result<(), Problem> {
        let not_started = |error: LaunchError| {
            let text = format!(
                "tool {}: its process was not started: {}",
                server.name, error.why
            );
            Problem::new(Code::Unreachable, text)
        };
        let start = Start {
            id: id.clone(),
            role: Role::Tool,
            profile: "tool".to_owned(),
            limits: Limits::default(),
            socket: None,
            mounts: command.mounts.clone(),
        };
        let launched = self.launcher.start(start, fds).await.map_err(not_started)?;
        let below = below(&launched.layers);
        if !below.is_empty() {
            let text = format!(
                "tool {}: this machine does not confine a program enough to run one of somebody else's: it lacks {}",
                server.name,
                below.join(", ")
            );
            return Err(Problem::new(Code::Unreachable, text).remedy(
                "run the node as root, or allow ordinary users namespaces (sysctl kernel.unprivileged_userns_clone=1, \
                 kernel.apparmor_restrict_unprivileged_userns=0); what this machine lacks: aionctl local status",
            ));
        }
        let missing = lacking(&server.required_layers, &launched.layers);
        if !missing.is_empty() {
            let text = format!(
                "tool {}: its process is not confined as the agent's policy requires: {}",
                server.name,
                layer::list(&missing)
            );
            return Err(Problem::new(Code::Unreachable, text)
                .remedy("see what this machine lacks: aionctl local status"));
        }
        self.launcher.open_gate(id).await.map_err(not_started)
    }
}

/// What a process inherits, and the ends that stay here.
struct Prepared {
    fds: WorkerFds,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl StdioServers for ToolProcesses {
    fn start<'a>(
        &'a self,
        server: &'a ToolServer,
        command: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>> {
        Box::pin(async move {
            let Prepared {
                fds,
                stdin,
                stdout,
                stderr,
            } = self.prepare(server, command).await?;
            let id = WorkerId {
                instance: format!("tool-{:016x}", fastrand::u64(..)),
                incarnation: 0,
            };
            let said = Arc::new(Said::default());
            self.running.lock().insert(id.clone(), Arc::clone(&said));
            // From here on dropped, and with it the process ended, whatever comes.
            let guard = Guard {
                id: id.clone(),
                said: Arc::clone(&said),
                processes: self.clone(),
                runtime: runtime::Handle::current(),
            };
            listen(stderr, said);
            self.launch(&id, server, command, fds).await?;
            tracing::info!(tool = %id, name = server.name, tenant = server.tenant.as_str(), "a tool's process started");
            Ok(StdioProcess {
                stdin,
                stdout,
                guard: Box::new(guard),
            })
        })
    }
}

/// Keeps the end of what a process writes to its standard error.
fn listen(stderr: OwnedFd, said: Arc<Said>) {
    tokio::spawn(async move {
        let Ok(mut stderr) = pipe::Receiver::from_owned_fd(stderr) else {
            return;
        };
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            said.add(&buffer[..read]);
        }
    });
}

impl Said {
    fn add(&self, bytes: &[u8]) {
        let mut tail = self.tail.lock();
        tail.extend_from_slice(bytes);
        let over = tail.len().saturating_sub(KEPT);
        tail.drain(..over);
    }

    fn line(&self) -> String {
        let tail = self.tail.lock();
        let end = self.end.lock();
        let end = end.as_deref().unwrap_or_default().as_bytes();
        one_line(&[tail.as_slice(), b" ", end].concat())
    }
}

/// A process that is wanted.
struct Guard {
    id: WorkerId,
    said: Arc<Said>,
    processes: ToolProcesses,
    runtime: runtime::Handle,
}

impl StdioGuard for Guard {
    fn said(&self) -> String {
        self.said.line()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (processes, id) = (self.processes.clone(), self.id.clone());
        self.runtime.spawn(async move {
            // It is not there where it was not started, or has ended.
            let _ = processes.launcher.kill(&id, GRACE).await;
            processes.running.lock().remove(&id);
        });
    }
}
