//! Keeps the memory in step with mounted documents, so that what is recalled is what the files say now.
//!
//! A file has one *record* (collection `files`: its version, the hash of its content) and its passages
//! (collection `passages`, each with that hash). A file whose version is that of its record is not read again;
//! one whose content is the recorded one is not cut again. A changed file loses its record first and then its
//! passages, and gets its record back last: one with a record is whole. Passages that no record speaks for,
//! since a turn was interrupted or two ran at once, are found out when they are recalled ([`Shelf`]); their file
//! loses its record, and is read again.
//!
//! What cannot be had or does not fit is left out and named ([`left_out`]); it never fails the rest.

mod left_out;
mod plan;
mod read;
mod record;
mod shelf;
mod store;

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::fs::{self, Entry};

use super::{document, patience};
use crate::syscalls::Syscalls;
use left_out::LeftOut;
use plan::{Plan, Reading};
use record::Record;
pub(super) use record::{Known, PASSAGES};
pub(super) use shelf::{Shelf, Standing};
use store::Store;

/// So many entries of a mount are looked at; what comes after them in the order of paths is left out.
const MAX_LISTED: usize = 100_000;
/// How often at most it is told how far the reading is.
const TOLD: usize = 50;

/// Brings the memory of `mount` up to date from what is `known`, and puts on `shelf` what it holds. `progress` hears how far it is.
/// Answers what was left out, as a sentence.
///
/// # Errors
/// What ends the turn; the inner one is why the mount as a whole cannot be had.
pub(super) async fn refresh<S: Syscalls>(
    syscalls: &S,
    mount: &str,
    known: &mut Known,
    shelf: &mut Shelf,
    progress: impl AsyncFn(&S, String) -> Result<(), Problem>,
) -> Result<Result<Option<String>, Problem>, Problem> {
    let mut left_out = LeftOut::default();
    let listed = match list(syscalls, mount, &mut left_out).await {
        Ok(listed) => listed,
        Err(problem) if is_of_an_entry(&problem) => return Ok(Err(problem)),
        Err(problem) => return Err(problem),
    };
    shelf.open(mount);
    let plan = Plan::new(&listed, known.of_mount(mount), &mut left_out);
    let mut store = Store::new(syscalls, mount);
    store.forget_ids(known.strays()).await?;
    for (path, record) in plan.forget {
        store.forget(&path, &record).await?;
    }
    for (path, content) in plan.unchanged {
        shelf.put(mount, &path, &content);
    }
    let total = plan.read.len();
    let mut reading = plan.read.into_iter().enumerate();
    for (index, one) in reading.by_ref() {
        if index % total.div_ceil(TOLD) == 0 {
            let path = &one.entry.path;
            let text = format!("reading {mount}/{path} ({} of {total})", index + 1);
            progress(syscalls, text).await?;
        }
        take_in(&mut store, one, shelf, &mut left_out).await?;
        if store.is_full() {
            break;
        }
    }
    store.flush().await?;
    for (_, one) in reading {
        store.miss(one.entry.path.clone());
    }
    store.finish(shelf, &mut left_out);
    Ok(Ok(left_out.sentence(mount)))
}

/// Reads a file, cuts it, and gives its passages to the store.
async fn take_in<S: Syscalls>(
    store: &mut Store<'_, S>,
    Reading { entry, known }: Reading<'_>,
    shelf: &mut Shelf,
    left_out: &mut LeftOut,
) -> Result<(), Problem> {
    let bytes = match read::whole(store.syscalls(), store.mount(), entry).await? {
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
            let record = Record {
                version: entry.version.clone(),
                ..known.clone()
            };
            if let Some(why) = &record.left_out {
                left_out.add(&entry.path, why.clone());
            }
            shelf.put(store.mount(), &entry.path, &content);
            return store.touch(&entry.path, &record).await;
        }
        store.forget(&entry.path, known).await?;
    }
    let (passages, why) = match document::passages(&entry.path, &bytes) {
        Ok(passages) => (passages, None),
        Err(why) => (Vec::new(), Some(why.to_owned())),
    };
    if let Some(why) = &why {
        left_out.add(&entry.path, why.clone());
    }
    let record = Record::new(store.mount(), entry, content, why);
    store.put(&entry.path, record, passages).await
}

async fn list(
    syscalls: &impl Syscalls,
    mount: &str,
    left_out: &mut LeftOut,
) -> Result<Vec<Entry>, Problem> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let request = fs::ListRequest {
            mount: mount.to_owned(),
            path: String::new(),
            recursive: true,
            after: entries.last().map(|entry| entry.path.clone()),
            limit: fs::MAX_ENTRIES,
        };
        let page: fs::ListResponse = patience::call(syscalls, Syscall::FsList, &request).await?;
        let more = page.more && !page.entries.is_empty();
        entries.extend(page.entries);
        left_out.add_listed(page.left_out);
        if more && entries.len() >= MAX_LISTED {
            let last = entries.last().map_or("", |entry| entry.path.as_str());
            let why = format!("what comes after it: more than {MAX_LISTED} files");
            left_out.add(last, why);
            return Ok(entries);
        }
        if !more {
            return Ok(entries);
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
