//! What a tool sees of the machine: programs and libraries, a few files of
//! `/etc`, the devices that are none, its folders, and an empty `/tmp`. Everything
//! but `/tmp` is read-only, everything is where it is outside.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{MountFlags, MoveMountFlags, mount, mount_bind_recursive, move_mount};

use super::landlock::Opens;
use crate::plan::{Shown, What};

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
/// Where the folders are found by name.
const NAMES: &str = "/mnt";
/// The one place to write to. It is memory, and gone with the process.
pub const SCRATCH: &str = "/tmp";

/// Puts everything into the root that is being built at `stage`. `handles` are
/// the program and the folders, where the plan has them.
pub(super) fn furnish(it: &Shown, stage: &str, handles: &[OwnedFd]) -> Result<(), String> {
    let What::Machine { program } = &it.what else {
        return Err("not yet".into());
    };
    let root = Stage(Path::new(stage));
    for path in SYSTEM.iter().chain(&SETTINGS).chain(&DEVICES) {
        root.show(Path::new(path))?;
    }
    let scratch = root.make_folder(Path::new(SCRATCH))?;
    let bounds = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", &scratch, "tmpfs", bounds, c"size=64m,mode=1777")
        .map_err(|error| format!("mount {SCRATCH}: {error}"))?;

    let mut folders: Vec<_> = (1..)
        .zip(&it.mounts)
        .map(|(at, (_, path))| (path, handles.get(at)))
        .collect();
    // What holds another comes first, and shows the other too.
    folders.sort_by(|a, b| a.0.cmp(b.0));
    let mut shown: Vec<&Path> = SYSTEM.iter().chain(&SETTINGS).map(Path::new).collect();
    for (path, handle) in folders {
        mountable(path)?;
        if !shown.iter().any(|other| path.starts_with(other)) {
            let place = root.make_folder(path)?;
            root.put(path, &place, handle)?;
            shown.push(path);
        }
    }
    if !shown.iter().any(|other| program.starts_with(other)) {
        let place = root.make_file(program)?;
        root.put(program, &place, handles.first())?;
    }
    for (name, path) in &it.mounts {
        let link = Path::new(NAMES).join(name);
        if link != *path {
            root.link(&link, path)?;
        }
    }
    Ok(())
}

/// What Landlock lets it open.
pub(super) fn opens(it: &Shown, private_root: bool) -> Opens {
    let program = match &it.what {
        What::Machine { program } => program,
        What::Image { files, .. } => files,
    };
    let own = it.mounts.iter().map(|(_, path)| path.clone());
    Opens {
        read: SYSTEM
            .iter()
            .chain(&SETTINGS)
            .map(PathBuf::from)
            .chain(own)
            .chain([program.clone()])
            .collect(),
        devices: DEVICES.iter().map(PathBuf::from).collect(),
        // Outside of a root of its own it would be everybody's.
        write: private_root.then(|| PathBuf::from(SCRATCH)),
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
        false => libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
    }
}

/// The root that is being built.
struct Stage<'a>(&'a Path);

impl Stage<'_> {
    fn at(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Shows `path` as it is outside, if it is there: a link as a link.
    fn show(&self, path: &Path) -> Result<(), String> {
        let wrong = |error: io::Error| format!("show {}: {error}", path.display());
        let outside = match fs::symlink_metadata(path) {
            Ok(outside) => outside,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(wrong(error)),
        };
        // A link out of /etc leads to where nothing is shown; what it leads to is bound instead.
        let is_link = outside.is_symlink() && path.parent() == Some(Path::new("/"));
        if is_link {
            return self.link(path, &fs::read_link(path).map_err(wrong)?);
        }
        let Ok(target) = fs::metadata(path) else {
            return Ok(());
        };
        let place = match target.is_dir() {
            true => self.make_folder(path)?,
            false => self.make_file(path)?,
        };
        self.put(path, &place, None)
    }

    /// Mounts `path`, or the handle of it, at `place`, read-only.
    fn put(&self, path: &Path, place: &Path, handle: Option<&OwnedFd>) -> Result<(), String> {
        let wrong = |error: io::Error| format!("show {}: {error}", path.display());
        match handle {
            Some(handle) => {
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                move_mount(handle, "", CWD, place, flags).map_err(|it| wrong(it.into()))?;
            }
            None => mount_bind_recursive(path, place).map_err(|it| wrong(it.into()))?,
        }
        restrict(place, attributes(path)).map_err(wrong)
    }

    fn link(&self, path: &Path, to: &Path) -> Result<(), String> {
        self.make_parent(path)?;
        std::os::unix::fs::symlink(to, self.at(path))
            .map_err(|error| format!("link {}: {error}", path.display()))
    }

    fn make_parent(&self, path: &Path) -> Result<(), String> {
        match path.parent() {
            Some(parent) => self.make_folder(parent).map(drop),
            None => Ok(()),
        }
    }

    fn make_folder(&self, path: &Path) -> Result<PathBuf, String> {
        let place = self.at(path);
        fs::create_dir_all(&place).map_err(|error| format!("make {}: {error}", path.display()))?;
        Ok(place)
    }

    fn make_file(&self, path: &Path) -> Result<PathBuf, String> {
        self.make_parent(path)?;
        let place = self.at(path);
        fs::File::create(&place).map_err(|error| format!("make {}: {error}", path.display()))?;
        Ok(place)
    }
}

/// Adds attributes to a mount and to all that are below it, taking none away (mount_setattr(2), Linux 5.12):
/// a remount would have to repeat those that are locked.
#[allow(unsafe_code)]
pub(super) fn restrict(place: &Path, attributes: u64) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(place.as_os_str().as_bytes())?;
    let wanted = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: both live until the call returns, and the size is that of the structure.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
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
