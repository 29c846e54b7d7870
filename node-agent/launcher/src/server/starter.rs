//! Making one worker: its groups, its namespaces, its descriptors. Everything a
//! start needs that is the same for every start is found once, here.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use aion_abi::boot::{SOCKET_NAME, fd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, open, statat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};

use super::cgroup::{Bounds, Cgroups, Group};
use super::namespaces::Namespaces;
use super::profile::Profiles;
use super::rlimits::{Limit, limits};
use super::seccomp::Filters;
use super::sys::{self, Child, Made};
use super::tool;
use aion_sandbox::Layer;
use aion_sandbox::plan::{Plan, Socket};
use aion_sandbox::protocol::{Role, SOCKET_MOUNT, Start, StartFailure, TOOL_MOUNTS};
use aion_sandbox::wire;

/// What every start needs.
#[derive(Debug)]
pub(super) struct Starter {
    pub(super) namespaces: Namespaces,
    pub(super) cgroups: Cgroups,
    pub(super) profiles: Profiles,
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
    /// Whether it is a tool.
    pub(super) tool: bool,
    /// How many seccomp programs it was given.
    pub(super) filters: usize,
    /// Its user on the host, where it is not the launcher's own.
    pub(super) user: Option<u32>,
}

/// What a worker is made of besides its limits.
struct Inherited<'a> {
    fds: &'a StartFds,
    /// Detached mounts, the first at this number.
    mounts: (i32, &'a [OwnedFd]),
    program: (BorrowedFd<'a>, &'static std::ffi::CStr),
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
                    (_, Some(module)) => Rest::Module(module),
                    (_, None) => Rest::Nothing,
                },
            }),
            _ => Err(wrong()),
        }
    }
}

impl Starter {
    /// Makes the worker. `taken` are the host users of those that run.
    pub(super) fn begin(
        &self,
        start: &Start,
        fds: &StartFds,
        taken: &[u32],
    ) -> Result<Begun, NotBegun> {
        let invalid = |why| (StartFailure::Invalid, why);
        let profile = self.profiles.get(&start.profile).map_err(invalid)?;
        let bounds = profile.bounds(&start.limits);
        let compiler = match start.role {
            Role::Compile => Some(self.open_compiler()?),
            Role::Declarative | Role::Wasm | Role::Tool => None,
        };
        let (socket, mut mounts) = match &start.socket {
            Some(path) => self.socket(path).map_err(invalid)?,
            None => (None, Vec::new()),
        };
        let tool = match &fds.rest {
            Rest::Tool { shown, .. } => {
                let (tool, handles) =
                    tool::prepare(&self.namespaces, &start.mounts, shown).map_err(invalid)?;
                mounts = handles;
                Some(tool)
            }
            Rest::Module(_) | Rest::Nothing => None,
        };
        let user = self.namespaces.free_user(taken);
        let user = user.map_err(|why| (StartFailure::Busy, why))?;
        let own_user_namespace = self.namespaces.has(Layer::UserNamespace);
        let limits = limits(profile, &bounds, own_user_namespace || user.is_some());
        let plan = Plan {
            private_root: self.namespaces.has(Layer::MountNamespace),
            socket,
            module: matches!(fds.rest, Rest::Module(_)),
            tool,
            switch_user: user.filter(|_| !own_user_namespace),
            filters: self.filters.of(start.role).to_vec(),
        };
        let mut group = self.cgroups.create(&start.id.to_string(), &bounds);
        let inherited = Inherited {
            fds,
            mounts: match plan.tool {
                Some(_) => (TOOL_MOUNTS, &mounts),
                None => (SOCKET_MOUNT, &mounts),
            },
            program: match &compiler {
                Some(compiler) => (compiler.as_fd(), c"aion-compiler"),
                None => (self.worker.as_fd(), c"aion-worker"),
            },
        };
        match self.make(&plan, &inherited, &limits, user, &mut group) {
            Ok((made, link, gate)) => Ok(Begun {
                made,
                link,
                gate,
                group,
                bounds,
                limits,
                tool: plan.tool.is_some(),
                filters: plan.filters.len(),
                user,
            }),
            Err(why) => {
                group.remove();
                Err((StartFailure::Spawn, why))
            }
        }
    }

    fn open_compiler(&self) -> Result<OwnedFd, NotBegun> {
        open_program(&self.compiler).map_err(|error| {
            let why = format!(
                "the compiler cannot be opened at {}: {error}; install aion-compiler beside aion-launcher",
                self.compiler.display()
            );
            (StartFailure::NoProgram, why)
        })
    }

    /// How the worker gets its socket. A worker of another user cannot look the
    /// path up, so the launcher takes hold of the socket's folder for it.
    fn socket(&self, path: &Path) -> Result<(Option<Socket>, Vec<OwnedFd>), String> {
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
            return Ok((Some(Socket::Path(path.to_owned())), Vec::new()));
        }
        if name != SOCKET_NAME {
            return Err(format!("{} is not called {SOCKET_NAME}", path.display()));
        }
        if !mounted {
            return Ok((Some(Socket::Folder), vec![folder]));
        }
        let mount = detached(&folder)
            .map_err(|error| format!("take hold of {}: {error}", path.display()))?;
        Ok((Some(Socket::Mount), vec![mount]))
    }

    fn make(
        &self,
        plan: &Plan,
        inherited: &Inherited<'_>,
        limits: &[Limit],
        user: Option<u32>,
        group: &mut Group,
    ) -> Result<(Made, OwnedFd, OwnedFd), String> {
        let step = |what: &'static str| move |error: Errno| format!("{what}: {error}");
        let (link, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(step("socket pair"))?;
        // This end only: the loop may not wait for one worker, and a worker waits for its plan.
        rustix::io::ioctl_fionbio(&link, true).map_err(step("socket pair"))?;
        let (release_read, release) = pipe_with(PipeFlags::CLOEXEC).map_err(step("pipe"))?;
        let (gate_read, gate) = pipe_with(PipeFlags::CLOEXEC).map_err(step("pipe"))?;
        let nothing = File::open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
        // In the buffer before the worker runs, so that it never waits for it.
        wire::send(&link, plan, &[]).map_err(|error| format!("send the plan: {error}"))?;

        let Inherited {
            fds,
            mounts: (first_mount, mounts),
            program: (program, name),
        } = *inherited;
        let mut descriptors: Vec<(i32, BorrowedFd<'_>)> = vec![
            (
                0,
                match &fds.rest {
                    Rest::Tool { stdin, .. } => stdin.as_fd(),
                    Rest::Module(_) | Rest::Nothing => nothing.as_fd(),
                },
            ),
            (1, fds.stdout.as_fd()),
            (2, fds.stderr.as_fd()),
            (fd::BOOT, fds.boot.as_fd()),
            (fd::GATE, gate_read.as_fd()),
            (fd::READY, theirs.as_fd()),
        ];
        if let Rest::Module(module) = &fds.rest {
            descriptors.push((fd::MODULE, module.as_fd()));
        }
        descriptors.extend((first_mount..).zip(mounts.iter().map(OwnedFd::as_fd)));
        let rlimits: Vec<_> = limits.iter().map(|it| (it.resource, it.value)).collect();
        let own_user_namespace = self.namespaces.has(Layer::UserNamespace);
        let doors = group.doors();
        let made = sys::spawn(&Child {
            namespaces: self.namespaces.flags(),
            groups: &doors,
            release: release_read.as_fd(),
            report: theirs.as_fd(),
            become_mapped: own_user_namespace,
            drop_groups: own_user_namespace && user.is_some(),
            own_cgroup_namespace: self.namespaces.privileged() || own_user_namespace,
            descriptors: &descriptors,
            limits: &rlimits,
            program,
            name,
        })
        .map_err(|error| format!("make the process: {error}"))?;

        let set_up = (|| {
            if own_user_namespace {
                self.namespaces
                    .map(made.pid, user)
                    .map_err(|error| format!("map its user: {error}"))?;
            }
            group.enter(made.pid);
            rustix::io::write(&release, b"g").map_err(step("release it"))?;
            Ok(())
        })();
        match set_up {
            Ok(()) => Ok((made, link, gate)),
            Err(why) => {
                end(&made);
                Err(why)
            }
        }
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

/// Kills a process that was made and takes its end.
pub(super) fn end(made: &Made) {
    let _ = pidfd_send_signal(&made.pidfd, Signal::KILL);
    let _ = sys::wait(made.pidfd.as_fd(), true);
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
