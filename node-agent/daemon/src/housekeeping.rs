//! What a node does once a day: memory that is older than its pool keeps it, and bundles that nobody wants any
//! more, leave the disk also where no agent touches them. What may not enter: erasing what somebody deleted,
//! which happens at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_bundle::{Digest, Store};
use aion_drivers::memory::{MemoryDriver, Pool, Tier};

use crate::{dispatch, instance::Instances, instances::Standings};

/// After the start, when agents have become ready.
const FIRST: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a bundle that nobody wants stays: a revision that comes back need not be fetched and compiled again.
const UNWANTED: Duration = Duration::from_secs(7 * 24 * 3600);

/// See the module.
pub(crate) struct Housekeeping {
    pub(crate) instances: Instances,
    pub(crate) standings: Standings,
    pub(crate) memory: Arc<dyn MemoryDriver>,
    pub(crate) store: Arc<Store>,
}

impl Housekeeping {
    /// Works for ever.
    pub(crate) async fn work(self) {
        self.work_every(FIRST, DAY).await;
    }

    async fn work_every(self, first: Duration, then: Duration) {
        tokio::time::sleep(first).await;
        loop {
            self.expire().await;
            self.prune().await;
            tokio::time::sleep(then).await;
        }
    }

    async fn expire(&self) {
        for pool in self.pools() {
            match self.memory.expire(&pool).await {
                Ok(0) => {}
                Ok(items) => tracing::info!(pool = pool.id.pool, items, "old memory was forgotten"),
                Err(problem) => {
                    tracing::warn!(pool = pool.id.pool, %problem, "old memory is forgotten later");
                }
            }
        }
    }

    /// Every tier of the pools with a retention that instances use, each once.
    fn pools(&self) -> Vec<Pool> {
        let used = self.instances.all();
        let tiers = |it| Tier::ALL.map(|tier| dispatch::pool(it, tier));
        let pools = used.iter().flat_map(|it| tiers(it)).filter_map(Result::ok);
        let bounded = pools.filter(|pool| pool.retention_days.is_some());
        let each: HashMap<_, _> = bounded
            .map(|pool| ((pool.id.clone(), pool.tier), pool))
            .collect();
        each.into_values().collect()
    }

    async fn prune(&self) {
        let Some(standings) = self.standings.complete() else {
            tracing::warn!("bundles that nobody wants stay: not all instances are known yet");
            return;
        };
        let wanted: Vec<Digest> = standings
            .iter()
            .filter_map(|it| it.instance.spec.bundle.as_ref()?.digest.parse().ok())
            .collect();
        let store = Arc::clone(&self.store);
        let pruned = tokio::task::spawn_blocking(move || store.prune(&wanted, UNWANTED)).await;
        match pruned {
            Ok(Ok(0)) => {}
            Ok(Ok(bundles)) => tracing::info!(bundles, "bundles that nobody wants were removed"),
            Ok(Err(error)) => tracing::warn!(%error, "bundles that nobody wants stay for now"),
            Err(error) => tracing::error!(%error, "removing bundles broke off"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::syscall::memory::{Item, RecallRequest, RememberRequest};
    use aion_api::AgentInstanceSpec;
    use aion_bundle::Room;
    use aion_drivers::memory::FakeMemory;

    use serde_json::json;

    use super::*;
    use crate::instance::Instance;

    fn instance(retention_days: u32) -> Instance {
        let memory = json!({
            "pool": "notes", "poolUid": "u", "share": "private", "retentionDays": retention_days,
        });
        let spec = AgentInstanceSpec {
            tenant: "home".into(),
            agent: aion_api::AgentReference {
                name: "jarvis".into(),
                uid: "u".into(),
            },
            memory: serde_json::from_value(memory).unwrap(),
            ..AgentInstanceSpec::default()
        };
        Instance::of("jarvis-0", spec)
    }

    async fn items(memory: &FakeMemory, pool: &Pool) -> usize {
        // As one whose pool keeps everything: nothing is hidden from it.
        let keeps = Pool {
            retention_days: None,
            ..pool.clone()
        };
        let all: RecallRequest = serde_json::from_value(json!({"query": "", "k": 10})).unwrap();
        memory.recall(&keeps, all).await.unwrap().hits.len()
    }

    async fn until_forgotten(memory: &FakeMemory, pool: &Pool) {
        let forgotten = async {
            while items(memory, pool).await > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(FIRST, forgotten).await.unwrap();
    }

    #[tokio::test]
    async fn old_memory_is_forgotten_again_and_again_and_newer_memory_is_not() {
        let memory = Arc::new(FakeMemory::default());
        let dir = tempfile::tempdir().unwrap();
        let instances = Instances::default();
        let pool = dispatch::pool(&instances.put(instance(7)), Tier::Long).unwrap();
        let item: Item = serde_json::from_value(json!({"text": "on Thursday"})).unwrap();
        let request = RememberRequest { items: vec![item] };
        let keeping = Housekeeping {
            instances,
            standings: Standings::default(),
            memory: Arc::clone(&memory) as Arc<dyn MemoryDriver>,
            store: Arc::new(Store::open(dir.path()).unwrap()),
        };
        keeping.expire().await;
        memory.remember(&pool, request.clone()).await.unwrap();
        memory.grow_older(6 * 86_400_000);
        keeping.expire().await;
        assert_eq!(items(&memory, &pool).await, 1, "it is not old enough");
        let often = Duration::from_millis(1);
        let keeping = tokio::spawn(keeping.work_every(often, often));
        for _ in 0..2 {
            memory.grow_older(8 * 86_400_000);
            until_forgotten(&memory, &pool).await;
            memory.remember(&pool, request.clone()).await.unwrap();
        }
        keeping.abort();
    }

    #[tokio::test]
    async fn bundles_stay_until_all_instances_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_in(dir.path(), Room::default(), || 2 * UNWANTED).unwrap();
        let store = Arc::new(store);
        let bundle = dir.path().join("bundles").join("0".repeat(64));
        std::fs::create_dir(&bundle).unwrap();
        let old = std::time::UNIX_EPOCH;
        let folder = std::fs::File::open(&bundle).unwrap();
        folder.set_modified(old).unwrap();
        let keeping = Housekeeping {
            instances: Instances::default(),
            standings: Standings::default(),
            memory: Arc::new(FakeMemory::default()),
            store,
        };
        keeping.prune().await;
        assert!(bundle.exists(), "whoever wants it was not told yet");
        keeping.standings.be_complete();
        keeping.prune().await;
        assert!(!bundle.exists());
    }
}
