//! A worker's first minute: wait for the plan, take what comes with it, confine, say
//! so, wait at the gate. Up to the plan it is nobody's worker yet, and whatever it did
//! so far may have been done long ago.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use aion_abi::boot;
use rustix::io::{FdFlags, dup2, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{SendFlags, send};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::exit;
use crate::plan::{Handed, LINK, MAX_NOTE, Plan, Socket, What, WorkerMessage};
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
    /// The folder that `socket` leads through, where it does.
    _folder: Option<OwnedFd>,
    boot: File,
    module: Option<File>,
    shown: Option<What>,
}

/// Why a worker ends before its gate opened.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Not started by a launcher.
    #[error("a worker is started by aion-launcher only: {0}")]
    NoLauncher(#[source] WireError),
    /// Its descriptors are not those of its plan.
    #[error("the descriptors that came with the plan {0}")]
    Handed(String),
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
            Self::Handed(_) | Self::NotTold(_) | Self::NotConfined(_) => exit::SANDBOX,
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
    let launcher = link();
    let (plan, fds) = wire::receive::<Plan>(&launcher).map_err(HoldError::NoLauncher)?;
    let told = |failed: HoldError| {
        tell(&launcher, &failed.to_string());
        failed
    };
    let handed = Handed::take(&plan, fds).ok_or("are not those that it speaks of".to_owned());
    let mut handed = handed.map_err(|why| told(HoldError::Handed(why)))?;
    settle(&launcher, &mut handed)
        .map_err(|error| told(HoldError::Handed(format!("cannot be used: {error}"))))?;
    let through_folder = matches!(plan.socket, Some(Socket::Folder));
    let folder = handed.socket;
    let confined = super::confine(&plan, folder.as_ref(), &handed.mounts)
        .map_err(|why| told(HoldError::NotConfined(why)))?;
    let ready = WorkerMessage::Ready {
        landlock: confined.landlock,
        failures: confined.failures,
    };
    let doors: Vec<_> = confined.doors.iter().map(AsFd::as_fd).collect();
    wire::send(&launcher, &ready, &doors).map_err(HoldError::NotTold)?;
    drop(confined.doors);
    let mut byte = [0];
    match File::from(handed.gate).read(&mut byte) {
        Ok(1) if byte == [boot::GO] => Ok(Held {
            launcher,
            socket: confined.socket,
            _folder: folder.filter(|_| through_folder),
            boot: handed.boot.into(),
            module: handed.module.map(Into::into),
            shown: plan.shown.map(|shown| shown.what),
        }),
        _ => Err(told(HoldError::GateClosed)),
    }
}

/// What is done before the first layer: its cgroups are entered and hidden, its
/// standard descriptors are its own, and the link to the launcher is kept from a tool.
fn settle(launcher: &OwnedFd, handed: &mut Handed<OwnedFd>) -> Result<(), rustix::io::Errno> {
    for group in handed.groups.drain(..) {
        // One that refuses is found when the launcher reads the layers back.
        let _ = rustix::io::write(&group, b"0");
    }
    leave_cgroup_namespace();
    fcntl_setfd(launcher, FdFlags::CLOEXEC)?;
    if let Some(stdin) = handed.stdin.take() {
        dup2_stdin(stdin)?;
    }
    dup2_stdout(&handed.stdout)?;
    dup2_stderr(&handed.stderr)
}

/// Roots the cgroup namespace where this process is by now. Not a layer of its own:
/// without it the worker could at most learn the name of its cgroup, from files that
/// it does not have.
#[allow(unsafe_code)]
fn leave_cgroup_namespace() {
    // SAFETY: unsharing the cgroup namespace changes no memory and no descriptor.
    let _ = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP) };
}

impl Held {
    /// Where the daemon's socket is; a compiler has none.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// What this worker's root is made of, if of anything.
    pub fn shown(&self) -> Option<&What> {
        self.shown.as_ref()
    }

    /// The boot document; the second call finds it empty.
    ///
    /// # Errors
    /// The descriptor could not be read, or the document is larger than
    /// [`MAX_BOOT`].
    pub fn read_boot(&self) -> io::Result<Vec<u8>> {
        read_bounded(&self.boot, MAX_BOOT)
    }

    /// Leaves the boot document to the program that takes this one's place, on [`boot::DESCRIPTOR`] and from its
    /// beginning; everything else that is open ends with this program. To be called once it was read here.
    ///
    /// # Errors
    /// The document is not a file, or there is no other number for the link to the launcher.
    pub fn pass_boot_on(&mut self) -> io::Result<()> {
        const { assert!(LINK == boot::DESCRIPTOR) };
        self.boot.rewind()?;
        let moved = fcntl_dupfd_cloexec(&self.launcher, LINK + 1)?;
        let mut place = std::mem::replace(&mut self.launcher, moved);
        let placed = dup2(&self.boot, &mut place);
        // It is the program's, and not closed here.
        let _ = place.into_raw_fd();
        Ok(placed?)
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

fn read_bounded(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::other(format!("longer than {max} bytes")));
    }
    Ok(bytes)
}

#[allow(unsafe_code)]
fn link() -> OwnedFd {
    // SAFETY: the launcher put its link there for this process alone, and it is taken
    // once. Where somebody else started the program the number may be closed: then
    // the first use fails and the process ends.
    unsafe { OwnedFd::from_raw_fd(LINK) }
}
