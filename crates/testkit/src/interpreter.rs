//! Base images of programs, made of this machine's own interpreters: what users take from a registry.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{StartError, architecture, digest::sha256, root_files::libraries};

/// A language of this machine that can be made an image of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpreter {
    /// The distribution's Python, with its standard library.
    Python,
    /// Node.
    Node,
}

impl Interpreter {
    /// Where it is on this machine, and in the image.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Python => "/usr/bin/python3",
            Self::Node => "/usr/bin/node",
        }
    }

    /// Its language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    /// Starts it on this machine itself.
    ///
    /// # Errors
    /// [`StartError::Missing`] where it is not on this machine.
    pub fn command(self) -> Result<Command, StartError> {
        match Path::new(self.path()).is_file() {
            true => Ok(Command::new(self.path())),
            false => Err(StartError::Missing {
                component: self.name(),
                why: format!("the test runs {}", self.path()),
            }),
        }
    }

    /// Makes an image of it in the layout `folder`, and gives it as the `base` of a `bundle.yaml`.
    ///
    /// # Errors
    /// [`StartError::Missing`] where it is not on this machine.
    pub fn image(self, folder: &Path) -> Result<String, StartError> {
        self.command()?;
        self.try_image(folder).map_err(StartError::io(format!(
            "making an image of {}",
            self.path()
        )))
    }

    fn try_image(self, folder: &Path) -> io::Result<String> {
        let mut files = vec![PathBuf::from(self.path())];
        files.extend(libraries(self.path().as_ref())?);
        if self == Self::Python {
            files.push(standard_library()?);
            let modules = fs::read_dir(standard_library()?.join("lib-dynload"))?;
            for module in modules {
                files.extend(libraries(&module?.path())?);
            }
        }
        files.sort();
        files.dedup();
        fs::create_dir_all(folder)?;
        let archive = folder.join("layer.tar");
        let mut tar = Command::new("tar");
        tar.args([
            "--dereference",
            "--hard-dereference",
            "--sort=name",
            "--mtime=@0",
            "-C",
            "/",
        ])
        .args([
            "--exclude=*/test",
            "--exclude=*/__pycache__",
            "--exclude=*/idlelib",
            "-cf",
        ])
        .arg(&archive)
        .args(files.iter().map(|it| it.strip_prefix("/").unwrap_or(it)));
        let made = tar.output()?;
        if !made.status.success() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&made.stderr).into_owned(),
            ));
        }
        let layer = fs::read(&archive)?;
        fs::remove_file(&archive)?;
        layout(folder, &layer)
    }
}

/// An image layout in `folder` with one image of one layer.
fn layout(folder: &Path, layer: &[u8]) -> io::Result<String> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let blob = |media_type: &str, bytes: &[u8]| -> io::Result<Value> {
        let hex = sha256(bytes);
        fs::write(blobs.join(&hex), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()}))
    };
    let layer = blob("application/vnd.oci.image.layer.v1.tar", layer)?;
    let config = json!({
        "architecture": architecture(), "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = blob(
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    )?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer],
    });
    let manifest = blob(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    )?;
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(folder.join("index.json"), index.to_string())?;
    fs::write(
        folder.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    let digest = manifest["digest"].as_str().unwrap_or_default();
    Ok(format!("oci:{}@{digest}", folder.display()))
}

fn standard_library() -> io::Result<PathBuf> {
    let program = fs::canonicalize(Interpreter::Python.path())?;
    let name = program.file_name().unwrap_or_default();
    Ok(Path::new("/usr/lib").join(name))
}
