//! Opening: the lock, the newest good snapshot, the facts behind it, and what to make of damage.
//!
//! | where the damage is | the machine ran through | verdict |
//! |---|---|---|
//! | before the mark | – | refused: it had been synced, somebody relied on it |
//! | behind the mark, an intact frame follows | yes | refused: a process that dies tears only the tail |
//! | behind the mark, an intact frame follows | no | tail lost with the power: cut, said aloud |
//! | behind the mark, nothing intact follows | – | torn tail: cut, said aloud |

use std::{
    collections::HashMap,
    fs,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use aion_kernel::BodyDigest;
use rustix::fs::{FlockOperation, flock};

use super::{
    Journal, JournalError, Lsn,
    commit::Committer,
    disk::{Disk, Machine},
    frame::{self, Kind, Parsed},
    mark::{self, Mark, MarkFile},
    segment::{self, FORMAT, Found, Head},
    snapshot,
    writer::{Current, Place, Sealed},
};

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its directory; made where it is missing.
    pub dir: PathBuf,
    /// Bytes of a segment; as much room is allocated ahead.
    pub segment_bytes: u64,
    /// How much history stays behind the snapshots; twice this is the bound of the whole.
    pub keep_bytes: u64,
}

/// What recovery found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The newest state that could be read, and its position.
    pub snapshot: Option<(Lsn, Vec<u8>)>,
    /// The facts behind it: lines of JSON, in order, a frame each.
    pub facts: Vec<Vec<u8>>,
    /// What a person should know.
    pub report: Report,
}

/// What recovery did, in words.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// One line each; empty when all was well.
    pub notes: Vec<String>,
    /// Bytes cut off the end.
    pub cut: u64,
}

/// Opens the journal for its one owner.
///
/// # Errors
/// See [`JournalError`]; the files are left as they are, but for a torn tail.
pub fn open(options: &Options) -> Result<(Journal, Recovered), JournalError> {
    open_on(options, Arc::new(Machine))
}

/// As [`open`], on any disk.
pub(super) fn open_on(
    options: &Options,
    disk: Arc<dyn Disk>,
) -> Result<(Journal, Recovered), JournalError> {
    let dir = &options.dir;
    fs::create_dir_all(dir).map_err(JournalError::io("create", dir))?;
    let lock = lock(dir)?;
    segment::remove_spare(dir);
    let mark = mark::read(dir)?;
    let mut recovered = Recovered::default();
    recovered.snapshot = newest_snapshot(dir, &mut recovered.report)?;
    let from = recovered.snapshot.as_ref().map_or(Lsn(0), |(at, _)| *at);
    let mut scan = Scan {
        dir,
        disk: &*disk,
        mark,
        from,
        facts: Vec::new(),
        bodies: HashMap::new(),
        sealed: Vec::new(),
        report: &mut recovered.report,
    };
    scan.all()?;
    let Scan {
        facts,
        bodies,
        mut sealed,
        ..
    } = scan;
    recovered.facts = facts;

    let current = match sealed.pop() {
        Some(last) => reopen(last, options.segment_bytes)?,
        None => first(options)?,
    };
    // What another process wrote and did not sync is as good as not written, until it is synced here.
    let promised = mark.map_or(Lsn(0), |mark| mark.durable);
    for it in sealed.iter().filter(|it| it.end > promised) {
        File::open(&it.path)
            .and_then(|file| disk.sync(&file))
            .map_err(JournalError::io("sync", &it.path))?;
    }
    disk.sync(&current.file)
        .and_then(|()| disk.sync_dir(dir))
        .map_err(JournalError::io("sync", &current.path))?;
    let mark_file = MarkFile::open(dir)?;
    let end = Lsn(current.base.0 + current.written);
    mark_file.note(end);
    if mark.is_none() {
        mark_file.settle(dir, &*disk)?;
    }
    let committer = Committer::start(
        dir,
        options.segment_bytes,
        mark_file,
        end,
        Arc::clone(&current.file),
        Arc::clone(&disk),
    )
    .map_err(JournalError::io("start the sync thread for", dir))?;
    let journal = Journal {
        dir: dir.clone(),
        segment_bytes: options.segment_bytes,
        keep_bytes: options.keep_bytes,
        current,
        sealed,
        bodies,
        committer,
        disk,
        _lock: lock,
    };
    journal.plan_spare();
    Ok((journal, recovered))
}

/// A node that was killed holds its lock until the last of its threads is gone, though its process shows as ended
/// before: one that is started right after waits for that.
const LEAVING: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(JournalError::io("open", &path))?;
    let until = Instant::now() + LEAVING;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                std::thread::sleep(LOOK);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(JournalError::Locked {
                    dir: dir.to_owned(),
                });
            }
            Err(error) => return Err(JournalError::io("lock", path)(error.into())),
        }
    }
}

fn newest_snapshot(
    dir: &Path,
    report: &mut Report,
) -> Result<Option<(Lsn, Vec<u8>)>, JournalError> {
    for (at, path) in snapshot::list(dir)? {
        match snapshot::read(&path) {
            Ok(state) => return Ok(Some((at, state))),
            Err(why) => report.notes.push(format!(
                "snapshot {} cannot be read ({why}); recovering from an older one",
                path.display()
            )),
        }
    }
    Ok(None)
}

fn reopen(last: Sealed, segment_bytes: u64) -> Result<Current, JournalError> {
    let file = File::options()
        .read(true)
        .write(true)
        .open(&last.path)
        .map_err(JournalError::io("open", &last.path))?;
    segment::allocate(&file, segment_bytes);
    Ok(Current {
        base: last.base,
        file: Arc::new(file),
        written: last.end.0 - last.base.0,
        path: last.path,
    })
}

/// The first segment of a new journal.
fn first(options: &Options) -> Result<Current, JournalError> {
    let base = Lsn(0);
    let head = segment::head(base);
    let made = segment::make_spare(&options.dir, options.segment_bytes).and_then(|file| {
        file.write_all_at(&head, 0)?;
        Ok((file, segment::adopt(&options.dir, base)?))
    });
    let (file, path) = made.map_err(JournalError::io("make a segment in", &options.dir))?;
    Ok(Current {
        base,
        path,
        file: Arc::new(file),
        written: head.len() as u64,
    })
}

/// A walk over all segments.
struct Scan<'a> {
    dir: &'a Path,
    disk: &'a dyn Disk,
    mark: Option<Mark>,
    from: Lsn,
    facts: Vec<Vec<u8>>,
    bodies: HashMap<BodyDigest, Place>,
    sealed: Vec<Sealed>,
    report: &'a mut Report,
}

impl Scan<'_> {
    /// Reads every segment.
    fn all(&mut self) -> Result<(), JournalError> {
        let segments = segment::list(self.dir)?;
        let mut end = segments.first().map_or(Lsn(0), |first| first.base);
        if end > self.from {
            return Err(JournalError::Gap {
                from: self.from,
                to: end,
                file: segment::path(self.dir, self.from),
            });
        }
        for (index, found) in segments.iter().enumerate() {
            if found.base != end {
                return Err(JournalError::Gap {
                    from: end,
                    to: found.base,
                    file: segments[index.saturating_sub(1)].path.clone(),
                });
            }
            let bytes = fs::read(&found.path).map_err(JournalError::io("read", &found.path))?;
            let (good, damage) = self.one(found, &bytes)?;
            end = Lsn(found.base.0 + good as u64);
            if let Some(what) = damage {
                self.judge(found, &bytes, good, what, &segments[index + 1..])?;
                self.cut(found, good, &segments[index + 1..])?;
                break;
            }
        }
        // A segment whose head was torn off is gone altogether.
        self.sealed.retain(|it| it.end > it.base);
        // A snapshot is stored only once the facts it covers are.
        let durable = self.mark.map_or(Lsn(0), |mark| mark.durable).max(self.from);
        if end < durable {
            return Err(JournalError::Gap {
                from: end,
                to: durable,
                file: segments
                    .last()
                    .map_or_else(|| segment::path(self.dir, end), |last| last.path.clone()),
            });
        }
        Ok(())
    }

    /// Reads one segment; gives how many bytes are good, and what is wrong with those behind.
    fn one(
        &mut self,
        found: &Found,
        bytes: &[u8],
    ) -> Result<(usize, Option<&'static str>), JournalError> {
        let mut at = 0;
        let damage = loop {
            match frame::parse(&bytes[at..]) {
                Parsed::End if at == 0 => break Some("the segment is empty"),
                Parsed::End => break None,
                Parsed::Damaged(what) => break Some(what),
                Parsed::Frame {
                    kind: Kind::Head,
                    payload,
                    size,
                } if at == 0 => {
                    check_head(found, payload)?;
                    at += size;
                }
                Parsed::Frame {
                    kind: Kind::Facts,
                    payload,
                    size,
                } if at > 0 => {
                    if found.base.0 + at as u64 >= self.from.0 {
                        self.facts.push(payload.to_vec());
                    }
                    at += size;
                }
                Parsed::Frame {
                    kind: Kind::Blob,
                    payload,
                    size,
                } if at > 0 => {
                    if let Some((digest, body)) = payload.split_first_chunk::<32>() {
                        let place = Place {
                            segment: found.base,
                            offset: (at + frame::HEADER + digest.len()) as u64,
                            length: body.len(),
                        };
                        self.bodies.insert(BodyDigest(*digest), place);
                    }
                    at += size;
                }
                Parsed::Frame { .. } => break Some("the frame does not belong here"),
            }
        };
        self.sealed.push(Sealed {
            base: found.base,
            end: Lsn(found.base.0 + at as u64),
            path: found.path.clone(),
        });
        Ok((at, damage))
    }

    /// The table at the head of this file.
    fn judge(
        &self,
        found: &Found,
        bytes: &[u8],
        good: usize,
        what: &str,
        later: &[Found],
    ) -> Result<(), JournalError> {
        let at = Lsn(found.base.0 + good as u64);
        let synced = self.mark.is_some_and(|mark| at < mark.durable);
        let same_run = self
            .mark
            .is_none_or(|mark| mark.boot != [0; 16] && mark.boot == mark::boot_id());
        if synced || (same_run && followed(bytes.get(good + 1..).unwrap_or_default(), later)?) {
            return Err(JournalError::Corrupt {
                file: found.path.clone(),
                offset: good as u64,
                what: what.to_owned(),
            });
        }
        Ok(())
    }

    fn cut(&mut self, found: &Found, good: usize, later: &[Found]) -> Result<(), JournalError> {
        let size = |path: &Path| fs::metadata(path).map_or(0, |it| it.len());
        let lost =
            (size(&found.path) - good as u64) + later.iter().map(|it| size(&it.path)).sum::<u64>();
        self.report.cut += lost;
        self.report.notes.push(format!(
            "cut {lost} bytes off the end of the journal, at byte {good} of {}: they were being written when \
             the daemon or the machine stopped, and nothing that was acknowledged as durable is among them",
            found.path.display()
        ));
        // From the end on, each for good: a segment behind a gap would be refused.
        for it in later.iter().rev() {
            self.remove(&it.path)?;
        }
        if good == 0 {
            return self.remove(&found.path);
        }
        File::options()
            .write(true)
            .open(&found.path)
            .and_then(|file| file.set_len(good as u64))
            .map_err(JournalError::io("cut", &found.path))
    }

    fn remove(&self, path: &Path) -> Result<(), JournalError> {
        self.disk
            .remove(path)
            .and_then(|()| self.disk.sync_dir(self.dir))
            .map_err(JournalError::io("remove", path))
    }
}

/// Whether an intact frame stands in `rest` or in a later segment.
fn followed(rest: &[u8], later: &[Found]) -> Result<bool, JournalError> {
    if frame::any_intact(rest) {
        return Ok(true);
    }
    for it in later {
        let bytes = fs::read(&it.path).map_err(JournalError::io("read", &it.path))?;
        if frame::any_intact(&bytes) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn check_head(found: &Found, payload: &[u8]) -> Result<(), JournalError> {
    let corrupt = |what: &str| JournalError::Corrupt {
        file: found.path.clone(),
        offset: 0,
        what: what.to_owned(),
    };
    let head: Head =
        serde_json::from_slice(payload).map_err(|_| corrupt("the head cannot be read"))?;
    for (found_format, known) in [(head.format, FORMAT), (head.facts, aion_kernel::FORMAT)] {
        if found_format > known {
            return Err(JournalError::NewerFormat {
                file: found.path.clone(),
                found: found_format,
                known,
            });
        }
    }
    if head.base != found.base {
        return Err(corrupt("the head names another place than the file's name"));
    }
    Ok(())
}
