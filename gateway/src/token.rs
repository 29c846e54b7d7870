//! The token that whoever connects has to show: in a file, for its owner alone.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context as _, ensure};
use uuid::Uuid;

/// Reads it, and makes it where there is none.
///
/// # Errors
/// It cannot be read or made, is empty, or others can read it.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    make(path).with_context(|| format!("cannot make the token {}", path.display()))?;
    let shown = path.display();
    let about = fs::metadata(path).with_context(|| format!("cannot look at {shown}"))?;
    ensure!(
        about.mode() & 0o077 == 0,
        "{shown} can be read by others: chmod 600 {shown}, or remove it to have a new one"
    );
    let token = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let token = token.trim().to_owned();
    ensure!(
        !token.is_empty(),
        "{shown} is empty: whoever sends no token would be let in. Remove it to have a new one"
    );
    Ok(token)
}

fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        opened => opened?,
    };
    // 244 random bits, of the operating system's.
    writeln!(
        file,
        "{}{}",
        Uuid::new_v4().simple(),
        Uuid::new_v4().simple()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let made = read(&path).unwrap();
        assert_eq!(made.len(), 64);
        assert_eq!(read(&path).unwrap(), made);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read(&path).unwrap_err().to_string();
        assert!(refused.contains("can be read by others"), "{refused}");
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("is empty"));
    }
}
