//! Attempts to find what was left behind: descriptors, variables, other processes.

use std::fs;
use std::io;

use super::{Attempt, by, inside, is_tool};
use crate::kernel::is_open;
use crate::layer::Layer::User;

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
    by(
        "files-of-root",
        "read a file of the image that only root may",
        ("EACCES", "ENOENT"),
        &[User],
        || fs::read("/roots").map(drop),
    ),
];
