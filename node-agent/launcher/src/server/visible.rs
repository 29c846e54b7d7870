//! A `/proc` that is seen whole. A container engine covers parts of it, and the kernel then lets no user namespace have
//! one of its own processes (`mount_too_revealing` in fs/namespace.c): the program of an image would have none at all.
//! A launcher that may mount takes a mount namespace of its own and puts a whole one over it, which is the measure for
//! its workers'. What may not enter: what a worker is shown.

use std::fs;
use std::io;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::mountinfo::Mount;

const PROCESSES: &str = "/proc";

/// Sees to it, where it is not so.
pub(super) fn whole_proc() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if !is_covered(&mounts) {
        return;
    }
    match uncover() {
        Ok(()) => {
            tracing::debug!("{PROCESSES} is covered in part: workers' are measured by a whole one")
        }
        Err(why) => tracing::warn!(
            %why,
            "{PROCESSES} is covered in part and cannot be seen whole: programs of images have none"
        ),
    }
}

fn uncover() -> io::Result<()> {
    #[allow(unsafe_code)]
    // SAFETY: unsharing the mount namespace changes no memory and no descriptor, and there is one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    // What is mounted later on the machine is still seen, and nothing of this goes back.
    let downstream = MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM;
    mount_change("/", downstream)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("proc", PROCESSES, "proc", flags, None)?)
}

/// Whether something lies over a part of `/proc`, or the whole of it is read-only.
fn is_covered(mountinfo: &str) -> bool {
    let mut mounts = mountinfo.lines().filter_map(Mount::parse);
    mounts.any(|mount| match mount.at.strip_prefix(PROCESSES) {
        Some("") => mount.has("ro"),
        // Where programs are registered; every distribution mounts it, and it is empty.
        Some(below) => below.starts_with('/') && below != "/sys/fs/binfmt_misc",
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is_covered;

    #[test]
    fn what_a_container_engine_covers_is_found() {
        let whole = "20 1 0:4 / /proc rw,nosuid - proc proc rw\n";
        let others = "21 1 0:5 / /process ro - tmpfs tmpfs rw\n\
                      22 20 0:6 / /proc/sys/fs/binfmt_misc rw - binfmt_misc x rw\n";
        assert!(!is_covered(&format!("{whole}{others}")));
        for line in [
            "23 20 0:7 /null /proc/kcore rw - tmpfs tmpfs rw\n",
            "23 20 0:4 /sys /proc/sys ro - proc proc rw\n",
            "23 1 0:4 / /proc ro - proc proc rw\n",
        ] {
            assert!(is_covered(&format!("{whole}{line}")), "{line}");
        }
    }
}
