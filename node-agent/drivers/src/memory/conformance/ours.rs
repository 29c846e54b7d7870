//! The fake and the embedded store, held to it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::{
    super::{EmbeddedMemory, FakeMemory, MemoryConfig, embed::fake::FakeEmbedder},
    conforms,
};

#[tokio::test]
async fn the_fake_conforms() {
    conforms(&FakeMemory::default()).await;
}

#[tokio::test]
async fn the_embedded_store_conforms() {
    let home = tempfile::tempdir().unwrap();
    let config = MemoryConfig::shipped().unwrap();
    let driver =
        EmbeddedMemory::open(home.path(), config, Arc::new(FakeEmbedder::default())).unwrap();
    conforms(&driver).await;
}

/// The same when no pool stays open from one call to the next.
#[tokio::test]
async fn the_embedded_store_conforms_while_its_pools_are_closed_all_the_time() {
    let home = tempfile::tempdir().unwrap();
    let config = MemoryConfig {
        open_pools: 0,
        ..MemoryConfig::shipped().unwrap()
    };
    let driver =
        EmbeddedMemory::open(home.path(), config, Arc::new(FakeEmbedder::default())).unwrap();
    conforms(&driver).await;
    let folders: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(folders.contains(&"filters".into()), "{folders:?}");
}
