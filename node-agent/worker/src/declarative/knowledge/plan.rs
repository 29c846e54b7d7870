//! What to do, from what is there and what is known. Pure.

use std::collections::BTreeMap;

use aion_abi::syscall::fs::{Entry, EntryKind};

use super::left_out::LeftOut;
use super::record::Record;

/// A larger file is not a document that somebody asks about.
pub(in super::super) const MAX_FILE: u64 = 4 * 1024 * 1024;
/// A longer path does not fit beside a passage.
const MAX_PATH: usize = 1000;

/// What has to be done for a mount.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// Files that are new, or may have changed.
    pub(super) read: Vec<Reading<'a>>,
    /// Files that are gone, with their records.
    pub(super) forget: Vec<(String, Record)>,
    /// Files that are as they were, with the hashes of their contents.
    pub(super) unchanged: Vec<(String, String)>,
}

/// A file that is to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    pub(super) entry: &'a Entry,
    pub(super) known: Option<Record>,
}

impl<'a> Plan<'a> {
    /// `known` maps a path to its record.
    pub(super) fn new(
        listed: &'a [Entry],
        mut known: BTreeMap<String, Record>,
        left_out: &mut LeftOut,
    ) -> Self {
        let mut plan = Self::default();
        for entry in listed {
            if entry.kind != EntryKind::File || is_hidden(&entry.path) {
                continue;
            }
            if entry.size > MAX_FILE {
                left_out.add(&entry.path, too_large());
                continue;
            }
            if entry.path.len() > MAX_PATH {
                left_out.add(
                    &entry.path,
                    format!("its path is longer than {MAX_PATH} bytes"),
                );
                continue;
            }
            let known = known.remove(&entry.path);
            match known {
                Some(record) if record.has_this_form && record.is_of(entry) => {
                    if let Some(why) = record.left_out {
                        left_out.add(&entry.path, why);
                    }
                    plan.unchanged.push((entry.path.clone(), record.content));
                }
                known => plan.read.push(Reading { entry, known }),
            }
        }
        plan.forget = known.into_iter().collect();
        plan
    }
}

pub(super) fn too_large() -> String {
    format!("larger than {} MiB", MAX_FILE / 1024 / 1024)
}

/// Whether a part of the path begins with a dot: such files are settings and history, and nobody asks for them.
pub(super) fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, version: Option<&str>) -> Entry {
        Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            size: 1,
            modified_ms: aion_abi::date::UnixMillis(7),
            version: version.map(str::to_owned),
        }
    }

    fn known(entries: &[Entry]) -> BTreeMap<String, Record> {
        let record = |entry: &Entry| Record::new("docs", entry, "hash".to_owned(), None);
        entries
            .iter()
            .map(|entry| (entry.path.clone(), record(entry)))
            .collect()
    }

    #[test]
    fn only_new_changed_and_gone_files_cost_anything() {
        let listed = [
            entry("changed.md", Some("2")),
            entry("just-now.md", None),
            entry("new.md", Some("1")),
            entry("older-form.md", Some("1")),
            entry("same.md", Some("1")),
        ];
        let mut known = known(&[
            entry("changed.md", Some("1")),
            entry("gone.md", Some("1")),
            entry("just-now.md", None),
            entry("older-form.md", Some("1")),
            entry("same.md", Some("1")),
        ]);
        if let Some(record) = known.get_mut("older-form.md") {
            record.has_this_form = false;
        }
        if let Some(record) = known.get_mut("same.md") {
            record.left_out = Some("not a text".to_owned());
        }
        let mut left_out = LeftOut::default();
        let plan = Plan::new(&listed, known, &mut left_out);
        let read: Vec<_> = plan
            .read
            .iter()
            .map(|one| one.entry.path.as_str())
            .collect();
        assert_eq!(
            read,
            ["changed.md", "just-now.md", "new.md", "older-form.md"]
        );
        let forget: Vec<_> = plan.forget.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(forget, ["gone.md"]);
        assert_eq!(plan.unchanged, [("same.md".to_owned(), "hash".to_owned())]);
        let sentence = left_out.sentence("docs");
        assert_eq!(
            sentence.as_deref(),
            Some("left out of docs: 1 (not a text): same.md")
        );
    }

    #[test]
    fn hidden_files_are_passed_over_and_what_does_not_fit_is_named() {
        let huge = Entry {
            size: MAX_FILE + 1,
            ..entry("huge.txt", None)
        };
        let listed = [
            entry(".git/config", None),
            entry("a/.b/c.md", None),
            huge,
            entry(&"long/".repeat(201), None),
        ];
        let mut left_out = LeftOut::default();
        let plan = Plan::new(&listed, BTreeMap::new(), &mut left_out);
        assert_eq!(plan, Plan::default());
        let sentence = left_out.sentence("docs").unwrap_or_default();
        assert!(
            sentence.contains("1 (larger than 4 MiB): huge.txt"),
            "{sentence}"
        );
        assert!(
            sentence.contains("1 (its path is longer than 1000 bytes): long/"),
            "{sentence}"
        );
    }
}
