//! Making one worker: its plan and its descriptors, its groups, and a blank process
//! that takes them. What a start needs and is the same for every start is found
//! once, here.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use aion_abi::boot::SOCKET_NAME;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, open, statat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pipe::{PipeFlags, pipe_with};

use super::blank::Blank;
use super::cgroup::{Bounds, Cgroups, Group};
use super::namespaces::Namespaces;
use super::profile::bounds;
use super::rlimits::{Limit, limits};
use super::seccomp::Filters;
use super::shown;
use super::sys::Made;
use aion_profiles::Profiles;
use aion_sandbox::Layer;
use aion_sandbox::plan::{Handed, Plan, Socket, What};
use aion_sandbox::protocol::{Role, Start, StartFailure};
use aion_sandbox::wire::{self, WireError};

/// What every start needs.
#[derive(Debug)]
pub(super) struct Starter {
    pub(super) namespaces: Namespaces,
    pub(super) cgroups: Cgroups,
    pub(super) profiles: std::sync::Arc<Profiles>,
    pub(super) filters: Filters,
    pub(super) worker: OwnedFd,
    /// The program that compiles modules. Opened when it is needed: a node without
    /// it runs everything but new modules.
    pub(super) compiler: PathBuf,
    /// Owner that a worker's socket must have; anyone's where the launcher is not
    /// root and has no reach beyond its user's.
    pub(super) socket_owner: Option<u32>,
}

/// The descriptors that came with a start, as it orders them.
#[derive(Debug)]
pub(super) struct StartFds {
    boot: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    rest: Rest,
}

/// What further a runtime takes.
#[derive(Debug)]
enum Rest {
    Nothing,
    Module(OwnedFd),
    Tool { stdin: OwnedFd, shown: Vec<OwnedFd> },
    Image(Vec<OwnedFd>),
}

/// A worker that was made and has not said yet that it is confined.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) made: Made,
    /// The launcher's end of the pair.
    pub(super) link: OwnedFd,
    /// A byte opens the gate; closing it ends the worker.
    pub(super) gate: OwnedFd,
    pub(super) group: Group,
    pub(super) bounds: Bounds,
    pub(super) limits: Vec<Limit>,
    /// What its root is made of, if of anything.
    pub(super) shown: Option<What>,
    /// The ports of its network, if it has one.
    pub(super) ports: Vec<u16>,
    /// How many seccomp programs it was given.
    pub(super) filters: usize,
    /// Its user on the host, where it is not the launcher's own.
    pub(super) user: Option<u32>,
}

/// Why there is no worker.
pub(super) type NotBegun = (StartFailure, String);

impl StartFds {
    /// Takes as many as the start asks for, no more and no fewer.
    pub(super) fn take(start: &Start, fds: Vec<OwnedFd>) -> Result<Self, NotBegun> {
        let (wanted, given) = (start.fds(), fds.len());
        let wrong = || {
            let why = format!("{given} descriptors came with the start, which takes {wanted}");
            (StartFailure::Invalid, why)
        };
        if wanted != given {
            return Err(wrong());
        }
        let mut fds = fds.into_iter();
        match (fds.next(), fds.next(), fds.next()) {
            (Some(boot), Some(stdout), Some(stderr)) => Ok(Self {
                boot,
                stdout,
                stderr,
                rest: match (start.role, fds.next()) {
                    (Role::Tool, Some(stdin)) => Rest::Tool {
                        stdin,
                        shown: fds.collect(),
                    },
                    (Role::Process, Some(files)) => {
                        Rest::Image(std::iter::once(files).chain(fds).collect())
                    }
                    (_, Some(module)) => Rest::Module(module),
                    (_, None) => Rest::Nothing,
                },
            }),
            _ => Err(wrong()),
        }
    }
}

impl Starter {
    /// Makes the worker of what `blank` gives, which is asked last.
    pub(super) fn begin(
        &self,
        start: &Start,
        fds: &StartFds,
        blank: impl FnOnce() -> Result<Blank, NotBegun>,
    ) -> Result<Begun, NotBegun> {
        let invalid = |why| (StartFailure::Invalid, why);
        let profile = self.profiles.role(&start.profile).map_err(invalid)?;
        let bounds = bounds(profile, &start.limits);
        let network = !start.ports.is_empty();
        let filters = self.filters.of(start.role, network, &start.seccomp);
        let filters = filters.map_err(invalid)?;
        let (socket, folder) = match &start.socket {
            Some(path) => self.socket(path).map_err(invalid)?,
            None => (None, None),
        };
        let (shown, mounts) = match &fds.rest {
            Rest::Tool { shown, .. } | Rest::Image(shown) => {
                shown::prepare(&self.namespaces, start, shown).map_err(invalid)?
            }
            Rest::Module(_) | Rest::Nothing => (None, Vec::new()),
        };
        if let Some(why) = self.namespaces.missing(Layer::NetworkNamespace)
            && !start.ports.is_empty()
        {
            let layer = Layer::NetworkNamespace;
            return Err(invalid(format!(
                "a network of its own takes a {layer}: {why}"
            )));
        }
        let mut group = self.cgroups.create(&start.id.to_string(), &bounds);
        let blank = match blank() {
            Ok(blank) => blank,
            Err(failed) => {
                group.remove();
                return Err(failed);
            }
        };
        let own_user_namespace = self.namespaces.has(Layer::UserNamespace);
        let limits = limits(profile, &bounds, own_user_namespace || blank.user.is_some());
        let doors = group.doors();
        let plan = Plan {
            private_root: self.namespaces.has(Layer::MountNamespace),
            socket,
            module: matches!(fds.rest, Rest::Module(_)),
            shown,
            ports: start.ports.clone(),
            groups: doors.len(),
            limits: limits.iter().map(Limit::planned).collect(),
            switch_user: blank.user.filter(|_| !own_user_namespace),
            filters: filters.to_vec(),
        };
        group.enter(blank.made.pid);
        let further = Further {
            socket: folder.as_ref(),
            mounts: &mounts,
            doors: &doors,
        };
        match hand_over(&plan, fds, &further, &blank) {
            Ok(gate) => Ok(Begun {
                made: blank.made,
                link: blank.link,
                gate,
                group,
                bounds,
                limits,
                shown: plan.shown.map(|shown| shown.what),
                ports: plan.ports,
                filters: plan.filters.len(),
                user: blank.user,
            }),
            Err(why) => {
                blank.made.end();
                group.remove();
                Err((StartFailure::Spawn, why))
            }
        }
    }

    /// How the worker gets its socket. A worker of another user cannot look the
    /// path up, so the launcher takes hold of the socket's folder for it.
    fn socket(&self, path: &Path) -> Result<(Option<Socket>, Option<OwnedFd>), String> {
        let wrong = |error: Errno| format!("socket {}: {error}", path.display());
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(format!("{} is not a socket", path.display()));
        };
        let folder = open(folder, flags | OFlags::DIRECTORY, Mode::empty()).map_err(wrong)?;
        let status = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(wrong)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Socket {
            return Err(format!("{} is not a socket", path.display()));
        }
        if self
            .socket_owner
            .is_some_and(|owner| owner != status.st_uid)
        {
            return Err(format!("{} is not the daemon's own", path.display()));
        }
        let mounted = self.namespaces.has(Layer::MountNamespace) && self.namespaces.privileged();
        if !mounted && !self.namespaces.gives_users() {
            return Ok((Some(Socket::Path(path.to_owned())), None));
        }
        if name != SOCKET_NAME {
            return Err(format!("{} is not called {SOCKET_NAME}", path.display()));
        }
        if !mounted {
            return Ok((Some(Socket::Folder), Some(folder)));
        }
        let mount = detached(&folder)
            .map_err(|error| format!("take hold of {}: {error}", path.display()))?;
        Ok((Some(Socket::Mount), Some(mount)))
    }
}

/// What a worker is handed beside the descriptors of its start.
struct Further<'a> {
    socket: Option<&'a OwnedFd>,
    mounts: &'a [OwnedFd],
    doors: &'a [OwnedFd],
}

/// Sends a blank what makes it this worker. Gives the gate.
fn hand_over(
    plan: &Plan,
    fds: &StartFds,
    further: &Further<'_>,
    blank: &Blank,
) -> Result<OwnedFd, String> {
    let (gate_read, gate) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|error| format!("pipe: {error}"))?;
    let handed = Handed {
        boot: fds.boot.as_fd(),
        gate: gate_read.as_fd(),
        stdout: fds.stdout.as_fd(),
        stderr: fds.stderr.as_fd(),
        stdin: match &fds.rest {
            Rest::Tool { stdin, .. } => Some(stdin.as_fd()),
            Rest::Module(_) | Rest::Image(_) | Rest::Nothing => None,
        },
        module: match &fds.rest {
            Rest::Module(module) => Some(module.as_fd()),
            Rest::Tool { .. } | Rest::Image(_) | Rest::Nothing => None,
        },
        socket: further.socket.map(OwnedFd::as_fd),
        mounts: further.mounts.iter().map(OwnedFd::as_fd).collect(),
        groups: further.doors.iter().map(OwnedFd::as_fd).collect(),
    };
    match wire::send(&blank.link, plan, &handed.in_order()) {
        // It waits for it or finds it there, or it has ended: that is found and told as any other end
        // before it was confined.
        Ok(()) | Err(WireError::Closed) => Ok(gate),
        Err(error) => Err(format!("send the plan: {error}")),
    }
}

/// A mount of what is open, in no namespace yet.
pub(super) fn detached(handle: &OwnedFd) -> Result<OwnedFd, String> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    match open_tree(handle, "", flags) {
        // The kernel copies mounts of the caller's own namespace only, and a service
        // manager gives the daemon another.
        Err(Errno::INVAL) => open_tree(&found_here(handle)?, "", flags),
        other => other,
    }
    .map_err(|error| error.to_string())
}

/// What is open, looked up among the launcher's own mounts. It is the same file or
/// folder, or it is not used: a name alone gives nobody anything.
fn found_here(handle: &OwnedFd) -> Result<OwnedFd, String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", handle.as_raw_fd()))
        .map_err(|error| error.to_string())?;
    let wrong = |error: Errno| format!("{}: {error}", path.display());
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = open(&path, flags, Mode::empty()).map_err(wrong)?;
    let (given, here) = (fstat(handle).map_err(wrong)?, fstat(&found).map_err(wrong)?);
    match (given.st_dev, given.st_ino) == (here.st_dev, here.st_ino) {
        true => Ok(found),
        false => Err(format!(
            "{} is another one where the launcher runs: start both where the same file systems are mounted",
            path.display()
        )),
    }
}

/// Opens a program, so that its path is needed no more.
pub(super) fn open_program(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

/// Where a program is unless told: beside the launcher.
pub(super) fn beside_launcher(program: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(program))
}
