//! The real buildah, which makes images of a Containerfile without an engine: as people who use docker or podman have them.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::{StartError, component};

/// Buildah with images of its own.
#[derive(Debug)]
pub struct Buildah {
    home: TempDir,
}

impl Buildah {
    /// Finds buildah on the `PATH`: it is the machine's, and no component.
    ///
    /// # Errors
    /// [`StartError::Missing`] when it is not on this machine, or may do nothing here.
    pub fn find() -> Result<Self, StartError> {
        component::programs(&[("buildah", "buildah")])?;
        let home = tempfile::Builder::new()
            .prefix("aion-buildah-")
            .tempdir()
            .map_err(StartError::io("making a home for buildah"))?;
        let buildah = Self { home };
        // Who is not root needs user namespaces for it.
        component::works("buildah", buildah.command().arg("info"))?;
        Ok(buildah)
    }

    /// Builds the folder's Containerfile, which begins from nothing, and pushes it as `image` in the `format` `oci` or `v2s2`,
    /// which is Docker's.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn build(&self, folder: &Path, format: &str, image: &str) -> Result<(), StartError> {
        let build = [
            "build",
            "--isolation",
            "chroot",
            "--layers",
            "--tag",
            "made",
        ];
        component::run(self.command().args(build).arg(folder))?;
        let push = ["push", "--tls-verify=false", "--format", format, "made"];
        component::run(self.command().args(push).arg(format!("docker://{image}"))).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("buildah");
        // A store that mounts nothing, and none of the user's.
        command.args(["--storage-driver", "vfs"]);
        for (option, name) in [("--root", "root"), ("--runroot", "run")] {
            command.arg(option).arg(self.home.path().join(name));
        }
        command.env("HOME", self.home.path());
        command
    }
}
