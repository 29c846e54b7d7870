//! The committer: one thread that syncs what was written, for everybody at once, keeps a spare segment ready,
//! and removes old segments once what was carried out of them is durable.
//!
//! A sync that somebody waits for starts at once and takes along all that was written before it. What
//! nobody waits for is synced within [`IDLE_SYNC`], which bounds what a loss of power can take. A failed
//! sync is final: the operating system may have dropped the pages it could not write, so trying again
//! would lie.

use std::{
    collections::VecDeque,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::watch;

use super::{Lsn, disk::Disk, mark::MarkFile, segment};

/// The longest that written bytes stay unsynced.
const IDLE_SYNC: Duration = Duration::from_secs(1);
/// How long after a failure the next attempt to make a spare comes.
const SPARE_RETRY: Duration = Duration::from_millis(500);
/// How long after a failure the next attempt to remove a segment comes.
const REMOVE_RETRY: Duration = Duration::from_secs(10);

/// How far the disk holds the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything before it is durable.
    Durable(Lsn),
    /// A sync failed; nothing further will become durable.
    Failed(Arc<str>),
}

/// The writer's handle to the committer. Dropping it syncs what is left and ends the thread.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    spare_bytes: u64,
    mark: MarkFile,
    /// Bytes of the segments that are to be removed.
    leaving: AtomicU64,
    written: AtomicU64,
    /// There are bytes that were written after the last sync began, and the thread was told of the first of them.
    dirty: AtomicBool,
    state: Mutex<State>,
    wake: Condvar,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
struct State {
    /// Somebody waits for this.
    wanted: Lsn,
    durable: Lsn,
    /// Segments with unsynced bytes, oldest first; the last one is being written.
    files: VecDeque<Arc<File>>,
    /// A segment was made whose name is not durable yet.
    names_changed: bool,
    /// Segments that are to be removed, oldest first. One that cannot be removed holds up those behind it: with
    /// a segment missing between two others the journal would not open again.
    leaving: VecDeque<Leaving>,
    /// When a segment could not be removed.
    stuck: Option<Instant>,
    spare: Spare,
    stop: bool,
}

/// A segment that is to be removed.
#[derive(Debug)]
struct Leaving {
    path: PathBuf,
    bytes: u64,
    /// Everything before it is durable first: what was carried over from the segment lies there.
    until: Lsn,
}

#[derive(Debug)]
enum Spare {
    /// Not wanted: the journal is at its bound.
    Off,
    Wanted,
    Ready(File),
    Failed {
        why: String,
        at: Instant,
    },
}

impl Committer {
    /// Starts the thread. Everything before `durable` is on disk; `file` is being written.
    pub(super) fn start(
        dir: &Path,
        spare_bytes: u64,
        mark: MarkFile,
        durable: Lsn,
        file: Arc<File>,
        disk: Arc<dyn Disk>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            disk,
            spare_bytes,
            mark,
            leaving: AtomicU64::new(0),
            written: AtomicU64::new(durable.0),
            dirty: AtomicBool::new(false),
            state: Mutex::new(State {
                wanted: durable,
                durable,
                files: VecDeque::from([file]),
                names_changed: true,
                leaving: VecDeque::new(),
                stuck: None,
                spare: Spare::Off,
                stop: false,
            }),
            wake: Condvar::new(),
            progress: watch::Sender::new(Progress::Durable(durable)),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || theirs.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Tells that everything before `written` was handed to the operating system, and whether somebody
    /// waits for it to be durable.
    pub(super) fn written(&self, written: Lsn, wanted: bool) {
        self.shared.written.store(written.0, Ordering::Release);
        if wanted {
            self.shared.state.lock().wanted = written;
            self.shared.wake.notify_one();
        } else if !self.shared.dirty.swap(true, Ordering::AcqRel) {
            // Under the lock, so that the thread is either before its look at the flag or asleep.
            drop(self.shared.state.lock());
            self.shared.wake.notify_one();
        }
    }

    /// A new segment is being written.
    pub(super) fn rolled(&self, file: Arc<File>) {
        let mut state = self.shared.state.lock();
        state.files.push_back(file);
        state.names_changed = true;
    }

    /// Has a segment removed as soon as everything before `until` is durable.
    pub(super) fn leave(&self, path: PathBuf, bytes: u64, until: Lsn) {
        self.shared.leaving.fetch_add(bytes, Ordering::AcqRel);
        let mut state = self.shared.state.lock();
        state.leaving.push_back(Leaving { path, bytes, until });
        self.shared.wake.notify_one();
    }

    /// Bytes of the segments that are to be removed and are still there.
    pub(super) fn leaving(&self) -> u64 {
        self.shared.leaving.load(Ordering::Acquire)
    }

    /// Whether a spare should be kept ready.
    pub(super) fn want_spare(&self, wanted: bool) {
        let mut state = self.shared.state.lock();
        match (&state.spare, wanted) {
            (Spare::Off, true) => {
                state.spare = Spare::Wanted;
                self.shared.wake.notify_one();
            }
            (Spare::Wanted | Spare::Failed { .. }, false) => state.spare = Spare::Off,
            _ => {}
        }
    }

    /// Takes the spare; makes one at once where none is ready. `Err` says why there is no room.
    pub(super) fn take_spare(&self) -> std::io::Result<File> {
        let mut state = self.shared.state.lock();
        if let Spare::Ready(file) = std::mem::replace(&mut state.spare, Spare::Off) {
            return Ok(file);
        }
        segment::make_spare(&self.shared.dir, self.shared.spare_bytes)
    }

    /// Whether a spare is ready or being made; `Err` says why there is none.
    pub(super) fn spare(&self) -> Result<(), String> {
        match &self.shared.state.lock().spare {
            Spare::Failed { why, .. } => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// How far the disk holds the journal, now and whenever it changes.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        segment::remove_spare(&self.shared.dir);
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        let mut dirty_since: Option<Instant> = None;
        loop {
            if dirty_since.is_none() && self.dirty.load(Ordering::Acquire) {
                dirty_since = Some(Instant::now());
            }
            let written = Lsn(self.written.load(Ordering::Acquire));
            let overdue = dirty_since.is_some_and(|since| since.elapsed() >= IDLE_SYNC);
            let awaited = state.wanted > state.durable || state.stop;
            if overdue || (awaited && written > state.durable) {
                dirty_since = None;
                let Some(next) = self.sync(state) else { return };
                state = next;
            } else if state.removal_is_due() {
                state = self.remove(state);
            } else if state.stop {
                return;
            } else if state.spare.due() {
                state = self.make_spare(state);
            } else {
                let timeout = [
                    dirty_since.map(|since| IDLE_SYNC.saturating_sub(since.elapsed())),
                    state.spare.retry_in(),
                    state.remove_in(),
                ]
                .into_iter()
                .flatten()
                .min();
                match timeout {
                    Some(timeout) => drop(self.wake.wait_for(&mut state, timeout)),
                    None => self.wake.wait(&mut state),
                }
            }
        }
    }

    /// Syncs all that is written. `None` when that failed.
    fn sync<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Option<MutexGuard<'a, State>> {
        // In this order: what is written from here on is in `target`, or tells the thread again.
        self.dirty.swap(false, Ordering::AcqRel);
        let target = Lsn(self.written.load(Ordering::Acquire));
        let files: Vec<_> = state.files.iter().cloned().collect();
        let names_changed = std::mem::take(&mut state.names_changed);
        drop(state);
        let synced = files
            .iter()
            .try_for_each(|file| self.disk.sync(file))
            .and_then(|()| match names_changed {
                true => self.disk.sync_dir(&self.dir),
                false => Ok(()),
            });
        if let Err(error) = synced {
            let why = format!("cannot sync the journal in {}: {error}", self.dir.display());
            self.progress.send_replace(Progress::Failed(why.into()));
            return None;
        }
        self.mark.note(target);
        let mut state = self.state.lock();
        state.durable = target;
        // All but the last of those synced are complete; newer ones may have joined meanwhile.
        state.files.drain(..files.len().saturating_sub(1));
        self.progress.send_replace(Progress::Durable(target));
        Some(state)
    }

    /// Removes the oldest segment that is to go. Its name is durably gone before the next one's turn comes.
    fn remove<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(oldest) = state.leaving.front() else {
            return state;
        };
        let (path, bytes) = (oldest.path.clone(), oldest.bytes);
        drop(state);
        let removed = match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => self.disk.sync_dir(&self.dir),
        };
        let mut state = self.state.lock();
        match removed {
            Ok(()) => {
                state.leaving.pop_front();
                state.stuck = None;
                self.leaving.fetch_sub(bytes, Ordering::AcqRel);
            }
            Err(error) => {
                if state.stuck.is_none() {
                    tracing::warn!(segment = %path.display(), %error, "an old segment of the journal cannot be removed; it is tried again");
                }
                state.stuck = Some(Instant::now());
            }
        }
        state
    }

    fn make_spare<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        // Under the lock: `take_spare` must not make the same file at the same time.
        let mut state = state;
        state.spare = match segment::make_spare(&self.dir, self.spare_bytes) {
            Ok(file) => Spare::Ready(file),
            Err(error) => Spare::Failed {
                why: error.to_string(),
                at: Instant::now(),
            },
        };
        state
    }
}

impl State {
    fn removal_is_due(&self) -> bool {
        self.remove_in().is_some_and(|pause| pause.is_zero())
    }

    /// When the oldest segment that is to go is to be tried; `None` while something else must come first.
    fn remove_in(&self) -> Option<Duration> {
        let oldest = self.leaving.front()?;
        let pause = match self.stuck {
            Some(at) => REMOVE_RETRY.saturating_sub(at.elapsed()),
            None => Duration::ZERO,
        };
        (oldest.until <= self.durable).then_some(pause)
    }
}

impl Spare {
    fn due(&self) -> bool {
        match self {
            Self::Wanted => true,
            Self::Failed { at, .. } => at.elapsed() >= SPARE_RETRY,
            _ => false,
        }
    }

    fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Failed { at, .. } => Some(SPARE_RETRY.saturating_sub(at.elapsed())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::Machine;

    /// Longer than the thread takes to see that it was told something.
    const SEEN: Duration = Duration::from_millis(200);

    #[test]
    fn between_two_syncs_the_thread_is_told_of_the_first_batch_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = Arc::new(File::create(dir.path().join("segment")).unwrap());
        let mark = MarkFile::open(dir.path()).unwrap();
        let disk = Arc::new(Machine);
        let committer = Committer::start(dir.path(), 0, mark, Lsn(0), file, disk).unwrap();
        let mut progress = committer.progress();
        committer.written(Lsn(1), false);
        std::thread::sleep(SEEN);
        assert!(
            committer.shared.dirty.load(Ordering::Acquire),
            "the next batch wakes the thread for nothing"
        );
        committer.written(Lsn(2), false);
        let until = Instant::now() + 10 * IDLE_SYNC;
        while *progress.borrow_and_update() != Progress::Durable(Lsn(2)) {
            assert!(
                Instant::now() < until,
                "what nobody waits for was not synced"
            );
            std::thread::sleep(SEEN);
        }
        assert!(!committer.shared.dirty.load(Ordering::Acquire));
    }
}
