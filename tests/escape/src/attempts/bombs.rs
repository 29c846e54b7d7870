//! Attempts to use up the machine. Each stops a little above what it may have, so that nothing comes of it where it is
//! let through.

use std::fs::{self, File};
use std::io::{self, Write};

use super::{Attempt, MAY_KEEP, MAY_MEMORY, MAY_PROCESSES, by, is_tool};
use crate::kernel::{at, call, fork, memory, wait};
use crate::layer::Layer::{CgroupMemory, CgroupPids, Rlimits, Scratch};

/// More processes than it may have.
const PROCESSES: usize = MAY_PROCESSES as usize + 16;
/// Twice the memory of an agent, and as much more for a tool.
const MEMORY: usize = 2 * MAY_MEMORY as usize;
/// Twice what it may keep.
const KEPT: usize = 2 * MAY_KEEP as usize;
/// More files than fit.
const FILES: usize = 1100;
/// A tool's folder is larger.
const TOOLS_KEPT: usize = 80 << 20;
/// And holds more files.
const TOOLS_FILES: usize = 17_000;
/// More descriptors than its profile has.
const DESCRIPTORS: usize = 1100;

pub(super) const ATTEMPTS: &[Attempt] = &[
    by(
        "fork-bomb",
        "make processes until there are no more",
        ("EAGAIN", "EAGAIN"),
        &[CgroupPids],
        fork_bomb,
    ),
    by(
        "thread-bomb",
        "make threads until there are no more",
        ("EAGAIN", "EAGAIN"),
        &[CgroupPids],
        thread_bomb,
    ),
    by(
        "memory-bomb",
        "take memory until there is no more",
        ("SIGKILL", "SIGKILL"),
        &[CgroupMemory],
        || {
            let bytes = memory(if is_tool() { 2 * MEMORY } else { MEMORY })?;
            bytes.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            Ok(())
        },
    ),
    by(
        "disk-bomb",
        "fill /tmp",
        ("ENOSPC", "ENOSPC"),
        &[Scratch],
        || fill("/tmp/escape-bytes"),
    ),
    by(
        "shared-memory-bomb",
        "fill /dev/shm",
        ("ENOSPC", "ENOENT"),
        &[Scratch],
        || fill("/dev/shm/escape-bytes"),
    ),
    by(
        "inode-bomb",
        "make files until there are no more",
        ("ENOSPC", "ENOSPC"),
        &[Scratch],
        || {
            let folder = "/tmp/escape-files";
            fs::create_dir(folder)?;
            let files = if is_tool() { TOOLS_FILES } else { FILES };
            let made = (0..files)
                .try_for_each(|number| File::create(format!("{folder}/{number}")).map(drop));
            fs::remove_dir_all(folder)?;
            made
        },
    ),
    by(
        "descriptor-bomb",
        "open files until there are no more",
        ("EMFILE", "EMFILE"),
        &[Rlimits],
        || {
            let files = (0..DESCRIPTORS).map(|_| File::open("/dev/null"));
            files.collect::<io::Result<Vec<_>>>().map(drop)
        },
    ),
    by(
        "lock-memory",
        "take memory that is never given back",
        ("EPERM", "EPERM"),
        &[Rlimits],
        || {
            let bytes = memory(4096)?;
            call(libc::SYS_mlock, &[at(bytes), bytes.len()]).map(drop)
        },
    ),
    by(
        "raise-limit",
        "raise its own limits",
        ("EPERM", "EPERM"),
        &[Rlimits],
        || {
            let wanted = [0_u64, 1 << 20];
            call(
                libc::SYS_prlimit64,
                &[0, libc::RLIMIT_NOFILE as usize, at(&wanted), 0],
            )
            .map(drop)
        },
    ),
];

fn fork_bomb() -> io::Result<()> {
    let mut made = Vec::new();
    let mut came = Ok(());
    while made.len() < PROCESSES {
        match fork() {
            Ok(0) => loop {
                // Until it is killed, or its clock rings.
                let _ = call(libc::SYS_pause, &[]);
            },
            Ok(child) => made.push(child),
            Err(error) => {
                came = Err(error);
                break;
            }
        }
    }
    for child in made {
        call(libc::SYS_kill, &[child as usize, libc::SIGKILL as usize])?;
        wait(child)?;
    }
    came
}

fn thread_bomb() -> io::Result<()> {
    for _ in 0..PROCESSES {
        let small = std::thread::Builder::new().stack_size(16 << 10);
        small.spawn(|| {
            loop {
                std::thread::park();
            }
        })?;
    }
    // They end with this process.
    Ok(())
}

fn fill(path: &str) -> io::Result<()> {
    let block = [7; 1 << 16];
    let bytes = if is_tool() { TOOLS_KEPT } else { KEPT };
    // Two files, as a tool has a bound on one, too.
    let names = [1, 2].map(|number| format!("{path}-{number}"));
    let written = names.iter().try_for_each(|name| {
        let mut file = File::create(name)?;
        (0..bytes / block.len() / 2).try_for_each(|_| file.write_all(&block))
    });
    for name in &names {
        let _ = fs::remove_file(name);
    }
    written
}
