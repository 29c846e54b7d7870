//! A node on this machine alone, as a person sets it up: everything through `aionctl`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use tempfile::TempDir;

/// A running node; stopped when dropped.
pub struct Standalone {
    home: TempDir,
    digests: Vec<String>,
}

/// What a command said.
pub struct Said {
    /// Whether it went well.
    pub ok: bool,
    /// Standard output and standard error.
    pub text: String,
}

impl Standalone {
    /// Starts launcher and daemon and lets the standalone policies in.
    ///
    /// # Errors
    /// When it is not built, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let node = Self {
            home: tempfile::Builder::new().prefix("aion-").tempdir()?,
            digests: Vec::new(),
        };
        node.must(&["local", "start"])?;
        let key = node.home().join("machine").display().to_string();
        node.must(&["bundle", "keygen", "--no-password", &key])?;
        let policies = crate::cluster::root().join("policies/standalone.yaml");
        node.must(&["apply", "-f", &policies.display().to_string()])?;
        Ok(node)
    }

    /// Its state.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs `aionctl` in a folder of its own.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn aionctl(&self, arguments: &[&str]) -> anyhow::Result<Said> {
        let output = Command::new(crate::program("aionctl")?)
            .args(arguments)
            .env("AION_HOME", self.home())
            .env("NO_COLOR", "1")
            .current_dir(self.home())
            .output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Said {
            ok: output.status.success(),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }

    /// As [`Standalone::aionctl`]; it must go well.
    ///
    /// # Errors
    /// Also where it did not, with what it said.
    pub fn must(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let said = self.aionctl(arguments)?;
        anyhow::ensure!(
            said.ok,
            "aionctl {arguments:?}\n{}\n{}",
            said.text,
            self.log()
        );
        Ok(said.text)
    }

    /// Builds the bundle in `folder`, signs it, and has this machine trust it. Gives its digest.
    ///
    /// # Errors
    /// When a step fails.
    pub fn trust_bundle(&mut self, folder: &Path) -> anyhow::Result<String> {
        let built = self.must(&["bundle", "build", &folder.display().to_string(), "--quiet"])?;
        let digest = built.trim().to_owned();
        let key = self.home().join("machine.key").display().to_string();
        self.must(&["bundle", "sign", &digest, "--key", &key])?;
        self.digests.push(digest.clone());
        let public = fs::read_to_string(self.home().join("machine.pub"))?;
        let public: String = public
            .lines()
            .map(|line| format!("        {line}\n"))
            .collect();
        let digests: String = self
            .digests
            .iter()
            .map(|it| format!("        - \"{it}\"\n"))
            .collect();
        let trust = format!(
            "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: tests}}\nspec:\n  inline: allow\n  keys:\n    \
             - name: machine\n      purpose: machine\n      publicKey: |\n{public}      digests:\n{digests}"
        );
        self.apply(&trust, "30")?;
        Ok(digest)
    }

    /// Applies a manifest and waits for its agents so many seconds.
    ///
    /// # Errors
    /// When it is refused or not ready in time.
    pub fn apply(&self, manifest: &str, seconds: &str) -> anyhow::Result<String> {
        let path = self.home().join("manifest.yaml");
        fs::write(&path, manifest)?;
        self.must(&[
            "apply",
            "--wait",
            seconds,
            "-f",
            &path.display().to_string(),
        ])
    }

    /// What was compiled, one file a module.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn compiled(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for bundle in fs::read_dir(self.home().join("store/bundles"))? {
            let folder = bundle?.path().join("compiled");
            if folder.is_dir() {
                for file in fs::read_dir(folder)? {
                    found.push(file?.path());
                }
            }
        }
        Ok(found)
    }

    /// What the daemon wrote.
    #[must_use]
    pub fn log(&self) -> String {
        let log = self.home().join("logs/aion-node.log");
        fs::read_to_string(log)
            .context("no log")
            .unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let _ = self.aionctl(&["local", "stop", "--force"]);
    }
}
