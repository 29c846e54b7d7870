//! Attempts on namespaces: new ones, in which a program has every capability, and those of others.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use libc::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS,
};

use super::{Attempt, by, number};
use crate::kernel::{at, call, quit, text, wait};
use crate::layer::Layer::{Capabilities, Ipc, Pid, Seccomp, User, Uts};

const NEWTIME: i32 = 0x80;
const BOTH: (&str, &str) = ("EPERM", "SIGSYS");
const ALONE: (&str, &str) = ("EPERM", "EPERM");

pub(super) const ATTEMPTS: &[Attempt] = &[
    by(
        "unshare-user",
        "take a user namespace",
        BOTH,
        &[Seccomp],
        || unshare(CLONE_NEWUSER),
    ),
    by(
        "unshare-mount",
        "take a mount namespace",
        BOTH,
        &[Seccomp, Capabilities],
        || unshare(CLONE_NEWNS),
    ),
    by(
        "unshare-network",
        "take a network namespace",
        BOTH,
        &[Seccomp, Capabilities],
        || unshare(CLONE_NEWNET),
    ),
    by(
        "unshare-pid",
        "take a process-id namespace",
        BOTH,
        &[Seccomp, Capabilities],
        || unshare(CLONE_NEWPID),
    ),
    by(
        "unshare-ipc",
        "take an IPC namespace",
        BOTH,
        &[Seccomp, Capabilities],
        || unshare(CLONE_NEWIPC),
    ),
    by(
        "unshare-uts",
        "take a host-name namespace",
        BOTH,
        &[Seccomp, Capabilities],
        || unshare(CLONE_NEWUTS),
    ),
    by(
        "unshare-cgroup",
        "take a cgroup namespace",
        BOTH,
        &[Seccomp, Capabilities],
        || unshare(CLONE_NEWCGROUP),
    ),
    by(
        "unshare-time",
        "take a time namespace",
        BOTH,
        &[Seccomp, Capabilities],
        || unshare(NEWTIME),
    ),
    by(
        "clone-user",
        "make a process in a user namespace",
        ALONE,
        &[Seccomp],
        || clone(CLONE_NEWUSER),
    ),
    by(
        "clone-mount",
        "make a process in a mount namespace",
        ALONE,
        &[Seccomp, Capabilities],
        || clone(CLONE_NEWNS),
    ),
    by(
        "clone-network",
        "make a process in a network namespace",
        ALONE,
        &[Seccomp, Capabilities],
        || clone(CLONE_NEWNET),
    ),
    by(
        "clone-pid",
        "make a process in a process-id namespace",
        ALONE,
        &[Seccomp, Capabilities],
        || clone(CLONE_NEWPID),
    ),
    by(
        "clone-ipc",
        "make a process in an IPC namespace",
        ALONE,
        &[Seccomp, Capabilities],
        || clone(CLONE_NEWIPC),
    ),
    by(
        "clone-uts",
        "make a process in a host-name namespace",
        ALONE,
        &[Seccomp, Capabilities],
        || clone(CLONE_NEWUTS),
    ),
    by(
        "clone-cgroup",
        "make a process in a cgroup namespace",
        ALONE,
        &[Seccomp, Capabilities],
        || clone(CLONE_NEWCGROUP),
    ),
    by(
        "clone3-user",
        "make a process in a user namespace, with flags that no filter can read",
        ("ENOSYS", "ENOSYS"),
        &[Seccomp],
        || {
            // Eight words, of which the fifth is the signal at the end.
            let wanted: [u64; 8] = [CLONE_NEWUSER as u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
            ended(call(libc::SYS_clone3, &[at(&wanted), size_of_val(&wanted)]))
        },
    ),
    by(
        "setns",
        "enter a namespace by its file",
        ("EPERM", "ENOENT"),
        &[Seccomp, Capabilities],
        || {
            let file = File::open("/proc/self/ns/uts")?;
            call(libc::SYS_setns, &[file.as_raw_fd() as usize, 0]).map(drop)
        },
    ),
    by(
        "host-name",
        "name the machine otherwise",
        ALONE,
        &[Seccomp, Capabilities, Uts, User],
        || {
            call(libc::SYS_sethostname, &[text(c"escaped"), 7])?;
            // The namespace of the machine, by its number; where it is another only its own name was changed.
            let own = std::fs::read_link("/proc/self/ns/uts")?;
            match std::env::var_os("ESCAPE_UTS").is_some_and(|it| it == own.as_os_str()) {
                true => Ok(()),
                false => Err(io::Error::other("only its own")),
            }
        },
    ),
    by(
        "own-host-name",
        "name itself otherwise",
        ALONE,
        &[Seccomp, Capabilities],
        || call(libc::SYS_setdomainname, &[text(c"escaped"), 7]).map(drop),
    ),
    by(
        "shared-memory",
        "find the machine's System V shared memory",
        ALONE,
        &[Seccomp, Ipc],
        || {
            call(
                libc::SYS_shmget,
                &[crate::attempts::SHARED_KEY as usize, 0, 0],
            )
            .map(drop)
        },
    ),
    by(
        "pidfd-of-host",
        "take hold of a process of the machine",
        ("ESRCH", "ESRCH"),
        &[Pid],
        || {
            call(
                libc::SYS_pidfd_open,
                &[number("ESCAPE_VICTIM")? as usize, 0],
            )
            .map(drop)
        },
    ),
];

fn unshare(flag: i32) -> io::Result<()> {
    call(libc::SYS_unshare, &[flag as usize]).map(drop)
}

fn clone(flag: i32) -> io::Result<()> {
    ended(call(libc::SYS_clone, &[(flag | libc::SIGCHLD) as usize]))
}

/// In the process that was made it ends, outside it is waited for.
fn ended(made: io::Result<usize>) -> io::Result<()> {
    match made? {
        0 => quit(0),
        child => wait(child as i32).map(drop),
    }
}
