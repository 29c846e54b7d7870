//! MemoryPools that are deleted: what this node holds of them is erased once no instance here uses it any
//! more, and only then said.

use std::{collections::HashSet, pin::pin, sync::Arc, time::Duration};

use aion_api::{
    API_VERSION, AgentInstance, Erasure, ErasureState, MemoryPool,
    metadata::{FINALIZER_ERASE, LABEL_POOL, MANAGER_NODE},
};
use aion_backoff::Backoff;
use aion_drivers::memory::{MemoryDriver, PoolId};
use futures::TryStreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use crate::clock;

/// Between two looks at a pool that could not be erased yet.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
/// The longest message of the schema.
const MESSAGE: usize = 1024;

/// See the module.
#[derive(Clone)]
pub(super) struct Eraser {
    pub(super) client: Client,
    pub(super) node: String,
    pub(super) memory: Arc<dyn MemoryDriver>,
}

/// A pool that is being deleted.
#[derive(Debug, Clone)]
struct Deleted {
    namespace: String,
    name: String,
    uid: String,
}

impl Eraser {
    /// Works for ever. Only names and times of pools are watched; a pool is read when it is deleted.
    pub(super) async fn work(self) {
        let pools: Api<PartialObjectMeta<MemoryPool>> = Api::all(self.client.clone());
        let events = watcher(pools, watcher::Config::default()).default_backoff();
        let mut events = pin!(events);
        // By uid: an event that comes while a pool is at work starts nothing twice.
        let mut at_work = HashSet::new();
        let (over_in, mut over) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                event = events.try_next() => match event {
                    Ok(Some(Event::Apply(pool) | Event::InitApply(pool))) => {
                        if let Some(pool) = deleted(&pool)
                            && at_work.insert(pool.uid.clone())
                        {
                            let (eraser, over_in) = (self.clone(), over_in.clone());
                            tasks.spawn(async move {
                                eraser.erase(&pool).await;
                                let _ = over_in.send(pool.uid);
                            });
                        }
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => return,
                    Err(error) => tracing::debug!(%error, "the watch of MemoryPools broke"),
                },
                Some(uid) = over.recv() => {
                    at_work.remove(&uid);
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    /// Erases what this node holds of a pool, and says so, however often it takes.
    async fn erase(&self, deleted: &Deleted) {
        let pools: Api<MemoryPool> = Api::namespaced(self.client.clone(), &deleted.namespace);
        let mut pauses = PAUSES;
        loop {
            match self.attempt(&pools, deleted).await {
                Ok(Attempt::Done) => return,
                Ok(Attempt::InUse) => {}
                Ok(Attempt::NotErased(why)) => {
                    tracing::error!(namespace = deleted.namespace, pool = deleted.name, %why, "a pool was not erased");
                }
                Err(error) => {
                    tracing::warn!(namespace = deleted.namespace, pool = deleted.name, %error, "a pool is erased later");
                }
            }
            tokio::time::sleep(pauses.pause()).await;
        }
    }

    async fn attempt(
        &self,
        pools: &Api<MemoryPool>,
        deleted: &Deleted,
    ) -> Result<Attempt, kube::Error> {
        let Some(pool) = pools.get_opt(&deleted.name).await? else {
            return Ok(Attempt::Done);
        };
        let status = pool.status.clone().unwrap_or_default();
        let own = status.erasures.iter().find(|it| it.node == self.node);
        let erased = own.is_some_and(|it| it.state == ErasureState::Erased);
        if pool.uid().as_deref() == Some(deleted.uid.as_str()) {
            self.erase_lost(&pool, deleted).await;
        }
        let here = status.node_name.as_deref() == Some(self.node.as_str());
        if pool.uid().as_deref() != Some(deleted.uid.as_str()) || erased || !here {
            return Ok(Attempt::Done);
        }
        if self.is_used(deleted).await? {
            return Ok(Attempt::InUse);
        }
        let id = PoolId {
            tenant: deleted.namespace.as_str().into(),
            pool: deleted.name.clone(),
            uid: pool.identity(),
        };
        let (state, message) = match self.memory.erase(&id).await {
            Ok(()) => (ErasureState::Erased, "read back, and gone".to_owned()),
            Err(problem) => (ErasureState::NotErased, problem.to_string()),
        };
        let said = own.is_some_and(|it| it.state == state && it.message.as_ref() == Some(&message));
        if !said {
            self.say(pools, deleted, state, &message).await?;
        }
        Ok(match state {
            ErasureState::Erased => Attempt::Done,
            ErasureState::NotErased => Attempt::NotErased(message),
        })
    }

    /// Erases what this node held of the pool before it was forgotten: nobody reads that any more.
    async fn erase_lost(&self, pool: &MemoryPool, deleted: &Deleted) {
        let status = pool.status.clone().unwrap_or_default();
        if !status.losses.iter().any(|it| it.node == self.node) {
            return;
        }
        for uid in pool.earlier_identities() {
            let id = PoolId {
                tenant: deleted.namespace.as_str().into(),
                pool: deleted.name.clone(),
                uid,
            };
            if let Err(problem) = self.memory.erase(&id).await {
                tracing::error!(namespace = id.tenant.as_str(), pool = id.pool, uid = id.uid, %problem, "memory from before this node was forgotten is not erased");
            }
        }
    }

    /// Whether an instance of this node uses it: the API server is asked, which knows of all of them also
    /// when this daemon has only just started.
    async fn is_used(&self, deleted: &Deleted) -> Result<bool, kube::Error> {
        let here: Api<AgentInstance> = Api::namespaced(self.client.clone(), &deleted.namespace);
        let params = ListParams::default()
            .fields(&format!("spec.nodeName={}", self.node))
            .labels(&format!("{LABEL_POOL}={}", deleted.name))
            .limit(1);
        Ok(!here.list_metadata(&params).await?.items.is_empty())
    }

    async fn say(
        &self,
        pools: &Api<MemoryPool>,
        deleted: &Deleted,
        state: ErasureState,
        message: &str,
    ) -> Result<(), kube::Error> {
        let erasure = Erasure {
            node: self.node.clone(),
            state,
            message: Some(message[..message.floor_char_boundary(MESSAGE)].to_owned()),
            time: Some(Time(clock::timestamp())),
        };
        let object = json!({
            "apiVersion": API_VERSION,
            "kind": "MemoryPool",
            "metadata": {"name": deleted.name, "uid": deleted.uid},
            "status": {"erasures": [erasure]},
        });
        let params = PatchParams::apply(MANAGER_NODE).force();
        pools
            .patch_status(&deleted.name, &params, &Patch::Apply(&object))
            .await?;
        tracing::info!(
            namespace = deleted.namespace,
            pool = deleted.name,
            ?state,
            "a pool was deleted"
        );
        Ok(())
    }
}

/// How far erasing came.
enum Attempt {
    /// Nothing is left to do here.
    Done,
    /// An instance of this node still uses it.
    InUse,
    /// It could not be done, and that was said.
    NotErased(String),
}

fn deleted(pool: &PartialObjectMeta<MemoryPool>) -> Option<Deleted> {
    pool.metadata.deletion_timestamp.as_ref()?;
    // Without it nobody waits any more.
    let waits = pool.finalizers().iter().any(|it| it == FINALIZER_ERASE);
    waits.then_some(Deleted {
        namespace: pool.namespace()?,
        name: pool.name_any(),
        uid: pool.uid()?,
    })
}
