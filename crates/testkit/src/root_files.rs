//! A root file system of this machine's programs, each with the libraries that it was linked with: what an image
//! unpacks to, small and without a registry.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders that every image has, for what is mounted over them.
const MOUNT_POINTS: [&str; 7] = ["proc", "sys", "dev", "tmp", "run", "mnt", "etc"];

/// A root file system in a folder of the test's.
#[derive(Debug)]
pub struct RootFiles(PathBuf);

impl RootFiles {
    /// Makes the folder, and in it the mount points.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        for name in MOUNT_POINTS {
            fs::create_dir(folder.join(name))?;
        }
        for within in [PathBuf::new()]
            .into_iter()
            .chain(MOUNT_POINTS.map(PathBuf::from))
        {
            fs::set_permissions(folder.join(within), fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self(folder.to_owned()))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where `inside` is outside.
    #[must_use]
    pub fn at(&self, inside: &str) -> PathBuf {
        self.0.join(inside.trim_start_matches('/'))
    }

    /// Puts a file there, which anybody may read, and execute.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, inside: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.at(inside);
        self.above(&path)?;
        fs::write(&path, content)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
    }

    /// Puts a program of this machine there, with what it was linked with where that is here.
    ///
    /// # Errors
    /// When it cannot be read, or `ldd` is not on this machine.
    pub fn program(&self, from: &Path, inside: &str) -> io::Result<()> {
        self.put(inside, fs::read(from)?)?;
        for library in libraries(from)? {
            let inside = library.to_string_lossy();
            if !self.at(&inside).exists() {
                self.put(&inside, fs::read(&library)?)?;
            }
        }
        Ok(())
    }

    fn above(&self, path: &Path) -> io::Result<()> {
        let mut made = self.0.clone();
        let within = path.parent().and_then(|it| it.strip_prefix(&self.0).ok());
        for part in within.unwrap_or(Path::new("")).components() {
            made.push(part);
            if !made.exists() {
                fs::create_dir(&made)?;
                fs::set_permissions(&made, fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(())
    }
}

/// What the dynamic linker loads for a program, and itself.
pub(crate) fn libraries(program: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let paths = text.split_whitespace().filter(|it| it.starts_with('/'));
    Ok(paths.map(PathBuf::from).collect())
}
