//! A worker's first minute: take the plan, confine, say so, wait at the gate.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use aion_abi::boot;
use rustix::net::{SendFlags, send};

use crate::exit;
use crate::plan::{MAX_NOTE, Plan, Socket, WorkerMessage};
use crate::protocol::{SOCKET_MOUNT, TOOL_MOUNTS};
use crate::wire::{self, WireError};

/// The largest boot document, in bytes.
pub const MAX_BOOT: u64 = 8 * 1024 * 1024;
/// The largest WASM module, in bytes.
pub const MAX_MODULE: u64 = 64 * 1024 * 1024;

/// A confined worker whose gate is open.
#[derive(Debug)]
pub struct Held {
    launcher: OwnedFd,
    socket: Option<PathBuf>,
    boot: File,
    module: Option<File>,
    tool: Option<PathBuf>,
}

/// Why a worker ends before its gate opened.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Not started by a launcher.
    #[error("a worker is started by aion-launcher only: {0}")]
    NoLauncher(#[source] WireError),
    /// The launcher is gone or does not listen.
    #[error("cannot tell the launcher that the sandbox stands: {0}")]
    NotTold(#[source] WireError),
    /// What it was to be shut in with failed.
    #[error("not confined: {0}")]
    NotConfined(String),
    /// The start was given up.
    #[error("the gate closed without opening")]
    GateClosed,
}

impl HoldError {
    /// What the process is to end with, of [`exit`].
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NoLauncher(_) => exit::USAGE,
            Self::NotTold(_) | Self::NotConfined(_) => exit::SANDBOX,
            Self::GateClosed => exit::GATE_CLOSED,
        }
    }
}

/// Confines this process as its launcher planned, reports, and returns once the
/// gate opens. Must be the first thing `main` does, on the only thread.
///
/// # Errors
/// [`HoldError`]; the process has nothing to do then but end.
pub fn hold() -> Result<Held, HoldError> {
    let launcher = inherited(boot::fd::READY);
    let (plan, _) = wire::receive::<Plan>(&launcher).map_err(HoldError::NoLauncher)?;
    let mounts = mounts(&plan);
    let module = plan.module.then(|| inherited(boot::fd::MODULE).into());
    let boot = inherited(boot::fd::BOOT).into();
    let mut gate = File::from(inherited(boot::fd::GATE));
    let tool = plan.tool.as_ref().map(|tool| tool.program.clone());
    let confined = super::confine(plan, mounts).map_err(|why| {
        let failed = HoldError::NotConfined(why);
        tell(&launcher, &failed.to_string());
        failed
    })?;
    let ready = WorkerMessage::Ready {
        landlock: confined.landlock,
        failures: confined.failures,
    };
    wire::send(&launcher, &ready, &[]).map_err(HoldError::NotTold)?;
    let mut byte = [0];
    match gate.read(&mut byte) {
        Ok(1) if byte == [boot::GO] => Ok(Held {
            launcher,
            socket: confined.socket,
            boot,
            module,
            tool,
        }),
        _ => Err(HoldError::GateClosed),
    }
}

impl Held {
    /// Where the daemon's socket is; a compiler has none.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// The program that a tool is, links followed; `None` in any other worker.
    pub fn tool(&self) -> Option<&Path> {
        self.tool.as_deref()
    }

    /// The boot document; the second call finds it empty.
    ///
    /// # Errors
    /// The descriptor could not be read, or the document is larger than
    /// [`MAX_BOOT`].
    pub fn read_boot(&self) -> io::Result<Vec<u8>> {
        read_bounded(&self.boot, MAX_BOOT)
    }

    /// Keeps every descriptor of this process from the program that takes its place.
    ///
    /// # Errors
    /// One of them could not be marked.
    pub fn close_on_exec(&self) -> Result<(), rustix::io::Errno> {
        for fd in [self.launcher.as_fd(), self.boot.as_fd()] {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
        }
        Ok(())
    }

    /// The module of a compiler; empty where there is none.
    ///
    /// # Errors
    /// The descriptor could not be read, or the module is larger than
    /// [`MAX_MODULE`].
    pub fn read_module(&self) -> io::Result<Vec<u8>> {
        match &self.module {
            Some(module) => read_bounded(module, MAX_MODULE),
            None => Ok(Vec::new()),
        }
    }

    /// The compiled module of a WASM program, to be mapped and not copied; the
    /// second call finds none.
    pub fn take_module(&mut self) -> Option<File> {
        self.module.take()
    }

    /// Tells the launcher why this worker is about to end, in one line; it is
    /// passed on with the exit. A launcher that restarted meanwhile never hears it.
    pub fn note(&self, line: &str) {
        tell(&self.launcher, line);
    }
}

fn tell(launcher: &OwnedFd, line: &str) {
    let end = line.floor_char_boundary(MAX_NOTE);
    let note = WorkerMessage::Note(line[..end].to_owned());
    if let Ok(bytes) = serde_json::to_vec(&note) {
        let _ = send(launcher, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

/// The detached mounts that a plan speaks of.
fn mounts(plan: &Plan) -> Vec<OwnedFd> {
    if matches!(plan.socket, Some(Socket::Mount)) {
        return vec![inherited(SOCKET_MOUNT)];
    }
    match &plan.tool {
        Some(tool) if tool.handles => (TOOL_MOUNTS..)
            .take(1 + tool.mounts.len())
            .map(inherited)
            .collect(),
        _ => Vec::new(),
    }
}

fn read_bounded(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::other(format!("longer than {max} bytes")));
    }
    Ok(bytes)
}

#[allow(unsafe_code)]
fn inherited(number: i32) -> OwnedFd {
    // SAFETY: the numbers are those of the contract with the launcher, which put
    // a descriptor there for this process alone, and each is taken once. Where
    // somebody else started the program the number may be closed: then the first
    // use fails and the process ends.
    unsafe { OwnedFd::from_raw_fd(number) }
}
