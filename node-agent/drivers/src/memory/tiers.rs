//! The tiers of memory: each call goes to the back end that the pool names for its tier, or else to the one
//! that the node's configuration names.
//!
//! What may not enter: what a back end does with a call.

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::memory::{
        ForgetRequest, ForgetResponse, RecallRequest, RecallResponse, RememberRequest,
        RememberResponse,
    },
};
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use serde::Deserialize;

use super::{MemoryDriver, Pool, PoolId};

/// A kind of memory. A pool holds each apart from the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tier {
    /// What matters during a conversation.
    Short,
    /// What is known. `memory.remember`, `memory.recall` and `memory.forget` mean this one.
    #[default]
    Long,
    /// What happened.
    Episodic,
}

impl Tier {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Short, Self::Long, Self::Episodic];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
            Self::Episodic => "episodic",
        }
    }
}

/// Something for each tier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PerTier<T> {
    pub(super) short: T,
    pub(super) long: T,
    pub(super) episodic: T,
}

impl<T> PerTier<T> {
    pub(super) const fn of(&self, tier: Tier) -> &T {
        match tier {
            Tier::Short => &self.short,
            Tier::Long => &self.long,
            Tier::Episodic => &self.episodic,
        }
    }

    pub(super) fn try_map<U, E>(
        self,
        mut map: impl FnMut(Tier, T) -> Result<U, E>,
    ) -> Result<PerTier<U>, E> {
        Ok(PerTier {
            short: map(Tier::Short, self.short)?,
            long: map(Tier::Long, self.long)?,
            episodic: map(Tier::Episodic, self.episodic)?,
        })
    }
}

/// The memory of a node. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct TieredMemory(Arc<Tiers>);

struct Tiers {
    backends: BTreeMap<&'static str, Arc<dyn MemoryDriver>>,
    /// Where a tier is kept of which a pool says nothing.
    usual: PerTier<&'static str>,
}

impl TieredMemory {
    /// Every name in `usual` is among `backends`.
    pub(super) fn new(
        backends: BTreeMap<&'static str, Arc<dyn MemoryDriver>>,
        usual: PerTier<&'static str>,
    ) -> Self {
        Self(Arc::new(Tiers { backends, usual }))
    }

    fn driver(&self, pool: &Pool) -> Result<&dyn MemoryDriver, Problem> {
        let name = pool.backend.unwrap_or(self.0.usual.of(pool.tier));
        let driver = self.0.backends.get(name).map(AsRef::as_ref);
        driver.ok_or_else(|| {
            let (pool, tier) = (&pool.id.pool, pool.tier.as_str());
            let known: Vec<_> = self.0.backends.keys().copied().collect();
            Problem::new(
                Code::NotFound,
                format!("memory pool {pool} keeps its {tier} tier in {name}, which this node does not run"),
            )
            .remedy(format!(
                "name one that it runs ({}) under spec.tiers of the MemoryPool, or add {name} to the node's config/memory.yaml",
                known.join(", ")
            ))
        })
    }
}

fn refused<'a, T: Send + 'a>(problem: Problem) -> BoxFuture<'a, Result<T, Problem>> {
    ready(Err(problem)).boxed()
}

impl MemoryDriver for TieredMemory {
    fn keeps(&self, pool: &Pool) -> Result<(), Problem> {
        self.driver(pool).map(|_| ())
    }

    fn remember<'a>(
        &'a self,
        pool: &'a Pool,
        request: RememberRequest,
    ) -> BoxFuture<'a, Result<RememberResponse, Problem>> {
        match self.driver(pool) {
            Ok(driver) => driver.remember(pool, request),
            Err(problem) => refused(problem),
        }
    }

    fn recall<'a>(
        &'a self,
        pool: &'a Pool,
        request: RecallRequest,
    ) -> BoxFuture<'a, Result<RecallResponse, Problem>> {
        match self.driver(pool) {
            Ok(driver) => driver.recall(pool, request),
            Err(problem) => refused(problem),
        }
    }

    fn forget<'a>(
        &'a self,
        pool: &'a Pool,
        request: ForgetRequest,
    ) -> BoxFuture<'a, Result<ForgetResponse, Problem>> {
        match self.driver(pool) {
            Ok(driver) => driver.forget(pool, request),
            Err(problem) => refused(problem),
        }
    }

    fn expire<'a>(&'a self, pool: &'a Pool) -> BoxFuture<'a, Result<u64, Problem>> {
        match self.driver(pool) {
            Ok(driver) => driver.expire(pool),
            Err(problem) => refused(problem),
        }
    }

    /// In every back end: a tier may have been kept elsewhere before.
    fn erase_owner<'a>(
        &'a self,
        pool: &'a PoolId,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<u64, Problem>> {
        Box::pin(async move {
            let mut items = 0;
            for driver in self.0.backends.values() {
                items += driver.erase_owner(pool, owner).await?;
            }
            Ok(items)
        })
    }

    /// In every back end, for the same reason.
    fn erase<'a>(&'a self, pool: &'a PoolId) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move {
            for driver in self.0.backends.values() {
                driver.erase(pool).await?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
