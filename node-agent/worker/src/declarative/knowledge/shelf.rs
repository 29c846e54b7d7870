//! What every file holds now, against which what was recalled is compared. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use aion_abi::syscall::memory::Hit;

use super::record;

/// The hash of each file's content, by mount and path.
#[derive(Debug, Default)]
pub(in super::super) struct Shelf {
    mounts: HashMap<String, HashMap<String, String>>,
    /// Mounts that are as their records say; a record is looked up when a passage of its file was recalled.
    vouched: HashSet<String>,
    /// Mounts that this turn may not look at.
    trusted: HashSet<String>,
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

    /// A mount is as its records say.
    pub(super) fn vouch(&mut self, mount: &str) {
        self.open(mount);
        self.vouched.insert(mount.to_owned());
    }

    /// What is recalled of these mounts is taken as it is.
    pub(in super::super) fn trust(&mut self, mounts: &[String]) {
        self.trusted.extend(mounts.iter().cloned());
    }

    /// The records that have to be looked up for `hits`, by id, with mount and path.
    pub(super) fn unknown(&self, hits: &[Hit]) -> BTreeMap<String, (String, String)> {
        let places = hits.iter().filter_map(|hit| {
            let mount = hit.attributes.get("mount")?;
            let path = hit.attributes.get("path")?;
            let files = self.mounts.get(mount)?;
            (self.vouched.contains(mount) && !files.contains_key(path)).then_some((mount, path))
        });
        places
            .map(|(mount, path)| (record::id(mount, path), (mount.clone(), path.clone())))
            .collect()
    }

    /// Whether `hit` still stands where it says.
    pub(in super::super) fn standing(&self, hit: &Hit) -> Standing {
        let attribute = |name: &str| hit.attributes.get(name).map_or("", String::as_str);
        if self.trusted.contains(attribute("mount")) {
            return Standing::Current;
        }
        let Some(files) = self.mounts.get(attribute("mount")) else {
            return Standing::Foreign;
        };
        match files.get(attribute("path")) {
            Some(content) if content == attribute("content") => Standing::Current,
            _ => Standing::Stale(record::id(attribute("mount"), attribute("path"))),
        }
    }
}
