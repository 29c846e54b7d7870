//! What is too old is forgotten, and a wall clock that is wrong makes nothing too old.
#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::Arc};

use aion_abi::{date::UnixMillis, syscall::memory::ForgetRequest};
use rusqlite::Connection;
use uuid::Uuid;

use super::{
    super::{
        MemoryDriver, Pool, Reading,
        conformance::{batch, clocks, ids, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
    place::{Place, Shelf},
    schema::V1,
};

const DAY_MS: u64 = 24 * 3_600_000;

fn open(home: &Path, now: fn() -> Reading) -> EmbeddedMemory {
    let config = EmbeddedConfig::shipped(|_| ());
    EmbeddedMemory::open(home, config, Arc::new(FakeEmbedder::default()), now).unwrap()
}

/// A pool that keeps what it holds for three days.
fn short() -> Pool {
    Pool {
        retention_days: Some(3),
        ..pool("me", None)
    }
}

async fn held(memory: &EmbeddedMemory) -> Vec<String> {
    ids(memory, &short(), query("")).await
}

#[tokio::test]
async fn one_reading_of_a_wall_clock_that_is_years_ahead_erases_nothing() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path(), clocks);
    let item = batch([item("kept", "words")]);
    memory.remember(&short(), item).await.unwrap();
    drop(memory);
    // The clock is set wrongly while the machine runs, then is wrong at its next start.
    let ahead: [fn() -> Reading; 2] = [
        || Reading {
            date: UnixMillis(99 * 365 * DAY_MS),
            ..clocks()
        },
        || Reading {
            date: UnixMillis(199 * 365 * DAY_MS),
            boot: Uuid::from_u128(2),
            ..clocks()
        },
    ];
    for now in ahead {
        let memory = open(home.path(), now);
        assert_eq!(held(&memory).await, ["kept"]);
        assert_eq!(memory.expire(&short()).await, Ok(0));
    }
}

#[tokio::test]
async fn what_was_stored_before_the_clock_was_set_stays_as_long_as_anything_else() {
    let home = tempfile::tempdir().unwrap();
    let early = open(home.path(), || Reading {
        date: UnixMillis(0),
        ..clocks()
    });
    let item = batch([item("early", "words")]);
    early.remember(&short(), item).await.unwrap();
    drop(early);
    let set = open(home.path(), clocks);
    assert_eq!(set.expire(&short()).await, Ok(0));
    assert_eq!(held(&set).await, ["early"]);
    drop(set);
    let later = open(home.path(), || Reading {
        up_ms: 3 * DAY_MS + 1,
        ..clocks()
    });
    assert_eq!(held(&later).await, Vec::<String>::new());
    assert_eq!(later.expire(&short()).await, Ok(1));
}

#[tokio::test]
async fn what_an_earlier_version_stored_ages_from_its_date() {
    let home = tempfile::tempdir().unwrap();
    let place = Place::new(home.path(), &Shelf::of(&short())).unwrap();
    place.make().unwrap();
    let database = Connection::open(&place.database).unwrap();
    database.execute_batch(V1).unwrap();
    let newest = i64::try_from(clocks().date.0).unwrap();
    database
        .execute_batch("INSERT INTO owners VALUES (1, ''); PRAGMA user_version = 1;")
        .unwrap();
    for (id, age) in [("old", 4), ("new", 0)] {
        let stored_at = newest - age * DAY_MS as i64;
        database
            .execute(
                "INSERT INTO items (owner, collection, stored_at, bytes, id) VALUES (1, '', ?1, 1, ?2)",
                (stored_at, id),
            )
            .unwrap();
        let n = database.last_insert_rowid();
        database
            .execute("INSERT INTO contents VALUES (?1, '{}', 'مركزي words')", [n])
            .unwrap();
        database
            .execute("INSERT INTO words (rowid, text) VALUES (?1, 'words')", [n])
            .unwrap();
    }
    drop(database);
    let memory = open(home.path(), clocks);
    assert_eq!(held(&memory).await, ["new"]);
    // Its index was of words that were not folded, and is made anew.
    assert_eq!(ids(&memory, &short(), query("مرکزی")).await, ["new"]);
    assert_eq!(memory.expire(&short()).await, Ok(1));
}

#[tokio::test]
async fn an_index_of_another_folding_is_made_anew_from_the_texts() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path(), clocks);
    memory
        .remember(&short(), batch([item("kept", "کتابخانه مرکزی")]))
        .await
        .unwrap();
    drop(memory);
    let place = Place::new(home.path(), &Shelf::of(&short())).unwrap();
    let database = Connection::open(&place.database).unwrap();
    database
        .execute_batch(
            "INSERT INTO words (words) VALUES ('delete-all');
             INSERT INTO words (rowid, text) SELECT n, 'كتابخانه' FROM contents;
             UPDATE folding SET version = -1;",
        )
        .unwrap();
    drop(database);
    let memory = open(home.path(), clocks);
    assert_eq!(ids(&memory, &short(), query("كتابخانه")).await, ["kept"]);
    let forgotten = ForgetRequest::Ids {
        ids: vec!["kept".into()],
    };
    memory.forget(&short(), forgotten).await.unwrap();
    assert!(ids(&memory, &short(), query("کتابخانه")).await.is_empty());
}
