//! The image that attempts are made from: the program with what it is linked with, and what somebody bad would put
//! beside it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use aion_testkit::RootFiles;
use anyhow::ensure;

/// The program, as cargo built it.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_aion-escape-attempts");
/// It in the image.
pub(crate) const INSIDE: &str = "/bin/attempts";

/// An unpacked image, and a folder to show beside it.
pub(crate) struct Image {
    pub(crate) root: PathBuf,
    pub(crate) shown: PathBuf,
}

impl Image {
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        let (root, shown) = (folder.join("root"), folder.join("shown"));
        let files = RootFiles::make(&root)?;
        files.program(Path::new(PROGRAM), INSIDE)?;
        fs::create_dir(&shown)?;
        let copy = |place: PathBuf, owner: (u32, u32), mode: u32| -> anyhow::Result<()> {
            fs::copy(PROGRAM, &place)?;
            chown(&place, Some(owner.0), Some(owner.1))?;
            Ok(fs::set_permissions(
                place,
                fs::Permissions::from_mode(mode),
            )?)
        };
        copy(root.join("bin/setuid"), (1, 0), 0o4755)?;
        copy(root.join("bin/setgid"), (0, 1), 0o2755)?;
        copy(shown.join("program"), (0, 0), 0o755)?;
        let made = Command::new("mknod")
            .arg(root.join("zero"))
            .args(["-m", "666", "c", "1", "5"])
            .status()?;
        ensure!(made.success(), "mknod");
        fs::write(root.join("decoy"), "as it was")?;
        fs::write(root.join("roots"), "root's")?;
        fs::set_permissions(root.join("roots"), fs::Permissions::from_mode(0o600))?;
        let image = Self { root, shown };
        image.renew()?;
        Ok(image)
    }

    /// As it was, after attempts that succeeded.
    pub(crate) fn renew(&self) -> anyhow::Result<()> {
        for made in ["made", "linked", "escape"] {
            let _ = fs::remove_file(self.root.join(made));
        }
        let _ = fs::remove_file(self.shown.join("made"));
        fs::set_permissions(self.root.join("decoy"), fs::Permissions::from_mode(0o644))?;
        Ok(())
    }
}
