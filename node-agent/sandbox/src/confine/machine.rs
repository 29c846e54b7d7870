//! What a tool sees of the machine: programs and libraries, a few files of
//! `/etc`, the devices that are none, its folders, and an empty `/tmp`. Everything
//! but `/tmp` is read-only, everything is where it is outside.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::landlock::Opens;
use super::mounts::{DATA, NO_PROGRAMS, READ_ONLY, Stage, again, fresh};
use super::root::{NAMES, Named};

/// Programs and libraries, as far as they are there.
const SYSTEM: [&str; 8] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
];
/// What programs look up, and nobody's secret.
const SETTINGS: [&str; 12] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/ssl",
];
/// Devices that give or take nothing of anybody's.
pub const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];
/// The one place to write to. It is memory, and gone with the process.
pub const SCRATCH: &str = "/tmp";

/// Puts everything into the root that is being built.
pub(super) fn furnish(
    stage: &Stage,
    (program, handle): (&Path, Option<&OwnedFd>),
    folders: &[Named<'_>],
) -> Result<(), String> {
    for path in SYSTEM.iter().chain(&SETTINGS) {
        show(stage, Path::new(path))?;
    }
    devices(stage)?;
    // Files are bounded as bytes are: an empty one takes memory, too.
    let options = [("size", "64m"), ("nr_inodes", "16k"), ("mode", "1777")];
    let scratch = fresh("tmpfs", &options, NO_PROGRAMS);
    let scratch = scratch.map_err(|error| format!("mount {SCRATCH}: {error}"))?;
    let place = stage.folder(Path::new(SCRATCH))?;
    stage.put(&scratch, (Path::new(SCRATCH), &place), NO_PROGRAMS)?;

    let mut sorted: Vec<_> = folders.iter().collect();
    // What holds another comes first, and shows the other too.
    sorted.sort_by(|a, b| a.1.cmp(b.1));
    let mut shown: Vec<&Path> = SYSTEM.iter().chain(&SETTINGS).map(Path::new).collect();
    for (_, path, handle) in sorted {
        mountable(path)?;
        if !shown.iter().any(|other| path.starts_with(other)) {
            let place = stage.folder(path)?;
            put(stage, path, &place, *handle)?;
            shown.push(path);
        }
    }
    if !shown.iter().any(|other| program.starts_with(other)) {
        let place = stage.file(program)?;
        put(stage, program, &place, handle)?;
    }
    for (name, path, _) in folders {
        let link = Path::new(NAMES).join(name);
        if link != *path {
            stage.link(&link, path)?;
        }
    }
    Ok(())
}

/// Puts the devices into a root, each as it is outside.
pub(super) fn devices(stage: &Stage) -> Result<(), String> {
    DEVICES
        .iter()
        .try_for_each(|device| show(stage, Path::new(device)))
}

/// What Landlock lets a tool open.
pub(super) fn opens(program: &Path, mounts: &[(String, PathBuf)], own_root: bool) -> Opens {
    let mounts = mounts.iter().map(|(_, path)| path.clone());
    let system = SYSTEM.iter().chain(&SETTINGS).map(PathBuf::from);
    Opens {
        read: (system.chain(mounts).chain([program.to_owned()])).collect(),
        devices: DEVICES.iter().map(PathBuf::from).collect(),
        // Outside of a root of its own it would be everybody's.
        write: own_root.then(|| SCRATCH.into()).into_iter().collect(),
    }
}

/// Whether a folder can be shown beside everything else.
fn mountable(path: &Path) -> Result<(), String> {
    if path.parent().is_none() {
        return Err("a tool is not shown the whole machine: map a folder of it".into());
    }
    if Path::new(NAMES).starts_with(path) {
        return Err(format!(
            "{} cannot be shown to a tool, which finds its folders by name in {NAMES}: map a \
             folder below it, or another one",
            path.display()
        ));
    }
    Ok(())
}

/// What a mount of `path` is held to. Only the devices themselves can be written
/// to; a folder that lies beside them, such as `/dev/shm`, is a folder.
fn attributes(path: &Path) -> u64 {
    match DEVICES.iter().any(|device| path == Path::new(device)) {
        true => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
        false => READ_ONLY | DATA,
    }
}

/// Shows `path` as it is outside, if it is there: a link as a link.
fn show(stage: &Stage, path: &Path) -> Result<(), String> {
    let wrong = |error: io::Error| format!("show {}: {error}", path.display());
    let outside = match fs::symlink_metadata(path) {
        Ok(outside) => outside,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(wrong(error)),
    };
    // A link out of /etc leads to where nothing is shown; what it leads to is bound instead.
    let is_link = outside.is_symlink() && path.parent() == Some(Path::new("/"));
    if is_link {
        return stage.link(path, &fs::read_link(path).map_err(wrong)?);
    }
    let Ok(target) = fs::metadata(path) else {
        return Ok(());
    };
    let place = match target.is_dir() {
        true => stage.folder(path)?,
        false => stage.file(path)?,
    };
    put(stage, path, &place, None)
}

/// Mounts `path`, or the handle of it, at `place`.
fn put(
    stage: &Stage,
    path: &Path,
    place: &OwnedFd,
    handle: Option<&OwnedFd>,
) -> Result<(), String> {
    let own;
    let mount = match handle {
        Some(handle) => handle,
        None => {
            own = again(path).map_err(|error| format!("show {}: {error}", path.display()))?;
            &own
        }
    };
    stage.put(mount, (path, place), attributes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_the_devices_cannot_be_written_to() {
        let writable = |path: &str| attributes(Path::new(path)) & libc::MOUNT_ATTR_RDONLY == 0;
        assert!(DEVICES.iter().all(|device| writable(device)));
        for path in [
            "/dev/shm",
            "/dev",
            "/dev/null/x",
            "/dev/nullx",
            "/usr",
            "/home/a",
        ] {
            assert!(!writable(path), "{path}");
        }
    }

    #[test]
    fn a_folder_that_would_cover_the_others_names_is_refused() {
        for (path, why) in [("/", "the whole machine"), ("/mnt", "by name in /mnt")] {
            let refused = mountable(Path::new(path)).err().unwrap_or_default();
            assert!(refused.contains(why), "{path}: {refused}");
        }
        for path in ["/mnt/notes", "/home", "/mntx"] {
            assert_eq!(mountable(Path::new(path)), Ok(()), "{path}");
        }
    }
}
