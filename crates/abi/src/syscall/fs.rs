//! `fs.read`, `fs.write` and `fs.list`, beneath a named mount.
//!
//! A path is relative, `/`-separated UTF-8 without `..`; it is opened beneath the mount, so a link that
//! leads outside is refused. Bytes travel as base64.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::date::UnixMillis;

/// The longest name of a mount, in bytes.
pub const MAX_MOUNT: usize = 63;
/// The most bytes of one read or write.
pub const MAX_CHUNK: u32 = 512 * 1024;
/// The most entries of one page of a listing.
pub const MAX_ENTRIES: u32 = 1000;
/// How many of what a page of a listing leaves out are named; the others are only counted.
pub const MAX_LEFT_OUT: usize = 32;

/// Reads part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadRequest {
    /// The mount's name, at most [`MAX_MOUNT`] bytes.
    pub mount: String,
    /// The path beneath it.
    pub path: String,
    /// First byte.
    #[serde(default)]
    pub offset: u64,
    /// How many bytes at most, 1 to [`MAX_CHUNK`].
    pub length: u32,
    /// The version that an earlier part was of: a file that has another one now is refused as `changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadResponse {
    /// The bytes, base64 (standard alphabet, padded); empty at or past the end.
    pub data: String,
    /// The file's size now.
    pub size: u64,
    /// Last change.
    pub modified_ms: UnixMillis,
    /// What the file is told from its other versions by, as in [`Entry::version`].
    pub version: String,
    /// The file changed so lately that its next change might leave it this version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// Writes to a file, making its folders where needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteRequest {
    /// The mount's name; the agent's permission must say `readWrite`.
    pub mount: String,
    /// The path beneath it.
    pub path: String,
    /// The bytes, base64.
    pub data: String,
    /// What to do with what is there.
    pub mode: WriteMode,
}

/// How a write treats an existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// The file becomes these bytes, atomically.
    Replace,
    /// The bytes go to its end.
    Append,
    /// The file must not be there yet.
    CreateNew,
}

/// What a write left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteResponse {
    /// The file's size after the write.
    pub size: u64,
}

/// Lists a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListRequest {
    /// The mount's name.
    pub mount: String,
    /// The folder beneath it; empty for the mount itself.
    #[serde(default)]
    pub path: String,
    /// Whole tree, files only, instead of one level.
    #[serde(default)]
    pub recursive: bool,
    /// Continue after this path (the last one of the page before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many entries at most, 1 to [`MAX_ENTRIES`].
    pub limit: u32,
    /// The [`TreeDigest`] of an earlier listing from its first page to its last: where the folder would be listed as
    /// it was then, the answer says `unchanged` and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
}

/// A page of a listing, sorted by path.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse {
    /// The entries.
    pub entries: Vec<Entry>,
    /// There is more: ask again with `after` set to the last path.
    pub more: bool,
    /// All of it is as `unless` says; there are no entries then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// What stands between the entries and cannot be had.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
}

/// What a page leaves out; an entry that cannot be had fails no other.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// How many.
    pub count: u64,
    /// The first of them, at most [`MAX_LEFT_OUT`].
    pub first: Vec<Missed>,
}

impl LeftOut {
    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A file, folder or link that is not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// Relative to the mount; what is not UTF-8 in it is shown as U+FFFD.
    pub path: String,
    /// Why, as it follows the path in a sentence in brackets: `the node's user may not open it`.
    pub why: String,
}

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Relative to the mount.
    pub path: String,
    /// What it is; links and devices are none of these.
    pub kind: EntryKind,
    /// Bytes; 0 for a folder.
    pub size: u64,
    /// Last change.
    pub modified_ms: UnixMillis,
    /// Another one whenever the file's content may be another one, also where size and time were set back;
    /// good for comparing and nothing else. Absent for a folder, and while the file changed so lately that
    /// its disk's clock might not tell the next change from the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// What a whole listing is compared by: its entries and what it leaves out, each in the listing's order.
///
/// Two listings have one digest only where each entry has the version that it had. A file that changed too lately
/// to have a version is not comparable, and neither is a page that leaves out more than it names.
#[derive(Debug, Clone, Default)]
pub struct TreeDigest {
    entries: Sha256,
    missed: Sha256,
    is_vague: bool,
}

impl TreeDigest {
    /// The next entry.
    pub fn entry(&mut self, entry: &Entry) {
        let (kind, version) = match (entry.kind, &entry.version) {
            (EntryKind::File, Some(version)) => ("file", version.as_str()),
            (EntryKind::File, None) => return self.is_vague = true,
            (EntryKind::Folder, _) => ("folder", ""),
        };
        add(&mut self.entries, &[&entry.path, kind, version]);
    }

    /// The next that is left out.
    pub fn missed(&mut self, missed: &Missed) {
        add(&mut self.missed, &[&missed.path, &missed.why]);
    }

    /// A page of the listing.
    pub fn page(&mut self, page: &ListResponse) {
        page.entries.iter().for_each(|entry| self.entry(entry));
        page.left_out.first.iter().for_each(|it| self.missed(it));
        self.is_vague |= page.left_out.count > page.left_out.first.len() as u64;
    }

    /// Whether nothing that follows can make it comparable again.
    pub fn is_vague(&self) -> bool {
        self.is_vague
    }

    /// The digest; nothing where it is not comparable.
    pub fn end(self) -> Option<String> {
        let both = [self.entries.finalize(), self.missed.finalize()];
        let hex = both.iter().flat_map(|one| &one[..16]);
        (!self.is_vague).then(|| hex.map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Zeros part the texts, and none of these can hold one.
fn add(hash: &mut Sha256, texts: &[&str]) {
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(files: &[(&str, Option<&str>)], missed: &[&str], count: u64) -> ListResponse {
        let entry = |(path, version): &(&str, Option<&str>)| Entry {
            path: (*path).to_owned(),
            kind: EntryKind::File,
            size: 1,
            modified_ms: UnixMillis(1),
            version: version.map(str::to_owned),
        };
        let miss = |path: &&str| Missed {
            path: (*path).to_owned(),
            why: "odd".to_owned(),
        };
        let first = missed.iter().map(miss).collect();
        ListResponse {
            entries: files.iter().map(entry).collect(),
            left_out: LeftOut { count, first },
            ..ListResponse::default()
        }
    }

    fn digest(pages: &[ListResponse]) -> Option<String> {
        let mut digest = TreeDigest::default();
        pages.iter().for_each(|one| digest.page(one));
        digest.end()
    }

    #[test]
    fn pages_do_not_show_in_a_digest_and_every_change_does() {
        let (a, b) = (("a", Some("1")), ("b", Some("1")));
        let whole = digest(&[page(&[a, b], &["x", "y"], 2)]);
        assert_eq!(whole.as_ref().map(String::len), Some(64));
        let paged = [page(&[a], &["x"], 1), page(&[b], &["y"], 1)];
        assert_eq!(digest(&paged), whole);
        for other in [
            page(&[a, ("b", Some("2"))], &["x", "y"], 2),
            page(&[a, ("c", Some("1"))], &["x", "y"], 2),
            page(&[a], &["x", "y"], 2),
            page(&[a, b], &["x"], 1),
            page(&[a, b], &["x", "z"], 2),
        ] {
            assert_ne!(digest(&[other]), whole);
        }
    }

    #[test]
    fn what_cannot_be_compared_has_no_digest() {
        assert_eq!(digest(&[page(&[("a", None)], &[], 0)]), None);
        assert_eq!(digest(&[page(&[("a", Some("1"))], &["x"], 2)]), None);
    }
}
