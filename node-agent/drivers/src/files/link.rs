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

/// Where the link at `path` beneath `root` leads. It was found in the contents of `folder`, which may have no other
/// name that is not hidden, either.
pub(super) fn leads(root: &Dir, path: &str, folder: &str) -> Leads {
    let there = root.metadata(path).and_then(|metadata| {
        let kind = match metadata.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Folder,
            _ => return Ok(Leads::Listed),
        };
        if is_hidden(Path::new(path)) {
            return Ok(Leads::Listed);
        }
        let target = root.canonicalize(path)?;
        let is_listed = !is_hidden(&target)
            || is_beside(&root.read_link(path)?)
            || lies_in(&target, &root.canonicalize(folder)?);
        Ok(if is_listed {
            Leads::Listed
        } else {
            Leads::Hidden(kind)
        })
    });
    there.unwrap_or_else(|error| Leads::Missed(why(error)))
}

/// Whether a link leads to a neighbour that is not hidden: it is listed, as what it is or as what it leads to.
fn is_beside(link: &Path) -> bool {
    let mut parts = link.components().filter(|it| *it != Component::CurDir);
    matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none() && !is_hidden(link)
}

/// Whether what lies at `target` is listed where the contents of `folder` are.
fn lies_in(target: &Path, folder: &Path) -> bool {
    let within = target.strip_prefix(folder);
    within.is_ok_and(|path| path.components().next().is_some() && !is_hidden(path))
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
