//! Attempts to make a word to others of what several sandboxes are shown: the files of an image whose layers others have,
//! and the machine's own.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::{Attempt, by};
use crate::kernel::{call, owned, text};
use crate::layer::Layer::{Seccomp, User};

const LACKING: (&str, &str) = ("ENOSYS", "ENOSYS");
const REFUSED: (&str, &str) = ("EPERM", "EPERM");

pub(super) const ATTEMPTS: &[Attempt] = &[
    by(
        "watch-files",
        "see when another sandbox opens a file that both are shown",
        LACKING,
        &[Seccomp],
        || watch(libc::SYS_inotify_init1),
    ),
    #[cfg(target_arch = "x86_64")]
    by(
        "watch-files-by-older-call",
        "see it by the older call",
        LACKING,
        &[Seccomp],
        || watch(libc::SYS_inotify_init),
    ),
    by(
        "notice-of-files",
        "have a signal when another sandbox opens a file",
        REFUSED,
        &[Seccomp],
        || {
            // DN_ACCESS.
            ask(&File::open("/tmp")?, libc::F_NOTIFY, 1)
        },
    ),
    by(
        "lease",
        "hold up who opens a file that both are shown",
        REFUSED,
        &[Seccomp, User],
        || {
            let program = std::env::var_os("ESCAPE_PROGRAM").unwrap_or_default();
            ask(
                &File::open(program)?,
                libc::F_SETLEASE,
                libc::F_RDLCK as usize,
            )
        },
    ),
];

fn watch(number: libc::c_long) -> io::Result<()> {
    let watches = owned(call(number, &[])?);
    let opened = libc::IN_OPEN | libc::IN_ACCESS | libc::IN_CLOSE;
    let wanted = [watches.as_raw_fd() as usize, text(c"/"), opened as usize];
    call(libc::SYS_inotify_add_watch, &wanted).map(drop)
}

fn ask(file: &File, command: libc::c_int, value: usize) -> io::Result<()> {
    let wanted = [file.as_raw_fd() as usize, command as usize, value];
    call(libc::SYS_fcntl, &wanted).map(drop)
}
