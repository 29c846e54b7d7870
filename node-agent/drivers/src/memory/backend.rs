//! What a back end is to the node's configuration: a name, its own section of `config/memory.yaml`, and
//! what it is opened with.
//!
//! What may not enter: a back end by name. The table of those of this build is in [`super`].

use std::{fmt::Debug, path::PathBuf, sync::Arc};

use aion_abi::{date::UnixMillis, problem::Problem};
use serde_json::Value;
use uuid::Uuid;

use super::{ConfigError, EmbeddingConfig, MemoryDriver, embed::Embedder};
use crate::{outbound::Outbound, secrets::Secrets};

/// A back end of this build.
pub(super) trait Backend: Sync {
    /// What a configuration and a MemoryPool call it; also the name of its section.
    fn name(&self) -> &'static str;

    /// Reads its section.
    fn read(&self, section: Value) -> Result<Arc<dyn Settings>, ConfigError>;
}

/// A back end's settings, checked.
pub(super) trait Settings: Debug + Send + Sync {
    /// Opens it. Blocks on the disk; waits for nothing on the network.
    fn open(
        &self,
        means: &Means,
        embedding: &EmbeddingConfig,
    ) -> Result<Arc<dyn MemoryDriver>, Problem>;
}

/// What a back end may work with.
pub struct Means {
    /// The folder of the node's memory.
    pub folder: PathBuf,
    /// The only way off the machine.
    pub outbound: Arc<Outbound>,
    /// Where keys are.
    pub secrets: Arc<dyn Secrets>,
    /// Makes vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Reads the clocks that the age of items goes by.
    pub now: fn() -> Reading,
}

/// The clocks at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the wall clock says.
    pub date: UnixMillis,
    /// Which run of the machine this is; nil where that is not known.
    pub boot: Uuid,
    /// How long the machine runs, its sleep included, in milliseconds.
    pub up_ms: u64,
}
