//! The committer: one thread that syncs what was written, for everybody at once, and keeps a spare
//! segment ready.
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
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{Lsn, mark::MarkFile, segment};

/// The longest that written bytes stay unsynced.
const IDLE_SYNC: Duration = Duration::from_secs(1);
/// How long after a failure the next attempt to make a spare comes.
const SPARE_RETRY: Duration = Duration::from_millis(500);

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
    spare_bytes: u64,
    mark: MarkFile,
    written: AtomicU64,
    /// Written bytes that nobody has told the thread about yet are only behind `written` while this is set.
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
    spare: Spare,
    stop: bool,
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
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            spare_bytes,
            mark,
            written: AtomicU64::new(durable.0),
            dirty: AtomicBool::new(false),
            state: Mutex::new(State {
                wanted: durable,
                durable,
                files: VecDeque::from([file]),
                names_changed: true,
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
            self.shared.lock().wanted = written;
            self.shared.wake.notify_one();
        } else if !self.shared.dirty.swap(true, Ordering::AcqRel) {
            // Under the lock, so that the thread is either before its look at the flag or asleep.
            drop(self.shared.lock());
            self.shared.wake.notify_one();
        }
    }

    /// A new segment is being written.
    pub(super) fn rolled(&self, file: Arc<File>) {
        let mut state = self.shared.lock();
        state.files.push_back(file);
        state.names_changed = true;
    }

    /// Whether a spare should be kept ready.
    pub(super) fn want_spare(&self, wanted: bool) {
        let mut state = self.shared.lock();
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
        let mut state = self.shared.lock();
        if let Spare::Ready(file) = std::mem::replace(&mut state.spare, Spare::Off) {
            return Ok(file);
        }
        segment::make_spare(&self.shared.dir, self.shared.spare_bytes)
    }

    /// Whether a spare is ready or being made; `Err` says why there is none.
    pub(super) fn spare(&self) -> Result<(), String> {
        match &self.shared.lock().spare {
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
        self.shared.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        segment::remove_spare(&self.shared.dir);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        let mut dirty_since: Option<Instant> = None;
        loop {
            if self.dirty.swap(false, Ordering::AcqRel) && dirty_since.is_none() {
                dirty_since = Some(Instant::now());
            }
            let written = Lsn(self.written.load(Ordering::Acquire));
            let overdue = dirty_since.is_some_and(|since| since.elapsed() >= IDLE_SYNC);
            if written > state.durable && (state.wanted > state.durable || overdue || state.stop) {
                dirty_since = None;
                let Some(next) = self.sync(state) else { return };
                state = next;
            } else if state.stop {
                return;
            } else if state.spare.due() {
                state = self.make_spare(state);
            } else {
                let timeout = [
                    dirty_since.map(|since| IDLE_SYNC.saturating_sub(since.elapsed())),
                    state.spare.retry_in(),
                ]
                .into_iter()
                .flatten()
                .min();
                state = match timeout {
                    Some(timeout) => {
                        self.wake
                            .wait_timeout(state, timeout)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                    None => self
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner),
                };
            }
        }
    }

    /// Syncs all that is written. `None` when that failed.
    fn sync<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Option<MutexGuard<'a, State>> {
        let target = Lsn(self.written.load(Ordering::Acquire));
        let files: Vec<_> = state.files.iter().cloned().collect();
        let names_changed = std::mem::take(&mut state.names_changed);
        drop(state);
        let synced = files
            .iter()
            .try_for_each(|file| file.sync_data())
            .and_then(|()| match names_changed {
                true => segment::sync_dir(&self.dir),
                false => Ok(()),
            });
        if let Err(error) = synced {
            let why = format!("cannot sync the journal in {}: {error}", self.dir.display());
            self.progress.send_replace(Progress::Failed(why.into()));
            return None;
        }
        self.mark.note(target);
        let mut state = self.lock();
        state.durable = target;
        // All but the last of those synced are complete; newer ones may have joined meanwhile.
        state.files.drain(..files.len().saturating_sub(1));
        self.progress.send_replace(Progress::Durable(target));
        Some(state)
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
