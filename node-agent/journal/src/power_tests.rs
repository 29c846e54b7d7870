//! The journal against a loss of power: what a disk holds then is what was synced, and no more.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_kernel::BodyDigest;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::{
    disk::{Disk, Machine},
    mark::{self, MarkFile},
    open::open_on,
    tests::{append, boot_again, folded, options},
    *,
};

/// A disk that knows what a loss of power would leave of it.
#[derive(Debug)]
struct Watched {
    dir: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The bytes of each file at its last sync, by inode.
    bytes: HashMap<u64, Vec<u8>>,
    /// The names of the folder at its last sync.
    names: BTreeMap<OsString, u64>,
    /// What a loss of power would have left right after each removal.
    after_removals: Vec<TempDir>,
}

impl Watched {
    /// What is in `dir` has names, and no bytes but those that `synced` says.
    fn new(dir: &Path, synced: &[(&Path, usize)]) -> Arc<Self> {
        let mut kept = Kept {
            names: names(dir),
            ..Kept::default()
        };
        for (path, length) in synced {
            let bytes = fs::read(path).unwrap()[..*length].to_vec();
            kept.bytes.insert(fs::metadata(path).unwrap().ino(), bytes);
        }
        Arc::new(Self {
            dir: dir.to_owned(),
            kept: Mutex::new(kept),
        })
    }

    /// The folder after a loss of power at this moment. The mark is written without a sync: it may be there
    /// as it was written last.
    fn loss(&self, kept: &Kept) -> TempDir {
        let left = tempfile::tempdir().unwrap();
        for (name, inode) in &kept.names {
            let bytes = kept.bytes.get(inode).cloned().unwrap_or_default();
            fs::write(left.path().join(name), bytes).unwrap();
        }
        if kept.names.contains_key(&OsString::from("mark")) {
            fs::copy(self.dir.join("mark"), left.path().join("mark")).unwrap();
        }
        left
    }
}

fn names(dir: &Path) -> BTreeMap<OsString, u64> {
    // What is renamed or removed this moment has no name that counts.
    let inode = |it: &fs::DirEntry| Some(it.metadata().ok()?.ino());
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .filter_map(|it| Some((it.file_name(), inode(&it)?)))
        .collect()
}

impl Disk for Watched {
    fn sync(&self, file: &File) -> io::Result<()> {
        Machine.sync(file)?;
        let bytes = fs::read(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let inode = file.metadata()?.ino();
        self.kept.lock().bytes.insert(inode, bytes);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut kept = self.kept.lock();
        Machine.sync_dir(dir)?;
        kept.names = names(dir);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut kept = self.kept.lock();
        Machine.remove(path)?;
        // A removal may reach the disk at once.
        kept.names.remove(path.file_name().unwrap());
        let left = self.loss(&kept);
        kept.after_removals.push(left);
        Ok(())
    }
}

/// Waits until everything is durable.
fn settle(journal: &mut Journal) {
    let mut durable = journal.durable();
    let end = journal.append(&mut Batch::default(), true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        while durable.now().unwrap() < end {
            durable.changed().await.unwrap();
        }
    });
}

#[test]
fn a_segment_goes_when_what_was_carried_out_of_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Watched::new(dir.path(), &[]);
    let (mut journal, _) = open_on(&options(dir.path()), Arc::clone(&disk) as _).unwrap();
    let live: HashSet<BodyDigest> = (0..5).map(|n| BodyDigest([n; 32])).collect();
    let mut batch = Batch::default();
    for digest in &live {
        batch.body(*digest, &digest.0);
    }
    journal.append(&mut batch, false).unwrap();
    for at in 0..1_000 {
        append(&mut journal, at..at + 1);
        if at % 50 == 0 {
            settle(&mut journal);
            let end = journal.end();
            journal.snapshot_writer().write(end, b"{}").unwrap();
            journal.prune(&live).unwrap();
        }
    }
    drop(journal);
    let kept = disk.kept.lock();
    assert!(kept.after_removals.len() > 10);
    for left in &kept.after_removals {
        let (journal, _) = open(&options(left.path())).unwrap();
        for digest in &live {
            assert_eq!(journal.body(*digest).unwrap(), digest.0);
        }
    }
}

/// As a daemon leaves it that is killed right after it went on to another segment.
#[test]
fn what_another_process_left_unsynced_is_durable_before_it_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let synced = append(&mut journal, 0..3);
    for at in 3..200 {
        append(&mut journal, at..at + 1);
    }
    drop(journal);
    let first = segment::path(dir.path(), Lsn(0));
    assert!(segment::list(dir.path()).unwrap().len() > 2);
    MarkFile::open(dir.path()).unwrap().note(synced);

    let disk = Watched::new(dir.path(), &[(&first, synced.0 as usize)]);
    let (_journal, recovered) = open_on(&options(dir.path()), Arc::clone(&disk) as _).unwrap();
    let all: Vec<u64> = (0..200).collect();
    assert_eq!(folded(&recovered), all);
    let left = disk.loss(&disk.kept.lock());
    boot_again(left.path());
    let (_again, recovered) = open(&options(left.path())).unwrap();
    assert_eq!(folded(&recovered), all);
}

#[test]
fn a_new_journal_survives_a_loss_of_power_before_its_first_sync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Watched::new(dir.path(), &[]);
    let (mut journal, _) = open_on(&options(dir.path()), Arc::clone(&disk) as _).unwrap();
    let left = disk.loss(&disk.kept.lock());
    let mark = mark::read(left.path()).unwrap().unwrap();
    assert_eq!(mark.durable, journal.end());

    // Of two frames that nobody synced, the second reached the disk.
    let second = append(&mut journal, 0..1);
    append(&mut journal, 1..2);
    let name = segment::path(Path::new(""), Lsn(0));
    let mut bytes = fs::read(dir.path().join(&name)).unwrap();
    let lost = mark.durable.0 as usize..second.0 as usize;
    bytes[lost].fill(0);
    fs::write(left.path().join(&name), bytes).unwrap();
    boot_again(left.path());
    let (_journal, recovered) = open(&options(left.path())).unwrap();
    assert!(folded(&recovered).is_empty());
    assert!(recovered.report.cut > 0);
}

#[test]
fn what_cannot_be_read_is_not_taken_for_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let good = append(&mut journal, 0..1);
    for at in 1..200 {
        append(&mut journal, at..at + 1);
    }
    drop(journal);
    let segments = segment::list(dir.path()).unwrap();
    let (first, last) = (&segments[0].path, &segments[segments.len() - 1].path);
    let mut bytes = fs::read(first).unwrap();
    bytes[good.0 as usize + frame::HEADER] ^= 1;
    fs::write(first, &bytes).unwrap();
    bytes.truncate(good.0 as usize + frame::HEADER + 1);

    // A mark that cannot be read: what it promised is not cut.
    let mark = dir.path().join("mark");
    let noted = fs::read(&mark).unwrap();
    fs::write(first, &bytes).unwrap();
    fs::remove_file(&mark).unwrap();
    fs::create_dir(&mark).unwrap();
    assert!(matches!(
        open(&options(dir.path())),
        Err(JournalError::Io { .. })
    ));
    assert_eq!(fs::read(first).unwrap(), bytes);
    fs::remove_dir(&mark).unwrap();
    fs::write(&mark, noted).unwrap();

    // A segment on a disk that is not there: whether anything intact follows is not known.
    MarkFile::open(dir.path()).unwrap().note(good);
    for it in &segments[1..] {
        fs::remove_file(&it.path).unwrap();
    }
    std::os::unix::fs::symlink("/nowhere/segment", last).unwrap();
    assert!(matches!(
        open(&options(dir.path())),
        Err(JournalError::Io { .. })
    ));
    assert!(fs::symlink_metadata(last).is_ok());
}
