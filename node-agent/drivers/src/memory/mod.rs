//! What agents remember: `memory.remember`, `memory.recall`, `memory.forget`, and the erasing of pools.
//!
//! A pool belongs to a tenant; within it an agent sees its own part or the shared one, never another's.
//! Which pool an agent has, and whether it may use it, was decided before. What may not enter: syntax of
//! a search engine in a caller's words, a half of a batch, a text that was forgotten and is still on disk.

mod backend;
mod bounds;
mod config;
mod embedded;
mod failure;
mod fusion;
mod paused;
mod tiers;
mod words;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(test, feature = "conformance"))]
mod fake;

use aion_abi::{
    problem::Problem,
    syscall::memory::{
        ForgetRequest, ForgetResponse, RecallRequest, RecallResponse, RememberRequest,
        RememberResponse,
    },
    tenant::Tenant,
};
use futures::future::BoxFuture;

use super::embed::{self, Embedding};

pub use backend::{Means, Reading};
pub use config::{ConfigError, EmbeddingConfig, MemoryConfig};
#[cfg(any(test, feature = "conformance"))]
pub use fake::FakeMemory;
pub use tiers::{Tier, TieredMemory};

use backend::Backend;

/// The back ends of this build: each is a folder here, and a line in this table.
const BACKENDS: &[&dyn Backend] = &[
    &embedded::Embedded,
    #[cfg(test)]
    &fake::tests::Fake,
];

/// Which pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolId {
    /// Whose it is: the namespace, standalone too.
    pub tenant: Tenant,
    /// The MemoryPool's name.
    pub pool: String,
    /// The MemoryPool's uid: one that was deleted and made again is another pool. May be empty.
    pub uid: String,
}

/// One tier of a pool as one agent uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Which pool.
    pub id: PoolId,
    /// Which tier of it.
    pub tier: Tier,
    /// Where the pool keeps that tier; where absent, the node says.
    pub backend: Option<&'static str>,
    /// Whose part: an agent's own (`share: private`), or the shared one (`share: pool`) where absent.
    pub owner: Option<String>,
    /// How much the pool may hold in this tier, all its parts together.
    pub quota: PoolQuota,
    /// Items older than this many days are forgotten.
    pub retention_days: Option<u32>,
    /// The model that turns text into vectors; recall goes by words where absent.
    pub embedding: Option<Embedding>,
}

/// How much a pool may hold in a tier. Counted are text, ids, collections and attributes,
/// not indexes and vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolQuota {
    /// Items.
    pub max_items: Option<u64>,
    /// Bytes.
    pub max_bytes: Option<u64>,
}

/// Carries out the memory syscalls.
///
/// Answers `bad-request` for what breaks a bound, `quota-exceeded` for a full pool, `storage-full` for a
/// full disk (nothing of the batch is stored then), `internal` for a broken store, naming its file.
pub trait MemoryDriver: Send + Sync {
    /// Whether this tier of the pool is kept here at all. Asked before an agent may run; looks nothing up.
    ///
    /// # Errors
    /// `not-found`, which names the back end and what to do.
    fn keeps(&self, _pool: &Pool) -> Result<(), Problem> {
        Ok(())
    }

    /// Stores a batch, all or nothing, durable when it answers. An item whose id is there is replaced; one
    /// that is there just so stays as it is.
    fn remember<'a>(
        &'a self,
        pool: &'a Pool,
        request: RememberRequest,
    ) -> BoxFuture<'a, Result<RememberResponse, Problem>>;

    /// Searches, or lists where the query is empty.
    fn recall<'a>(
        &'a self,
        pool: &'a Pool,
        request: RecallRequest,
    ) -> BoxFuture<'a, Result<RecallResponse, Problem>>;

    /// Erases items: when it answers, their bytes are on no file of the store.
    fn forget<'a>(
        &'a self,
        pool: &'a Pool,
        request: ForgetRequest,
    ) -> BoxFuture<'a, Result<ForgetResponse, Problem>>;

    /// Erases what is older in this tier than the pool's retention; answers how many items. Recall never shows such
    /// items; calling this daily also takes them off the disk of a pool that nobody uses.
    fn expire<'a>(&'a self, pool: &'a Pool) -> BoxFuture<'a, Result<u64, Problem>>;

    /// Erases one agent's own part of a pool in every tier; answers how many items.
    fn erase_owner<'a>(
        &'a self,
        pool: &'a PoolId,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<u64, Problem>>;

    /// Erases a whole pool, every tier of it, and reads back that it is gone. One that is not there is not an error.
    fn erase<'a>(&'a self, pool: &'a PoolId) -> BoxFuture<'a, Result<(), Problem>>;
}
