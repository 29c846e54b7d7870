//! What there is of WASI preview 1: what the start of a Go, Rust or C program asks for, and nothing with an
//! effect but log lines. Descriptors are 0 (the turn document), 1 and 2 (the log). The rest of the interface
//! is there by name, so that a program links, and answers `nosys` or `badf`.
//!
//! Numbers are those of `wasi_snapshot_preview1.witx`.

use std::io::Write;
use std::time::Duration;

use rustix::time::{ClockId, clock_getres, clock_gettime};
use wasmtime::{Caller, Error, Linker, Result};

use super::door::Door;
use super::ended::{Ended, Exit};
use super::host::Host;
use super::memory::{self, further, put, slice, slice_mut, u32_at};

const MODULE: &str = "wasi_snapshot_preview1";

const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const INVAL: i32 = 28;
const IO: i32 = 29;
const NOSYS: i32 = 52;
const SPIPE: i32 = 70;

const UNKNOWN: u8 = 0;
const CHARACTER_DEVICE: u8 = 2;
/// `fd_read`, `fd_write`, `poll_fd_readwrite`.
const RIGHTS: u64 = 1 << 1 | 1 << 6 | 1 << 27;

/// Parts of one read or write.
const MAX_PARTS: u32 = 1024;
/// Bytes of one write; a program writes the rest again.
const MAX_WRITE: u32 = 64 * 1024;

/// Adds the imports.
pub(super) fn link<D: Door + 'static>(linker: &mut Linker<Host<D>>) -> Result<()> {
    linker.func_wrap(MODULE, "args_sizes_get", args_sizes_get)?;
    linker.func_wrap(MODULE, "args_get", args_get)?;
    linker.func_wrap(MODULE, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap(MODULE, "environ_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(MODULE, "clock_time_get", clock_time_get)?;
    linker.func_wrap(MODULE, "clock_res_get", clock_res_get)?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.func_wrap(MODULE, "fd_read", fd_read)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(MODULE, "fd_filestat_get", fd_filestat_get)?;
    linker.func_wrap(MODULE, "poll_oneoff", super::poll::poll_oneoff)?;
    linker.func_wrap(MODULE, "sched_yield", || SUCCESS)?;
    linker.func_wrap(MODULE, "proc_exit", proc_exit)?;
    linker.func_wrap(MODULE, "proc_raise", |_: i32| NOSYS)?;
    // Of the open descriptors, what changes nothing; of others, that they are not there.
    linker.func_wrap(MODULE, "fd_close", open)?;
    linker.func_wrap(MODULE, "fd_datasync", open)?;
    linker.func_wrap(MODULE, "fd_sync", open)?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |fd: u32, _: i32| open(fd))?;
    linker.func_wrap(MODULE, "fd_seek", |fd: u32, _: i64, _: i32, _: u32| {
        pipe(fd)
    })?;
    linker.func_wrap(MODULE, "fd_tell", |fd: u32, _: u32| pipe(fd))?;
    linker.func_wrap(MODULE, "fd_advise", |fd: u32, _: i64, _: i64, _: i32| {
        pipe(fd)
    })?;
    linker.func_wrap(MODULE, "fd_allocate", |fd: u32, _: i64, _: i64| pipe(fd))?;
    linker.func_wrap(
        MODULE,
        "fd_pread",
        |fd: u32, _: u32, _: u32, _: i64, _: u32| pipe(fd),
    )?;
    linker.func_wrap(
        MODULE,
        "fd_pwrite",
        |fd: u32, _: u32, _: u32, _: i64, _: u32| pipe(fd),
    )?;
    absent(linker)
}

/// No folders, so nothing beneath one; no sockets.
fn absent<D: 'static>(linker: &mut Linker<Host<D>>) -> Result<()> {
    linker.func_wrap(MODULE, "fd_prestat_get", |_: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |_: u32, _: u32, _: u32| BADF)?;
    linker.func_wrap(
        MODULE,
        "fd_readdir",
        |_: u32, _: u32, _: u32, _: i64, _: u32| BADF,
    )?;
    linker.func_wrap(MODULE, "fd_renumber", |_: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_fdstat_set_rights", |_: u32, _: i64, _: i64| {
        BADF
    })?;
    linker.func_wrap(MODULE, "fd_filestat_set_size", |_: u32, _: i64| BADF)?;
    linker.func_wrap(
        MODULE,
        "fd_filestat_set_times",
        |_: u32, _: i64, _: i64, _: i32| BADF,
    )?;
    linker.func_wrap(MODULE, "path_create_directory", |_: u32, _: u32, _: u32| {
        BADF
    })?;
    linker.func_wrap(
        MODULE,
        "path_filestat_get",
        |_: u32, _: i32, _: u32, _: u32, _: u32| BADF,
    )?;
    linker.func_wrap(
        MODULE,
        "path_filestat_set_times",
        |_: u32, _: i32, _: u32, _: u32, _: i64, _: i64, _: i32| BADF,
    )?;
    linker.func_wrap(
        MODULE,
        "path_link",
        |_: u32, _: i32, _: u32, _: u32, _: u32, _: u32, _: u32| BADF,
    )?;
    linker.func_wrap(
        MODULE,
        "path_open",
        |_: u32, _: i32, _: u32, _: u32, _: i32, _: i64, _: i64, _: i32, _: u32| BADF,
    )?;
    linker.func_wrap(
        MODULE,
        "path_readlink",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32| BADF,
    )?;
    linker.func_wrap(MODULE, "path_remove_directory", |_: u32, _: u32, _: u32| {
        BADF
    })?;
    linker.func_wrap(
        MODULE,
        "path_rename",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32| BADF,
    )?;
    linker.func_wrap(
        MODULE,
        "path_symlink",
        |_: u32, _: u32, _: u32, _: u32, _: u32| BADF,
    )?;
    linker.func_wrap(MODULE, "path_unlink_file", |_: u32, _: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "sock_accept", |_: u32, _: i32, _: u32| BADF)?;
    linker.func_wrap(
        MODULE,
        "sock_recv",
        |_: u32, _: u32, _: u32, _: i32, _: u32, _: u32| BADF,
    )?;
    linker.func_wrap(
        MODULE,
        "sock_send",
        |_: u32, _: u32, _: u32, _: i32, _: u32| BADF,
    )?;
    linker.func_wrap(MODULE, "sock_shutdown", |_: u32, _: i32| BADF)?;
    Ok(())
}

fn open(fd: u32) -> i32 {
    if fd <= 2 { SUCCESS } else { BADF }
}

fn pipe(fd: u32) -> i32 {
    if fd <= 2 { SPIPE } else { BADF }
}

fn args_sizes_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    count: u32,
    size: u32,
) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    put(bytes, count, &1_u32.to_le_bytes())?;
    let length = u32::try_from(host.agent.len() + 1)?;
    put(bytes, size, &length.to_le_bytes())?;
    Ok(SUCCESS)
}

fn args_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    list: u32,
    text: u32,
) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    put(bytes, list, &text.to_le_bytes())?;
    put(bytes, text, host.agent.as_bytes())?;
    let end = further(text, u32::try_from(host.agent.len())?)?;
    put(bytes, end, &[0])?;
    Ok(SUCCESS)
}

fn environ_sizes_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    count: u32,
    size: u32,
) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let bytes = memory.data_mut(&mut caller);
    put(bytes, count, &[0; 4])?;
    put(bytes, size, &[0; 4])?;
    Ok(SUCCESS)
}

fn clock(id: u32) -> Option<ClockId> {
    Some(match id {
        0 => ClockId::Realtime,
        1 => ClockId::Monotonic,
        2 => ClockId::ProcessCPUTime,
        3 => ClockId::ThreadCPUTime,
        _ => return None,
    })
}

pub(super) fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

fn clock_time_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    id: u32,
    _precision: i64,
    to: u32,
) -> Result<i32> {
    let Some(id) = clock(id) else {
        return Ok(INVAL);
    };
    let memory = memory::of(&mut caller)?;
    let now = nanoseconds(clock_gettime(id));
    put(memory.data_mut(&mut caller), to, &now.to_le_bytes())?;
    Ok(SUCCESS)
}

fn clock_res_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    id: u32,
    to: u32,
) -> Result<i32> {
    let Some(id) = clock(id) else {
        return Ok(INVAL);
    };
    let memory = memory::of(&mut caller)?;
    let step = nanoseconds(clock_getres(id)).max(1);
    put(memory.data_mut(&mut caller), to, &step.to_le_bytes())?;
    Ok(SUCCESS)
}

fn random_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    to: u32,
    length: u32,
) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let bytes = slice_mut(memory.data_mut(&mut caller), to, length)?;
    // In parts: what the kernel gives at once is bounded, and the deadline is looked at in between.
    let mut filled = 0;
    while filled < bytes.len() {
        let part = bytes.len().min(filled + 64 * 1024);
        match rustix::rand::getrandom(
            &mut bytes[filled..part],
            rustix::rand::GetRandomFlags::empty(),
        ) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Ok(IO),
        }
    }
    Ok(SUCCESS)
}

/// The parts that a read or write names: offset and length.
fn parts(bytes: &[u8], list: u32, count: u32) -> Result<Option<Vec<(u32, u32)>>> {
    if count > MAX_PARTS {
        return Ok(None);
    }
    let mut parts = Vec::with_capacity(count as usize);
    for index in 0..count {
        let at = further(list, index * 8)?;
        parts.push((u32_at(bytes, at)?, u32_at(bytes, further(at, 4)?)?));
    }
    Ok(Some(parts))
}

fn fd_read<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    fd: u32,
    list: u32,
    count: u32,
    read: u32,
) -> Result<i32> {
    if fd != 0 {
        return Ok(BADF);
    }
    let memory = memory::of(&mut caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    let Some(parts) = parts(bytes, list, count)? else {
        return Ok(INVAL);
    };
    let mut total = 0_u32;
    for (at, length) in parts {
        let to = slice_mut(bytes, at, length)?;
        let left = host.document.get(host.read..).unwrap_or_default();
        let length = to.len().min(left.len());
        to[..length].copy_from_slice(&left[..length]);
        host.read += length;
        total = total.saturating_add(u32::try_from(length)?);
    }
    put(bytes, read, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

fn fd_write<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    fd: u32,
    list: u32,
    count: u32,
    written: u32,
) -> Result<i32> {
    if fd != 1 && fd != 2 {
        return Ok(BADF);
    }
    let memory = memory::of(&mut caller)?;
    let bytes = memory.data_mut(&mut caller);
    let Some(parts) = parts(bytes, list, count)? else {
        return Ok(INVAL);
    };
    let mut total = 0_u32;
    for (at, length) in parts {
        let from = slice(bytes, at, length)?;
        let length = from.len().min((MAX_WRITE - total) as usize);
        let from = &from[..length];
        let done = match fd {
            1 => std::io::stdout().write_all(from),
            _ => std::io::stderr().write_all(from),
        };
        if done.is_err() {
            return Ok(IO);
        }
        total += u32::try_from(length)?;
    }
    put(bytes, written, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

fn filetype(fd: u32) -> Option<u8> {
    match fd {
        0 => Some(UNKNOWN),
        // Then a C library writes each line when it is whole.
        1 | 2 => Some(CHARACTER_DEVICE),
        _ => None,
    }
}

fn fd_fdstat_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    fd: u32,
    to: u32,
) -> Result<i32> {
    let Some(kind) = filetype(fd) else {
        return Ok(BADF);
    };
    let mut stat = [0; 24];
    stat[0] = kind;
    stat[8..16].copy_from_slice(&RIGHTS.to_le_bytes());
    let memory = memory::of(&mut caller)?;
    put(memory.data_mut(&mut caller), to, &stat)?;
    Ok(SUCCESS)
}

fn fd_filestat_get<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    fd: u32,
    to: u32,
) -> Result<i32> {
    let Some(kind) = filetype(fd) else {
        return Ok(BADF);
    };
    let mut stat = [0; 64];
    stat[16] = kind;
    let memory = memory::of(&mut caller)?;
    put(memory.data_mut(&mut caller), to, &stat)?;
    Ok(SUCCESS)
}

fn proc_exit(code: i32) -> Result<()> {
    Err(Exit(code).into())
}

/// Sleeps, but not beyond the turn's end.
pub(super) fn sleep<D: Door>(host: &Host<D>, time: Duration) -> Result<()> {
    let left = host.left();
    std::thread::sleep(time.min(left));
    if time >= left {
        return Err(Error::from(Ended::Deadline));
    }
    Ok(())
}
