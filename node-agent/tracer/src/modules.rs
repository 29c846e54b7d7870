//! Whether BPF is among the security modules that the kernel asks. It loads and attaches programs for their hooks where it
//! is not, too, and then never calls them.

use std::fs::{self, File};
use std::io::{self, Read};

use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// Where the list is on most machines. A container is not shown it.
const LIST: &str = "/sys/kernel/security/lsm";

/// Nothing where it is.
///
/// # Errors
/// Why it is not, or is not known to be.
pub(crate) fn bpf_is_asked() -> Result<(), String> {
    let list = fs::read_to_string(LIST).or_else(|_| from_a_mount_of_its_own());
    let list = list.map_err(|error| {
        format!("the kernel does not say which security modules it asks ({LIST}): {error}")
    })?;
    match list.trim().split(',').any(|it| it == "bpf") {
        true => Ok(()),
        false => Err(format!(
            "bpf is not among the security modules that the kernel asks ({}): add it to the parameter lsm= that it starts with",
            list.trim()
        )),
    }
}

/// In no namespace, so that nobody sees it.
fn from_a_mount_of_its_own() -> io::Result<String> {
    let system = fsopen("securityfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&system)?;
    let mount = fsmount(
        &system,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_RDONLY,
    )?;
    let list = openat(
        &mount,
        "lsm",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut text = String::new();
    File::from(list).read_to_string(&mut text)?;
    Ok(text)
}
