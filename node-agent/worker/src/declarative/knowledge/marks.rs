//! What vouches for a whole mount, so that a question about documents that did not change costs no look at each.
//!
//! A pass that found nothing to do leaves a *mark* with the listing's digest, what it left out, and the oldest of the
//! records. The next question asks for the listing *unless* it has that digest, and is done with the mount.
//! Two turns may be at it at once, so a mark holds only as long as nobody touched a record since before its pass
//! looked at them: a pass first writes a *start* with a token of its own; whoever stores a record writes a start with
//! his token in the same request, and whoever forgets one takes the start away in the same request. A mark counts
//! while its token is that of the start. Records that a pool forgets by their age go oldest first, so the mark is
//! asked for the oldest one.

use std::collections::BTreeMap;
use std::collections::HashMap;

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::memory::{
    Hit, Item, MAX_BATCH, MAX_K, RecallRequest, RecallResponse, RememberRequest, RememberResponse,
};

use super::super::document::FORM;
use super::record::digest;
use crate::syscalls::{Syscalls, patience};

/// The collection of starts and marks.
const MARKS: &str = "mounts";
/// What was left out is kept in attributes, each with so many bytes; there is room for so many.
const PART: usize = 1000;
const PARTS: usize = 8;

/// What vouches for a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// The digest of its listing.
    pub(super) tree: String,
    /// What was left out.
    pub(super) left_out: Option<String>,
    /// The id of its oldest record.
    pub(super) oldest: Option<String>,
}

/// The marks of a turn's mounts, and the token of its own.
#[derive(Debug, Default)]
pub(in super::super) struct Marks {
    /// None where there is no randomness to be had: then nothing is vouched for.
    token: Option<String>,
    held: HashMap<String, Mark>,
}

impl Marks {
    /// Those that count.
    pub(in super::super) async fn read(
        syscalls: &impl Syscalls,
        mounts: &[String],
    ) -> Result<Self, Problem> {
        let ids: Vec<String> = mounts
            .iter()
            .flat_map(|mount| [start_id(mount), mark_id(mount)])
            .collect();
        let found = by_ids(syscalls, &ids).await?;
        let mut held = HashMap::new();
        for mount in mounts {
            let of = |id: &str| found.iter().find(|hit| hit.id == id);
            if let (Some(start), Some(mark)) = (of(&start_id(mount)), of(&mark_id(mount)))
                && start.attributes.get("token") == mark.attributes.get("token")
                && let Some(mark) = Mark::of(mark)
            {
                held.insert(mount.clone(), mark);
            }
        }
        let oldest: Vec<String> = held.values().filter_map(|it| it.oldest.clone()).collect();
        let there = by_ids(syscalls, &oldest).await?;
        held.retain(|_, mark| {
            let oldest = mark.oldest.as_ref();
            oldest.is_none_or(|id| there.iter().any(|hit| hit.id == *id))
        });
        let token = token();
        Ok(Self { token, held })
    }

    pub(super) fn of(&self, mount: &str) -> Option<&Mark> {
        self.held.get(mount)
    }

    /// Before the records of `mounts` are looked at.
    pub(in super::super) async fn start(
        &self,
        syscalls: &impl Syscalls,
        mounts: &[&String],
    ) -> Result<(), Problem> {
        let items: Vec<Item> = mounts.iter().map(|mount| self.started(mount)).collect();
        for items in items.chunks(MAX_BATCH) {
            remember(syscalls, items.to_vec()).await?;
        }
        Ok(())
    }

    /// What goes into every request that stores a record of `mount`.
    pub(super) fn started(&self, mount: &str) -> Item {
        let token = self.token.as_deref().unwrap_or("none");
        item(start_id(mount), [("token".to_owned(), token.to_owned())])
    }

    /// Says that the records of `mount` are those of the listing with that digest.
    pub(super) async fn settle(
        &self,
        syscalls: &impl Syscalls,
        mount: &str,
        mark: &Mark,
    ) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        match mark.attributes(token) {
            Some(attributes) => {
                let item = item(mark_id(mount), attributes);
                remember(syscalls, vec![item]).await
            }
            None => Ok(()),
        }
    }
}

impl Mark {
    fn attributes(&self, token: &str) -> Option<Vec<(String, String)>> {
        let mut attributes = vec![
            ("token".to_owned(), token.to_owned()),
            ("form".to_owned(), FORM.to_owned()),
            ("tree".to_owned(), self.tree.clone()),
        ];
        attributes.extend(self.oldest.clone().map(|id| ("oldest".to_owned(), id)));
        let mut rest = self.left_out.as_deref().unwrap_or_default();
        for part in 0.. {
            if rest.is_empty() {
                break;
            }
            if part == PARTS {
                return None;
            }
            let (text, more) = rest.split_at(rest.floor_char_boundary(PART));
            attributes.push((format!("leftOut{part}"), text.to_owned()));
            rest = more;
        }
        Some(attributes)
    }

    fn of(hit: &Hit) -> Option<Self> {
        let attribute = |name: &str| hit.attributes.get(name).cloned();
        if attribute("form").as_deref() != Some(FORM) {
            return None;
        }
        let left_out: String = (0..PARTS)
            .filter_map(|part| attribute(&format!("leftOut{part}")))
            .collect();
        Some(Self {
            tree: attribute("tree")?,
            left_out: (!left_out.is_empty()).then_some(left_out),
            oldest: attribute("oldest"),
        })
    }
}

/// The id of a mount's start: it goes with every record of the mount that is forgotten.
pub(in super::super) fn start_id(mount: &str) -> String {
    format!("start:{}", digest(&[mount.as_bytes()]))
}

fn mark_id(mount: &str) -> String {
    format!("mount:{}", digest(&[mount.as_bytes()]))
}

/// Its text holds no word, so that no search meets it.
fn item(id: String, attributes: impl IntoIterator<Item = (String, String)>) -> Item {
    Item {
        id: Some(id),
        text: ".".to_owned(),
        collection: MARKS.to_owned(),
        attributes: attributes.into_iter().collect(),
    }
}

/// A memory without room has no marks, and is no worse for it.
async fn remember(syscalls: &impl Syscalls, items: Vec<Item>) -> Result<(), Problem> {
    let request = RememberRequest { items };
    let done: Result<RememberResponse, _> =
        patience::call(syscalls, Syscall::MemoryRemember, &request).await;
    match done {
        Err(problem) if !matches!(problem.code, Code::QuotaExceeded | Code::StorageFull) => {
            Err(problem)
        }
        _ => Ok(()),
    }
}

/// The items of these ids that are there.
pub(super) async fn by_ids(syscalls: &impl Syscalls, ids: &[String]) -> Result<Vec<Hit>, Problem> {
    let mut found = Vec::new();
    for ids in ids.chunks(MAX_K as usize) {
        let request = RecallRequest {
            query: String::new(),
            k: MAX_K,
            collection: None,
            attributes: BTreeMap::new(),
            ids: ids.to_vec(),
            offset: 0,
        };
        let page: RecallResponse =
            patience::call(syscalls, Syscall::MemoryRecall, &request).await?;
        found.extend(page.hits);
    }
    Ok(found)
}

fn token() -> Option<String> {
    let mut bytes = [0; 16];
    let flags = rustix::rand::GetRandomFlags::empty();
    let got = rustix::rand::getrandom(&mut bytes, flags).ok()?;
    (got == bytes.len()).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aion_abi::date::UnixMillis;

    use super::*;

    fn hit(attributes: Vec<(String, String)>) -> Hit {
        Hit {
            id: "mount:x".to_owned(),
            text: ".".to_owned(),
            collection: MARKS.to_owned(),
            attributes: attributes.into_iter().collect(),
            score: 0.0,
            stored_at_ms: UnixMillis(0),
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_one_that_does_not_fit_is_none() {
        let mark = |left_out: Option<String>| Mark {
            tree: "abc".to_owned(),
            left_out,
            oldest: Some("file:1".to_owned()),
        };
        for left_out in [None, Some("short".to_owned()), Some("é".repeat(3_999))] {
            let written = mark(left_out);
            let attributes = written.attributes("t").unwrap();
            assert!(attributes.len() <= 16);
            assert!(
                attributes
                    .iter()
                    .all(|(name, value)| name.len() + value.len() <= 1024)
            );
            assert_eq!(Mark::of(&hit(attributes)), Some(written));
        }
        assert_eq!(mark(Some("é".repeat(4_001))).attributes("t"), None);
        let mut other = mark(None).attributes("t").unwrap();
        other.retain(|(name, _)| name != "form");
        assert_eq!(Mark::of(&hit(other)), None, "documents were cut otherwise");
    }
}
