//! Listing a folder: one level or the whole tree, in pages sorted by the bytes of the path.

use std::io;

use aion_abi::syscall::fs::{Entry, EntryKind, ListRequest, ListResponse, MAX_ENTRIES};
use cap_std::fs::Dir;
use rustix::io::Errno;

use super::{
    failure::FilesError,
    folder::Mounted,
    path::{MAX_DEPTH, MAX_PATH, PARTIAL_PREFIX, RelativePath},
    read::modified_ms,
};

/// The most entries that are looked at for one page; they are held in memory to be sorted.
pub(super) const MAX_SEEN: usize = 100_000;

/// A listing within its bounds.
pub(super) struct Asked {
    /// Empty for the mount itself.
    path: String,
    recursive: bool,
    after: Option<String>,
    limit: usize,
}

impl Asked {
    pub(super) fn check(request: &ListRequest) -> Result<Self, FilesError> {
        if !(1..=MAX_ENTRIES).contains(&request.limit) {
            return Err(FilesError::Bound(format!(
                "limit is {}, and must be 1 to {MAX_ENTRIES}",
                request.limit
            )));
        }
        if !request.path.is_empty() {
            RelativePath::parse(&request.path)?;
        }
        if request
            .after
            .as_ref()
            .is_some_and(|after| after.len() > MAX_PATH)
        {
            return Err(FilesError::Bound(format!(
                "after is longer than {MAX_PATH} bytes"
            )));
        }
        Ok(Self {
            path: request.path.clone(),
            recursive: request.recursive,
            after: request.after.clone(),
            limit: usize::try_from(request.limit).unwrap_or(usize::MAX),
        })
    }
}

pub(super) fn list(mounted: &Mounted, asked: &Asked) -> Result<ListResponse, FilesError> {
    let folder = if asked.path.is_empty() {
        "."
    } else {
        &asked.path
    };
    let place = mounted.place(&asked.path);
    let dir = mounted
        .dir
        .open_dir(folder)
        .map_err(|error| FilesError::from_io(&place, error))?;
    let mut page = Page {
        mounted,
        asked,
        seen: 0,
        entries: Vec::new(),
        more: false,
    };
    page.walk(&dir, &asked.path, 0)?;
    Ok(ListResponse {
        entries: page.entries,
        more: page.more,
    })
}

struct Page<'a> {
    mounted: &'a Mounted,
    asked: &'a Asked,
    seen: usize,
    entries: Vec<Entry>,
    more: bool,
}

/// A name of a folder, with what the order goes by.
struct Named {
    name: String,
    kind: EntryKind,
}

impl Page<'_> {
    fn walk(&mut self, dir: &Dir, prefix: &str, depth: usize) -> Result<(), FilesError> {
        for named in self.sorted(dir, prefix)? {
            let path = if prefix.is_empty() {
                named.name.clone()
            } else {
                format!("{prefix}/{}", named.name)
            };
            if self.asked.recursive && named.kind == EntryKind::Folder {
                self.descend(dir, &named.name, &path, depth)?;
            } else if self.is_next(&path) {
                self.take(dir, &named, path)?;
            }
            if self.more {
                return Ok(());
            }
        }
        Ok(())
    }

    fn descend(
        &mut self,
        dir: &Dir,
        name: &str,
        path: &str,
        depth: usize,
    ) -> Result<(), FilesError> {
        // Everything below begins with this; where `after` is past all of that, nothing there is next.
        let below = format!("{path}/");
        if let Some(after) = &self.asked.after
            && after.as_str() >= below.as_str()
            && !after.starts_with(&below)
        {
            return Ok(());
        }
        let place = self.mounted.place(path);
        if depth + 1 >= MAX_DEPTH || path.len() >= MAX_PATH {
            return Err(FilesError::TooMuch(format!(
                "{place} lies deeper than {MAX_DEPTH} folders or {MAX_PATH} bytes"
            )));
        }
        match dir.open_dir(name) {
            Ok(inner) => self.walk(&inner, path, depth + 1),
            // Gone or swapped for something else since it was listed: not a folder of this tree any more.
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(FilesError::from_io(&place, error)),
        }
    }

    fn is_next(&self, path: &str) -> bool {
        self.asked
            .after
            .as_ref()
            .is_none_or(|after| path > after.as_str())
    }

    fn take(&mut self, dir: &Dir, named: &Named, path: String) -> Result<(), FilesError> {
        if self.entries.len() == self.asked.limit {
            self.more = true;
            return Ok(());
        }
        let metadata = match dir.symlink_metadata(&named.name) {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(FilesError::from_io(&self.mounted.place(&path), error)),
        };
        self.entries.push(Entry {
            path,
            kind: named.kind,
            size: if named.kind == EntryKind::File {
                metadata.len()
            } else {
                0
            },
            modified_ms: modified_ms(&metadata),
        });
        Ok(())
    }

    fn sorted(&mut self, dir: &Dir, prefix: &str) -> Result<Vec<Named>, FilesError> {
        let place = self.mounted.place(prefix);
        let failed = |error| FilesError::from_io(&place, error);
        let mut names = Vec::new();
        for entry in dir.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            self.seen += 1;
            if self.seen > MAX_SEEN {
                return Err(FilesError::TooMuch(format!(
                    "{place} and what is below it has more than {MAX_SEEN} entries"
                )));
            }
            let kind = entry.file_type().map_err(failed)?;
            let kind = if kind.is_dir() {
                EntryKind::Folder
            } else if kind.is_file() {
                EntryKind::File
            } else {
                continue;
            };
            // A name that is not UTF-8 cannot be said in a request, so it is not said in an answer.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if !name.starts_with(PARTIAL_PREFIX) {
                names.push(Named { name, kind });
            }
        }
        // In a tree a folder stands where its contents do, so it is ordered by `name/`.
        let slash = |named: &Named| self.asked.recursive && named.kind == EntryKind::Folder;
        names.sort_unstable_by(|a, b| {
            let key = |named| Named::key(named, slash(named));
            key(a).cmp(key(b))
        });
        Ok(names)
    }
}

impl Named {
    fn key(&self, slash: bool) -> impl Iterator<Item = u8> + '_ {
        self.name.bytes().chain(slash.then_some(b'/'))
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || Errno::from_io_error(error) == Some(Errno::LOOP)
        || (error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none())
}
