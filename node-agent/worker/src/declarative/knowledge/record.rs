//! What is known of a file, and how it lies in memory.

use std::collections::BTreeMap;

use aion_abi::canonical::body_digest;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::fs::Entry;
use aion_abi::syscall::memory::{Hit, Item, MAX_K, RecallRequest, RecallResponse};

use super::super::document::{FORM, Passage};
use crate::syscalls::{Syscalls, patience};

/// The collection of records.
const FILES: &str = "files";
/// The collection of passages.
pub(in super::super) const PASSAGES: &str = "passages";
/// Headings beside a passage have at most so many bytes.
const MAX_HEADING: usize = 512;

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Its id in memory.
    pub(super) id: String,
    /// The version that has this content; `None` where the file had changed too lately to have one.
    pub(super) version: Option<String>,
    /// The hash of its content.
    pub(super) content: String,
    /// Whether it was cut as it would be now.
    pub(super) has_this_form: bool,
    /// How many passages it has; `None` where an earlier release did not say.
    pub(super) passages: Option<usize>,
    /// What is not in its passages, or why it has none.
    pub(super) left_out: Option<String>,
}

impl Record {
    pub(super) fn new(
        mount: &str,
        entry: &Entry,
        content: String,
        left_out: Option<String>,
    ) -> Self {
        Self {
            id: id(mount, &entry.path),
            version: entry.version.clone(),
            content,
            has_this_form: true,
            passages: Some(0),
            left_out,
        }
    }

    /// Whether the file is the one that was read.
    pub(super) fn is_of(&self, entry: &Entry) -> bool {
        self.version.is_some() && self.version == entry.version
    }

    /// The record as it is remembered. Its text holds no word, so that no search meets it.
    pub(super) fn item(&self, mount: &str, path: &str) -> Item {
        let mut attributes = place(mount, path);
        attributes.insert("form".to_owned(), FORM.to_owned());
        attributes.insert("content".to_owned(), self.content.clone());
        let passages = self.passages.map(|count| count.to_string());
        for (name, value) in [
            ("version", &self.version),
            ("passages", &passages),
            ("leftOut", &self.left_out),
        ] {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), value.clone());
            }
        }
        Item {
            id: Some(id(mount, path)),
            text: ".".to_owned(),
            collection: FILES.to_owned(),
            attributes,
        }
    }

    /// The ids of its passages, where they are known.
    pub(super) fn passage_ids(&self, mount: &str, path: &str) -> Option<Vec<String>> {
        let ids = (0..self.passages?).map(|number| passage_id(mount, path, &self.content, number));
        Some(ids.collect())
    }

    /// A record as it lies in memory, and its place.
    pub(super) fn of(mut hit: Hit) -> Option<((String, String), Self)> {
        let attributes = &mut hit.attributes;
        let place = (attributes.remove("mount")?, attributes.remove("path")?);
        let record = Self {
            id: hit.id,
            version: attributes.remove("version"),
            content: attributes.remove("content").unwrap_or_default(),
            has_this_form: attributes.remove("form").as_deref() == Some(FORM),
            passages: attributes
                .remove("passages")
                .and_then(|count| count.parse().ok()),
            left_out: attributes.remove("leftOut"),
        };
        Some((place, record))
    }
}

/// What is known, by mount and path.
#[derive(Debug, Default)]
pub(in super::super) struct Known {
    files: BTreeMap<String, BTreeMap<String, Record>>,
    /// The id of each mount's oldest record.
    oldest: BTreeMap<String, String>,
    /// Of each mount, records that another one of the same file has taken the place of, and touches of records that
    /// are gone.
    strays: BTreeMap<String, Vec<String>>,
}

impl Known {
    /// Reads all records, with the versions of those that were touched. They are told apart by their mounts here, since a store would look through all items
    /// of a mount for each page.
    pub(in super::super) async fn read(syscalls: &impl Syscalls) -> Result<Self, Problem> {
        let mut known = Self::default();
        let mut touches = Vec::new();
        let mut request = RecallRequest {
            query: String::new(),
            k: MAX_K,
            collection: Some(FILES.to_owned()),
            attributes: BTreeMap::new(),
            ids: Vec::new(),
            offset: 0,
        };
        loop {
            let page: RecallResponse =
                patience::call(syscalls, Syscall::MemoryRecall, &request).await?;
            let is_last = page.hits.len() < MAX_K as usize;
            request.offset += page.hits.len() as u32;
            for ((mount, path), record) in page.hits.into_iter().filter_map(Record::of) {
                if record.id == touch_id(&mount, &path) {
                    touches.push((mount, path, record));
                    continue;
                }
                // Listed newest first.
                known.oldest.insert(mount.clone(), record.id.clone());
                let files = known.files.entry(mount.clone()).or_default();
                if let Some(other) = files.insert(path, record) {
                    known.strays.entry(mount).or_default().push(other.id);
                }
            }
            if is_last {
                break;
            }
        }
        for (mount, path, touch) in touches {
            let files = known.files.get_mut(&mount);
            match files.and_then(|files| files.get_mut(&path)) {
                Some(record) if record.content == touch.content => record.version = touch.version,
                _ => known.strays.entry(mount).or_default().push(touch.id),
            }
        }
        Ok(known)
    }

    /// The records of a mount by path.
    pub(super) fn of_mount(&mut self, mount: &str) -> BTreeMap<String, Record> {
        self.files.remove(mount).unwrap_or_default()
    }

    /// The id of the oldest record of a mount.
    pub(super) fn oldest(&self, mount: &str) -> Option<String> {
        self.oldest.get(mount).cloned()
    }

    /// The ids of what says nothing of a mount.
    pub(super) fn strays(&mut self, mount: &str) -> Vec<String> {
        self.strays.remove(mount).unwrap_or_default()
    }
}

/// A passage as it is remembered. Its id is of what it says, so that storing it twice stores it once.
pub(super) fn passage(
    mount: &str,
    path: &str,
    content: &str,
    number: usize,
    passage: Passage,
) -> Item {
    let mut attributes = place(mount, path);
    attributes.insert(
        "lines".to_owned(),
        format!("{}-{}", passage.first, passage.last),
    );
    attributes.insert("content".to_owned(), content.to_owned());
    if !passage.heading.is_empty() {
        let end = passage.heading.floor_char_boundary(MAX_HEADING);
        attributes.insert("heading".to_owned(), passage.heading[..end].to_owned());
    }
    Item {
        id: Some(passage_id(mount, path, content, number)),
        text: passage.text,
        collection: PASSAGES.to_owned(),
        attributes,
    }
}

fn passage_id(mount: &str, path: &str, content: &str, number: usize) -> String {
    let file = digest(&[mount.as_bytes(), path.as_bytes(), content.as_bytes()]);
    format!("passage:{file}:{number}")
}

/// The id of a file's record.
pub(super) fn id(mount: &str, path: &str) -> String {
    format!("file:{}", digest(&[mount.as_bytes(), path.as_bytes()]))
}

/// What says that a file of another version has the content of its record. The record itself stays as old as the
/// passages that it speaks for, and a pool forgets them together.
pub(super) fn touch(mount: &str, path: &str, content: &str, version: &str) -> Item {
    let mut attributes = place(mount, path);
    attributes.insert("content".to_owned(), content.to_owned());
    attributes.insert("version".to_owned(), version.to_owned());
    Item {
        id: Some(touch_id(mount, path)),
        text: ".".to_owned(),
        collection: FILES.to_owned(),
        attributes,
    }
}

/// The id of a file's touch.
pub(super) fn touch_id(mount: &str, path: &str) -> String {
    format!("touch:{}", digest(&[mount.as_bytes(), path.as_bytes()]))
}

/// Where a file lies.
pub(super) fn place(mount: &str, path: &str) -> BTreeMap<String, String> {
    [
        ("mount".to_owned(), mount.to_owned()),
        ("path".to_owned(), path.to_owned()),
    ]
    .into()
}

/// The first half of the SHA-256 of `parts`, with a zero between them; 32 hex digits.
pub(in super::super) fn digest(parts: &[&[u8]]) -> String {
    let digest = match parts {
        [one] => body_digest(one),
        parts => body_digest(&parts.join(&0)),
    };
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
