//! The seam to servers that are processes. The daemon starts none itself: a starter does, which asks the
//! launcher for a confined one, and hands back the two ends that are spoken over.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use aion_abi::{code::Code, problem::Problem};
use futures::future::{BoxFuture, ready};

use super::ToolServer;

/// A program that speaks MCP over its standard input and output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StdioCommand {
    /// The program, as an absolute path.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment; it inherits none.
    pub env: BTreeMap<String, String>,
    /// Mounts it may open, read-only, by name.
    pub mounts: Vec<String>,
}

/// A process that runs.
pub struct StdioProcess {
    /// The write end of the pipe that is its standard input.
    pub stdin: OwnedFd,
    /// The read end of the pipe that is its standard output.
    pub stdout: OwnedFd,
    /// Held as long as the process is wanted; dropping it ends the process.
    pub guard: Box<dyn StdioGuard>,
}

/// A hold on a process.
pub trait StdioGuard: Send + Sync {
    /// What it last wrote to its standard error, and how it ended if it did: one line, for a message about
    /// a process that does not answer.
    fn said(&self) -> String;

    /// Whether it was ended here, since nobody wants it as it is: no fault of its own.
    fn is_unwanted(&self) -> bool {
        false
    }

    /// What it used since it was asked last; `None` where nobody can say.
    fn used(&self) -> BoxFuture<'_, Option<ProcessUse>> {
        Box::pin(ready(None))
    }

    /// A call ended, during which it held `bytes` of memory at most.
    fn called(&self, _bytes: u64) {}

    /// What it had no more of, where it ended for want of it. Waits for a moment for its end to be known.
    fn out_of(&self) -> BoxFuture<'_, Option<OutOf>> {
        Box::pin(ready(None))
    }
}

/// What a process used since it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUse {
    /// The most memory that was held at once, in bytes.
    pub peak_bytes: Option<u64>,
    /// How many processes were ended for want of memory, since its start.
    pub killed_for_memory: u64,
    /// How much memory it may hold, in bytes.
    pub most_bytes: Option<u64>,
}

/// What a process had no more of when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOf {
    /// Memory, and how much it may hold in bytes, where that is known.
    Memory(Option<u64>),
    /// Processes and threads.
    Processes,
}

impl std::fmt::Display for OutOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory(Some(most)) => {
                write!(
                    f,
                    "it used more memory than it may ({} MiB) and was ended",
                    most >> 20
                )
            }
            Self::Memory(None) => f.write_str("it used more memory than it may and was ended"),
            Self::Processes => f.write_str(
                "it ended after it was refused a process or thread, having as many as it may",
            ),
        }
    }
}

/// Starts servers as confined processes.
pub trait StdioServers: Send + Sync {
    /// Starts `command` for `server`. Confined, with nothing inherited but its three standard streams.
    ///
    /// # Errors
    /// Why it was not started, as an agent may read it.
    fn start<'a>(
        &'a self,
        server: &'a ToolServer,
        command: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>>;
}

/// Where no processes are started: in a cluster.
pub struct NoStdioServers;

impl StdioServers for NoStdioServers {
    fn start<'a>(
        &'a self,
        server: &'a ToolServer,
        _: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>> {
        let text = format!(
            "tool {} is a program, and this node starts none",
            server.name
        );
        let problem = Problem::new(Code::Unreachable, text)
            .remedy("reach the server over http, or run the agent on a machine standing alone");
        Box::pin(ready(Err(problem)))
    }
}
