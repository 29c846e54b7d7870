//! The embedded store: SQLite, one database a tier of a pool, one folder a tenant.
//!
//! Lexical recall is FTS5's BM25; where a pool has an embedding model, vectors lie beside the items and
//! are compared one by one. Everything here that touches the disk runs on blocking threads; a pool that
//! nobody uses is closed, so an idle agent has no connection, task or timer.

mod age;
mod backfill;
mod config;
mod fault;
mod filter;
mod forget;
mod place;
mod pool;
mod pools;
mod recall;
mod remember;
mod schema;
mod scrub;
mod separators;
mod sweeping;
mod vectors;

#[cfg(test)]
mod age_tests;
#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod erasure_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod hybrid_tests;
#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod measure;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use aion_abi::{
    problem::Problem,
    syscall::memory::{
        ForgetRequest, ForgetResponse, RecallRequest, RecallResponse, RememberRequest,
        RememberResponse,
    },
};
use futures::future::BoxFuture;
use rusqlite::Connection;

use super::{
    MemoryDriver, Pool, PoolId, Reading, Tier,
    bounds::{check_forget, check_recall, check_remember},
    embed::Embedder,
    failure::MemoryError,
    paused::Paused,
};
use crate::blocking::Lanes;
pub(super) use config::Embedded;
use config::EmbeddedConfig;
use fault::Fault;
use place::Shelf;
use pool::OpenPool;
use pools::{Pools, Slot};

/// Blocking calls at a time on one pool: one of them writes, the others read.
const CALLS_PER_POOL: usize = 8;

/// The embedded store of a node. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub(super) struct EmbeddedMemory(Arc<Store>);

struct Store {
    config: EmbeddedConfig,
    pools: Pools,
    lanes: Lanes<Shelf>,
    embedder: Paused,
    sweeping: AtomicBool,
    now: fn() -> Reading,
}

impl EmbeddedMemory {
    /// Opens the store under `root`, made where it is missing, and finishes erasures that a crash cut
    /// short. Blocks on the disk; opens no pool. `now` reads the clocks.
    ///
    /// # Errors
    /// `internal` or `storage-full` where the folder cannot be made or read.
    fn open(
        root: impl Into<PathBuf>,
        config: EmbeddedConfig,
        embedder: Arc<dyn Embedder>,
        now: fn() -> Reading,
    ) -> Result<Self, Problem> {
        let bounds = &config.bounds;
        Ok(Self(Arc::new(Store {
            pools: Pools::open(root.into(), bounds.open_pools, bounds.idle)?,
            lanes: Lanes::new(CALLS_PER_POOL),
            embedder: Paused::new(embedder, config.embedding.timeout, config.embedding.pause),
            sweeping: AtomicBool::new(false),
            config,
            now,
        })))
    }

    /// Runs `work` on the pool, which is made where it is not there yet.
    async fn on<T, F>(&self, id: &Shelf, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&OpenPool) -> Result<T, Fault> + Send + 'static,
    {
        self.at(id, move |slot| slot.with(work)).await
    }

    /// Runs `work` on the pool; nothing where there is none.
    async fn on_existing<T, F>(&self, id: &Shelf, work: F) -> Result<Option<T>, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&OpenPool) -> Result<T, Fault> + Send + 'static,
    {
        self.at(id, move |slot| slot.with_existing(work)).await
    }

    /// Runs `work`, which erases, and answers how many items are gone from the disk.
    async fn erase_items<F>(&self, id: &Shelf, work: F) -> Result<u64, Problem>
    where
        F: FnOnce(&mut Connection) -> Result<u64, Fault> + Send + 'static,
    {
        let gone = self
            .at(id, move |slot| slot.erase_items(|open| open.write(work)))
            .await?;
        Ok(gone.unwrap_or_default())
    }

    async fn at<T, F>(&self, id: &Shelf, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Slot) -> Result<T, MemoryError> + Send + 'static,
    {
        let slot = self.0.pools.slot(id)?;
        let store = self.0.clone();
        let done = self.0.lanes.run(id, move || {
            let done = work(&slot);
            drop(slot);
            store.pools.make_room();
            done
        });
        let done = done.await?;
        self.keep_sweeping();
        done.map_err(|error| {
            if matches!(
                error,
                MemoryError::Corrupt { .. }
                    | MemoryError::Internal { .. }
                    | MemoryError::Unusable { .. }
            ) {
                tracing::error!(%error, "a memory syscall failed");
            }
            error.into()
        })
    }
}

impl MemoryDriver for EmbeddedMemory {
    fn remember<'a>(
        &'a self,
        pool: &'a Pool,
        request: RememberRequest,
    ) -> BoxFuture<'a, Result<RememberResponse, Problem>> {
        Box::pin(async move {
            check_remember(&request).map_err(MemoryError::from)?;
            let batch = remember::Batch::new(
                pool,
                self.0.config.bounds.max_items,
                (self.0.now)(),
                request.items,
            );
            let shelf = Shelf::of(pool);
            let stored = self.on(&shelf, move |open| {
                let ids = open.write(|writer| remember::remember(writer, &batch))?;
                open.note_stored();
                Ok(ids)
            });
            let ids = stored.await?;
            self.backfill(pool);
            Ok(RememberResponse { ids })
        })
    }

    fn recall<'a>(
        &'a self,
        pool: &'a Pool,
        request: RecallRequest,
    ) -> BoxFuture<'a, Result<RecallResponse, Problem>> {
        Box::pin(async move {
            check_recall(&request).map_err(MemoryError::from)?;
            let wish = recall::Wish::new(pool, (self.0.now)(), request);
            let (vector, degraded) = match (&pool.embedding, wish.searched_text()) {
                (Some(embedding), Some(text)) => {
                    match self.0.embedder.embed_one(embedding, text).await {
                        Ok(vector) => (Some((embedding.model.clone(), vector)), None),
                        Err(error) => (None, Some(format!("{error}: recalled by words only"))),
                    }
                }
                _ => (None, None),
            };
            let method = wish.method(vector.is_some());
            let found = self
                .on_existing(&Shelf::of(pool), move |open| {
                    open.read(|reader| recall::recall(reader, &wish, vector.as_ref()))
                })
                .await?;
            if degraded.is_none() {
                self.backfill(pool);
            }
            Ok(RecallResponse {
                hits: found.unwrap_or_default(),
                method,
                degraded,
            })
        })
    }

    fn forget<'a>(
        &'a self,
        pool: &'a Pool,
        request: ForgetRequest,
    ) -> BoxFuture<'a, Result<ForgetResponse, Problem>> {
        Box::pin(async move {
            check_forget(&request).map_err(MemoryError::from)?;
            let owner = pool.owner.clone().unwrap_or_default();
            let forgotten = self
                .erase_items(&Shelf::of(pool), move |writer| {
                    forget::forget(writer, &owner, &request)
                })
                .await?;
            Ok(ForgetResponse { forgotten })
        })
    }

    fn expire<'a>(&'a self, pool: &'a Pool) -> BoxFuture<'a, Result<u64, Problem>> {
        Box::pin(async move {
            let (retention_days, now) = (pool.retention_days, (self.0.now)());
            self.erase_items(&Shelf::of(pool), move |writer| {
                forget::older(writer, retention_days, &now)
            })
            .await
        })
    }

    fn erase_owner<'a>(
        &'a self,
        pool: &'a PoolId,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<u64, Problem>> {
        Box::pin(async move {
            let mut items = 0;
            for tier in Tier::ALL {
                let (shelf, owner) = (Shelf::new(pool, tier), owner.to_owned());
                items += self
                    .erase_items(&shelf, move |writer| forget::owned(writer, &owner))
                    .await?;
            }
            Ok(items)
        })
    }

    fn erase<'a>(&'a self, pool: &'a PoolId) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move {
            for tier in Tier::ALL {
                self.at(&Shelf::new(pool, tier), |slot| slot.erase())
                    .await?;
            }
            Ok(())
        })
    }
}
