//! What was forgotten or erased is on no file: the raw bytes of the store are searched for it.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, fs, sync::Arc};

use aion_abi::syscall::memory::{ForgetRequest, Item};

use super::marks::{Mark, marked, open, raw};
use super::{
    super::{
        MemoryDriver, Pool, Reading,
        conformance::{batch, clocks, ids, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
};

/// Stores many, forgets some in between, and looks at the disk while the store is open.
async fn no_trace_after_forgetting(seed: u64) {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path());
    let agents = [pool("me", Some("a")), pool("me", None)];
    let mut random = fastrand::Rng::with_seed(seed);
    let mut held: Vec<(usize, Item, Vec<Mark>)> = Vec::new();
    for _ in 0..12 {
        let whose = random.usize(..2);
        let new: Vec<_> = (0..random.usize(1..150))
            .map(|_| marked(&mut random))
            .collect();
        memory
            .remember(
                &agents[whose],
                batch(new.iter().map(|(item, _)| item.clone())),
            )
            .await
            .unwrap();
        held.extend(new.into_iter().map(|(item, marks)| (whose, item, marks)));
        random.shuffle(&mut held);
        let gone = held.split_off(held.len() - held.len().min(random.usize(0..120)));
        let (one_by_one, at_once) = gone.split_at(gone.len().min(3));
        for (whose, item, _) in one_by_one {
            let (collection, attributes) = (item.collection.clone(), item.attributes.clone());
            let request = ForgetRequest::Collection {
                collection,
                attributes,
            };
            assert_eq!(
                memory
                    .forget(&agents[*whose], request)
                    .await
                    .unwrap()
                    .forgotten,
                1
            );
        }
        for (at, agent) in agents.iter().enumerate() {
            let of_agent = at_once.iter().filter(|(whose, ..)| *whose == at);
            let ids: Vec<String> = of_agent
                .map(|(_, item, _)| item.id.clone().unwrap())
                .collect();
            let count = ids.len() as u64;
            if count > 0 {
                let done = memory
                    .forget(agent, ForgetRequest::Ids { ids })
                    .await
                    .unwrap();
                assert_eq!(done.forgotten, count);
            }
        }
        let raw = raw(home.path());
        for mark in gone.iter().flat_map(|(_, _, marks)| marks) {
            assert!(
                !mark.is_in(&raw),
                "seed {seed}: {} is still on the disk",
                mark.0
            );
        }
        for (_, _, marks) in held.iter().take(5) {
            assert!(
                marks.iter().all(|mark| mark.is_in(&raw)),
                "seed {seed}: the search finds what is there"
            );
        }
    }
    for (whose, item, marks) in held.iter().take(20) {
        assert_eq!(
            ids(&memory, &agents[*whose], query(&marks[1].0)).await,
            [item.id.clone().unwrap()]
        );
    }
    drop(memory);
    let store = rusqlite::Connection::open(home.path().join("me/personal~u1/items.db")).unwrap();
    let sound: String = store
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    store
        .execute("INSERT INTO words (words) VALUES ('integrity-check')", [])
        .unwrap();
}

#[tokio::test]
async fn what_was_forgotten_is_on_no_file() {
    for seed in 0..4 {
        no_trace_after_forgetting(seed).await;
    }
}

/// Words that share all but their ends, so that the index keeps them whole to tell its pages apart.
#[tokio::test]
async fn a_forgotten_word_is_no_signpost_of_the_index_either() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path());
    let agent = pool("me", None);
    let word = |n: u32| format!("hunter{n:05}");
    let say = |n: u32| {
        item(
            &n.to_string(),
            &(0..40).map(|m| word(n * 40 + m) + " ").collect::<String>(),
        )
    };
    memory
        .remember(&agent, batch((0..200).map(say)))
        .await
        .unwrap();
    let seen = || -> HashSet<Vec<u8>> {
        let bytes = fs::read(home.path().join("me/personal~u1/items.db")).unwrap();
        let words = bytes
            .windows(word(0).len())
            .filter(|window| window.starts_with(b"hunter"));
        words.map(<[u8]>::to_vec).collect()
    };
    // From one end to the other, so that every page once begins with a word that goes.
    for from in (0..200).step_by(10) {
        let ids = (from..from + 9).map(|n: u32| n.to_string()).collect();
        memory
            .forget(&agent, ForgetRequest::Ids { ids })
            .await
            .unwrap();
        let seen = seen();
        let left = (from * 40..(from + 9) * 40)
            .map(word)
            .find(|word| seen.contains(word.as_bytes()));
        assert_eq!(left, None);
    }
    assert_eq!(
        ids(&memory, &agent, query(&word(199 * 40 + 7))).await,
        ["199"]
    );
    memory
        .forget(
            &agent,
            ForgetRequest::Collection {
                collection: String::new(),
                attributes: Default::default(),
            },
        )
        .await
        .unwrap();
    assert!(seen().is_empty());
}

#[tokio::test]
async fn what_a_replaced_item_said_is_gone_with_the_next_forgetting() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path());
    let agent = pool("me", Some("a"));
    let mut random = fastrand::Rng::with_seed(7);
    let (old, new) = (Mark::new(&mut random), Mark::new(&mut random));
    memory
        .remember(&agent, batch([item("1", &old.0), item("2", "other")]))
        .await
        .unwrap();
    memory
        .remember(&agent, batch([item("1", &new.0)]))
        .await
        .unwrap();
    memory
        .forget(
            &agent,
            ForgetRequest::Ids {
                ids: vec!["2".into()],
            },
        )
        .await
        .unwrap();
    let raw = raw(home.path());
    assert!(!old.is_in(&raw) && new.is_in(&raw));
}

#[tokio::test]
async fn an_agents_part_and_what_is_too_old_leave_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path());
    let mut random = fastrand::Rng::with_seed(8);
    let marks: Vec<Mark> = (0..3).map(|_| Mark::new(&mut random)).collect();
    let views = [pool("me", Some("a")), pool("me", Some("b"))];
    memory
        .remember(&views[0], batch([item("1", &marks[0].0)]))
        .await
        .unwrap();
    memory
        .remember(&views[1], batch([item("1", &marks[1].0)]))
        .await
        .unwrap();
    assert_eq!(memory.erase_owner(&views[0].id, "a").await, Ok(1));
    let seen = raw(home.path());
    assert!(!marks[0].is_in(&seen) && marks[1].is_in(&seen));

    let late = open(&home.path().join("late"));
    let short = Pool {
        retention_days: Some(3),
        ..pool("me", None)
    };
    late.remember(&short, batch([item("old", &marks[2].0)]))
        .await
        .unwrap();
    assert_eq!(ids(&late, &short, query(&marks[2].0)).await, ["old"]);
    drop(late);
    let now = EmbeddedMemory::open(
        home.path().join("late"),
        EmbeddedConfig::shipped(|_| ()),
        Arc::new(FakeEmbedder::default()),
        || Reading {
            up_ms: 4 * 24 * 3_600_000,
            ..clocks()
        },
    )
    .unwrap();
    assert!(
        ids(&now, &short, query(&marks[2].0)).await.is_empty(),
        "too old is as good as forgotten"
    );
    assert!(ids(&now, &short, query("")).await.is_empty());
    assert_eq!(now.expire(&short).await, Ok(1));
    assert!(!marks[2].is_in(&raw(home.path())));
}

#[tokio::test]
async fn an_erased_pool_leaves_no_file_and_others_stay() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path());
    let mut random = fastrand::Rng::with_seed(9);
    let (mine, theirs) = (Mark::new(&mut random), Mark::new(&mut random));
    memory
        .remember(&pool("me", Some("a")), batch([item("1", &mine.0)]))
        .await
        .unwrap();
    memory
        .remember(&pool("them", Some("a")), batch([item("1", &theirs.0)]))
        .await
        .unwrap();
    assert!(mine.is_in(&raw(home.path())));
    memory.erase(&pool("me", None).id).await.unwrap();
    assert!(!home.path().join("me").exists());
    let seen = raw(home.path());
    assert!(!mine.is_in(&seen) && theirs.is_in(&seen));
}
