//! System calls by number, as a program makes them that wants what no library offers, and a process of its own for each
//! attempt. The only unsafe code here; what is tried may not enter.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// Makes a call. Addresses among `arguments` are of what the caller holds until it returns.
///
/// # Errors
/// The kernel's.
pub fn call(number: libc::c_long, arguments: &[usize]) -> io::Result<usize> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: a test program's: what a call could do to this process's memory is done to what its arguments name, and
    // an attempt lives in a process of its own, which ends right after it.
    let done = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    usize::try_from(done).map_err(|_| io::Error::last_os_error())
}

/// The address of a value, for [`call`].
#[must_use]
pub fn at<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

/// The address of a text, for [`call`].
#[must_use]
pub fn text(text: &CStr) -> usize {
    text.as_ptr() as usize
}

/// A number that may be negative, for [`call`].
#[must_use]
pub fn signed(number: i64) -> usize {
    number as usize
}

/// A descriptor that a call gave.
#[must_use]
pub fn owned(descriptor: usize) -> OwnedFd {
    // SAFETY: the kernel just made it, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(descriptor as i32) }
}

/// Runs `act` in a process of its own that is killed when it takes longer than `seconds`; gives what it tells, or how
/// it ended before it could.
///
/// # Errors
/// There is no process to be had.
pub fn apart(seconds: u32, act: impl FnOnce() -> String) -> io::Result<Result<String, End>> {
    let (mut read, mut write) = io::pipe()?;
    match fork()? {
        0 => {
            drop(read);
            // SAFETY: a clock of this process's own.
            unsafe { libc::alarm(seconds) };
            let told = act();
            let _ = write.write_all(told.as_bytes());
            quit(0)
        }
        child => {
            drop(write);
            let end = wait(child)?;
            if end != End::Code(0) {
                return Ok(Err(end));
            }
            // Once, and not to its end: processes that an attempt left may hold the other one.
            let mut told = [0; 512];
            let length = read.read(&mut told)?;
            Ok(Ok(String::from_utf8_lossy(&told[..length]).into_owned()))
        }
    }
}

/// Makes a copy of this process; 0 in the copy.
///
/// # Errors
/// The kernel's.
pub fn fork() -> io::Result<i32> {
    // SAFETY: there is one thread, so the copy finds no lock held.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(child),
    }
}

/// Ends this process at once.
pub fn quit(code: i32) -> ! {
    // SAFETY: nothing of this process is needed any more.
    unsafe { libc::_exit(code) }
}

/// Waits for the end of a child.
///
/// # Errors
/// The kernel's.
pub fn wait(child: i32) -> io::Result<End> {
    let mut status = 0;
    loop {
        // SAFETY: the status outlives the call.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(match libc::WIFSIGNALED(status) {
        true => End::Signal(libc::WTERMSIG(status)),
        false => End::Code(libc::WEXITSTATUS(status)),
    })
}

/// A few bytes of memory of this process's own that nobody touched yet.
///
/// # Errors
/// The kernel's.
pub fn memory(length: usize) -> io::Result<&'static mut [u8]> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: new memory of the kernel's choice, which is never given back.
    unsafe {
        match libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) {
            libc::MAP_FAILED => Err(io::Error::last_os_error()),
            place => Ok(std::slice::from_raw_parts_mut(place.cast(), length)),
        }
    }
}

/// Whether a number is a descriptor of this process.
#[must_use]
pub fn is_open(number: i32) -> bool {
    // SAFETY: asks about a number, open or not.
    unsafe { libc::fcntl(number, libc::F_GETFD) != -1 }
}

/// Installs a filter of system calls without taking `no_new_privs`, as only root may.
///
/// # Errors
/// The kernel's.
pub fn filter(program: &[seccompiler::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    call(libc::SYS_seccomp, &[1, 0, at(&program)]).map(drop)
}

/// A file that a descriptor of this process is.
#[must_use]
pub fn file(descriptor: usize) -> File {
    owned(descriptor).into()
}
