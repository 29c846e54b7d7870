//! The embedded store, held to what every memory driver must do.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    super::{
        Reading,
        conformance::{clocks, conforms, forgets_in_time},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
};

/// How long the machine of the test below runs.
static UP_MS: AtomicU64 = AtomicU64::new(0);

fn open(home: &Path, config: EmbeddedConfig) -> EmbeddedMemory {
    EmbeddedMemory::open(home, config, Arc::new(FakeEmbedder::default()), clocks).unwrap()
}

#[tokio::test]
async fn the_embedded_store_conforms() {
    let home = tempfile::tempdir().unwrap();
    conforms(&open(home.path(), EmbeddedConfig::shipped(|_| ()))).await;
}

/// The same when no pool stays open from one call to the next.
#[tokio::test]
async fn the_embedded_store_conforms_while_its_pools_are_closed_all_the_time() {
    let home = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig::shipped(|config| config.bounds.open_pools = 0);
    conforms(&open(home.path(), config)).await;
    let folders: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(folders.contains(&"filters".into()), "{folders:?}");
}

#[tokio::test]
async fn the_embedded_store_forgets_in_time() {
    let home = tempfile::tempdir().unwrap();
    let now = || Reading {
        up_ms: UP_MS.load(Ordering::Relaxed),
        ..clocks()
    };
    let (config, embedder) = (EmbeddedConfig::shipped(|_| ()), FakeEmbedder::default());
    let store = EmbeddedMemory::open(home.path(), config, Arc::new(embedder), now).unwrap();
    let grow_older = |ms| {
        UP_MS.fetch_add(ms, Ordering::Relaxed);
    };
    forgets_in_time(&store, grow_older).await;
}
