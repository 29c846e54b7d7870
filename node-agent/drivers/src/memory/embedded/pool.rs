//! An open pool: one connection that writes, and as many that read as there are readers at a time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{super::failure::MemoryError, fault::Fault, place::Place, schema, separators};

/// Reading connections that are kept while nobody reads.
const KEPT_READERS: usize = 2;

pub(super) struct OpenPool {
    place: Arc<Place>,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// How often items were stored.
    stored: AtomicU64,
    /// The model for which no item lacked a vector, and `stored` at that time.
    caught_up: Mutex<Option<(String, u64)>>,
}

impl OpenPool {
    /// Opens the database, which must be there.
    pub(super) fn open(place: Arc<Place>) -> Result<Self, Fault> {
        let writer = schema::open_writer(&place)?;
        Ok(Self {
            place,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            stored: AtomicU64::new(0),
            caught_up: Mutex::default(),
        })
    }

    /// Runs `work` on the connection that writes.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        work(&mut self.writer.lock())
    }

    /// Runs `work` on a connection that reads.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let kept = self.readers.lock().pop();
        let reader = match kept {
            Some(reader) => reader,
            None => schema::open_reader(&self.place)?,
        };
        let done = work(&reader);
        let mut readers = self.readers.lock();
        if readers.len() < KEPT_READERS {
            readers.push(reader);
        }
        done
    }

    /// Whether something was erased whose traces may still be on the disk.
    pub(super) fn is_unscrubbed(&self) -> Result<bool, Fault> {
        Ok(self
            .writer
            .lock()
            .query_row("SELECT unscrubbed FROM totals", [], |row| row.get(0))?)
    }

    /// Says that no trace is left.
    pub(super) fn note_scrubbed(&self) -> Result<(), Fault> {
        let writer = self.writer.lock();
        // Need not be durable: if it is lost, the pool is scrubbed once more.
        writer.pragma_update(None, "synchronous", "OFF")?;
        writer.execute("UPDATE totals SET unscrubbed = 0", [])?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        Ok(())
    }

    /// Sees to it that no forgotten word is left in the structure of the index.
    pub(super) fn renew_separators(&self) -> Result<(), Fault> {
        separators::renew(&mut self.writer.lock())
    }

    /// Writes the log back into the database, cuts it to nothing and closes the database.
    pub(super) fn close(self) -> Result<(), Fault> {
        let writer = self.writer.into_inner();
        drop(self.readers);
        let busy: i64 =
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(Fault::Known(MemoryError::Busy(self.place.pool.clone())));
        }
        writer.close().map_err(|(_, error)| error)?;
        Ok(())
    }

    /// Says that items were stored.
    pub(super) fn note_stored(&self) {
        self.stored.fetch_add(1, Ordering::AcqRel);
    }

    /// What `missing` finds for `model`, which is not asked while it is known to find nothing.
    pub(super) fn unless_caught_up<T>(
        &self,
        model: &str,
        missing: impl FnOnce() -> Result<Vec<T>, Fault>,
    ) -> Result<Vec<T>, Fault> {
        // Read before looking: what is stored meanwhile makes the answer stale, not wrong.
        let now = (model.to_owned(), self.stored.load(Ordering::Acquire));
        if self.caught_up.lock().as_ref() == Some(&now) {
            return Ok(Vec::new());
        }
        let missing = missing()?;
        if missing.is_empty() {
            *self.caught_up.lock() = Some(now);
        }
        Ok(missing)
    }
}
