//! Recall by words and meaning together, and what happens while the endpoint is away.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use aion_abi::syscall::memory::{ForgetRequest, Method};

use super::{
    super::{
        Embedding, MemoryDriver, Pool,
        conformance::{batch, clocks, ids, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
};
use crate::outbound::Endpoint;

fn embedding(model: &str) -> Embedding {
    let endpoint = Endpoint {
        name: "local".into(),
        tenant: "me".into(),
        url: "http://127.0.0.1:1/v1".into(),
        secret: None,
    };
    Embedding {
        endpoint,
        model: model.into(),
    }
}

fn hybrid() -> Pool {
    Pool {
        embedding: Some(embedding("minilm")),
        ..pool("me", None)
    }
}

fn open(home: &Path, embedder: &Arc<FakeEmbedder>) -> EmbeddedMemory {
    // No pause after a failure, so that tests need not wait for its end.
    let config = EmbeddedConfig::shipped(|config| config.embedding.pause = Duration::ZERO);
    EmbeddedMemory::open(home, config, embedder.clone(), clocks).unwrap()
}

/// Asks again until the answer is as wanted: vectors are made after the call that stored their items.
async fn until(memory: &EmbeddedMemory, pool: &Pool, text: &str, wanted: &[&str]) {
    let mut last = Vec::new();
    for _ in 0..1000 {
        last = ids(memory, pool, query(text)).await;
        if last == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{text}: {last:?}, and not {wanted:?}");
}

#[tokio::test]
async fn what_is_said_in_other_words_is_found_too() {
    let home = tempfile::tempdir().unwrap();
    let embedder = Arc::new(FakeEmbedder::default().means("hound", "dog"));
    let memory = open(home.path(), &embedder);
    let pool = hybrid();
    memory
        .remember(
            &pool,
            batch([item("dog", "a dog barks"), item("cat", "a cat sleeps")]),
        )
        .await
        .unwrap();
    until(&memory, &pool, "hound", &["dog"]).await;
    let found = memory.recall(&pool, query("hound")).await.unwrap();
    assert_eq!((found.method, found.degraded), (Method::Hybrid, None));
    let lexical = Pool {
        embedding: None,
        ..pool.clone()
    };
    assert!(ids(&memory, &lexical, query("hound")).await.is_empty());
    assert_eq!(
        memory.recall(&pool, query("")).await.unwrap().method,
        Method::Listing
    );

    let filtered = aion_abi::syscall::memory::RecallRequest {
        collection: Some("none".into()),
        ..query("hound")
    };
    assert!(
        ids(&memory, &pool, filtered).await.is_empty(),
        "filters hold for vectors too"
    );
    let other = Pool {
        owner: Some("other".into()),
        ..pool.clone()
    };
    assert!(
        ids(&memory, &other, query("hound")).await.is_empty(),
        "vectors are kept apart too"
    );
    memory
        .forget(
            &pool,
            ForgetRequest::Ids {
                ids: vec!["dog".into()],
            },
        )
        .await
        .unwrap();
    assert!(ids(&memory, &pool, query("hound")).await.is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_away_degrades_recall_and_is_made_up_for_later() {
    let home = tempfile::tempdir().unwrap();
    let embedder = Arc::new(FakeEmbedder::default().means("hound", "dog"));
    embedder.away.store(true, Ordering::Release);
    let memory = open(home.path(), &embedder);
    let pool = hybrid();
    let many = (0..100).map(|n| item(&n.to_string(), &format!("page {n} of the book")));
    memory
        .remember(&pool, batch(many.chain([item("dog", "a dog barks")])))
        .await
        .unwrap();
    let found = memory.recall(&pool, query("dog")).await.unwrap();
    assert_eq!(found.method, Method::Lexical);
    assert_eq!(found.hits[0].id, "dog");
    let said = found.degraded.unwrap();
    assert!(
        said.contains("connection refused") && said.contains("words only"),
        "{said}"
    );
    assert!(ids(&memory, &pool, query("hound")).await.is_empty());
    drop(memory);

    embedder.away.store(false, Ordering::Release);
    let memory = open(home.path(), &embedder);
    until(&memory, &pool, "hound", &["dog"]).await;
    // All of them were made up for, each once; the rest of what was shown are queries.
    for _ in 0..1000 {
        if embedder.shown.load(Ordering::Acquire) >= 101 {
            break;
        }
        ids(&memory, &pool, query("hound")).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(embedder.shown.load(Ordering::Acquire) >= 101);
}

#[tokio::test]
async fn a_text_the_model_refuses_keeps_no_other_from_its_vector() {
    let home = tempfile::tempdir().unwrap();
    let embedder = Arc::new(FakeEmbedder::default().means("hound", "dog"));
    *embedder.refused.lock() = Some("poison".into());
    let memory = open(home.path(), &embedder);
    let pool = hybrid();
    memory
        .remember(
            &pool,
            batch([
                item("dog", "a dog barks"),
                item("bad", "poison"),
                item("cat", "a cat"),
            ]),
        )
        .await
        .unwrap();
    until(&memory, &pool, "hound", &["dog"]).await;
    let lexical = Pool {
        embedding: None,
        ..pool.clone()
    };
    assert_eq!(ids(&memory, &lexical, query("poison")).await, ["bad"]);
    let before = embedder.shown.load(Ordering::Acquire);
    for _ in 0..5 {
        ids(&memory, &pool, query("hound")).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        embedder.shown.load(Ordering::Acquire),
        before + 5,
        "a refused text is not shown again"
    );
}

#[tokio::test]
async fn another_model_sees_every_item_again() {
    let home = tempfile::tempdir().unwrap();
    let embedder = Arc::new(FakeEmbedder::default().means("hound", "dog"));
    let memory = open(home.path(), &embedder);
    let first = hybrid();
    memory
        .remember(&first, batch([item("dog", "a dog barks")]))
        .await
        .unwrap();
    until(&memory, &first, "hound", &["dog"]).await;
    let second = Pool {
        embedding: Some(embedding("larger")),
        ..first
    };
    until(&memory, &second, "hound", &["dog"]).await;
}
