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
