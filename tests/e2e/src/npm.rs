//! The SDK for TypeScript, built on a copy since it is built beside its source, and installed where nothing else is. No
//! registry is asked: what it is built with is a component.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use aion_testkit::{Interpreter, node_package, or_skip};

use crate::cluster::root;

/// What it is made of, and what its tests read.
const PARTS: [&str; 9] = [
    "sdk/ts/aion-sdk/src",
    "sdk/ts/aion-sdk/test",
    "sdk/ts/aion-sdk/README.md",
    "sdk/ts/aion-sdk/package.json",
    "sdk/ts/aion-sdk/tsconfig.json",
    "sdk/ts/aion-sdk/tsconfig.browser.json",
    "sdk/vectors",
    "sdk/conformance",
    "docs",
];

/// The SDK in a folder of its own.
pub struct NodeSdk {
    work: tempfile::TempDir,
    modules: PathBuf,
}

impl NodeSdk {
    /// `None`, and the test skipped, where Node or what the SDK is built with is not on this machine.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn find() -> anyhow::Result<Option<Self>> {
        let Some(modules) = or_skip(node_package("typescript")) else {
            return Ok(None);
        };
        if or_skip(Interpreter::Node.command()).is_none() {
            return Ok(None);
        }
        let work = tempfile::tempdir()?;
        for path in PARTS {
            copy(&root().join(path), &work.path().join(path))?;
        }
        let sdk = Self { work, modules };
        symlink(&sdk.modules, sdk.package().join("node_modules"))?;
        Ok(Some(sdk))
    }

    /// A folder beside it, gone with it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Where `package.json` is.
    #[must_use]
    pub fn package(&self) -> PathBuf {
        self.work.path().join("sdk/ts/aion-sdk")
    }

    /// Installs its package in a folder where nothing is, and gives that.
    ///
    /// # Errors
    /// When npm fails.
    pub fn installed(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.path(name);
        fs::create_dir(&folder)?;
        fs::write(folder.join("package.json"), r#"{"type": "module"}"#)?;
        self.add(&folder)?;
        Ok(folder)
    }

    /// As [`NodeSdk::installed`], with the packages in `modules` beside it.
    ///
    /// # Errors
    /// When npm fails.
    pub fn installed_beside(&self, name: &str, modules: &Path) -> anyhow::Result<PathBuf> {
        let folder = self.installed(name)?;
        for module in fs::read_dir(modules)? {
            let module = module?;
            if !module.file_name().as_encoded_bytes().starts_with(b".") {
                symlink(
                    module.path(),
                    folder.join("node_modules").join(module.file_name()),
                )?;
            }
        }
        Ok(folder)
    }

    /// Installs it in a project that names what the SDK is built with, too.
    ///
    /// # Errors
    /// When npm fails.
    pub fn install(&self, project: &Path) -> anyhow::Result<()> {
        copy(&self.modules, &project.join("node_modules"))?;
        self.add(project)
    }

    fn add(&self, folder: &Path) -> anyhow::Result<()> {
        let packed = npm(
            &self.package(),
            &["pack", "--silent", "--pack-destination", ".."],
        )?;
        let archive = self.path("sdk/ts").join(packed.trim());
        let archive = archive.to_string_lossy();
        let quiet = ["--offline", "--no-audit", "--no-fund"];
        npm(folder, &[&["install", &archive], &quiet[..]].concat())?;
        Ok(())
    }
}

/// What a command printed.
///
/// # Errors
/// All it said where it failed.
pub fn done(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?}\n{said}\n{error}");
    Ok(said)
}

/// Runs npm in a folder.
///
/// # Errors
/// As [`done`].
pub fn npm(at: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut npm = Command::new("npm");
    // It asks nobody for a newer npm.
    npm.env("npm_config_update_notifier", "false");
    done(npm.args(arguments).current_dir(at))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(above) = to.parent() {
        fs::create_dir_all(above)?;
    }
    done(Command::new("cp").arg("-r").args([from, to]))?;
    Ok(())
}
