//! The section `embedded` of `config/memory.yaml`.

use std::{sync::Arc, time::Duration};

use aion_abi::problem::Problem;
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        ConfigError, EmbeddingConfig, MemoryDriver,
        backend::{Backend, Means, Settings},
        config::{seconds, section, within},
    },
    EmbeddedMemory,
};

const NAME: &str = "embedded";

/// The embedded store among the back ends.
pub(in crate::memory) struct Embedded;

/// What the store is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EmbeddedConfig {
    pub(super) bounds: Bounds,
    pub(super) embedding: EmbeddingConfig,
}

/// What the section says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Pools that are open at once at most; the longest unused is closed first.
    pub(super) open_pools: usize,
    /// A pool that was not used for so long is closed.
    pub(super) idle: Duration,
    /// Items a pool holds at most, whatever its own quota says.
    pub(super) max_items: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    open_pools: u64,
    idle_seconds: u64,
    max_items: u64,
}

impl Backend for Embedded {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, settings: Value) -> Result<Arc<dyn Settings>, ConfigError> {
        Ok(Arc::new(Bounds::read(settings)?))
    }
}

impl Bounds {
    fn read(settings: Value) -> Result<Self, ConfigError> {
        let raw: Raw = section(NAME, settings)?;
        let open = within("embedded.openPools", raw.open_pools, 1, 4096, "1 to 4096")?;
        Ok(Self {
            open_pools: usize::try_from(open).unwrap_or(usize::MAX),
            idle: seconds("embedded.idleSeconds", raw.idle_seconds)?,
            max_items: within(
                "embedded.maxItems",
                raw.max_items,
                1,
                100_000_000,
                "1 to 100000000",
            )?,
        })
    }
}

impl Settings for Bounds {
    fn open(
        &self,
        means: &Means,
        embedding: &EmbeddingConfig,
    ) -> Result<Arc<dyn MemoryDriver>, Problem> {
        let config = EmbeddedConfig {
            bounds: self.clone(),
            embedding: embedding.clone(),
        };
        let store = EmbeddedMemory::open(
            &means.folder,
            config,
            Arc::clone(&means.embedder),
            means.now,
        )?;
        Ok(Arc::new(store))
    }
}

#[cfg(test)]
impl EmbeddedConfig {
    /// The settings that are shipped, changed by `change`.
    #[allow(clippy::unwrap_used)]
    pub(super) fn shipped(change: impl FnOnce(&mut Self)) -> Self {
        let mut file: serde_json::Map<String, Value> =
            serde_saphyr::from_str(super::super::config::SHIPPED).unwrap();
        let mut config = Self {
            bounds: Bounds::read(file.remove(NAME).unwrap()).unwrap(),
            embedding: EmbeddingConfig::read(file.remove("embedding").unwrap()).unwrap(),
        };
        change(&mut config);
        config
    }
}
