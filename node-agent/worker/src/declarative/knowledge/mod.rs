//! Keeps the memory in step with mounted documents, so that what is recalled is what the files say now.
//!
//! A file has one *record* (collection `files`: its version, the hash of its content) and its passages
//! (collection `passages`, each with that hash). A file whose version is that of its record is not read again;
//! one whose content is the recorded one is not cut again: its new version is noted in a *touch* beside the record, so
//! that a pool with a retention still forgets record and passages at one age. A changed file loses its record first
//! and then its passages, and gets its record back last: one with a record is whole. Passages that no record speaks for,
//! since a turn was interrupted or two ran at once, are found out when they are recalled ([`Shelf`]); their file
//! loses its record, and is read again.
//!
//! What cannot be had or does not fit is left out and named ([`left_out`]); it never fails the rest.

mod left_out;
mod marks;
mod plan;
pub(super) mod read;
mod record;
mod shelf;
mod store;

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::fs::{self, Entry, TreeDigest};
use aion_abi::syscall::memory::Hit;

use super::document;
use crate::syscalls::{Syscalls, patience};
use left_out::LeftOut;
use marks::Mark;
pub(super) use marks::{Marks, start_id};
pub(super) use plan::MAX_FILE;
use plan::{Plan, Reading};
use record::Record;
pub(super) use record::digest;
pub(super) use record::{Known, PASSAGES};
pub(super) use shelf::{Shelf, Standing};
use store::Store;

/// So many entries of a mount are looked at; what comes after them in the order of paths is left out.
const MAX_LISTED: usize = 100_000;
/// What is left out of a text that is damaged.
const DAMAGED: &str = "bytes that are not of its encoding; the rest of it is there";
/// How often at most it is told how far the reading is.
const TOLD: usize = 50;

/// Whether `mount` is as its mark says; answers what is left out of it, and nothing where it has to be looked at.
///
/// # Errors
/// What ends the turn.
pub(super) async fn vouched(
    syscalls: &impl Syscalls,
    mount: &str,
    marks: &Marks,
    shelf: &mut Shelf,
) -> Result<Option<Option<String>>, Problem> {
    let Some(mark) = marks.of(mount) else {
        return Ok(None);
    };
    let request = fs::ListRequest {
        // Where it is not as it was, all of it is listed anew.
        limit: 1,
        unless: Some(mark.tree.clone()),
        ..whole_tree(mount)
    };
    let answer: Result<fs::ListResponse, _> =
        patience::call(syscalls, Syscall::FsList, &request).await;
    match answer {
        Ok(page) if page.unchanged => {
            shelf.vouch(mount);
            Ok(Some(mark.left_out.clone()))
        }
        Err(problem) if !is_of_an_entry(&problem) => Err(problem),
        _ => Ok(None),
    }
}

/// Looks up what the shelf has to know of `hits`.
///
/// # Errors
/// What ends the turn.
pub(super) async fn look_up(
    syscalls: &impl Syscalls,
    shelf: &mut Shelf,
    hits: &[Hit],
) -> Result<(), Problem> {
    let unknown = shelf.unknown(hits);
    let ids: Vec<String> = unknown.keys().cloned().collect();
    for ((mount, path), record) in marks::by_ids(syscalls, &ids)
        .await?
        .into_iter()
        .filter_map(Record::of)
    {
        shelf.put(&mount, &path, &record.content);
    }
    Ok(())
}

/// Brings the memory of `mount` up to date from what is `known`, and puts on `shelf` what it holds. `progress` hears how far it is.
/// Answers what was left out, as a sentence.
///
/// # Errors
/// What ends the turn; the inner one is why the mount as a whole cannot be had.
pub(super) async fn refresh<S: Syscalls>(
    syscalls: &S,
    mount: &str,
    (known, marks): (&mut Known, &Marks),
    shelf: &mut Shelf,
    progress: impl AsyncFn(&S, String) -> Result<(), Problem>,
) -> Result<Result<Option<String>, Problem>, Problem> {
    let mut left_out = LeftOut::default();
    let (listed, tree) = match list(syscalls, mount, &mut left_out).await {
        Ok(listed) => listed,
        Err(problem) if is_of_an_entry(&problem) => return Ok(Err(problem)),
        Err(problem) => return Err(problem),
    };
    shelf.open(mount);
    let plan = Plan::new(&listed, known.of_mount(mount), &mut left_out);
    let strays = known.strays(mount);
    let nothing_to_do = plan.read.is_empty() && plan.forget.is_empty() && strays.is_empty();
    let mut store = Store::new(syscalls, mount, marks);
    store.forget_ids(strays).await?;
    for (path, record) in plan.forget {
        store.forget(&path, &record).await?;
    }
    for (path, content) in plan.unchanged {
        shelf.put(mount, &path, &content);
    }
    let total = plan.read.len();
    for (index, one) in plan.read.into_iter().enumerate() {
        // What is known may be as it was, and needs no room.
        if store.is_full() && one.known.is_none() {
            store.miss(one.entry.path.clone());
            continue;
        }
        if index % total.div_ceil(TOLD) == 0 {
            let path = &one.entry.path;
            let text = format!("reading {mount}/{path} ({} of {total})", index + 1);
            progress(syscalls, text).await?;
        }
        take_in(&mut store, one, shelf, &mut left_out).await?;
    }
    store.flush_all().await?;
    store.finish(shelf, &mut left_out);
    let left_out = left_out.sentence(mount);
    if let Some(tree) = tree
        && nothing_to_do
    {
        let mark = Mark {
            tree,
            left_out: left_out.clone(),
            oldest: known.oldest(mount),
        };
        marks.settle(syscalls, mount, &mark).await?;
    }
    Ok(Ok(left_out))
}

/// Reads a file, cuts it, and gives its passages to the store.
async fn take_in<S: Syscalls>(
    store: &mut Store<'_, S>,
    Reading { entry, known }: Reading<'_>,
    shelf: &mut Shelf,
    left_out: &mut LeftOut,
) -> Result<(), Problem> {
    let bytes = match read::document(store.syscalls(), store.mount(), &entry.path).await? {
        Ok(bytes) => bytes,
        Err(why) => {
            // It is tried again at the next question; what it held cannot be vouched for meanwhile.
            if let Some(known) = &known {
                store.forget(&entry.path, known).await?;
            }
            left_out.add(&entry.path, why);
            return Ok(());
        }
    };
    let content = record::digest(&[&bytes]);
    if let Some(known) = &known {
        if known.has_this_form && known.content == content {
            if let Some(why) = &known.left_out {
                left_out.add(&entry.path, why.clone());
            }
            shelf.put(store.mount(), &entry.path, &content);
            return match &entry.version {
                Some(version) => store.touch(&entry.path, &content, version).await,
                None => Ok(()),
            };
        }
        store.forget(&entry.path, known).await?;
    }
    let (passages, why) = match document::passages(&entry.path, &bytes) {
        Ok(cut) if cut.unread > 0 => (cut.passages, Some(DAMAGED.to_owned())),
        Ok(cut) => (cut.passages, None),
        Err(why) => (Vec::new(), Some(why.to_owned())),
    };
    if let Some(why) = &why {
        left_out.add(&entry.path, why.clone());
    }
    let record = Record::new(store.mount(), entry, content, why);
    store.put(&entry.path, record, passages).await
}

fn whole_tree(mount: &str) -> fs::ListRequest {
    fs::ListRequest {
        mount: mount.to_owned(),
        path: String::new(),
        recursive: true,
        after: None,
        limit: fs::MAX_ENTRIES,
        unless: None,
    }
}

/// All files, and their digest where they can be compared by one.
async fn list(
    syscalls: &impl Syscalls,
    mount: &str,
    left_out: &mut LeftOut,
) -> Result<(Vec<Entry>, Option<String>), Problem> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut digest = TreeDigest::default();
    loop {
        let request = fs::ListRequest {
            after: entries.last().map(|entry| entry.path.clone()),
            ..whole_tree(mount)
        };
        let page: fs::ListResponse = patience::call(syscalls, Syscall::FsList, &request).await?;
        digest.page(&page);
        let more = page.more && !page.entries.is_empty();
        entries.extend(page.entries);
        left_out.add_listed(page.left_out);
        if more && entries.len() >= MAX_LISTED {
            let last = entries.last().map_or("", |entry| entry.path.as_str());
            let why = format!("what comes after it: more than {MAX_LISTED} files");
            left_out.add(last, why);
            return Ok((entries, None));
        }
        if !more {
            return Ok((entries, digest.end()));
        }
    }
}

/// Whether `problem` is about what was asked for, and not about the turn or the node.
fn is_of_an_entry(problem: &Problem) -> bool {
    matches!(
        problem.code,
        Code::NotFound | Code::Denied | Code::BadRequest | Code::TooLarge | Code::Internal
    )
}
