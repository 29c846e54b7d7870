//! Where a link of a listing leads. Most lead to what is listed under its own name, and are left out so that a file
//! stands there once. What lies in a hidden folder is another matter: who reads documents passes such folders
//! over, and so a link is the only name of what is in one. Kubernetes mounts ConfigMaps so (`a.md` → `..data/a.md`,
//! `..data` → `..2026_11_28_…`), and others keep their files in a `.store`.

use std::{io, path::Component, path::Path};

use aion_abi::syscall::fs::EntryKind;
use cap_std::fs::Dir;
use rustix::io::Errno;

/// What a link leads to.
pub(super) enum Leads {
    /// What is listed under a name of its own.
    Listed,
    /// What has no other name that is not hidden.
    Hidden(EntryKind),
    /// Nothing that can be had, with the reason.
    Missed(String),
}

/// Where the link at `path` beneath `root` leads.
pub(super) fn leads(root: &Dir, path: &str) -> Leads {
    let there = root.metadata(path).and_then(|metadata| {
        let kind = match metadata.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Folder,
            _ => return Ok(Leads::Listed),
        };
        let only_name = !is_hidden(Path::new(path)) && is_hidden(&root.canonicalize(path)?);
        Ok(if only_name {
            Leads::Hidden(kind)
        } else {
            Leads::Listed
        })
    });
    there.unwrap_or_else(|error| Leads::Missed(why(error)))
}

fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| match part {
        Component::Normal(name) => name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    })
}

fn why(error: io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return "a link that leads nowhere".to_owned();
    }
    if Errno::from_io_error(&error) == Some(Errno::LOOP) {
        return "a link that leads back to itself".to_owned();
    }
    match error.raw_os_error() {
        None => "a link that leads outside its mount".to_owned(),
        Some(_) => super::list::why(error),
    }
}
