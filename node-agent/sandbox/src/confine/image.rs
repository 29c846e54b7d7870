//! What the program of an image sees: the image's files, and over them what every program may count on. `/tmp` and
//! `/dev/shm` can be written to, in memory and within one bound; everything else is read-only. Its mount points are
//! the image's own folders, so each is one that the image has and none is reached through a link of it.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, chmodat, fchmod, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::fchdir;

use super::landlock::Opens;
use super::machine::{DEVICES, SCRATCH, devices};
use super::mounts::{
    DATA, Depth, NO_PROGRAMS, READ_ONLY, Stage, again, again_of, attach, fresh, restrict,
};
use super::root::{NAMES, Named};

/// Memory by name, which is files too.
pub const SHARED_MEMORY: &str = "/dev/shm";
/// The processes that it can see, which are its own.
pub const PROCESSES: &str = "/proc";

/// What of `/proc` tells of the machine or reaches into it, after the runtime specification's `maskedPaths`. Its
/// `readonlyPaths` need no list: all of `/proc` is.
const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
];

/// Where programs read whom to ask for names.
const RESOLVERS: &str = "/etc/resolv.conf";

/// Links that programs look for beside the devices.
const DESCRIPTORS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// What the mount of an image's files is held to.
pub(super) const FILES: u64 = READ_ONLY | DATA;

/// The image's files, as a mount in no namespace yet.
pub(super) fn files(path: &Path, handle: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    match handle {
        Some(handle) => handle.try_clone(),
        None => again(path),
    }
}

/// Puts everything into the root that the image's files are.
pub(super) fn furnish(
    stage: &Stage,
    scratch_bytes: u64,
    folders: &[Named<'_>],
) -> Result<(), String> {
    processes(stage)?;
    covered(stage, "/sys", READ_ONLY | NO_PROGRAMS).map(drop)?;
    let dev = covered(stage, "/dev", NO_PROGRAMS)?;
    devices(stage)?;
    for (link, to) in DESCRIPTORS {
        stage.link(Path::new(link), Path::new(to))?;
    }
    stage.folder(Path::new(SHARED_MEMORY)).map(drop)?;
    close(&dev, "/dev")?;
    scratch(stage, scratch_bytes)?;
    let names = covered(stage, NAMES, NO_PROGRAMS)?;
    for (name, path, handle) in folders {
        let shown = Path::new(NAMES).join(name);
        let place = stage.folder(&shown)?;
        let mount = files(path, *handle);
        let mount = mount.map_err(|error| format!("show {}: {error}", path.display()))?;
        // What is there to be executed is in the image, which somebody signed.
        stage.put(&mount, (&shown, &place), READ_ONLY | NO_PROGRAMS)?;
    }
    close(&names, NAMES)
}

/// Has names asked where the node answers them. A resolver that is told of no other place asks there, so a file is
/// covered where the image has one and none is made; a link is not followed, and leads into a folder that is empty.
pub(super) fn ask_here(stage: &Stage) -> Result<(), String> {
    let path = Path::new(RESOLVERS);
    let wrong = |error: io::Error| format!("cover {RESOLVERS}: {error}");
    let Some(place) = stage.regular(path)? else {
        return Ok(());
    };
    // A part of a file system can be shown once that is mounted itself, for as long as that takes.
    let folder =
        fresh("tmpfs", &[("size", "4k"), ("nr_inodes", "2")], NO_PROGRAMS).map_err(wrong)?;
    let scratch = Path::new(SCRATCH);
    attach(&folder, &stage.folder(scratch)?).map_err(wrong)?;
    let shown = (|| -> io::Result<()> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = openat(&folder, "resolvers", flags, Mode::from_raw_mode(0o444))?;
        fchmod(&file, Mode::from_raw_mode(0o444))?;
        rustix::io::write(
            &file,
            format!("nameserver {}\n", Ipv4Addr::LOCALHOST).as_bytes(),
        )?;
        let part = again_of(&file)?;
        attach(&part, &place)?;
        restrict(&part, READ_ONLY | NO_PROGRAMS, Depth::One)?;
        fchdir(&folder)?;
        Ok(unmount(".", UnmountFlags::DETACH)?)
    })();
    shown.map_err(wrong)
}

/// What Landlock lets it open: what is in its root, to read; mounts say the rest.
pub(super) fn opens() -> Opens {
    Opens {
        read: vec!["/".into()],
        devices: DEVICES.iter().map(PathBuf::from).collect(),
        write: vec![SCRATCH.into(), SHARED_MEMORY.into()],
    }
}

/// Covers a folder of the image with an empty one.
fn covered(stage: &Stage, path: &str, attributes: u64) -> Result<OwnedFd, String> {
    let options = [("size", "64k"), ("nr_inodes", "64"), ("mode", "0755")];
    let mount = fresh("tmpfs", &options, NO_PROGRAMS);
    let mount = mount.map_err(|error| format!("mount {path}: {error}"))?;
    let path = Path::new(path);
    stage.put(&mount, (path, &stage.folder(path)?), attributes)?;
    Ok(mount)
}

/// Lets nothing more be made in a folder that was covered, and leaves alone what is mounted in it.
fn close(mount: &OwnedFd, path: &str) -> Result<(), String> {
    restrict(mount, READ_ONLY | NO_PROGRAMS, Depth::One)
        .map_err(|error| format!("make {path} read-only: {error}"))
}

/// Shows its own processes, with all of the files that are beside them where the machine lets a user namespace have
/// them, else without, else nothing. The launcher reads back which.
fn processes(stage: &Stage) -> Result<(), String> {
    // Another is the machine's, or a container's.
    let own = rustix::process::getpid() == rustix::process::Pid::INIT;
    let mounted = own.then(|| {
        fresh("proc", &[], READ_ONLY | NO_PROGRAMS)
            .or_else(|_| fresh("proc", &[("subset", "pid")], READ_ONLY | NO_PROGRAMS))
    });
    let path = Path::new(PROCESSES);
    let Some(Ok(mount)) = mounted else {
        return covered(stage, PROCESSES, READ_ONLY | NO_PROGRAMS).map(drop);
    };
    stage.put(
        &mount,
        (path, &stage.folder(path)?),
        READ_ONLY | NO_PROGRAMS,
    )?;
    MASKED
        .iter()
        .try_for_each(|path| mask(&mount, Path::new(path)))
}

/// Covers one path of `/proc`, if it is there: a folder with an empty one, a file with `/dev/null`.
fn mask(processes: &OwnedFd, path: &Path) -> Result<(), String> {
    let wrong = |error: io::Error| format!("mask {}: {error}", path.display());
    let within = path.strip_prefix(PROCESSES).unwrap_or(path);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = match openat(processes, within, flags, Mode::empty()) {
        Ok(place) => place,
        // Not on this kernel. What is there and cannot be covered is not left to be seen.
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(wrong(error.into())),
    };
    let status = fstat(&place).map_err(|error| wrong(error.into()))?;
    let cover = match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => fresh("tmpfs", &[("nr_inodes", "1")], READ_ONLY | NO_PROGRAMS),
        _ => again(Path::new("/dev/null")),
    };
    let cover = cover.map_err(wrong)?;
    attach(&cover, &place)
        .and_then(|()| {
            let held = READ_ONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
            restrict(&cover, held, Depth::All)
        })
        .map_err(wrong)
}

/// One file system in memory for `/tmp` and `/dev/shm`, so that its bound is on both together.
fn scratch(stage: &Stage, bytes: u64) -> Result<(), String> {
    let wrong = |error: io::Error| format!("mount {SCRATCH}: {error}");
    let (size, inodes) = (bytes.to_string(), (bytes / 4096).max(1024).to_string());
    let options = [("size", &*size), ("nr_inodes", &*inodes), ("mode", "0755")];
    let whole = fresh("tmpfs", &options, NO_PROGRAMS).map_err(wrong)?;
    // A part of it can be mounted once it is mounted itself, for as long as that takes.
    let place = stage.folder(Path::new(SCRATCH))?;
    stage.put(&whole, (Path::new(SCRATCH), &place), NO_PROGRAMS)?;
    let mut parts = Vec::new();
    for (name, path) in [("tmp", SCRATCH), ("shm", SHARED_MEMORY)] {
        let part = (|| -> io::Result<OwnedFd> {
            mkdirat(&whole, name, Mode::from_raw_mode(0o777))?;
            // Whatever the launcher's umask left out.
            chmodat(&whole, name, Mode::from_raw_mode(0o1777), AtFlags::empty())?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            again_of(&openat(&whole, name, flags, Mode::empty())?)
        })();
        parts.push((Path::new(path), part.map_err(wrong)?));
    }
    fchdir(&whole)
        .and_then(|()| unmount(".", UnmountFlags::DETACH))
        .map_err(|error| wrong(error.into()))?;
    for (path, part) in &parts {
        stage.put(part, (path, &stage.folder(path)?), NO_PROGRAMS)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_what_is_not_there_is_left_uncovered() -> io::Result<()> {
        let mask = |folder: &str| {
            let folder = File::open(folder)?;
            io::Result::Ok(mask(&folder.into(), Path::new("/proc/kcore")))
        };
        assert_eq!(mask("/")?, Ok(()));
        // Where it cannot be looked for, nobody knows whether it is there.
        let why = mask("/dev/null")?.err().unwrap_or_default();
        assert!(why.starts_with("mask /proc/kcore: "), "{why}");
        Ok(())
    }
}
