//! The folders of a node that runs in a pod, made before it starts: root's with the launcher's socket and records,
//! and the daemon's with everything else. What may not enter: folders of a set-up on a machine, which are `aionctl`'s.

use std::path::Path;

use aion_folders::{Folder, Trust};
use anyhow::{Context, bail};

/// With the launcher's socket and records; the daemon passes through.
const LAUNCHER: &str = "launcher";
/// The daemon's home.
const DAEMON: &str = "node";

/// Divides `home`, which is root's. What is there already stays as it is.
///
/// # Errors
/// A folder that is somebody else's, with what to do.
pub(crate) fn divide(home: &Path, daemon: u32) -> anyhow::Result<()> {
    divide_as(home, daemon, Trust::Root)
}

fn divide_as(home: &Path, daemon: u32, trust: Trust) -> anyhow::Result<()> {
    let folder = Folder::make(home, trust, 0o711).context("open the node's folder")?;
    folder.set_mode(0o711)?;
    folder.make_within(LAUNCHER, 0o711)?;
    let own = rustix::process::geteuid().as_raw();
    let is = match folder.owner_of(DAEMON)? {
        Some(owner) => owner,
        None => {
            folder.make_within(DAEMON, 0o700)?;
            own
        }
    };
    if is == daemon {
        return Ok(());
    }
    if is != own {
        bail!(
            "{} belongs to user {is} and not to the daemon's, {daemon}: move it away, or chown it to {daemon}",
            home.join(DAEMON).display()
        );
    }
    // Made now, or by an earlier start that came no further.
    folder.give(DAEMON, daemon, Some(daemon))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn about(path: &Path) -> (u32, u32) {
        let about = fs::metadata(path).unwrap();
        (about.uid(), about.mode() & 0o7777)
    }

    #[test]
    fn what_is_the_daemons_and_what_is_not_is_told_apart_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("aion");
        let own = rustix::process::geteuid();
        let daemon = if own.is_root() { 61_995 } else { own.as_raw() };
        for _ in 0..2 {
            divide_as(&home, daemon, Trust::Own).unwrap();
            assert_eq!(about(&home), (own.as_raw(), 0o711));
            assert_eq!(about(&home.join(LAUNCHER)), (own.as_raw(), 0o711));
            assert_eq!(about(&home.join(DAEMON)), (daemon, 0o700));
        }
    }

    #[test]
    fn a_home_of_another_user_is_refused_with_what_to_do() {
        if !rustix::process::geteuid().is_root() {
            aion_testkit::skip("root", "only root can give a folder to another user");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        divide_as(folder.path(), 61_995, Trust::Own).unwrap();
        let refused = divide_as(folder.path(), 61_994, Trust::Own).unwrap_err();
        assert!(
            refused.to_string().contains("chown it to 61994"),
            "{refused}"
        );
    }
}
