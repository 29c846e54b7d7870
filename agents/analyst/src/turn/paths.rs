//! Names of files and folders.

use crate::host::FileRef;

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    let bare = path.trim_end_matches('/');
    match bare.rsplit('/').next() {
        _ if path.is_empty() => ".",
        Some("") | None => "/",
        Some(last) => last,
    }
}

/// Where the results of one of several files go; the only file's lie at the top.
pub(super) fn folder(files: &[FileRef], i: usize) -> String {
    let Some(file) = files.get(i).filter(|_| files.len() > 1) else {
        return String::new();
    };
    let base = base(&file.path);
    let stem = base.rfind('.').and_then(|dot| base.get(..dot));
    format!("{}-{}", i + 1, stem.unwrap_or(base))
}

/// A file in a folder, or at the top.
pub(super) fn within(folder: &str, name: &str) -> String {
    match folder.is_empty() {
        true => name.into(),
        false => format!("{folder}/{name}"),
    }
}
