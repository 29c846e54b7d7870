//! Full disks, damaged files, files of another version, calls that are cut off.
#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use aion_abi::{
    code::Code,
    syscall::memory::{ForgetRequest, RecallRequest},
};

use super::{
    super::{
        MemoryDriver,
        conformance::{batch, clocks, ids, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
};
use crate::small_disk;

fn open(home: &Path) -> EmbeddedMemory {
    EmbeddedMemory::open(
        home,
        EmbeddedConfig::shipped(|_| ()),
        Arc::new(FakeEmbedder::default()),
        clocks,
    )
    .unwrap()
}

#[test]
fn a_full_disk_is_said_and_nothing_is_half_done() {
    small_disk::on(1024 * 1024, |disk| async move {
        let memory = open(&disk);
        let pool = pool("me", None);
        memory
            .remember(&pool, batch([item("kept", "a kept apple")]))
            .await
            .unwrap();
        let mut stored = 1;
        let problem = loop {
            let items = (0..8).map(|n| item(&format!("{stored}-{n}"), &"an apple ".repeat(1000)));
            match memory.remember(&pool, batch(items)).await {
                Ok(_) => stored += 8,
                Err(problem) => break problem,
            }
            assert!(stored < 10_000, "the disk is full some time");
        };
        assert_eq!(problem.code, Code::StorageFull, "{problem}");
        let mut seen = 0;
        while let listed @ 1.. = ids(
            &memory,
            &pool,
            RecallRequest {
                k: 100,
                offset: seen,
                ..query("")
            },
        )
        .await
        .len()
        {
            seen += u32::try_from(listed).unwrap();
        }
        assert_eq!(seen, stored, "batches are whole or not there");
        assert_eq!(ids(&memory, &pool, query("kept")).await, ["kept"]);
        drop(memory);
        let again = open(&disk);
        assert_eq!(ids(&again, &pool, query("kept")).await, ["kept"]);
        again.erase(&pool.id).await.unwrap();
        again
            .remember(&pool, batch([item("new", "there is room again")]))
            .await
            .unwrap();
    });
}

#[test]
fn a_disk_that_is_full_from_the_start_is_said() {
    small_disk::on(64 * 1024, |disk| async move {
        fs::write(disk.join("filler"), vec![0; 48 * 1024]).unwrap();
        let memory = open(&disk);
        let problem = memory
            .remember(&pool("me", None), batch([item("1", "a")]))
            .await
            .unwrap_err();
        assert_eq!(problem.code, Code::StorageFull, "{problem}");
    });
}

#[tokio::test]
async fn a_damaged_file_is_named_with_a_remedy_and_harms_no_other_pool() {
    let home = tempfile::tempdir().unwrap();
    let (broken, sound) = (pool("me", None), pool("them", None));
    let memory = open(home.path());
    for pool in [&broken, &sound] {
        memory
            .remember(
                pool,
                batch((0..200).map(|n| item(&n.to_string(), "an apple falls"))),
            )
            .await
            .unwrap();
    }
    drop(memory);
    let file = home.path().join("me/personal~u1/items.db");
    let whole = fs::read(&file).unwrap();
    let mut torn = whole.clone();
    torn[4096..].fill(0xA5);
    for bytes in [
        b"this is not a database at all, not even close to being one".to_vec(),
        torn,
    ] {
        fs::write(&file, bytes).unwrap();
        let memory = open(home.path());
        let problem = memory
            .remember(&broken, batch([item("new", "an apple")]))
            .await
            .unwrap_err();
        assert_eq!(problem.code, Code::Internal);
        assert!(
            problem.detail.contains("damaged")
                && problem.detail.contains("memory/me/personal~u1/items.db"),
            "{problem}"
        );
        assert!(problem.remedy.contains("backup"), "{}", problem.remedy);
        assert!(
            !problem.detail.contains(home.path().to_str().unwrap()),
            "{problem}"
        );
        assert_eq!(ids(&memory, &sound, query("apple")).await.len(), 10);
    }
    fs::write(&file, whole).unwrap();
    assert_eq!(
        ids(&open(home.path()), &broken, query("apple")).await.len(),
        10,
        "a backup put in its place is read"
    );
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let pool = pool("me", None);
    let memory = open(home.path());
    memory
        .remember(&pool, batch([item("1", "an apple")]))
        .await
        .unwrap();
    drop(memory);
    let file = home.path().join("me/personal~u1/items.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = fs::read(&file).unwrap();
    let problem = open(home.path())
        .recall(&pool, query("apple"))
        .await
        .unwrap_err();
    assert!(
        problem.detail.contains("newer") && problem.detail.contains("99"),
        "{problem}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_total_below_zero_is_damage_and_no_room() {
    let home = tempfile::tempdir().unwrap();
    let pool = pool("me", None);
    let memory = open(home.path());
    let first = batch([item("1", "an apple")]);
    memory.remember(&pool, first).await.unwrap();
    rusqlite::Connection::open(home.path().join("me/personal~u1/items.db"))
        .unwrap()
        .execute("UPDATE totals SET bytes = -5000", [])
        .unwrap();
    let second = batch([item("2", "a pear")]);
    let problem = memory.remember(&pool, second).await.unwrap_err();
    assert_eq!(problem.code, Code::Internal);
    assert!(problem.detail.contains("items.db"), "{problem}");
}

#[tokio::test]
async fn a_call_that_is_given_up_is_whole_or_not_done() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path());
    let pool = pool("me", None);
    for round in 0..40 {
        let items = (0..50).map(|n| item(&format!("{round}-{n}"), "an apple falls"));
        let call = memory.remember(&pool, batch(items));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(round % 5), call).await;
    }
    memory
        .forget(
            &pool,
            ForgetRequest::Ids {
                ids: vec!["none".into()],
            },
        )
        .await
        .unwrap();
    let mut seen = Vec::new();
    loop {
        let offset = u32::try_from(seen.len()).unwrap();
        let page = ids(
            &memory,
            &pool,
            RecallRequest {
                k: 100,
                offset,
                ..query("")
            },
        )
        .await;
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.len() % 50, 0);
}

#[tokio::test]
async fn only_the_nodes_user_may_open_what_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(&home.path().join("memory"));
    memory
        .remember(&pool("me", None), batch([item("1", "an apple")]))
        .await
        .unwrap();
    let mode = |path: &str| {
        fs::metadata(home.path().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    for folder in ["memory", "memory/me", "memory/me/personal~u1"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    for file in ["items.db", "items.db-wal", "items.db-shm"] {
        assert_eq!(
            mode(&format!("memory/me/personal~u1/{file}")),
            0o600,
            "{file}"
        );
    }
}
