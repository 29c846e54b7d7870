//! Folders that are this user's only.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path};

/// Makes `path`, and what is missing above it, for this user only.
///
/// # Errors
/// What the operating system says.
pub fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}
