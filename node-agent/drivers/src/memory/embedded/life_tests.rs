//! Languages, pools that open and close, many callers at once.
#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    super::{
        MemoryDriver,
        conformance::{batch, clocks, ids, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
};

fn open(home: &Path, config: EmbeddedConfig) -> EmbeddedMemory {
    EmbeddedMemory::open(home, config, Arc::new(FakeEmbedder::default()), clocks).unwrap()
}

fn shipped() -> EmbeddedConfig {
    EmbeddedConfig::shipped(|_| ())
}

#[tokio::test]
async fn words_of_many_languages_are_found() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path(), shipped());
    let pool = pool("me", None);
    let texts = [
        (
            "english",
            "The sandboxes are installed before the agents start",
        ),
        (
            "german",
            "Die Prüfsumme wird überprüft, bevor das Bündel geöffnet wird",
        ),
        ("french", "L'élève répète la leçon"),
        ("russian", "Собака лает ночью"),
        ("greek", "Ο σκύλος γαβγίζει"),
        ("hindi", "कुत्ता रात में भौंकता है"),
        ("arabic", "الْكَلْبُ ينبح ليلا"),
        ("japanese", "東京都に住んでいます"),
        ("chinese", "我们在北京学习中文"),
        ("korean", "강아지가 밤에 짖는다"),
        ("thai", "สุนัขเห่าตอนกลางคืน"),
    ];
    memory
        .remember(&pool, batch(texts.iter().map(|(id, text)| item(id, text))))
        .await
        .unwrap();
    for (asked, want) in [
        ("installing a sandbox", "english"),
        ("prufsumme", "german"),
        ("Überprüft?", "german"),
        ("eleve", "french"),
        ("e\u{301}le\u{300}ve", "french"),
        ("собака", "russian"),
        ("ΣΚΥΛΟΣ", "greek"),
        ("कुत्ता", "hindi"),
        ("الكلب", "arabic"),
        ("東京", "japanese"),
        ("北京。", "chinese"),
        ("강아지가", "korean"),
        ("สุนัข", "thai"),
    ] {
        let found = ids(&memory, &pool, query(asked)).await;
        assert_eq!(
            found.first().map(String::as_str),
            Some(want),
            "{asked}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_pool_that_nobody_uses_is_closed_and_opens_again() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(
        home.path(),
        EmbeddedConfig::shipped(|config| config.bounds.idle = Duration::from_millis(20)),
    );
    let pool = pool("me", None);
    memory
        .remember(&pool, batch([item("1", "an apple")]))
        .await
        .unwrap();
    assert_eq!(memory.0.pools.open_count(), 1);
    for _ in 0..1000 {
        if memory.0.pools.open_count() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(memory.0.pools.open_count(), 0);
    let left: Vec<_> = std::fs::read_dir(home.path().join("me/personal~u1"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "a closed pool is one file");
    assert_eq!(ids(&memory, &pool, query("apple")).await, ["1"]);
}

#[tokio::test]
async fn a_store_may_lie_behind_a_link() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", home.path().join("alias")).unwrap();
    let memory = open(&home.path().join("alias"), shipped());
    memory
        .remember(&pool("me", None), batch([item("1", "an apple")]))
        .await
        .unwrap();
    assert_eq!(ids(&memory, &pool("me", None), query("apple")).await, ["1"]);
}

#[tokio::test]
async fn no_more_pools_are_open_than_may_be() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(
        home.path(),
        EmbeddedConfig::shipped(|config| config.bounds.open_pools = 3),
    );
    for round in 0..2 {
        for n in 0..10 {
            let pool = pool(&format!("tenant-{n}"), None);
            memory
                .remember(&pool, batch([item(&round.to_string(), "an apple")]))
                .await
                .unwrap();
            assert!(memory.0.pools.open_count() <= 3);
        }
    }
    assert_eq!(
        ids(&memory, &pool("tenant-4", None), query("apple")).await,
        ["1", "0"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(
        home.path(),
        EmbeddedConfig::shipped(|config| config.bounds.open_pools = 1),
    );
    let mut tasks = tokio::task::JoinSet::new();
    for agent in 0..4 {
        for n in 0..10 {
            let memory = memory.clone();
            tasks.spawn(async move {
                let pool = pool(
                    &format!("tenant-{}", agent % 2),
                    Some(&format!("agent-{agent}")),
                );
                memory
                    .remember(&pool, batch([item(&n.to_string(), "an apple falls")]))
                    .await
                    .unwrap();
                let found = ids(&memory, &pool, query("apple")).await;
                assert!(found.contains(&n.to_string()));
                if n == 0 {
                    memory.expire(&pool).await.unwrap();
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for agent in 0..4 {
        let pool = pool(
            &format!("tenant-{}", agent % 2),
            Some(&format!("agent-{agent}")),
        );
        assert_eq!(ids(&memory, &pool, query("apple")).await.len(), 10);
    }
}
