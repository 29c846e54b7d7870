//! What every memory driver must do; run on the fake and on the real one.
#![allow(clippy::unwrap_used)]

mod finding;
mod holding;

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{
    date::UnixMillis,
    syscall::memory::{Item, RecallRequest, RememberRequest},
};

use super::{
    EmbeddedMemory, FakeMemory, MemoryConfig, MemoryDriver, Pool, PoolId, PoolQuota, Reading,
    embed::fake::FakeEmbedder,
};

/// Clocks that stand still.
pub(in crate::drivers::memory) fn clocks() -> Reading {
    Reading {
        date: UnixMillis(1_767_225_600_000),
        boot: uuid::Uuid::from_u128(1),
        up_ms: 0,
    }
}

/// A pool of `tenant`, as an agent of that name uses it.
pub(in crate::drivers::memory) fn pool(tenant: &str, owner: Option<&str>) -> Pool {
    Pool {
        id: PoolId {
            tenant: tenant.into(),
            pool: "personal".into(),
            uid: "u1".into(),
        },
        owner: owner.map(str::to_owned),
        quota: PoolQuota::default(),
        retention_days: None,
        embedding: None,
    }
}

pub(in crate::drivers::memory) fn item(id: &str, text: &str) -> Item {
    Item {
        id: Some(id.into()),
        text: text.into(),
        collection: String::new(),
        attributes: BTreeMap::new(),
    }
}

pub(in crate::drivers::memory) fn batch(items: impl IntoIterator<Item = Item>) -> RememberRequest {
    RememberRequest {
        items: items.into_iter().collect(),
    }
}

pub(in crate::drivers::memory) fn query(text: &str) -> RecallRequest {
    RecallRequest {
        query: text.into(),
        k: 10,
        collection: None,
        attributes: BTreeMap::new(),
        offset: 0,
    }
}

fn filed(id: &str, text: &str, collection: &str, attributes: &[(&str, &str)]) -> Item {
    let attributes = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Item {
        collection: collection.into(),
        attributes,
        ..item(id, text)
    }
}

pub(in crate::drivers::memory) async fn ids(
    driver: &dyn MemoryDriver,
    pool: &Pool,
    request: RecallRequest,
) -> Vec<String> {
    driver
        .recall(pool, request)
        .await
        .unwrap()
        .hits
        .into_iter()
        .map(|hit| hit.id)
        .collect()
}

async fn conforms(driver: &dyn MemoryDriver) {
    finding::remembers(driver).await;
    finding::filters_and_pages(driver).await;
    holding::forgets(driver).await;
    holding::keeps_apart(driver).await;
    holding::bounds(driver).await;
    holding::erases(driver).await;
}

#[tokio::test]
async fn the_fake_conforms() {
    conforms(&FakeMemory::default()).await;
}

#[tokio::test]
async fn the_embedded_store_conforms() {
    let home = tempfile::tempdir().unwrap();
    let config = MemoryConfig::shipped().unwrap();
    let driver = EmbeddedMemory::open(
        home.path(),
        config,
        Arc::new(FakeEmbedder::default()),
        clocks,
    )
    .unwrap();
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
    let driver = EmbeddedMemory::open(
        home.path(),
        config,
        Arc::new(FakeEmbedder::default()),
        clocks,
    )
    .unwrap();
    conforms(&driver).await;
    let folders: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(folders.contains(&"filters".into()), "{folders:?}");
}
