//! The real crane, which makes, changes and checks images in registries without an engine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{Component, StartError, component};

/// Crane with a home of its own.
#[derive(Debug)]
pub struct Crane {
    binary: PathBuf,
    home: TempDir,
}

impl Crane {
    /// Finds crane.
    ///
    /// # Errors
    /// [`StartError::Missing`] when it is not on this machine.
    pub fn find() -> Result<Self, StartError> {
        let binary = Component::Crane.find()?;
        let home = tempfile::Builder::new()
            .prefix("aion-crane-")
            .tempdir()
            .map_err(StartError::io("making a home for crane"))?;
        Ok(Self { binary, home })
    }

    /// Puts the archives `layers` on the image `base`, or on an empty one, and pushes that as `image`.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn append(
        &self,
        base: Option<&str>,
        layers: &[PathBuf],
        image: &str,
    ) -> Result<(), StartError> {
        let mut command = self.command(&["append", "--new_tag", image]);
        if let Some(base) = base {
            command.args(["--base", base]);
        }
        for layer in layers {
            command.arg("--new_layer").arg(layer);
        }
        component::run(&mut command).map(drop)
    }

    /// The content of `image`, all layers in one archive, as crane composes it.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn export(&self, image: &str, archive: &Path) -> Result<(), StartError> {
        component::run(self.command(&["export", image]).arg(archive)).map(drop)
    }

    /// Any other of its commands; gives what it wrote.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn run(&self, words: &[&str]) -> Result<String, StartError> {
        component::run(&mut self.command(words)).map(|text| text.trim().to_owned())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words);
        // Not the user's logins.
        command.env("HOME", self.home.path());
        command.env("DOCKER_CONFIG", self.home.path());
        command
    }
}
