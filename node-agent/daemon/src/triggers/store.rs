//! The file of triggers: a line for each change, the newest of a trigger counts. It is written anew where it has grown.
//!
//! Whoever keeps something waits for the disk; what others want kept meanwhile goes with the next write.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{
    row::Row,
    table::{Entry, Id, Table},
};
use crate::files::write_whole;

/// It is written anew from here on, and where it has four times what counts.
const GROWN: u64 = 1 << 20;

/// A change of a trigger. Without a row it is gone.
#[derive(Serialize, Deserialize)]
struct Line {
    agent: String,
    trigger: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row: Option<Row>,
    /// What came since the line before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<String>,
}

/// See the module.
pub(super) struct Store {
    path: PathBuf,
    /// What is to be written.
    changed: Mutex<BTreeSet<Id>>,
    file: tokio::sync::Mutex<Open>,
}

#[derive(Default)]
struct Open {
    file: Option<Arc<File>>,
    bytes: u64,
    /// Bytes when it was written anew.
    whole: u64,
}

impl Store {
    pub(super) fn open(path: PathBuf) -> io::Result<(Self, Table)> {
        let table = read(&path)?;
        let mut open = Open::default();
        open.rewrite(&path, &whole(&table)?)?;
        let store = Self {
            path,
            changed: Mutex::default(),
            file: tokio::sync::Mutex::new(open),
        };
        Ok((store, table))
    }

    /// Keeps a trigger as it is in the table now, durable.
    pub(super) async fn keep(&self, id: &Id, table: &Mutex<Table>) -> io::Result<()> {
        self.changed.lock().insert(id.clone());
        let mut open = self.file.lock().await;
        let changed = std::mem::take(&mut *self.changed.lock());
        // Somebody who waited before wrote it as well.
        if !changed.contains(id) {
            self.changed.lock().extend(changed);
            return Ok(());
        }
        let written = self.write(&mut open, &changed, table).await;
        if written.is_err() {
            self.changed.lock().extend(changed);
        }
        written
    }

    async fn write(
        &self,
        open: &mut Open,
        changed: &BTreeSet<Id>,
        table: &Mutex<Table>,
    ) -> io::Result<()> {
        let (mut bytes, mut saved) = (Vec::new(), Vec::new());
        let anew = open.file.is_none() || open.bytes > GROWN.max(4 * open.whole);
        {
            let table = table.lock();
            for id in changed {
                let entry = table.get(id);
                saved.push((id, entry.map_or(0, |it| it.unsaved.len())));
                if !anew {
                    let seen = entry.map(|it| it.unsaved.clone()).unwrap_or_default();
                    push(&mut bytes, id, entry.map(|it| &it.row), seen)?;
                }
            }
            if anew {
                bytes = whole(&table)?;
            }
        }
        match (&open.file, anew) {
            (Some(file), false) => {
                let (file, length) = (Arc::clone(file), bytes.len() as u64);
                let written = blocking(move || {
                    (&*file).write_all(&bytes)?;
                    file.sync_data()
                });
                if let Err(error) = written.await {
                    // Half a line may be there: the file is written anew.
                    open.file = None;
                    return Err(error);
                }
                open.bytes += length;
            }
            _ => {
                let (path, length) = (self.path.clone(), bytes.len() as u64);
                open.file = None;
                open.file = Some(Arc::new(blocking(move || replace(&path, &bytes)).await?));
                (open.bytes, open.whole) = (length, length);
            }
        }
        let mut table = table.lock();
        for (id, unsaved) in saved {
            if let Some(entry) = table.get_mut(id) {
                let unsaved = unsaved.min(entry.unsaved.len());
                entry.unsaved.drain(..unsaved);
            }
        }
        Ok(())
    }
}

impl Open {
    fn rewrite(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.file = Some(Arc::new(replace(path, bytes)?));
        (self.bytes, self.whole) = (bytes.len() as u64, bytes.len() as u64);
        Ok(())
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    write_whole(path, bytes)?;
    File::options().append(true).mode(0o600).open(path)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

fn push(bytes: &mut Vec<u8>, id: &Id, row: Option<&Row>, seen: Vec<String>) -> io::Result<()> {
    let line = Line {
        agent: id.agent.to_string(),
        trigger: id.name.to_string(),
        row: row.cloned(),
        seen,
    };
    serde_json::to_writer(&mut *bytes, &line)?;
    bytes.push(b'\n');
    Ok(())
}

/// Everything that counts.
fn whole(table: &Table) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for id in table.ids() {
        if let Some(entry) = table.get(&id) {
            push(
                &mut bytes,
                &id,
                Some(&entry.row),
                entry.seen().cloned().collect(),
            )?;
        }
    }
    Ok(bytes)
}

fn read(path: &Path) -> io::Result<Table> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut table = Table::default();
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|it| !it.is_empty())
    {
        // A daemon that was killed may have left half of the last one.
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            tracing::warn!(file = %path.display(), "a line about a trigger cannot be read, and is left out");
            continue;
        };
        let id = Id::new(&line.agent, &line.trigger);
        match (line.row, table.get_mut(&id)) {
            (None, _) => table.remove(&id),
            (Some(row), Some(entry)) => {
                entry.row = row;
                line.seen.into_iter().for_each(|it| entry.remember(it));
            }
            (Some(row), None) => table.put(id, Entry::of(row, VecDeque::from(line.seen))),
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(files: u64) -> Row {
        serde_json::from_value(serde_json::json!({"files": files})).unwrap()
    }

    fn id(name: &str) -> Id {
        Id::new("home/a", name)
    }

    #[tokio::test]
    async fn what_is_kept_is_found_again_also_behind_half_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("triggers.jsonl");
        let (store, table) = Store::open(path.clone()).unwrap();
        let table = Mutex::new(table);
        for (name, files) in [("a", 1), ("b", 2), ("c", 3)] {
            table
                .lock()
                .put(id(name), Entry::of(row(files), VecDeque::new()));
            store.keep(&id(name), &table).await.unwrap();
        }
        for seen in ["x", "y"] {
            table.lock().get_mut(&id("a")).unwrap().see(seen.to_owned());
            store.keep(&id("a"), &table).await.unwrap();
        }
        table.lock().remove(&id("b"));
        store.keep(&id("b"), &table).await.unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"agent\":\"home/a\",\"tri").unwrap();
        for _ in 0..2 {
            let (_, found) = Store::open(path.clone()).unwrap();
            assert_eq!(found.ids(), [id("a"), id("c")]);
            let first = found.get(&id("a")).unwrap();
            assert_eq!(first.row, row(1));
            assert!(first.has_seen("x") && first.has_seen("y"));
            assert_eq!(found.get(&id("c")).unwrap().row, row(3));
        }
    }

    #[tokio::test]
    async fn many_changes_of_few_triggers_take_little_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("triggers.jsonl");
        let (store, table) = Store::open(path.clone()).unwrap();
        let table = Mutex::new(table);
        table
            .lock()
            .put(id("a"), Entry::of(row(0), VecDeque::new()));
        let long = "x".repeat(64 << 10);
        for n in 0..64 {
            {
                let mut locked = table.lock();
                let entry = locked.get_mut(&id("a")).unwrap();
                entry.row.uid.clone_from(&long);
                entry.row.files = n;
            }
            store.keep(&id("a"), &table).await.unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() < 3 * GROWN);
        let (_, found) = Store::open(path).unwrap();
        assert_eq!(found.get(&id("a")).unwrap().row.files, 63);
    }
}
