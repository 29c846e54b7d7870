//! Kernel calls that the safe crates lack: a process made straight into its
//! namespaces, its end with what it used, signals as a descriptor, and the user at
//! the other end of a socket. The only unsafe code of the launcher proper; no policy.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};
use rustix::thread::{
    CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use aion_sandbox::plan::LINK;
use aion_sandbox::protocol::{ExitStatus, InsideUser};

/// A number above those that a child has in the end.
const ABOVE: libc::c_int = LINK + 1;

/// What a new process does before the program: only system calls, with memory
/// that was ready before it was made.
#[derive(Debug)]
pub(super) struct Child<'a> {
    /// Namespaces of its own, as `CLONE_NEW…`.
    pub(super) namespaces: u64,
    /// Its end of the pair, which the program has as [`LINK`]. A failure is told
    /// there, as [`Failure::to_bytes`].
    pub(super) link: BorrowedFd<'a>,
    /// What the program has as its three standard descriptors. It has nothing else.
    pub(super) nothing: BorrowedFd<'a>,
    /// Who to become in its user namespace, where it has one.
    pub(super) inside: Option<InsideUser>,
    /// Whether to leave the supplementary groups.
    pub(super) drop_groups: bool,
    /// The program.
    pub(super) program: BorrowedFd<'a>,
    /// Its name, as its only argument.
    pub(super) name: &'a CStr,
}

/// A made process.
#[derive(Debug)]
pub(super) struct Made {
    /// Its id.
    pub(super) pid: u32,
    /// A descriptor that stands for it.
    pub(super) pidfd: OwnedFd,
}

impl Made {
    /// Kills it and takes its end.
    pub(super) fn end(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = wait(self.pidfd.as_fd(), true);
    }
}

/// A step of the child that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    step: u8,
    errno: i32,
}

/// The steps of a child, as they are reported.
const STEPS: [&str; 7] = [
    "drop the groups",
    "become the mapped user",
    "start a session",
    "enter /",
    "copy the descriptors",
    "arrange the descriptors and close the others (Linux 5.11 or later is needed)",
    "execute the worker",
];

impl Failure {
    const MARK: u8 = b'!';

    fn to_bytes(self) -> [u8; 6] {
        let errno = self.errno.to_le_bytes();
        [
            Self::MARK,
            self.step,
            errno[0],
            errno[1],
            errno[2],
            errno[3],
        ]
    }

    /// Reads what a child reported; `None` for anything else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [Self::MARK, step, a, b, c, d] => Some(Self {
                step,
                errno: i32::from_le_bytes([a, b, c, d]),
            }),
            _ => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = STEPS.get(usize::from(self.step)).unwrap_or(&"start");
        write!(f, "{step}: {}", io::Error::from_raw_os_error(self.errno))
    }
}

/// What a new process waits for before its first step. Without it, this process gone
/// included, it ends.
#[derive(Debug)]
pub(super) struct Release(OwnedFd);

impl Release {
    /// Lets it go on.
    pub(super) fn go(self) -> io::Result<()> {
        Ok(rustix::io::write(&self.0, b"g").map(drop)?)
    }
}

/// A process right after it was made, seen from both sides.
enum Fork {
    /// In it: released.
    Child,
    Parent(Made, Release),
}

/// Makes the process. Once it is released it runs [`Child`]'s steps and then the program.
pub(super) fn spawn(child: &Child<'_>) -> io::Result<(Made, Release)> {
    match fork_into(child.namespaces)? {
        Fork::Parent(made, release) => Ok((made, release)),
        Fork::Child => {
            let bytes = run(child).to_bytes();
            // SAFETY: `bytes` lives on this process's own copy of the stack;
            // `_exit` ends it without running anything of the launcher's.
            unsafe {
                libc::send(
                    child.link.as_raw_fd(),
                    bytes.as_ptr().cast(),
                    bytes.len(),
                    libc::MSG_NOSIGNAL,
                );
                libc::_exit(127);
            }
        }
    }
}

/// A process in these namespaces that does nothing and ends when it is released.
pub(super) fn spawn_idle(namespaces: u64) -> io::Result<(Made, Release)> {
    match fork_into(namespaces)? {
        Fork::Parent(made, release) => Ok((made, release)),
        // SAFETY: ends this process without running anything of the launcher's.
        Fork::Child => unsafe { libc::_exit(0) },
    }
}

/// By `clone`, which containers allow that refuse `clone3` since they cannot look
/// into its arguments.
fn fork_into(namespaces: u64) -> io::Result<Fork> {
    let (released, release) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut pidfd: RawFd = -1;
    let flags = namespaces | libc::CLONE_PIDFD as u64 | libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM this is fork: the child has a copy of everything,
    // its stack too, and goes on here. The launcher has one thread, so no other one
    // can hold a lock that the copy would wait for. `pidfd`, which the third
    // argument names on every architecture, outlives the call; the two after it are
    // not looked at with these flags.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) };
    match u32::try_from(pid) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(0) => {
            // Its own copy: while that is open there is no end of file, and it would wait
            // for ever for a launcher that is gone, with the lock and all else that it has.
            drop(release);
            match rustix::io::read(&released, &mut [0_u8; 1]) {
                Ok(1) => Ok(Fork::Child),
                // SAFETY: ends this process without running anything of the launcher's.
                _ => unsafe { libc::_exit(126) },
            }
        }
        Ok(pid) => {
            let made = Made {
                pid,
                // SAFETY: the kernel stored a new descriptor there; nobody else has it.
                pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
            };
            Ok(Fork::Parent(made, Release(release)))
        }
    }
}

/// The child's steps. Returns only with the step that failed.
fn run(child: &Child<'_>) -> Failure {
    let mut step = 0;
    let Err(error) = try_run(child, &mut step);
    Failure {
        step,
        errno: error.raw_os_error().unwrap_or(0),
    }
}

fn try_run(child: &Child<'_>, step: &mut u8) -> Result<std::convert::Infallible, io::Error> {
    let check = |result: i64| match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    };
    // SAFETY (for every block below): plain system calls of the child about
    // itself, on memory of its own copy that outlives each call. Identities are
    // set by the raw call, as libc's wrappers would look for other threads.
    if child.drop_groups {
        check(unsafe { libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>()) })?;
    }
    *step = 1;
    if let Some(InsideUser { uid, gid }) = child.inside {
        check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
        check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
        // The program would begin without its rights in the namespace, by which it makes its root, unless it is root
        // there: it is the same program for every user, and lets go of them itself.
        keep_over_exec(NEEDED)?;
    }
    *step = 2;
    check(unsafe { libc::setsid() }.into())?;
    *step = 3;
    check(unsafe { libc::chdir(c"/".as_ptr()) }.into())?;
    *step = 4;
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        // What whoever started the launcher ignores, a program would ignore, too. By the raw call, as libc keeps two of
        // them to itself; one that cannot be caught is refused. All zeroes is the default, on every processor.
        for signal in 1..=64 {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                (&raw const DEFAULT_ACTION).cast::<libc::c_void>(),
                ptr::null::<libc::c_void>(),
                size_of::<u64>(),
            );
        }
    }
    let keep = |fd: BorrowedFd<'_>| {
        // Out of the way first, so that no number is overwritten before its turn.
        check(i64::from(unsafe {
            libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, ABOVE)
        }))
        .map(|copy| copy as RawFd)
    };
    let program = keep(child.program)?;
    let nothing = keep(child.nothing)?;
    let link = keep(child.link)?;
    *step = 5;
    // Everything, also what stands on a number between those below: whoever
    // started the launcher may have left it something there.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            0,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })?;
    for (copy, number) in [(nothing, 0), (nothing, 1), (nothing, 2), (link, LINK)] {
        // The number it gets is kept open by the program.
        check(unsafe { libc::dup2(copy, number) }.into())?;
    }
    *step = 6;
    let argv = [child.name.as_ptr(), ptr::null()];
    let envp: [*const libc::c_char; 1] = [ptr::null()];
    check(unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    })?;
    Err(io::Error::last_os_error())
}

/// A signal's action as the kernel has it: handler, flags, restorer and mask.
static DEFAULT_ACTION: [u64; 4] = [0; 4];

/// What a worker does in its namespaces to confine itself: mount, empty its bounding set, bring up its loopback interface,
/// and listen on it at any port.
const NEEDED: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Lets a program have these capabilities that is not root's. Without memory that is not its own: see [`Child`].
fn keep_over_exec(needed: CapabilitySet) -> io::Result<()> {
    let mut sets = capabilities(None)?;
    sets.inheritable |= needed;
    set_capabilities(None, sets)?;
    for one in needed.iter() {
        configure_capability_in_ambient_set(one, true)?;
    }
    Ok(())
}

/// How a child ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// Its status.
    pub(super) status: ExitStatus,
    /// User and system time, in microseconds.
    pub(super) cpu_us: u64,
    /// The most resident memory, in bytes.
    pub(super) peak_resident_bytes: u64,
}

/// Takes the end of a child; `None` while it runs, unless `block`.
pub(super) fn wait(pidfd: BorrowedFd<'_>, block: bool) -> io::Result<Option<Ended>> {
    let options = libc::WEXITED | if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: both structures are plain data for which all zeroes is a value,
        // and they outlive the call. The raw call has a fifth argument, the usage,
        // which libc's wrapper leaves out.
        let (result, info, usage) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let mut usage: libc::rusage = std::mem::zeroed();
            let result = libc::syscall(
                libc::SYS_waitid,
                libc::P_PIDFD,
                pidfd.as_raw_fd(),
                &raw mut info,
                options,
                &raw mut usage,
            );
            (result, info, usage)
        };
        if result == -1 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        // SAFETY: after a successful waitid these fields are the valid ones.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return Ok(None);
        }
        let micros = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
        return Ok(Some(Ended {
            status: match info.si_code {
                libc::CLD_EXITED => ExitStatus::Code(status),
                _ => ExitStatus::Signal(status),
            },
            cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
            peak_resident_bytes: usage.ru_maxrss as u64 * 1024,
        }));
    }
}

/// The user who opened the other end of a socket. rustix refuses where the process is of
/// another namespace, as that of a pod's other container is: it has no id here.
pub(super) fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = std::mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: plain data of the given length, which outlives the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    match result {
        0 => Ok(peer.uid),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How a process that is not a child ended: from Linux 6.15 on, and once its parent
/// has taken the end. `None` otherwise.
pub(super) fn exit_of_adopted(pidfd: BorrowedFd<'_>) -> Option<ExitStatus> {
    // SAFETY: plain data for which all zeroes is a value; it outlives the call,
    // and the request's number holds its size.
    let (result, info) = unsafe {
        let mut info: libc::pidfd_info = std::mem::zeroed();
        info.mask = u64::from(libc::PIDFD_INFO_EXIT);
        let result = libc::ioctl(pidfd.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info);
        (result, info)
    };
    if result != 0 || info.mask & u64::from(libc::PIDFD_INFO_EXIT) == 0 {
        return None;
    }
    Some(match info.exit_code & 0x7f {
        0 => ExitStatus::Code((info.exit_code >> 8) & 0xff),
        signal => ExitStatus::Signal(signal),
    })
}

/// Takes SIGTERM and SIGINT out of their usual way; each is then readable here.
pub(super) fn stop_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by `sigemptyset` before it is used, and
    // the descriptor is new and nobody else's.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_process_that_is_never_released_ends_with_whoever_made_it() {
        let (made, release) = spawn_idle(0).unwrap();
        assert!(wait(made.pidfd.as_fd(), false).unwrap().is_none());
        drop(release);
        let ended = wait(made.pidfd.as_fd(), true).unwrap().unwrap();
        assert_eq!(ended.status, ExitStatus::Code(126));

        let (made, release) = spawn_idle(0).unwrap();
        release.go().unwrap();
        let ended = wait(made.pidfd.as_fd(), true).unwrap().unwrap();
        assert_eq!(ended.status, ExitStatus::Code(0));
    }
}
