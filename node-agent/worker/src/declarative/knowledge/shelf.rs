//! What every file holds now, against which what was recalled is compared. Pure.

use std::collections::HashMap;

use aion_abi::syscall::memory::Hit;

use super::record;

/// The hash of each file's content, by mount and path.
#[derive(Debug, Default)]
pub(in super::super) struct Shelf {
    mounts: HashMap<String, HashMap<String, String>>,
}

/// What a passage that was recalled is.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Standing {
    /// It stands in the file.
    Current,
    /// It stood there once, or will for a turn that runs now; with the id of its file's record.
    Stale(String),
    /// It is of a mount that this turn did not look at: another agent's, or one that cannot be had now.
    Foreign,
}

impl Shelf {
    /// A mount was looked at.
    pub(super) fn open(&mut self, mount: &str) {
        self.mounts.entry(mount.to_owned()).or_default();
    }

    pub(super) fn put(&mut self, mount: &str, path: &str, content: &str) {
        let files = self.mounts.entry(mount.to_owned()).or_default();
        files.insert(path.to_owned(), content.to_owned());
    }

    /// Whether `hit` still stands where it says.
    pub(in super::super) fn standing(&self, hit: &Hit) -> Standing {
        let attribute = |name: &str| hit.attributes.get(name).map_or("", String::as_str);
        let Some(files) = self.mounts.get(attribute("mount")) else {
            return Standing::Foreign;
        };
        match files.get(attribute("path")) {
            Some(content) if content == attribute("content") => Standing::Current,
            _ => Standing::Stale(record::id(attribute("mount"), attribute("path"))),
        }
    }
}
