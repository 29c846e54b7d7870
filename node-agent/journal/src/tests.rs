//! The journal against torn writes, damage, full disks and second owners.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::HashSet, fs, path::Path};

use aion_kernel::{BodyDigest, Fact, Millis};

use super::{mark::MarkFile, *};

const SEGMENT: u64 = 4096;

pub(super) fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        segment_bytes: SEGMENT,
        keep_bytes: SEGMENT * 2,
    }
}

fn fact(at: u64) -> Fact {
    Fact::Recovered { at: Millis(at) }
}

pub(super) fn append(journal: &mut Journal, facts: std::ops::Range<u64>) -> Lsn {
    let mut batch = Batch::default();
    for at in facts {
        batch.fact(&fact(at)).unwrap();
    }
    journal.append(&mut batch, false).unwrap()
}

pub(super) fn folded(recovered: &Recovered) -> Vec<u64> {
    recovered
        .facts
        .iter()
        .flat_map(|frame| frame.split(|byte| *byte == b'\n'))
        .filter(|line| !line.is_empty())
        .map(|line| match serde_json::from_slice(line).unwrap() {
            Fact::Recovered { at } => at.0,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn reopen(dir: &Path) -> Recovered {
    open(&options(dir)).unwrap().1
}

fn only_segment(dir: &Path) -> std::path::PathBuf {
    let mut all = segment::list(dir).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0).path
}

#[test]
fn facts_read_back_in_order_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, recovered) = open(&options(dir.path())).unwrap();
    assert!(folded(&recovered).is_empty());
    for at in 0..300 {
        append(&mut journal, at..at + 1);
    }
    drop(journal);
    assert!(segment::list(dir.path()).unwrap().len() > 2);
    let recovered = reopen(dir.path());
    assert_eq!(folded(&recovered), (0..300).collect::<Vec<_>>());
    assert_eq!(recovered.report, Report::default());
}

/// A kill -9 in the middle of a write, at every byte.
#[test]
fn a_tail_torn_at_any_byte_is_cut_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let good = append(&mut journal, 0..3);
    drop(journal);
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let end = append(&mut journal, 3..6);
    // Dies without having synced: the mark is set back to where it was.
    drop(journal);
    let whole = fs::read(only_segment(dir.path())).unwrap();
    assert_eq!(whole.len() as u64, end.0);
    for length in good.0..end.0 {
        MarkFile::open(dir.path()).unwrap().note(good);
        fs::write(only_segment(dir.path()), &whole[..length as usize]).unwrap();
        let (mut journal, recovered) = open(&options(dir.path())).unwrap();
        assert_eq!(folded(&recovered), [0, 1, 2], "cut at {length}");
        assert_eq!(recovered.report.cut, length - good.0);
        assert_eq!(recovered.report.notes.is_empty(), length == good.0);
        append(&mut journal, 9..10);
        drop(journal);
        assert_eq!(folded(&reopen(dir.path())), [0, 1, 2, 9]);
    }
}

#[test]
fn damage_to_what_was_synced_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let first = append(&mut journal, 0..3);
    append(&mut journal, 3..6);
    drop(journal);
    let path = only_segment(dir.path());
    let whole = fs::read(&path).unwrap();
    for at in [first.0 as usize - 1, whole.len() - 1] {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        match open(&options(dir.path())) {
            Err(JournalError::Corrupt { file, offset, .. }) => {
                assert_eq!(file, path);
                assert!(offset <= at as u64);
            }
            other => panic!("byte {at}: {other:?}"),
        }
        assert_eq!(fs::read(&path).unwrap(), bad, "nothing was changed");
    }
    fs::write(&path, &whole[..whole.len() - 2]).unwrap();
    assert!(matches!(
        open(&options(dir.path())),
        Err(JournalError::Corrupt { .. })
    ));
}

#[test]
fn unsynced_damage_with_intact_frames_behind_is_refused_unless_power_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let good = append(&mut journal, 0..3);
    append(&mut journal, 3..4);
    append(&mut journal, 4..5);
    drop(journal);
    MarkFile::open(dir.path()).unwrap().note(good);
    let path = only_segment(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[good.0 as usize + frame::HEADER] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        open(&options(dir.path())),
        Err(JournalError::Corrupt { .. })
    ));
    // The same files after another boot: pages reach a disk in any order.
    boot_again(dir.path());
    let recovered = reopen(dir.path());
    assert_eq!(folded(&recovered), [0, 1, 2]);
    assert_eq!(recovered.report.notes.len(), 1);
}

/// The mark becomes that of an earlier run of the machine.
pub(super) fn boot_again(dir: &Path) {
    let mark = dir.join("mark");
    let mut bytes = fs::read(&mark).unwrap();
    bytes[16] ^= 1;
    let crc = crc32c::crc32c(&bytes[..32]).to_le_bytes();
    bytes[32..].copy_from_slice(&crc);
    fs::write(&mark, bytes).unwrap();
}

#[test]
fn a_missing_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    for at in 0..300 {
        append(&mut journal, at..at + 1);
    }
    drop(journal);
    let segments = segment::list(dir.path()).unwrap();
    for index in [0, 1, segments.len() - 1] {
        let path = &segments[index].path;
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(
            matches!(
                open(&options(dir.path())),
                Err(JournalError::Gap { .. } | JournalError::Corrupt { .. })
            ),
            "segment {index}"
        );
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(folded(&reopen(dir.path())).len(), 300);
}

#[test]
fn a_second_owner_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(&options(dir.path())).unwrap();
    assert!(matches!(
        open(&options(dir.path())),
        Err(JournalError::Locked { .. })
    ));
    // One that is leaving is waited for.
    let leaving = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(first);
    });
    open(&options(dir.path())).unwrap();
    leaving.join().unwrap();
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&options(dir.path())).unwrap());
    let path = only_segment(dir.path());
    let head = br#"{"format":99,"base":0,"facts":1}"#;
    let mut bytes = Vec::new();
    frame::push(&mut bytes, frame::Kind::Head, &[head]);
    fs::write(&path, bytes).unwrap();
    assert!(matches!(
        open(&options(dir.path())),
        Err(JournalError::NewerFormat { found: 99, .. })
    ));
}

#[test]
fn a_snapshot_spares_the_facts_before_it_and_a_bad_one_falls_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let first = append(&mut journal, 0..3);
    journal.snapshot_writer().write(first, b"older").unwrap();
    let second = append(&mut journal, 3..6);
    journal.snapshot_writer().write(second, b"newer").unwrap();
    append(&mut journal, 6..8);
    drop(journal);
    let recovered = reopen(dir.path());
    assert_eq!(recovered.snapshot, Some((second, b"newer".to_vec())));
    assert_eq!(folded(&recovered), [6, 7]);

    let newest = snapshot::list(dir.path()).unwrap().remove(0).1;
    fs::write(newest, b"rubbish").unwrap();
    let recovered = reopen(dir.path());
    assert_eq!(recovered.snapshot, Some((first, b"older".to_vec())));
    assert_eq!(folded(&recovered), [3, 4, 5, 6, 7]);
    assert_eq!(recovered.report.notes.len(), 1);
}

#[test]
fn pruning_bounds_the_disk_and_carries_live_bodies_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let (kept, dropped) = (BodyDigest([1; 32]), BodyDigest([2; 32]));
    let mut batch = Batch::default();
    batch.body(kept, b"kept");
    batch.body(dropped, b"dropped");
    journal.append(&mut batch, false).unwrap();
    let live = HashSet::from([kept]);
    for at in 0..2000 {
        let end = append(&mut journal, at..at + 1);
        if at % 100 == 0 {
            journal.snapshot_writer().write(end, b"{}").unwrap();
            journal.prune(&live).unwrap();
            assert!(journal.kept() <= SEGMENT * 4, "{} bytes", journal.kept());
        }
    }
    assert_eq!(journal.body(kept).unwrap(), b"kept");
    assert!(journal.body(dropped).is_err());
    let found = journal.find(kept).unwrap();
    assert_eq!((found.size(), found.begin(2).unwrap()), (4, b"ke".to_vec()));
    assert_eq!(found.begin(9).unwrap(), b"kept");
    assert!(journal.find(dropped).is_none());
    drop(journal);
    let there = segment::list(dir.path()).unwrap();
    let bytes = there.iter().map(|it| fs::metadata(&it.path).unwrap().len());
    assert!(bytes.sum::<u64>() <= SEGMENT * 4);
    let (journal, _) = open(&options(dir.path())).unwrap();
    assert_eq!(journal.body(kept).unwrap(), b"kept");
}

#[test]
fn without_snapshots_the_bound_refuses_new_work_before_it_is_reached() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let mut at = 0;
    while journal.room().is_ok() {
        append(&mut journal, at..at + 1);
        at += 1;
        assert!(at < 10_000, "the bound never came");
    }
    // What runs can still be ended.
    append(&mut journal, at..at + 5);
    assert!(journal.size() <= SEGMENT * 4);
}

#[test]
fn what_is_wanted_becomes_durable_and_the_rest_soon_after() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    let mut durable = journal.durable();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut batch = Batch::default();
    batch.fact(&fact(1)).unwrap();
    let end = journal.append(&mut batch, true).unwrap();
    runtime.block_on(async { while durable.changed().await.unwrap() < end {} });
    let end = append(&mut journal, 2..3);
    runtime.block_on(async { while durable.changed().await.unwrap() < end {} });
}

#[test]
fn a_dump_shows_every_fact_while_the_journal_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&options(dir.path())).unwrap();
    append(&mut journal, 0..2);
    append(&mut journal, 2..3);
    let mut seen = Vec::new();
    let damage = dump(dir.path(), |entry| {
        seen.push(entry.fact.get().to_owned());
        true
    })
    .unwrap();
    assert_eq!(damage, None);
    assert_eq!(
        seen,
        (0..3)
            .map(|at| serde_json::to_string(&fact(at)).unwrap())
            .collect::<Vec<_>>()
    );
}

/// A file system that is really full. Needs the right to mount one.
#[test]
fn a_full_disk_refuses_whole_batches_and_recovers_when_space_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = nix::mount::mount(
        Some("tmpfs"),
        dir.path(),
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        Some("size=64k"),
    );
    if let Err(error) = mounted {
        aion_testkit::skip("mount", &format!("a tmpfs cannot be mounted: {error}"));
        return;
    }
    let _unmount = Unmount(dir.path());
    let options = Options {
        dir: dir.path().join("journal"),
        segment_bytes: 16 * 1024,
        keep_bytes: 1024 * 1024,
    };
    let (mut journal, _) = open(&options).unwrap();
    let filler = dir.path().join("filler");
    let mut at = 0;
    let mut refused_early = false;
    let refused = loop {
        if at == 100 {
            // Whatever is left goes to somebody else.
            let _ = fs::write(&filler, vec![0u8; 64 * 1024]);
        }
        let mut batch = Batch::default();
        batch.fact(&fact(at)).unwrap();
        refused_early |= journal.room().is_err();
        match journal.append(&mut batch, false) {
            Ok(_) => at += 1,
            Err(AppendError::Full { .. }) => break batch,
            Err(error) => panic!("{error}"),
        }
        assert!(at < 10_000, "the disk never filled");
        // New work comes no faster than the committer can look for room.
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    assert!(refused_early, "new work was taken until the last byte");
    fs::remove_file(&filler).unwrap();
    let mut batch = refused;
    journal.append(&mut batch, false).unwrap();
    drop(journal);
    let (_journal, recovered) = open(&options).unwrap();
    assert_eq!(folded(&recovered), (0..=at).collect::<Vec<_>>());
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}
