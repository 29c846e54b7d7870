//! Attempts on other processes: of the machine, of another agent, and with tools that have no use for one's own.

use std::io;

use super::{Attempt, by, inside, number, past};
use crate::kernel::{at, call, fork, quit, wait};
use crate::layer::Layer::{Capabilities, Landlock, Pid, Seccomp, User};

const BOTH: (&str, &str) = ("EPERM", "SIGSYS");
const ALONE: (&str, &str) = ("EPERM", "EPERM");
const GONE: (&str, &str) = ("ESRCH", "ESRCH");
const ABSENT: (&str, &str) = ("ENOENT", "ENOENT");

pub(super) const ATTEMPTS: &[Attempt] = &[
    by(
        "signal-host",
        "signal a process of the machine",
        GONE,
        &[Pid, User, Landlock],
        || signal("ESCAPE_VICTIM"),
    ),
    by(
        "signal-agent",
        "signal another agent's program",
        GONE,
        &[Pid, User, Landlock],
        || signal("ESCAPE_SIBLING"),
    ),
    by(
        "limit-host",
        "read and set another process's limits",
        GONE,
        &[Pid, User],
        || {
            let old = [0_u64; 2];
            call(
                libc::SYS_prlimit64,
                &[
                    number("ESCAPE_VICTIM")? as usize,
                    libc::RLIMIT_NOFILE as usize,
                    0,
                    at(&old),
                ],
            )
            .map(drop)
        },
    ),
    by(
        "slow-host",
        "slow a process of the machine down",
        GONE,
        &[Pid, User, Capabilities],
        || {
            call(
                libc::SYS_setpriority,
                &[
                    libc::PRIO_PROCESS as usize,
                    number("ESCAPE_VICTIM")? as usize,
                    19,
                ],
            )
            .map(drop)
        },
    ),
    by(
        "ptrace-host",
        "trace a process of the machine",
        BOTH,
        &[Seccomp, Pid, User, Capabilities, Landlock],
        || seize(number("ESCAPE_VICTIM")?),
    ),
    by(
        "ptrace-agent",
        "trace another agent's program",
        BOTH,
        &[Seccomp, Pid, User, Landlock],
        || seize(number("ESCAPE_SIBLING")?),
    ),
    by(
        "ptrace-own",
        "trace a process of its own, behind the filter",
        BOTH,
        &[Seccomp],
        || {
            let (read, write) = io::pipe()?;
            let child = match fork()? {
                0 => {
                    drop(write);
                    // Until the tracer is done.
                    let _ = io::Read::read(&mut &read, &mut [0]);
                    quit(0)
                }
                child => child,
            };
            let done = seize(child);
            drop(write);
            wait(child)?;
            done
        },
    ),
    by("ptrace-me", "have itself traced", BOTH, &[Seccomp], || {
        call(libc::SYS_ptrace, &[libc::PTRACE_TRACEME as usize]).map(drop)
    }),
    by(
        "read-memory",
        "read a process's memory by call",
        BOTH,
        &[Seccomp],
        || copy(libc::SYS_process_vm_readv),
    ),
    by(
        "write-memory",
        "write a process's memory by call",
        BOTH,
        &[Seccomp],
        || copy(libc::SYS_process_vm_writev),
    ),
    by(
        "take-descriptor",
        "take a descriptor out of a process",
        BOTH,
        &[Seccomp],
        || {
            let process = call(libc::SYS_pidfd_open, &[std::process::id() as usize, 0])?;
            call(libc::SYS_pidfd_getfd, &[process, 0, 0]).map(drop)
        },
    ),
    by(
        "compare-processes",
        "learn kernel addresses by comparing processes",
        ALONE,
        &[Seccomp],
        || {
            let own = std::process::id() as usize;
            // Two descriptors: KCMP_FILE.
            call(libc::SYS_kcmp, &[own, own, 0, 1, 1]).map(drop)
        },
    ),
    inside(
        "environment-of-host",
        "read the environment of a process of the machine",
        ABSENT,
        || of_victim("environ"),
    ),
    inside(
        "arguments-of-host",
        "read the arguments of a process of the machine",
        ABSENT,
        || of_victim("cmdline"),
    ),
    inside(
        "memory-of-host",
        "open the memory of a process of the machine",
        ABSENT,
        || of_victim("mem"),
    ),
    inside(
        "root-of-host",
        "go through the root of a process of the machine",
        ABSENT,
        || of_victim("root/etc/shadow"),
    ),
    inside(
        "environment-of-agent",
        "read the environment of another agent",
        ABSENT,
        || std::fs::read(format!("/proc/{}/environ", number("ESCAPE_SIBLING")?)).map(drop),
    ),
    inside(
        "write-own-text",
        "write its own code, which may only be read",
        ("EROFS", "ENOENT"),
        || {
            let place = at(&crate::outcome::SUCCEEDED.as_bytes()[0]) as u64;
            let memory = std::fs::File::options()
                .write(true)
                .open("/proc/self/mem")?;
            let byte = [crate::outcome::SUCCEEDED.as_bytes()[0]];
            past(
                std::os::unix::fs::FileExt::write_at(&memory, &byte, place),
                &[],
            )
        },
    ),
];

fn signal(variable: &str) -> io::Result<()> {
    // None, but with every check of one.
    call(libc::SYS_kill, &[number(variable)? as usize, 0]).map(drop)
}

fn seize(process: i32) -> io::Result<()> {
    call(
        libc::SYS_ptrace,
        &[libc::PTRACE_SEIZE as usize, process as usize, 0, 0],
    )
    .map(drop)
}

fn copy(number: libc::c_long) -> io::Result<()> {
    let (from, to) = ([7_u8; 8], [0_u8; 8]);
    let vector = |bytes: &[u8; 8]| [at(bytes), bytes.len()];
    let (local, remote) = (vector(&to), vector(&from));
    call(
        number,
        &[
            std::process::id() as usize,
            at(&local),
            1,
            at(&remote),
            1,
            0,
        ],
    )
    .map(drop)
}

fn of_victim(file: &str) -> io::Result<()> {
    std::fs::File::open(format!("/proc/{}/{file}", number("ESCAPE_VICTIM")?)).map(drop)
}
