//! Appending: one batch, one write; a new segment when the current one is full; old ones forgotten once a
//! snapshot covers them.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_kernel::{BodyDigest, Fact};
use tokio::sync::watch;

use super::{
    AppendError, JournalError, Lsn,
    commit::{Committer, Progress},
    disk::Disk,
    error::is_full,
    frame::{self, Kind},
    segment, snapshot,
};

/// What an empty batch keeps of its memory, in bytes.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// What is to be appended together: bodies first, so that no fact names one that is not there.
#[derive(Debug, Default)]
pub struct Batch {
    bodies: Vec<u8>,
    digests: Vec<(BodyDigest, usize, usize)>,
    facts: Vec<u8>,
    count: usize,
}

impl Batch {
    /// Adds a fact.
    ///
    /// # Errors
    /// A fact that has no JSON form, which is a fault of the kernel's types.
    pub fn fact(&mut self, fact: &Fact) -> Result<(), serde_json::Error> {
        if self.facts.is_empty() {
            frame::begin(&mut self.facts);
        }
        let before = self.facts.len();
        if let Err(error) = serde_json::to_writer(&mut self.facts, fact) {
            self.facts.truncate(before);
            return Err(error);
        }
        self.facts.push(b'\n');
        self.count += 1;
        Ok(())
    }

    /// Adds a body, to be found again by its digest.
    pub fn body(&mut self, digest: BodyDigest, bytes: &[u8]) {
        let start = self.bodies.len() + frame::HEADER + digest.0.len();
        frame::push(&mut self.bodies, Kind::Blob, &[&digest.0, bytes]);
        self.digests.push((digest, start, bytes.len()));
    }

    /// How many facts are in it.
    pub fn facts(&self) -> usize {
        self.count
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.bodies.is_empty()
    }

    fn clear(&mut self) {
        self.bodies.clear();
        self.bodies.shrink_to(KEPT_CAPACITY);
        self.digests.clear();
        self.facts.clear();
        self.count = 0;
    }
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) base: Lsn,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// Bytes in it.
    pub(super) written: u64,
}

/// Where a body is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) segment: Lsn,
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// An older segment.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) base: Lsn,
    pub(super) end: Lsn,
    pub(super) path: PathBuf,
}

/// An open journal. There is one owner; readers of old bodies ask it.
#[derive(Debug)]
pub struct Journal {
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) keep_bytes: u64,
    pub(super) current: Current,
    pub(super) sealed: Vec<Sealed>,
    pub(super) bodies: HashMap<BodyDigest, Place>,
    pub(super) committer: Committer,
    pub(super) disk: Arc<dyn Disk>,
    /// Held as long as the journal is open.
    pub(super) _lock: File,
}

impl Journal {
    /// The position behind the last byte.
    pub fn end(&self) -> Lsn {
        Lsn(self.current.base.0 + self.current.written)
    }

    /// Hands a batch to the operating system in one write, and empties it. After this it survives the end
    /// of the process; `wanted` asks for a sync, whose coming [`Journal::durable`] tells. Returns the end
    /// of the journal.
    ///
    /// # Errors
    /// [`AppendError::Full`] leaves batch and journal as they were.
    pub fn append(&mut self, batch: &mut Batch, wanted: bool) -> Result<Lsn, AppendError> {
        if !batch.is_empty() {
            if !batch.facts.is_empty() {
                frame::finish(&mut batch.facts, 0, Kind::Facts);
            }
            let bodies = batch.bodies.len();
            batch.bodies.extend_from_slice(&batch.facts);
            let appended = self.write(&batch.bodies);
            if appended.is_err() {
                batch.bodies.truncate(bodies);
            }
            let offset = appended?;
            for &(digest, start, length) in &batch.digests {
                let place = Place {
                    segment: self.current.base,
                    offset: offset + start as u64,
                    length,
                };
                self.bodies.insert(digest, place);
            }
            batch.clear();
        }
        let end = self.end();
        self.committer.written(end, wanted);
        Ok(end)
    }

    /// Writes at the end; gives the offset within the segment.
    fn write(&mut self, bytes: &[u8]) -> Result<u64, AppendError> {
        let size = bytes.len() as u64;
        let fits = self.current.written + size <= self.segment_bytes;
        let empty = self.current.written == segment::head(self.current.base).len() as u64;
        if !fits && !empty {
            self.roll()?;
        }
        let offset = self.current.written;
        if let Err(error) = self.current.file.write_all_at(bytes, offset) {
            // What got there is cut off again; should that fail too, the next write goes over it.
            let _ = self.current.file.set_len(offset);
            return Err(self.refused(&error));
        }
        self.current.written += size;
        Ok(offset)
    }

    fn roll(&mut self) -> Result<(), AppendError> {
        let base = self.end();
        let head = segment::head(base);
        let made = self.committer.take_spare().and_then(|file| {
            file.write_all_at(&head, 0)?;
            Ok((Arc::new(file), segment::adopt(&self.dir, base)?))
        });
        let (file, path) = match made {
            Ok(made) => made,
            Err(error) => {
                self.plan_spare();
                return Err(self.refused(&error));
            }
        };
        self.committer.rolled(Arc::clone(&file));
        let next = Current {
            base,
            path,
            file,
            written: head.len() as u64,
        };
        let old = std::mem::replace(&mut self.current, next);
        self.sealed.push(Sealed {
            base: old.base,
            end: base,
            path: old.path,
        });
        self.plan_spare();
        Ok(())
    }

    fn refused(&self, error: &io::Error) -> AppendError {
        if is_full(error) {
            AppendError::Full {
                dir: self.dir.clone(),
                why: error.to_string(),
            }
        } else {
            AppendError::Failed {
                path: self.current.path.clone(),
                why: error.to_string(),
            }
        }
    }

    /// Asks that everything so far becomes durable.
    pub fn sync_now(&self) {
        self.committer.written(self.end(), true);
    }

    /// How many segments there are behind the current one.
    pub fn segments(&self) -> usize {
        self.sealed.len()
    }

    /// Bytes on disk, allocated ones included.
    pub fn size(&self) -> u64 {
        self.kept() + self.committer.leaving()
    }

    /// Bytes of what is to stay.
    pub(super) fn kept(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|it| it.end.0 - it.base.0).sum();
        sealed + self.segment_bytes.max(self.current.written)
    }

    /// Whether new work may be taken on: a segment's worth of room is there beyond what completions of
    /// running work need.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn room(&self) -> Result<(), String> {
        if self.segment_bytes.saturating_sub(self.current.written) >= self.segment_bytes / 2 {
            return Ok(());
        }
        if !self.within_bound() {
            return Err(format!(
                "the journal in {} holds {} bytes, its bound",
                self.dir.display(),
                self.size()
            ));
        }
        self.committer.spare().map_err(|why| {
            format!(
                "no room for another segment of {} bytes in {}: {why}",
                self.segment_bytes,
                self.dir.display()
            )
        })
    }

    fn within_bound(&self) -> bool {
        self.size() + self.segment_bytes <= self.keep_bytes * 2
    }

    pub(super) fn plan_spare(&self) {
        self.committer.want_spare(self.within_bound());
    }

    /// How far the journal is durable, now and whenever it changes.
    pub fn durable(&self) -> Durable {
        Durable(self.committer.progress())
    }

    /// Reads a body back.
    ///
    /// # Errors
    /// Where it is gone or the disk fails.
    pub fn body(&self, digest: BodyDigest) -> io::Result<Vec<u8>> {
        let Some(place) = self.bodies.get(&digest) else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the journal has no body {digest}"),
            ));
        };
        self.read(place)
    }

    fn read(&self, place: &Place) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; place.length];
        if place.segment == self.current.base {
            self.current.file.read_exact_at(&mut bytes, place.offset)?;
        } else {
            let path = segment::path(&self.dir, place.segment);
            File::open(path)?.read_exact_at(&mut bytes, place.offset)?;
        }
        Ok(bytes)
    }

    /// Where a snapshot is to be written, by whoever has the time: see [`SnapshotWriter::write`].
    pub fn snapshot_writer(&self) -> SnapshotWriter {
        SnapshotWriter {
            dir: self.dir.clone(),
            disk: Arc::clone(&self.disk),
        }
    }

    /// Forgets the oldest segments that the snapshots cover, down to the bound for history. Bodies that
    /// are still `live` are first carried over into the current segment; the committer removes the files
    /// once that is durable.
    ///
    /// # Errors
    /// Where a body cannot be carried over; nothing was forgotten then that is needed.
    pub fn prune(&mut self, live: &HashSet<BodyDigest>) -> Result<(), AppendError> {
        let listed = snapshot::list(&self.dir).unwrap_or_default();
        // The older of the two snapshots must still have all facts behind it.
        let Some((covered, _)) = listed.last().filter(|_| listed.len() > 1) else {
            return Ok(());
        };
        while self.kept() > self.keep_bytes
            && let Some(oldest) = self.sealed.first()
            && oldest.end <= *covered
        {
            let base = oldest.base;
            let until = self.carry(base, live)?;
            let gone = self.sealed.remove(0);
            let bytes = gone.end.0 - gone.base.0;
            self.committer.leave(gone.path, bytes, until);
            self.bodies.retain(|_, place| place.segment != base);
        }
        self.plan_spare();
        Ok(())
    }

    /// Appends the live bodies of a segment again; gives the position that they lie before.
    fn carry(&mut self, from: Lsn, live: &HashSet<BodyDigest>) -> Result<Lsn, AppendError> {
        let mut batch = Batch::default();
        for (digest, place) in &self.bodies {
            if place.segment == from && live.contains(digest) {
                let bytes = self.read(place).map_err(|error| self.refused(&error))?;
                batch.body(*digest, &bytes);
            }
        }
        self.append(&mut batch, true)
    }
}

/// Writes snapshots, away from the journal's owner.
#[derive(Debug, Clone)]
pub struct SnapshotWriter {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

impl SnapshotWriter {
    /// Writes the state as it was at `at`. Blocks for a sync.
    ///
    /// # Errors
    /// Where the disk refuses; the journal is none the worse.
    pub fn write(&self, at: Lsn, state: &[u8]) -> Result<(), JournalError> {
        snapshot::write(&self.dir, at, state, &*self.disk)
    }

    /// Where it writes.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Tells how far a journal is durable.
#[derive(Debug, Clone)]
pub struct Durable(watch::Receiver<Progress>);

impl Durable {
    /// How far now.
    ///
    /// # Errors
    /// A sync failed: nothing more becomes durable.
    pub fn now(&mut self) -> Result<Lsn, String> {
        match &*self.0.borrow_and_update() {
            Progress::Durable(lsn) => Ok(*lsn),
            Progress::Failed(why) => Err(why.to_string()),
        }
    }

    /// Waits until everything before `at` is durable; answers how far it is then.
    ///
    /// # Errors
    /// A sync failed, or the journal was closed: it will not be.
    pub async fn reached(&mut self, at: Lsn) -> Result<Lsn, String> {
        let mut durable = self.now()?;
        while durable < at {
            durable = self.changed().await?;
        }
        Ok(durable)
    }

    /// Waits for a change. Safe to drop and call again.
    ///
    /// # Errors
    /// A sync failed, or the journal was closed.
    pub async fn changed(&mut self) -> Result<Lsn, String> {
        match self.0.changed().await {
            Ok(()) => self.now(),
            Err(_) => Err("the journal was closed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_a_failed_sync_left_behind_is_never_reached() {
        let (progress, told) = watch::channel(Progress::Durable(Lsn(5)));
        let mut durable = Durable(told);
        assert_eq!(durable.reached(Lsn(5)).await, Ok(Lsn(5)));
        let mut later = durable.clone();
        let later = tokio::spawn(async move { later.reached(Lsn(9)).await });
        // It waits by now.
        tokio::task::yield_now().await;
        progress.send_replace(Progress::Failed("no disk".into()));
        assert_eq!(later.await.unwrap(), Err("no disk".to_owned()));
        assert_eq!(durable.reached(Lsn(9)).await, Err("no disk".to_owned()));
    }

    #[tokio::test]
    async fn what_is_not_durable_as_the_journal_closes_is_never_reached() {
        let (progress, told) = watch::channel(Progress::Durable(Lsn(5)));
        drop(progress);
        assert!(Durable(told).reached(Lsn(9)).await.is_err());
    }
}
