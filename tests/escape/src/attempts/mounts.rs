//! Attempts on the root: mounting, unmounting, changing it.

use std::io;

use libc::{EBUSY, EINVAL, MNT_DETACH};

use super::{Attempt, by, past};
use crate::kernel::{at, call, signed, text};
use crate::layer::Layer::{Capabilities, Landlock, Seccomp, User};

const HERE: i64 = libc::AT_FDCWD as i64;
const BOTH: (&str, &str) = ("EPERM", "SIGSYS");
const ALONE: (&str, &str) = ("EPERM", "EPERM");

pub(super) const ATTEMPTS: &[Attempt] = &[
    by(
        "mount-tmpfs",
        "mount a file system over /tmp",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || mount(c"tmpfs", c"/tmp", 0),
    ),
    by(
        "mount-proc",
        "mount a whole /proc, without what is masked",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || mount(c"proc", c"/tmp", 0),
    ),
    by(
        "mount-sysfs",
        "mount the machine's /sys",
        BOTH,
        &[Seccomp, Capabilities, Landlock, User],
        || mount(c"sysfs", c"/tmp", 0),
    ),
    by(
        "mount-cgroup",
        "mount a cgroup hierarchy, to lift its own bound",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || {
            let first = c"cgroup";
            let first = || {
                call(
                    libc::SYS_mount,
                    &[text(first), text(c"/tmp"), text(first), 0, text(c"memory")],
                )
            };
            mount(c"cgroup2", c"/tmp", 0).or_else(|_| first().map(drop))
        },
    ),
    by(
        "remount-root",
        "make the root writable",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || {
            let flags =
                (libc::MS_REMOUNT | libc::MS_BIND | libc::MS_NOSUID | libc::MS_NODEV) as usize;
            call(libc::SYS_mount, &[0, text(c"/"), 0, flags, 0]).map(drop)
        },
    ),
    by(
        "bind-root",
        "mount the root again at /tmp",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || {
            let flags = (libc::MS_BIND | libc::MS_REC) as usize;
            call(libc::SYS_mount, &[text(c"/"), text(c"/tmp"), 0, flags, 0]).map(drop)
        },
    ),
    by(
        "make-shared",
        "have mounts spread into other namespaces",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || {
            let flags = (libc::MS_SHARED | libc::MS_REC) as usize;
            call(libc::SYS_mount, &[0, text(c"/"), 0, flags, 0]).map(drop)
        },
    ),
    by(
        "umount-tmp",
        "unmount /tmp, and its bound with it",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || call(libc::SYS_umount2, &[text(c"/tmp"), MNT_DETACH as usize]).map(drop),
    ),
    by(
        "umount-mask",
        "uncover /proc/kcore",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || {
            let done = call(
                libc::SYS_umount2,
                &[text(c"/proc/kcore"), MNT_DETACH as usize],
            );
            past(done, &[EINVAL])
        },
    ),
    by(
        "pivot-root",
        "change the root of the mount namespace",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || {
            past(
                call(libc::SYS_pivot_root, &[text(c"/tmp"), text(c"/tmp")]),
                &[EINVAL, EBUSY],
            )
        },
    ),
    by(
        "chroot",
        "take another root, and go above it",
        ALONE,
        &[Seccomp, Capabilities],
        || call(libc::SYS_chroot, &[text(c"/tmp")]).map(drop),
    ),
    by(
        "open-tree",
        "copy the root's mounts",
        BOTH,
        &[Seccomp, Capabilities],
        || {
            let flags = (libc::OPEN_TREE_CLONE as usize) | libc::AT_RECURSIVE as usize;
            call(libc::SYS_open_tree, &[signed(HERE), text(c"/"), flags]).map(drop)
        },
    ),
    by(
        "move-mount",
        "move a mount to where another is",
        BOTH,
        &[Seccomp, Capabilities, Landlock],
        || {
            past(
                call(
                    libc::SYS_move_mount,
                    &[signed(HERE), text(c"/tmp"), signed(HERE), text(c"/mnt")],
                ),
                &[EINVAL],
            )
        },
    ),
    by(
        "fsopen",
        "make a file system",
        ALONE,
        &[Seccomp, Capabilities],
        || call(libc::SYS_fsopen, &[text(c"tmpfs"), 0]).map(drop),
    ),
    by(
        "fspick",
        "change a file system's options",
        ALONE,
        &[Seccomp, Capabilities],
        || call(libc::SYS_fspick, &[signed(HERE), text(c"/tmp"), 0]).map(drop),
    ),
    by(
        "mount-setattr",
        "take read-only from the root",
        ALONE,
        &[Seccomp, Capabilities],
        || {
            let wanted = libc::mount_attr {
                attr_set: 0,
                attr_clr: libc::MOUNT_ATTR_RDONLY,
                propagation: 0,
                userns_fd: 0,
            };
            call(
                libc::SYS_mount_setattr,
                &[
                    signed(HERE),
                    text(c"/"),
                    0,
                    at(&wanted),
                    size_of_val(&wanted),
                ],
            )
            .map(drop)
        },
    ),
];

fn mount(kind: &std::ffi::CStr, place: &std::ffi::CStr, flags: usize) -> io::Result<()> {
    call(
        libc::SYS_mount,
        &[text(kind), text(place), text(kind), flags, 0],
    )
    .map(drop)
}
