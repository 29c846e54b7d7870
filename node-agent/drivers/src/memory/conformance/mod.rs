//! What every memory driver must do: it passes [`conforms`] and [`forgets_in_time`].
#![allow(clippy::unwrap_used)]

mod finding;
mod holding;

use std::collections::BTreeMap;

use aion_abi::{
    date::UnixMillis,
    syscall::memory::{Item, RecallRequest, RememberRequest},
};

use super::{MemoryDriver, Pool, PoolId, PoolQuota, Reading, Tier};

/// Clocks that stand still.
pub fn clocks() -> Reading {
    Reading {
        date: UnixMillis(1_767_225_600_000),
        boot: uuid::Uuid::from_u128(1),
        up_ms: 0,
    }
}

/// A pool of `tenant`, as an agent of that name uses it.
pub fn pool(tenant: &str, owner: Option<&str>) -> Pool {
    Pool {
        id: PoolId {
            tenant: tenant.into(),
            pool: "personal".into(),
            uid: "u1".into(),
        },
        tier: Tier::Long,
        backend: None,
        owner: owner.map(str::to_owned),
        quota: PoolQuota::default(),
        retention_days: None,
        embedding: None,
    }
}

/// An item of no collection.
pub fn item(id: &str, text: &str) -> Item {
    Item {
        id: Some(id.into()),
        text: text.into(),
        collection: String::new(),
        attributes: BTreeMap::new(),
    }
}

/// These items, to be remembered at once.
pub fn batch(items: impl IntoIterator<Item = Item>) -> RememberRequest {
    RememberRequest {
        items: items.into_iter().collect(),
    }
}

/// The first ten for `text`.
pub fn query(text: &str) -> RecallRequest {
    RecallRequest {
        query: text.into(),
        k: 10,
        collection: None,
        attributes: BTreeMap::new(),
        ids: Vec::new(),
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

/// What is found, by id and in order.
///
/// # Panics
/// Where the driver refuses.
pub async fn ids(driver: &dyn MemoryDriver, pool: &Pool, request: RecallRequest) -> Vec<String> {
    driver
        .recall(pool, request)
        .await
        .unwrap()
        .hits
        .into_iter()
        .map(|hit| hit.id)
        .collect()
}

/// The driver holds nothing yet.
///
/// # Panics
/// Where the driver does something else.
pub async fn conforms(driver: &dyn MemoryDriver) {
    finding::remembers(driver).await;
    finding::filters_and_pages(driver).await;
    holding::forgets(driver).await;
    holding::keeps_apart(driver).await;
    holding::bounds(driver).await;
    holding::erases(driver).await;
}

/// The driver forgets what is older than its pool's retention. `grow_older` lets so many milliseconds pass for what
/// it holds.
///
/// # Panics
/// Where the driver does something else.
pub async fn forgets_in_time(driver: &dyn MemoryDriver, grow_older: impl Fn(u64)) {
    holding::forgets_in_time(driver, &grow_older).await;
}
