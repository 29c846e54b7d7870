//! Attempts to find what was left behind, descriptors, variables, other processes, and to leave something behind itself:
//! a dump of its memory, which the kernel hands to a program of the machine.

use std::fs;
use std::io;

use super::{Attempt, by, inside, is_tool};
use crate::kernel::{at, call, is_open};
use crate::layer::Layer::{Seccomp, User};

/// What every program is given, and what the tests tell theirs.
const KNOWN: [&str; 5] = ["AION_BOOT_FD", "HOME", "LANG", "PATH", "TMPDIR"];

pub(super) const ATTEMPTS: &[Attempt] = &[
    inside(
        "descriptors",
        "use a descriptor that was left open",
        ("none", "none"),
        || {
            // The pipe that this attempt tells its outcome by is the one thing more.
            let left = (4..1024).filter(|number| is_open(*number)).count();
            match left > 1 + usize::from(is_tool()) {
                true => Ok(()),
                false => Err(io::Error::other("none")),
            }
        },
    ),
    inside(
        "environment",
        "find a variable that was left behind",
        ("none", "none"),
        || {
            let strange = |name: &str| !KNOWN.contains(&name) && !name.starts_with("ESCAPE_");
            match std::env::vars().any(|(name, _)| strange(&name)) {
                true => Ok(()),
                false => Err(io::Error::other("none")),
            }
        },
    ),
    inside(
        "other-processes",
        "see a process that is not its own",
        ("none", "ENOENT"),
        || {
            let numbers = fs::read_dir("/proc")?
                .filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
            // This one, and the one that made it.
            match numbers
                .filter(|number| *number != std::process::id())
                .count()
                > 1
            {
                true => Ok(()),
                false => Err(io::Error::other("none")),
            }
        },
    ),
    inside(
        "kernel-command-line",
        "see how the machine was booted, outside of what every program may read",
        ("ENOENT", "ENOENT"),
        || fs::read_dir("/boot").map(drop),
    ),
    // With a limit of 1 the kernel dumps to no program, with one of 0 it does. Limits of fewer bits are the same limits.
    by(
        "dump-by-prlimit",
        "have a dump of itself taken, by a limit of 0",
        ("EPERM", "EPERM"),
        &[Seccomp],
        || lower_by(libc::SYS_prlimit64, &[0, DUMPS, at(&[0_u64; 2]), 0]),
    ),
    by(
        "dump-by-setrlimit",
        "have a dump of itself taken, by the older call",
        ("EPERM", "EPERM"),
        &[Seccomp],
        || lower_by(libc::SYS_setrlimit, &[DUMPS, at(&[0_u64; 2])]),
    ),
    by(
        "dump-by-high-bits",
        "have a dump of itself taken, with bits in the limit's number that the kernel passes over",
        ("EPERM", "EPERM"),
        &[Seccomp],
        || {
            let limit = DUMPS | 1 << 32;
            lower_by(libc::SYS_prlimit64, &[0, limit, at(&[0_u64; 2]), 0])
        },
    ),
    by(
        "files-of-root",
        "read a file of the image that only root may",
        ("EACCES", "ENOENT"),
        &[User],
        || fs::read("/roots").map(drop),
    ),
];

const DUMPS: usize = libc::RLIMIT_CORE as usize;

/// Makes the call, and looks whether the limit on dumps is 0.
fn lower_by(number: libc::c_long, arguments: &[usize]) -> io::Result<()> {
    call(number, arguments)?;
    let now = [7_u64; 2];
    call(libc::SYS_prlimit64, &[0, DUMPS, 0, at(&now)])?;
    match now[0] {
        0 => Ok(()),
        other => Err(io::Error::other(format!("still {other}"))),
    }
}
