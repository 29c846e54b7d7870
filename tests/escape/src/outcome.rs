//! What came of an attempt, as one word: an error of the kernel's by its name, a signal, or what was found instead.

use std::io;

use crate::kernel::End;

/// The word for an attempt that did what it tried.
pub const SUCCEEDED: &str = "succeeded";

/// What an attempt tells of itself.
#[must_use]
pub fn told(result: &io::Result<()>) -> String {
    match result {
        Ok(()) => SUCCEEDED.to_owned(),
        Err(error) => match error.raw_os_error() {
            Some(number) => errno(number),
            None => error.to_string(),
        },
    }
}

/// What is told of one that ended otherwise.
#[must_use]
pub fn ended(end: End) -> String {
    match end {
        End::Code(code) => format!("exit {code}"),
        End::Signal(libc::SIGSYS) => "SIGSYS".into(),
        End::Signal(libc::SIGKILL) => "SIGKILL".into(),
        End::Signal(libc::SIGSEGV) => "SIGSEGV".into(),
        End::Signal(libc::SIGALRM) => "SIGALRM".into(),
        End::Signal(number) => format!("signal {number}"),
    }
}

/// Errors that attempts meet.
const ERRORS: [(i32, &str); 36] = [
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ESRCH, "ESRCH"),
    (libc::ENXIO, "ENXIO"),
    (libc::EIO, "EIO"),
    (libc::ENOEXEC, "ENOEXEC"),
    (libc::EBADF, "EBADF"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EACCES, "EACCES"),
    (libc::EFAULT, "EFAULT"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::EXDEV, "EXDEV"),
    (libc::ENODEV, "ENODEV"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::EINVAL, "EINVAL"),
    (libc::EMFILE, "EMFILE"),
    (libc::ETXTBSY, "ETXTBSY"),
    (libc::ENOSPC, "ENOSPC"),
    (libc::EROFS, "EROFS"),
    (libc::ENOSYS, "ENOSYS"),
    (libc::ELOOP, "ELOOP"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
    (libc::ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::ENETUNREACH, "ENETUNREACH"),
    (libc::ENETDOWN, "ENETDOWN"),
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::ETIMEDOUT, "ETIMEDOUT"),
    (libc::ESTALE, "ESTALE"),
    (libc::ENOKEY, "ENOKEY"),
    (libc::ENOTTY, "ENOTTY"),
    (libc::EFBIG, "EFBIG"),
];

fn errno(number: i32) -> String {
    let known = ERRORS.iter().find(|(it, _)| *it == number);
    known.map_or_else(|| format!("errno {number}"), |(_, name)| (*name).to_owned())
}
