//! Listing a folder: one level or the whole tree, in pages sorted by the bytes of the path.

use std::io;

use aion_abi::syscall::fs::{
    Entry, EntryKind, ListRequest, ListResponse, MAX_ENTRIES, MAX_LEFT_OUT, Missed, TreeDigest,
};
use cap_std::fs::{Dir, Metadata};
use rustix::io::Errno;

use super::{
    failure::FilesError,
    folder::Mounted,
    link::{self, Leads},
    path::{MAX_DEPTH, MAX_PATH, PARTIAL_PREFIX, RelativePath},
    read::modified_ms,
    version::{Version, now},
};

/// The most names that are held in memory to be sorted: those of the folders from the mount to where a walk is.
pub(super) const MAX_HELD: usize = 100_000;
/// The most names that are looked at for one page.
const MAX_SEEN: usize = 1_000_000;

/// A listing within its bounds.
pub(super) struct Asked {
    /// Empty for the mount itself.
    path: String,
    recursive: bool,
    after: Option<String>,
    limit: usize,
    unless: Option<String>,
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
            unless: request.unless.clone(),
        })
    }
}

pub(super) fn list(mounted: &Mounted, asked: &Asked) -> Result<ListResponse, FilesError> {
    if asked.unless.is_some() && asked.after.is_none() {
        let digest = Some(TreeDigest::default());
        let now = walked(mounted, asked, digest)?.digest;
        if now.and_then(TreeDigest::end) == asked.unless {
            return Ok(ListResponse {
                unchanged: true,
                ..ListResponse::default()
            });
        }
    }
    Ok(walked(mounted, asked, None)?.answer)
}

/// A page of the folder, or all of it in a `digest`.
fn walked<'a>(
    mounted: &'a Mounted,
    asked: &'a Asked,
    digest: Option<TreeDigest>,
) -> Result<Page<'a>, FilesError> {
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
        digest,
    };
    // Only the folder that was asked for is worth an error; whatever is below it is left out.
    let depth = asked
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .count()
        + 1;
    let at = At {
        prefix: &asked.path,
        depth,
        from: folder,
        by_link: false,
    };
    page.walk(&dir, at).map_err(|fault| match fault {
        Fault::Io(error) => failed(error),
        Fault::TooMany(why) => FilesError::TooMuch(format!("{place} {why}")),
    })?;
    Ok(page)
}

struct Page<'a> {
    mounted: &'a Mounted,
    asked: &'a Asked,
    held: usize,
    seen: usize,
    answer: ListResponse,
    /// Takes the entries in place of the answer.
    digest: Option<TreeDigest>,
}

/// The folder that is walked.
#[derive(Clone, Copy)]
struct At<'a> {
    prefix: &'a str,
    /// The parts that the paths of what is in it have.
    depth: usize,
    /// What it lies in: the folder that was asked for, or the one that a link in it leads to.
    from: &'a str,
    /// Whether a link led here.
    by_link: bool,
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
    /// A link, and what it is the only name of.
    Link(EntryKind),
    /// Not to be had, with the reason.
    Missed(String),
}

impl Page<'_> {
    fn walk(&mut self, dir: &Dir, at: At<'_>) -> Result<(), Fault> {
        let names = self.sorted(dir, at)?;
        let held = names.len();
        self.held += held;
        for named in names {
            let path = below(at.prefix, &named.name);
            match named.what {
                What::Kind(EntryKind::Folder) if self.asked.recursive => {
                    self.descend(dir, &named.name, &path, at);
                }
                What::Link(EntryKind::Folder) if self.asked.recursive => {
                    // From the mount on, since it may lead out of the folder that it is in.
                    let at = At {
                        from: &path,
                        by_link: true,
                        ..at
                    };
                    self.descend(&self.mounted.dir, &path, &path, at);
                }
                _ if !self.is_next(&path) => {}
                // What is left out belongs to the page of the entry that it follows, and to no other.
                _ if self.answer.entries.len() == self.asked.limit => self.answer.more = true,
                What::Kind(kind) => {
                    let metadata = dir.symlink_metadata(&named.name);
                    self.take(metadata, kind, path);
                }
                What::Link(kind) => {
                    let metadata = self.mounted.dir.metadata(&path);
                    self.take(metadata, kind, path);
                }
                What::Missed(why) => self.miss(path, why),
            }
            if self.answer.more {
                break;
            }
        }
        self.held -= held;
        Ok(())
    }

    fn descend(&mut self, dir: &Dir, name: &str, path: &str, at: At<'_>) {
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
        if at.depth >= MAX_DEPTH || path.len() >= MAX_PATH {
            let why = format!("deeper than {MAX_DEPTH} folders or {MAX_PATH} bytes");
            return self.miss(path.to_owned(), why);
        }
        let walked = dir.open_dir(name).map_err(Fault::Io);
        let inside = At {
            prefix: path,
            depth: at.depth + 1,
            ..at
        };
        match walked.and_then(|inner| self.walk(&inner, inside)) {
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

    fn take(&mut self, metadata: io::Result<Metadata>, kind: EntryKind, path: String) {
        if path.len() > MAX_PATH {
            let why = format!("its path is longer than {MAX_PATH} bytes");
            return self.miss(path, why);
        }
        let metadata = match metadata {
            // Swapped for something else since it was looked at.
            Ok(metadata) if metadata.is_file() != (kind == EntryKind::File) => return,
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return,
            Err(error) => return self.miss(path, why(error)),
        };
        let is_file = kind == EntryKind::File;
        let version = Version::of(&metadata);
        let entry = Entry {
            path,
            kind,
            size: if is_file { metadata.len() } else { 0 },
            modified_ms: modified_ms(&metadata),
            version: (is_file && !version.is_fresh(now())).then(|| version.into_text()),
        };
        match &mut self.digest {
            None => self.answer.entries.push(entry),
            Some(digest) => {
                digest.entry(&entry);
                self.answer.more |= digest.is_vague();
            }
        }
    }

    fn miss(&mut self, mut path: String, why: String) {
        path.truncate(path.floor_char_boundary(MAX_PATH));
        let missed = Missed { path, why };
        if let Some(digest) = &mut self.digest {
            return digest.missed(&missed);
        }
        let left_out = &mut self.answer.left_out;
        left_out.count += 1;
        if left_out.first.len() < MAX_LEFT_OUT {
            left_out.first.push(missed);
        }
    }

    fn sorted(&mut self, dir: &Dir, at: At<'_>) -> Result<Vec<Named>, Fault> {
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
                Ok(kind) if kind.is_symlink() => {
                    match link::leads(&self.mounted.dir, &below(at.prefix, &name), at.from) {
                        Leads::Listed => continue,
                        // Else links to folders in folders could lead round for ever.
                        Leads::Hidden(EntryKind::Folder) if at.by_link => {
                            let why = "a link to a folder, in a folder that a link leads to";
                            What::Missed(why.to_owned())
                        }
                        Leads::Hidden(kind) => What::Link(kind),
                        Leads::Missed(why) => What::Missed(why),
                    }
                }
                Ok(_) => What::Missed("neither a file nor a folder".to_owned()),
                Err(error) if is_gone(&error) => continue,
                Err(error) => What::Missed(why(error)),
            };
            names.push(Named { name, what });
        }
        // In a tree a folder stands where its contents do, so it is ordered by `name/`.
        let slash = |named: &Named| {
            let folder = EntryKind::Folder;
            self.asked.recursive
                && matches!(named.what, What::Kind(it) | What::Link(it) if it == folder)
        };
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

fn below(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}/{name}")
    }
}

pub(super) fn why(error: io::Error) -> String {
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
