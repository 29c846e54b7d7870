//! Memory in memory, for tests of what calls the driver: counts shared words, knows no vectors.

use std::collections::{BTreeMap, HashMap, HashSet};

use aion_abi::{
    date::UnixMillis,
    problem::Problem,
    syscall::memory::{
        ForgetRequest, ForgetResponse, Hit, Item, Method, RecallRequest, RecallResponse,
        RememberRequest, RememberResponse,
    },
};
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;

use super::{
    MemoryDriver, Pool, PoolId, Tier,
    bounds::{check_forget, check_recall, check_remember, is_listing},
    failure::MemoryError,
};

/// It stands still; what is stored grows older instead.
const NOW: u64 = 1_767_225_600_000;

/// Items of pools, oldest first.
#[derive(Default)]
pub struct FakeMemory(Mutex<HashMap<PoolId, Vec<Stored>>>);

#[derive(Clone)]
struct Stored {
    tier: Tier,
    owner: Option<String>,
    id: String,
    item: Item,
    at: u64,
}

impl FakeMemory {
    /// As if so much time had passed for what is there.
    pub fn grow_older(&self, ms: u64) {
        for stored in self.0.lock().values_mut().flatten() {
            stored.at = stored.at.saturating_sub(ms);
        }
    }

    fn erase_where(&self, pool: &PoolId, gone: impl Fn(&Stored) -> bool) -> u64 {
        let mut pools = self.0.lock();
        let Some(items) = pools.get_mut(pool) else {
            return 0;
        };
        let before = items.len();
        items.retain(|stored| !gone(stored));
        (before - items.len()) as u64
    }

    fn remember_now(
        &self,
        pool: &Pool,
        request: RememberRequest,
    ) -> Result<RememberResponse, Problem> {
        check_remember(&request).map_err(MemoryError::from)?;
        let mut pools = self.0.lock();
        let held = pools.entry(pool.id.clone()).or_default();
        let mut next = held.clone();
        let mut ids = Vec::new();
        for item in request.items {
            let id = item
                .id
                .clone()
                .unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
            ids.push(id.clone());
            let same = |stored: &Stored| is_of(stored, pool) && stored.id == id;
            if next
                .iter()
                .any(|stored| same(stored) && stored.item == item)
            {
                continue;
            }
            next.retain(|stored| !same(stored));
            let at = NOW;
            next.push(Stored {
                tier: pool.tier,
                owner: pool.owner.clone(),
                id,
                item,
                at,
            });
        }
        let in_tier = || next.iter().filter(|stored| stored.tier == pool.tier);
        let items = in_tier().count() as u64;
        let bytes: u64 = in_tier().map(|it| it.item.text.len() as u64).sum();
        let quota = pool.quota;
        for (what, would, most) in [
            ("items", items, quota.max_items),
            ("bytes", bytes, quota.max_bytes),
        ] {
            if let Some(most) = most.filter(|most| would > *most) {
                return Err(MemoryError::Quota {
                    pool: pool.id.pool.clone(),
                    what,
                    would,
                    most,
                }
                .into());
            }
        }
        *held = next;
        Ok(RememberResponse { ids })
    }

    fn recall_now(&self, pool: &Pool, request: &RecallRequest) -> Result<RecallResponse, Problem> {
        check_recall(request).map_err(MemoryError::from)?;
        let asked = words(&request.query);
        let listing = is_listing(request);
        let pools = self.0.lock();
        let mut found: Vec<(usize, &Stored)> = pools
            .get(&pool.id)
            .into_iter()
            .flatten()
            .rev()
            .filter(|stored| is_of(stored, pool) && !is_too_old(stored, pool))
            .filter(|stored| {
                request
                    .collection
                    .as_ref()
                    .is_none_or(|collection| stored.item.collection == *collection)
            })
            .filter(|stored| has(&stored.item.attributes, &request.attributes))
            .filter(|stored| request.ids.is_empty() || request.ids.contains(&stored.id))
            .map(|stored| {
                (
                    words(&stored.item.text).intersection(&asked).count(),
                    stored,
                )
            })
            .filter(|(shared, _)| listing || *shared > 0)
            .collect();
        found.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
        let page = found
            .into_iter()
            .skip(request.offset as usize)
            .take(request.k as usize);
        let hits = page.map(|(shared, stored)| Hit {
            id: stored.id.clone(),
            text: stored.item.text.clone(),
            collection: stored.item.collection.clone(),
            attributes: stored.item.attributes.clone(),
            score: shared as f64,
            stored_at_ms: UnixMillis(stored.at),
        });
        Ok(RecallResponse {
            hits: hits.collect(),
            method: if listing {
                Method::Listing
            } else {
                Method::Lexical
            },
            degraded: None,
        })
    }

    fn forget_now(&self, pool: &Pool, request: &ForgetRequest) -> Result<ForgetResponse, Problem> {
        check_forget(request).map_err(MemoryError::from)?;
        let forgotten = self.erase_where(&pool.id, |stored| {
            is_of(stored, pool)
                && match request {
                    ForgetRequest::Ids { ids } => ids.contains(&stored.id),
                    ForgetRequest::Collection {
                        collection,
                        attributes,
                    } => {
                        stored.item.collection == *collection
                            && has(&stored.item.attributes, attributes)
                    }
                }
        });
        Ok(ForgetResponse { forgotten })
    }
}

fn is_of(stored: &Stored, pool: &Pool) -> bool {
    (stored.tier, &stored.owner) == (pool.tier, &pool.owner)
}

fn is_too_old(stored: &Stored, pool: &Pool) -> bool {
    let age = pool.retention_days.map(|days| u64::from(days) * 86_400_000);
    age.is_some_and(|age| stored.at < NOW.saturating_sub(age))
}

fn words(text: &str) -> HashSet<String> {
    let lower = text.to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn has(attributes: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(name, value)| attributes.get(name) == Some(value))
}

impl MemoryDriver for FakeMemory {
    fn remember<'a>(
        &'a self,
        pool: &'a Pool,
        request: RememberRequest,
    ) -> BoxFuture<'a, Result<RememberResponse, Problem>> {
        Box::pin(ready(self.remember_now(pool, request)))
    }

    fn recall<'a>(
        &'a self,
        pool: &'a Pool,
        request: RecallRequest,
    ) -> BoxFuture<'a, Result<RecallResponse, Problem>> {
        Box::pin(ready(self.recall_now(pool, &request)))
    }

    fn forget<'a>(
        &'a self,
        pool: &'a Pool,
        request: ForgetRequest,
    ) -> BoxFuture<'a, Result<ForgetResponse, Problem>> {
        Box::pin(ready(self.forget_now(pool, &request)))
    }

    fn expire<'a>(&'a self, pool: &'a Pool) -> BoxFuture<'a, Result<u64, Problem>> {
        let gone = self.erase_where(&pool.id, |stored| {
            stored.tier == pool.tier && is_too_old(stored, pool)
        });
        Box::pin(ready(Ok(gone)))
    }

    fn erase_owner<'a>(
        &'a self,
        pool: &'a PoolId,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<u64, Problem>> {
        Box::pin(ready(Ok(self.erase_where(pool, |stored| {
            stored.owner.as_deref() == Some(owner)
        }))))
    }

    fn erase<'a>(&'a self, pool: &'a PoolId) -> BoxFuture<'a, Result<(), Problem>> {
        self.0.lock().remove(pool);
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::{
        super::{
            ConfigError, EmbeddingConfig,
            backend::{Backend, Means, Settings},
            conformance::{conforms, forgets_in_time},
        },
        *,
    };

    #[tokio::test]
    async fn the_fake_conforms() {
        conforms(&FakeMemory::default()).await;
        let fake = FakeMemory::default();
        forgets_in_time(&fake, |ms| fake.grow_older(ms)).await;
    }

    /// A second back end, for tests of what chooses one.
    pub(in crate::memory) struct Fake;

    #[derive(Debug)]
    struct NoSettings;

    impl Backend for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }

        fn read(&self, _: serde_json::Value) -> Result<Arc<dyn Settings>, ConfigError> {
            Ok(Arc::new(NoSettings))
        }
    }

    impl Settings for NoSettings {
        fn open(&self, _: &Means, _: &EmbeddingConfig) -> Result<Arc<dyn MemoryDriver>, Problem> {
            Ok(Arc::new(FakeMemory::default()))
        }
    }
}
