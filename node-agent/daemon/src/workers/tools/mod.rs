//! Tools that are processes: MCP servers over their standard input and output, each confined by the launcher.
//!
//! One process for each tool of a tenant, started with its first call and ended with its connection; and at once when
//! no agent has the tool any more or a mount that it is shown is another folder or none. What may not enter: what is
//! said over the pipes (`aion_drivers::tool`).

mod running;

use std::{
    fs::OpenOptions,
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    sync::Arc,
    time::Duration,
};

use aion_abi::{boot::Order, code::Code, layer, problem::Problem};
use aion_drivers::tool::{
    OutOf, ProcessUse, StdioCommand, StdioGuard, StdioProcess, StdioServers, ToolServer,
};
use aion_sandbox::protocol::{Exited, Limits, Role, Rules, Start, WorkerId};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rustix::{
    fs::OFlags,
    pipe::{PipeFlags, pipe_with},
};
use tokio::{io::AsyncReadExt, net::unix::pipe, runtime};

use crate::{
    instance::Instances,
    launching::{FOR_MORE, LaunchError, Launcher, WorkerFds, below, lacking, sealed},
    mounts::Mounts,
    telemetry::Telemetry,
};
use running::{AllRunning, Running};

/// Between the request to end and the kill.
const GRACE: Duration = Duration::from_secs(2);
/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct ToolProcesses {
    launcher: Arc<dyn Launcher>,
    mounts: Mounts,
    instances: Instances,
    running: Arc<AllRunning>,
    telemetry: Arc<Telemetry>,
}

impl ToolProcesses {
    /// Tools of `instances` that `launcher` starts, with folders of `mounts`.
    pub(crate) fn new(
        launcher: Arc<dyn Launcher>,
        mounts: Mounts,
        instances: Instances,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            launcher,
            mounts,
            instances,
            running: Arc::default(),
            telemetry,
        }
    }

    /// Whether `id` is a tool that is wanted.
    pub(super) fn runs(&self, id: &WorkerId) -> bool {
        self.running.get(id).is_some()
    }

    /// A process ended that no turn knows; it may be one of these.
    pub(super) fn exited(&self, exited: &Exited) {
        if let Some(running) = self.running.get(&exited.id) {
            running.ended(exited);
        }
    }

    /// Ends each process as soon as nobody wants it, for as long as the node is there.
    pub(crate) async fn end_unwanted(self) {
        let (mut instances, mut mounts) = (self.instances.changes(), self.mounts.changes());
        loop {
            let changed = tokio::select! {
                changed = instances.changed() => changed,
                changed = mounts.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
            for (id, running) in self.running.newly_unwanted(&self.instances, &self.mounts) {
                let why = running.unwanted().unwrap_or_default();
                tracing::info!(tool = %id, name = running.tool(), why, "a tool's process is ended");
                let launcher = Arc::clone(&self.launcher);
                // Its folders are not to be in sight any longer: it is not asked first.
                tokio::spawn(async move { launcher.kill(&id, Duration::ZERO).await });
            }
        }
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

    fn wanted(&self, running: &Running) -> Result<(), Problem> {
        running.judge(&self.instances, &self.mounts).map_err(|why| {
            let text = format!("tool {}: it is not started: {why}", running.tool());
            Problem::new(Code::Unreachable, text)
        })
    }

    async fn launch(
        &self,
        id: &WorkerId,
        running: &Running,
        command: &StdioCommand,
        fds: WorkerFds,
    ) -> Result<(), Problem> {
        let server = running.server();
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
            seccomp: Vec::new(),
            socket: None,
            mounts: command.mounts.clone(),
            user: None,
            scratch_bytes: None,
            ports: Vec::new(),
            rules: Rules::default(),
        };
        let launched = self.launcher.start(start, fds).await.map_err(not_started)?;
        let below = below(&launched.layers);
        if !below.is_empty() {
            let text = format!(
                "tool {}: this machine does not confine a program enough to run one of somebody else's: it lacks {}",
                server.name,
                below.join(", ")
            );
            return Err(Problem::new(Code::Unreachable, text).remedy(FOR_MORE));
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
        // Nothing of it has run yet, and the kill of one that was not there yet came to nothing.
        self.wanted(running)?;
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
            let mounts = command.mounts.iter();
            let shown = mounts.map(|name| (name.clone(), self.mounts.mapping(name)));
            let running = Arc::new(Running::new(server.clone(), shown.collect()));
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
            self.running.insert(id.clone(), Arc::clone(&running));
            // From here on dropped, and with it the process ended, whatever comes.
            let guard = Guard {
                id: id.clone(),
                running: Arc::clone(&running),
                processes: self.clone(),
                most_bytes: Mutex::default(),
                runtime: runtime::Handle::current(),
            };
            listen(stderr, Arc::clone(&running));
            // What changes from here on finds it among those that run.
            self.wanted(&running)?;
            self.launch(&id, &running, command, fds).await?;
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
fn listen(stderr: OwnedFd, running: Arc<Running>) {
    tokio::spawn(async move {
        let Ok(mut stderr) = pipe::Receiver::from_owned_fd(stderr) else {
            return;
        };
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            running.wrote(&buffer[..read]);
        }
    });
}

/// A process that somebody holds.
struct Guard {
    id: WorkerId,
    running: Arc<Running>,
    processes: ToolProcesses,
    /// How much memory it may hold, as the launcher said last.
    most_bytes: Mutex<Option<u64>>,
    runtime: runtime::Handle,
}

impl StdioGuard for Guard {
    fn said(&self) -> String {
        self.running.said()
    }

    fn is_unwanted(&self) -> bool {
        self.running.unwanted().is_some()
    }

    fn used(&self) -> BoxFuture<'_, Option<ProcessUse>> {
        Box::pin(async move {
            let measured = self.processes.launcher.measure(&self.id).await?;
            *self.most_bytes.lock() = measured.most_bytes;
            Some(ProcessUse {
                peak_bytes: measured.peak_memory_bytes,
                killed_for_memory: measured.killed_for_memory,
                most_bytes: measured.most_bytes,
            })
        })
    }

    fn called(&self, bytes: u64) {
        if bytes > 0 {
            let tool = self.running.tool();
            tracing::debug!(tool = %self.id, name = tool, bytes, "the most memory during a call");
            self.processes.telemetry.tool_memory(tool, bytes);
        }
    }

    fn out_of(&self) -> BoxFuture<'_, Option<OutOf>> {
        Box::pin(async move {
            Some(match self.running.out_of().await? {
                OutOf::Memory(_) => OutOf::Memory(*self.most_bytes.lock()),
                other @ OutOf::Processes => other,
            })
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (processes, id) = (self.processes.clone(), self.id.clone());
        let grace = match self.running.unwanted() {
            Some(_) => Duration::ZERO,
            None => GRACE,
        };
        self.runtime.spawn(async move {
            // It is not there where it was not started, or has ended.
            let _ = processes.launcher.kill(&id, grace).await;
            processes.running.remove(&id);
        });
    }
}
