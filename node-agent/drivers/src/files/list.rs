//! Listing a folder: one level or the whole tree, in pages sorted by the bytes of the path.

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aion_abi::syscall::fs::{
    Entry, EntryKind, ListRequest, ListResponse, MAX_ENTRIES, MAX_LEFT_OUT, Missed,
};
use cap_std::fs::{Dir, Metadata, MetadataExt};
use rustix::io::Errno;

use super::{
    failure::FilesError,
    folder::Mounted,
    path::{MAX_DEPTH, MAX_PATH, PARTIAL_PREFIX, RelativePath},
    read::modified_ms,
};

/// The most names that are held in memory to be sorted: those of the folders from the mount to where a walk is.
pub(super) const MAX_HELD: usize = 100_000;
/// The most names that are looked at for one page.
const MAX_SEEN: usize = 1_000_000;
/// A change may bear the time of the one before it: disks count in steps of up to two seconds (FAT).
const GRAIN: Duration = Duration::from_secs(2);

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
    let failed = |error| FilesError::from_io(&place, error);
    let dir = mounted.dir.open_dir(folder).map_err(failed)?;
    let mut page = Page {
        mounted,
        asked,
        held: 0,
        seen: 0,
        answer: ListResponse::default(),
    };
    // Only the folder that was asked for is worth an error; whatever is below it is left out.
    let depth = asked
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .count()
        + 1;
    page.walk(&dir, &asked.path, depth)
        .map_err(|fault| match fault {
            Fault::Io(error) => failed(error),
            Fault::TooMany(why) => FilesError::TooMuch(format!("{place} {why}")),
        })?;
    Ok(page.answer)
}

struct Page<'a> {
    mounted: &'a Mounted,
    asked: &'a Asked,
    held: usize,
    seen: usize,
    answer: ListResponse,
}

/// Why a folder's names cannot be had.
enum Fault {
    Io(io::Error),
    TooMany(String),
}

/// A name of a folder, with what the order goes by.
struct Named {
    name: String,
    what: What,
}

enum What {
    Kind(EntryKind),
    /// Not to be had, with the reason.
    Missed(String),
}

impl Page<'_> {
    /// `depth`: the parts that the paths of what is in `dir` have.
    fn walk(&mut self, dir: &Dir, prefix: &str, depth: usize) -> Result<(), Fault> {
        let names = self.sorted(dir, prefix)?;
        let held = names.len();
        self.held += held;
        for named in names {
            let path = below(prefix, &named.name);
            match named.what {
                What::Kind(EntryKind::Folder) if self.asked.recursive => {
                    self.descend(dir, &named.name, &path, depth);
                }
                _ if !self.is_next(&path) => {}
                // What is left out belongs to the page of the entry that it follows, and to no other.
                _ if self.answer.entries.len() == self.asked.limit => self.answer.more = true,
                What::Kind(kind) => self.take(dir, &named.name, kind, path),
                What::Missed(why) => self.miss(path, why),
            }
            if self.answer.more {
                break;
            }
        }
        self.held -= held;
        Ok(())
    }

    fn descend(&mut self, dir: &Dir, name: &str, path: &str, depth: usize) {
        // Everything below begins with this; where `after` is past all of that, nothing there is next.
        let inside = format!("{path}/");
        if let Some(after) = &self.asked.after
            && after.as_str() >= inside.as_str()
            && !after.starts_with(&inside)
        {
            return;
        }
        if self.answer.entries.len() == self.asked.limit {
            self.answer.more = true;
            return;
        }
        if depth >= MAX_DEPTH || path.len() >= MAX_PATH {
            let why = format!("deeper than {MAX_DEPTH} folders or {MAX_PATH} bytes");
            return self.miss(path.to_owned(), why);
        }
        let walked = dir.open_dir(name).map_err(Fault::Io);
        match walked.and_then(|inner| self.walk(&inner, path, depth + 1)) {
            Ok(()) => {}
            // Gone or swapped for something else since it was listed: not a folder of this tree any more.
            Err(Fault::Io(error)) if is_gone(&error) => {}
            Err(Fault::Io(error)) => self.miss(path.to_owned(), why(error)),
            Err(Fault::TooMany(why)) => self.miss(path.to_owned(), why),
        }
    }

    fn is_next(&self, path: &str) -> bool {
        self.asked
            .after
            .as_ref()
            .is_none_or(|after| path > after.as_str())
    }

    fn take(&mut self, dir: &Dir, name: &str, kind: EntryKind, path: String) {
        if path.len() > MAX_PATH {
            let why = format!("its path is longer than {MAX_PATH} bytes");
            return self.miss(path, why);
        }
        let metadata = match dir.symlink_metadata(name) {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return,
            Err(error) => return self.miss(path, why(error)),
        };
        let is_file = kind == EntryKind::File;
        #[expect(clippy::disallowed_methods, reason = "compared with a file's date")]
        let now = SystemTime::now();
        self.answer.entries.push(Entry {
            path,
            kind,
            size: if is_file { metadata.len() } else { 0 },
            modified_ms: modified_ms(&metadata),
            version: is_file.then(|| version(&metadata, now)).flatten(),
        });
    }

    fn miss(&mut self, mut path: String, why: String) {
        let left_out = &mut self.answer.left_out;
        left_out.count += 1;
        if left_out.first.len() < MAX_LEFT_OUT {
            path.truncate(path.floor_char_boundary(MAX_PATH));
            left_out.first.push(Missed { path, why });
        }
    }

    fn sorted(&mut self, dir: &Dir, prefix: &str) -> Result<Vec<Named>, Fault> {
        let mut names = Vec::new();
        for entry in dir.entries().map_err(Fault::Io)? {
            let entry = entry.map_err(Fault::Io)?;
            self.seen += 1;
            if self.held + names.len() >= MAX_HELD || self.seen > MAX_SEEN {
                return Err(Fault::TooMany(format!(
                    "has more than {MAX_HELD} entries, or there are more than {MAX_SEEN} before it"
                )));
            }
            let Ok(name) = entry.file_name().into_string() else {
                // It cannot be said in a request, so it is not said as an entry.
                names.push(Named {
                    name: entry.file_name().to_string_lossy().into_owned(),
                    what: What::Missed("its name is not UTF-8".to_owned()),
                });
                continue;
            };
            if name.starts_with(PARTIAL_PREFIX) {
                continue;
            }
            let what = match entry.file_type() {
                Ok(kind) if kind.is_dir() => What::Kind(EntryKind::Folder),
                Ok(kind) if kind.is_file() => What::Kind(EntryKind::File),
                Ok(kind) if kind.is_symlink() => match self.link(&below(prefix, &name)) {
                    Some(why) => What::Missed(why),
                    None => continue,
                },
                Ok(_) => What::Missed("neither a file nor a folder".to_owned()),
                Err(error) if is_gone(&error) => continue,
                Err(error) => What::Missed(why(error)),
            };
            names.push(Named { name, what });
        }
        // In a tree a folder stands where its contents do, so it is ordered by `name/`.
        let slash = |named: &Named| {
            self.asked.recursive && matches!(named.what, What::Kind(EntryKind::Folder))
        };
        names.sort_unstable_by(|a, b| {
            let key = |named| Named::key(named, slash(named));
            key(a).cmp(key(b))
        });
        Ok(names)
    }

    /// Why a link leads to nothing; `None` where it leads to what is listed under a name of its own.
    fn link(&self, path: &str) -> Option<String> {
        match self.mounted.dir.metadata(path) {
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some("a link that leads nowhere".to_owned())
            }
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
                Some("a link that leads back to itself".to_owned())
            }
            Err(error) if error.raw_os_error().is_none() => {
                Some("a link that leads outside its mount".to_owned())
            }
            Err(error) => Some(why(error)),
        }
    }
}

impl Named {
    fn key(&self, slash: bool) -> impl Iterator<Item = u8> + '_ {
        self.name.bytes().chain(slash.then_some(b'/'))
    }
}

fn below(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}/{name}")
    }
}

/// Names the file by its inode and the instants of its changes. A program may set size and modification time
/// as it likes; only the disk sets the time of the last change of the inode. `None` within [`GRAIN`] of it.
fn version(metadata: &Metadata, now: SystemTime) -> Option<String> {
    let changed = Duration::new(
        u64::try_from(metadata.ctime()).ok()?,
        u32::try_from(metadata.ctime_nsec()).ok()?,
    );
    let age = now.duration_since(UNIX_EPOCH).ok()?.checked_sub(changed)?;
    (age > GRAIN).then(|| {
        let (size, inode) = (metadata.len(), metadata.ino());
        let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
        format!(
            "{size:x}.{inode:x}.{:x}.{seconds:x}.{nanos:x}",
            changed.as_nanos()
        )
    })
}

fn why(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => {
            "the node's user may not open it".to_owned()
        }
        io::ErrorKind::InvalidFilename => "its name is too long for its disk".to_owned(),
        _ => error.to_string(),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || Errno::from_io_error(error) == Some(Errno::LOOP)
        || (error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none())
}
