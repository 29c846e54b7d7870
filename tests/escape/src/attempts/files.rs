//! Attempts on files: of the machine, of the image, of the kernel's own.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::{ALLOWED, Attempt, by, inside};
use crate::kernel::{call, owned, signed, text};
use crate::layer::Layer::{Capabilities, Landlock, MountAttributes, User};

const ABSENT: (&str, &str) = ("ENOENT", "ENOENT");

pub(super) const ATTEMPTS: &[Attempt] = &[
    inside("shadow", "read the machine's passwords", ABSENT, || {
        File::open("/etc/shadow").map(drop)
    }),
    inside(
        "shadow-upwards",
        "read them by a path that leads upwards",
        ABSENT,
        || File::open("/tmp/../../../../../../etc/shadow").map(drop),
    ),
    inside("shadow-by-link", "read them by a link", ABSENT, || {
        let link = scratch("link");
        let _ = fs::remove_file(&link);
        symlink("/../../etc/shadow", &link)?;
        let opened = File::open(&link);
        fs::remove_file(&link)?;
        opened.map(drop)
    }),
    inside(
        "own-root-by-link",
        "read them through /proc/self/root",
        ABSENT,
        || File::open("/proc/self/root/etc/shadow").map(drop),
    ),
    inside("dev-mem", "read the machine's memory", ABSENT, || {
        File::open("/dev/mem").map(drop)
    }),
    inside("dev-kmsg", "read the kernel's log", ABSENT, || {
        File::open("/dev/kmsg").map(drop)
    }),
    inside("dev-pts", "reach the machine's terminals", ABSENT, || {
        fs::metadata("/dev/ptmx").map(drop)
    }),
    inside(
        "core-pattern",
        "have the kernel run a program after a crash",
        ("EACCES", "ENOENT"),
        || writable("/proc/sys/kernel/core_pattern"),
    ),
    inside(
        "modprobe-path",
        "have the kernel run a program for a module",
        ("EACCES", "ENOENT"),
        || writable("/proc/sys/kernel/modprobe"),
    ),
    inside(
        "sysctl",
        "change how the kernel works",
        ("EACCES", "ENOENT"),
        || writable("/proc/sys/vm/overcommit_memory"),
    ),
    inside(
        "sysrq-trigger",
        "have the machine crash",
        ("EACCES", "ENOENT"),
        || writable("/proc/sysrq-trigger"),
    ),
    inside(
        "irq-affinity",
        "move the machine's interrupts",
        ("EACCES", "ENOENT"),
        || writable("/proc/irq/default_smp_affinity"),
    ),
    inside(
        "kcore",
        "read the kernel's memory",
        ("nothing there", "ENOENT"),
        || holds_something("/proc/kcore"),
    ),
    inside(
        "kernel-keys",
        "list keys",
        ("nothing there", "ENOENT"),
        || holds_something("/proc/keys"),
    ),
    inside(
        "timer-list",
        "read the machine's timers",
        ("nothing there", "ENOENT"),
        || holds_something("/proc/timer_list"),
    ),
    inside(
        "uevent-helper",
        "have the kernel run a program for a device",
        ABSENT,
        || writable("/sys/kernel/uevent_helper"),
    ),
    inside(
        "release-agent",
        "have the kernel run a program when a cgroup is empty",
        ABSENT,
        || writable("/sys/fs/cgroup/memory/release_agent"),
    ),
    inside(
        "sys-network",
        "list the machine's network interfaces",
        ABSENT,
        || fs::read_dir("/sys/class/net").map(drop),
    ),
    inside(
        "sys-write",
        "change how the kernel keeps memory",
        ABSENT,
        || writable("/sys/kernel/mm/transparent_hugepage/enabled"),
    ),
    inside("cgroup-files", "lift its own bound", ABSENT, || {
        fs::read_dir("/sys/fs/cgroup").map(drop)
    }),
    inside("launcher-socket", "reach the launcher", ABSENT, || {
        at_path("ESCAPE_LAUNCHER")
    }),
    inside(
        "launcher-records",
        "read which workers there are",
        ABSENT,
        || at_path("ESCAPE_RECORDS"),
    ),
    by(
        "mknod-block",
        "make a device of the machine's first disk",
        ("EACCES", "EPERM"),
        &[User, Capabilities, Landlock],
        || node(libc::S_IFBLK, 0x0800),
    ),
    by(
        "mknod-memory",
        "make a device of the machine's memory",
        ("EACCES", "EPERM"),
        &[User, Capabilities, Landlock],
        || node(libc::S_IFCHR, 0x0101),
    ),
    by(
        "image-device",
        "open a device node that is in the image",
        ("EACCES", "ENOENT"),
        &[MountAttributes],
        || File::open("/zero").map(drop),
    ),
    by(
        "image-write",
        "write to a file of the image",
        ("EACCES", "ENOENT"),
        &[MountAttributes, Landlock, User],
        || writable("/decoy"),
    ),
    by(
        "image-chmod",
        "change a file's mode in the image",
        ("EROFS", "ENOENT"),
        &[MountAttributes, User],
        || fs::set_permissions("/decoy", fs::Permissions::from_mode(0o777)),
    ),
    by(
        "image-make",
        "make a file in the image",
        ("EROFS", "EROFS"),
        &[MountAttributes, Landlock, User],
        || File::create("/made").map(drop),
    ),
    by(
        "image-link",
        "link a file of the image to where it can be written",
        ("EXDEV", "ENOENT"),
        &[MountAttributes, Landlock, User],
        || {
            let _ = fs::remove_file("/linked");
            // In the same place where that can be written, else across.
            fs::hard_link("/decoy", "/linked").or_else(|_| fs::hard_link("/decoy", "/tmp/linked"))
        },
    ),
    by(
        "mount-write",
        "write to a folder that it may read",
        ("EROFS", "EROFS"),
        &[MountAttributes, Landlock, User],
        || File::create("/mnt/shown/made").map(drop),
    ),
    by(
        "mount-execute",
        "execute a program of a folder that it may read",
        ("EACCES", ALLOWED),
        &[MountAttributes],
        || ran("/mnt/shown/program"),
    ),
    by(
        "own-program",
        "overwrite a program of the image by its descriptor, once it ended",
        ("EACCES", "ENOENT"),
        &[MountAttributes, Landlock, User],
        || {
            let flags = libc::O_PATH | libc::O_CLOEXEC;
            let program = owned(call(
                libc::SYS_openat,
                &[
                    signed(libc::AT_FDCWD.into()),
                    text(c"/bin/setgid"),
                    flags as usize,
                ],
            )?);
            writable(&format!("/proc/self/fd/{}", program.as_raw_fd()))
        },
    ),
    inside(
        "scratch-execute",
        "execute what it wrote",
        ("EACCES", "EACCES"),
        || {
            let path = scratch("program");
            let program = std::env::var("ESCAPE_PROGRAM").map_err(io::Error::other)?;
            fs::write(&path, format!("#!{program}\n"))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            let ran = ran(&path);
            fs::remove_file(&path)?;
            ran
        },
    ),
    inside(
        "every-mount",
        "write to any mount but its own /tmp",
        ("none", "none"),
        any_mount,
    ),
];

/// A path in the one folder that can be written to, which outside of a sandbox is the machine's.
fn scratch(name: &str) -> String {
    format!("/tmp/escape-{}-{name}", std::process::id())
}

/// Opens without a write, which is enough to be refused and changes nothing.
fn writable(path: &str) -> io::Result<()> {
    File::options().write(true).open(path).map(drop)
}

fn holds_something(path: &str) -> io::Result<()> {
    match File::open(path)?.read(&mut [0; 64])? {
        0 => Err(io::Error::other("nothing there")),
        _ => Ok(()),
    }
}

fn at_path(variable: &str) -> io::Result<()> {
    fs::metadata(std::env::var(variable).map_err(io::Error::other)?).map(drop)
}

fn node(kind: u32, device: usize) -> io::Result<()> {
    let made = call(
        libc::SYS_mknodat,
        &[
            signed(libc::AT_FDCWD.into()),
            text(c"/tmp/node"),
            (kind | 0o600) as usize,
            device,
        ],
    );
    made.and_then(|_| fs::remove_file("/tmp/node"))
}

fn ran(path: &str) -> io::Result<()> {
    Command::new(path).arg("who").output().map(drop)
}

/// Tries every mount that there is, and the folders that come before them.
fn any_mount() -> io::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let known = [
        "/",
        "/bin",
        "/dev",
        "/etc",
        "/mnt",
        "/proc",
        "/run",
        "/sys",
        "/usr",
        "/mnt/shown",
    ];
    for place in mounted.chain(known) {
        if place == "/tmp" || place == "/dev/shm" {
            continue;
        }
        let path = Path::new(place).join("escape");
        if File::create(&path).is_ok() {
            fs::remove_file(&path)?;
            return Ok(());
        }
    }
    Err(io::Error::other("none"))
}
