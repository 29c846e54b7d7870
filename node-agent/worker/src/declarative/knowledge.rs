//! Keeps the memory in step with mounted documents, so that what is recalled is what the files say now.
//!
//! A file has one *record* (collection `files`: its size and time) and its passages (collection
//! `passages`). A changed file loses its record first and gets it back last: whatever is interrupted, a file
//! without a record is read again, and one with a record is whole. A second turn over unchanged files reads
//! nothing but the listing.

use std::collections::BTreeMap;

use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::fs::{self, Entry, EntryKind};
use aion_abi::syscall::memory::{
    ForgetRequest, ForgetResponse, Hit, Item, MAX_BATCH, MAX_K, RecallRequest, RecallResponse,
    RememberRequest, RememberResponse,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::passage::{self, Passage};
use crate::syscalls::Syscalls;

/// The collection of a file's record.
const FILES: &str = "files";
/// The collection of passages.
pub(super) const PASSAGES: &str = "passages";
/// A larger file is not a document that somebody asks about.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What bringing a mount up to date did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// Files that were read.
    pub(super) read: usize,
    /// Files that are gone and were forgotten.
    pub(super) forgotten: usize,
    /// Files left out, with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

/// Brings the memory of `mount` up to date; `progress` hears of each file before it is read.
pub(super) async fn refresh<S: Syscalls>(
    syscalls: &S,
    mount: &str,
    mut progress: impl AsyncFnMut(&S, usize, usize, &str) -> Result<(), Problem>,
) -> Result<Report, Problem> {
    let listed = list(syscalls, mount).await?;
    let known = records(syscalls, mount).await?;
    let plan = plan(&listed, &known);
    let mut report = Report {
        skipped: plan.skipped,
        ..Report::default()
    };
    for path in plan.forget {
        drop_file(syscalls, mount, &path).await?;
        report.forgotten += 1;
    }
    let total = plan.read.len();
    for (index, entry) in plan.read.iter().enumerate() {
        progress(syscalls, index + 1, total, &entry.path).await?;
        match read_text(syscalls, mount, entry).await? {
            Ok(text) => {
                drop_file(syscalls, mount, &entry.path).await?;
                store(syscalls, mount, entry, &passage::split(&text)).await?;
                report.read += 1;
            }
            Err(why) => {
                // Recorded without passages: it is not read again until it changes.
                drop_file(syscalls, mount, &entry.path).await?;
                store(syscalls, mount, entry, &[]).await?;
                report.skipped.push((entry.path.clone(), why));
            }
        }
    }
    Ok(report)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Plan<'a> {
    read: Vec<&'a Entry>,
    forget: Vec<String>,
    skipped: Vec<(String, String)>,
}

/// What to do, from what is there and what is known. `known` maps a path to its size and time.
fn plan<'a>(listed: &'a [Entry], known: &BTreeMap<String, String>) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut gone = known.clone();
    for entry in listed {
        let hidden = entry.path.split('/').any(|part| part.starts_with('.'));
        if entry.kind != EntryKind::File || hidden {
            continue;
        }
        if entry.size > MAX_FILE {
            let why = format!("larger than {} MiB", MAX_FILE / 1024 / 1024);
            plan.skipped.push((entry.path.clone(), why));
            continue;
        }
        if gone.remove(&entry.path).as_deref() != Some(&version(entry)) {
            plan.read.push(entry);
        }
    }
    plan.forget = gone.into_keys().collect();
    plan
}

fn version(entry: &Entry) -> String {
    format!("{}@{}", entry.size, entry.modified_ms)
}

async fn list(syscalls: &impl Syscalls, mount: &str) -> Result<Vec<Entry>, Problem> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page: fs::ListResponse = syscalls
            .call(
                Syscall::FsList,
                &fs::ListRequest {
                    mount: mount.to_owned(),
                    path: String::new(),
                    recursive: true,
                    after: entries.last().map(|entry| entry.path.clone()),
                    limit: fs::MAX_ENTRIES,
                },
            )
            .await?;
        let more = page.more && !page.entries.is_empty();
        entries.extend(page.entries);
        if !more {
            return Ok(entries);
        }
    }
}

async fn records(
    syscalls: &impl Syscalls,
    mount: &str,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut known = BTreeMap::new();
    let mut offset = 0;
    loop {
        let page: RecallResponse = syscalls
            .call(
                Syscall::MemoryRecall,
                &RecallRequest {
                    query: String::new(),
                    k: MAX_K,
                    collection: Some(FILES.to_owned()),
                    attributes: [("mount".to_owned(), mount.to_owned())].into(),
                    offset,
                },
            )
            .await?;
        let full = page.hits.len() == MAX_K as usize;
        offset += page.hits.len() as u32;
        known.extend(page.hits.into_iter().filter_map(record));
        if !full {
            return Ok(known);
        }
    }
}

fn record(mut hit: Hit) -> Option<(String, String)> {
    Some((
        hit.attributes.remove("path")?,
        hit.attributes.remove("version")?,
    ))
}

async fn drop_file(syscalls: &impl Syscalls, mount: &str, path: &str) -> Result<(), Problem> {
    for collection in [FILES, PASSAGES] {
        let _: ForgetResponse = syscalls
            .call(
                Syscall::MemoryForget,
                &ForgetRequest::Collection {
                    collection: collection.to_owned(),
                    attributes: place(mount, path),
                },
            )
            .await?;
    }
    Ok(())
}

async fn store(
    syscalls: &impl Syscalls,
    mount: &str,
    entry: &Entry,
    passages: &[Passage],
) -> Result<(), Problem> {
    let mut items: Vec<Item> = passages
        .iter()
        .map(|passage| item(mount, entry, passage))
        .collect();
    let mut record = place(mount, &entry.path);
    record.insert("version".to_owned(), version(entry));
    items.push(Item {
        id: None,
        text: entry.path.clone(),
        collection: FILES.to_owned(),
        attributes: record,
    });
    for batch in items.chunks(MAX_BATCH) {
        let request = RememberRequest {
            items: batch.to_vec(),
        };
        let _: RememberResponse = syscalls.call(Syscall::MemoryRemember, &request).await?;
    }
    Ok(())
}

fn item(mount: &str, entry: &Entry, passage: &Passage) -> Item {
    let mut attributes = place(mount, &entry.path);
    attributes.insert(
        "lines".to_owned(),
        format!("{}-{}", passage.first, passage.last),
    );
    if !passage.heading.is_empty() {
        let end = passage.heading.floor_char_boundary(512);
        attributes.insert("heading".to_owned(), passage.heading[..end].to_owned());
    }
    Item {
        id: None,
        text: passage.text.clone(),
        collection: PASSAGES.to_owned(),
        attributes,
    }
}

fn place(mount: &str, path: &str) -> BTreeMap<String, String> {
    [
        ("mount".to_owned(), mount.to_owned()),
        ("path".to_owned(), path.to_owned()),
    ]
    .into()
}

/// The file's text, or why it has none.
async fn read_text(
    syscalls: &impl Syscalls,
    mount: &str,
    entry: &Entry,
) -> Result<Result<String, String>, Problem> {
    let mut bytes = Vec::with_capacity(entry.size as usize);
    loop {
        let part: fs::ReadResponse = syscalls
            .call(
                Syscall::FsRead,
                &fs::ReadRequest {
                    mount: mount.to_owned(),
                    path: entry.path.clone(),
                    offset: bytes.len() as u64,
                    length: fs::MAX_CHUNK,
                },
            )
            .await?;
        let Ok(data) = BASE64.decode(&part.data) else {
            return Ok(Err("the node sent something that is not base64".to_owned()));
        };
        if data.is_empty() {
            break;
        }
        bytes.extend_from_slice(&data);
        if bytes.contains(&0) {
            return Ok(Err("not a text".to_owned()));
        }
        if bytes.len() as u64 > MAX_FILE {
            return Ok(Err("it grew while it was read".to_owned()));
        }
    }
    Ok(String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, size: u64) -> Entry {
        Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            size,
            modified_ms: aion_abi::date::UnixMillis(7),
            version: None,
        }
    }

    #[test]
    fn only_new_changed_and_gone_files_cost_anything() {
        let listed = [
            entry("changed.md", 2),
            entry("new.md", 1),
            entry("same.md", 1),
        ];
        let known = [
            ("changed.md", "1@7"),
            ("gone.md", "1@7"),
            ("same.md", "1@7"),
        ]
        .map(|(path, version)| (path.to_owned(), version.to_owned()))
        .into();
        let plan = plan(&listed, &known);
        assert_eq!(plan.read, [&listed[0], &listed[1]]);
        assert_eq!(plan.forget, ["gone.md"]);
        assert!(plan.skipped.is_empty());
    }

    #[test]
    fn hidden_and_huge_files_are_left_out() {
        let listed = [
            entry(".git/config", 1),
            entry("a/.b/c.md", 1),
            entry("huge.txt", MAX_FILE + 1),
        ];
        let plan = plan(&listed, &BTreeMap::new());
        assert!(plan.read.is_empty());
        assert_eq!(plan.skipped.len(), 1);
        assert_eq!(plan.skipped[0].0, "huge.txt");
    }
}
