//! What goes into memory and out of it: many small files in one request, and one file in several.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::memory::{
    ForgetRequest, ForgetResponse, Item, MAX_BATCH, RememberRequest, RememberResponse,
};

use super::super::document::Passage;
use super::left_out::LeftOut;
use super::marks::{self, Marks};
use super::record::{self, PASSAGES, Record};
use super::shelf::Shelf;
use crate::syscalls::{Syscalls, patience};

/// The most items of a batch; one more says whose it is.
const MAX_ITEMS: usize = MAX_BATCH - 1;
/// The most bytes of a batch: a request has a megabyte, and JSON may double what is in it.
const MAX_BYTES: usize = 384 * 1024;
/// The most touches of a batch: each has a path and little else.
const MAX_TOUCHES: usize = 128;

/// The memory of a mount while it is brought up to date.
pub(super) struct Store<'a, S> {
    syscalls: &'a S,
    mount: &'a str,
    marks: &'a Marks,
    /// What waits for the next request: whole files, or the end of one.
    items: Vec<Item>,
    bytes: usize,
    /// Files whose records wait.
    waiting: Vec<(String, String)>,
    /// Touches that wait for a request of their own.
    touches: Vec<Item>,
    /// There is no room for touches.
    is_full_of_touches: bool,
    stored: Vec<(String, String)>,
    /// Why memory takes no more, and which files it did not take.
    full: Option<String>,
    missed: Vec<String>,
}

impl<'a, S: Syscalls> Store<'a, S> {
    pub(super) fn new(syscalls: &'a S, mount: &'a str, marks: &'a Marks) -> Self {
        Self {
            syscalls,
            mount,
            marks,
            items: Vec::new(),
            bytes: 0,
            waiting: Vec::new(),
            touches: Vec::new(),
            is_full_of_touches: false,
            stored: Vec::new(),
            full: None,
            missed: Vec::new(),
        }
    }

    pub(super) fn syscalls(&self) -> &'a S {
        self.syscalls
    }

    pub(super) fn mount(&self) -> &'a str {
        self.mount
    }

    /// Whether memory takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// Stores a file: its passages, and its record after them.
    pub(super) async fn put(
        &mut self,
        path: &str,
        mut record: Record,
        passages: Vec<Passage>,
    ) -> Result<(), Problem> {
        record.passages = Some(passages.len());
        // The record lies in the same request as the last of its passages, and a request is stored whole.
        if self.items.len() + passages.len() >= MAX_ITEMS {
            self.flush().await?;
        }
        for (number, passage) in passages.into_iter().enumerate() {
            let item = record::passage(self.mount, path, &record.content, number, passage);
            self.push(item).await?;
        }
        self.push(record.item(self.mount, path)).await?;
        self.waiting.push((path.to_owned(), record.content));
        Ok(())
    }

    /// Notes that a file of another version has the content that its record says. A note that finds no room is
    /// dropped: its file is compared by content again at the next question, and no document is left out for it.
    pub(super) async fn touch(
        &mut self,
        path: &str,
        content: &str,
        version: &str,
    ) -> Result<(), Problem> {
        let touch = record::touch(self.mount, path, content, version);
        self.touches.push(touch);
        if self.touches.len() == MAX_TOUCHES {
            self.flush_touches().await?;
        }
        Ok(())
    }

    async fn flush_touches(&mut self) -> Result<(), Problem> {
        let touches = std::mem::take(&mut self.touches);
        if !touches.is_empty() && !self.is_full_of_touches {
            self.is_full_of_touches = self.send(touches).await?.is_some();
        }
        Ok(())
    }

    async fn push(&mut self, item: Item) -> Result<(), Problem> {
        let size = item.text.len() + item.attributes.values().map(String::len).sum::<usize>() + 256;
        if self.items.len() == MAX_ITEMS || self.bytes + size > MAX_BYTES {
            self.flush().await?;
        }
        self.bytes += size;
        self.items.push(item);
        Ok(())
    }

    /// Sends what waits.
    pub(super) async fn flush_all(&mut self) -> Result<(), Problem> {
        self.flush().await?;
        self.flush_touches().await
    }

    async fn flush(&mut self) -> Result<(), Problem> {
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        let files = std::mem::take(&mut self.waiting);
        if items.is_empty() {
            return Ok(());
        }
        if !self.is_full() {
            self.full = self.send(items).await?;
        }
        if self.is_full() {
            self.missed.extend(files.into_iter().map(|(path, _)| path));
        } else {
            self.stored.extend(files);
        }
        Ok(())
    }

    /// Stores a batch; answers why there is no room for it.
    async fn send(&self, mut items: Vec<Item>) -> Result<Option<String>, Problem> {
        items.push(self.marks.started(self.mount));
        let request = RememberRequest { items };
        let answer: Result<RememberResponse, _> =
            patience::call(self.syscalls, Syscall::MemoryRemember, &request).await;
        match answer {
            Ok(_) => Ok(None),
            Err(problem) if matches!(problem.code, Code::QuotaExceeded | Code::StorageFull) => {
                Ok(Some(problem.detail))
            }
            Err(problem) => Err(problem),
        }
    }

    /// A file that was not read since memory is full.
    pub(super) fn miss(&mut self, path: String) {
        self.missed.push(path);
    }

    /// Forgets a file, its record first.
    pub(super) async fn forget(&mut self, path: &str, record: &Record) -> Result<(), Problem> {
        let mut ids = vec![record.id.clone(), record::touch_id(self.mount, path)];
        let Some(passages) = record.passage_ids(self.mount, path) else {
            self.forget_ids(ids).await?;
            let request = ForgetRequest::Collection {
                collection: PASSAGES.to_owned(),
                attributes: record::place(self.mount, path),
            };
            return self.call_forget(&request).await;
        };
        ids.extend(passages);
        self.forget_ids(ids).await
    }

    /// Forgets items.
    pub(super) async fn forget_ids(&mut self, ids: Vec<String>) -> Result<(), Problem> {
        for ids in ids.chunks(MAX_ITEMS) {
            let mut ids = ids.to_vec();
            ids.push(marks::start_id(self.mount));
            self.call_forget(&ForgetRequest::Ids { ids }).await?;
        }
        Ok(())
    }

    async fn call_forget(&self, request: &ForgetRequest) -> Result<(), Problem> {
        let _: ForgetResponse =
            patience::call(self.syscalls, Syscall::MemoryForget, request).await?;
        Ok(())
    }

    /// Tells what is stored, and what is not.
    pub(super) fn finish(self, shelf: &mut Shelf, left_out: &mut LeftOut) {
        for (path, content) in self.stored {
            shelf.put(self.mount, &path, &content);
        }
        let why = self.full.unwrap_or_default();
        for path in self.missed {
            left_out.add(&path, why.as_str());
        }
    }
}
