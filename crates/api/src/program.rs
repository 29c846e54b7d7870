//! What an instance runs: the shapes that an Agent and its AgentInstance share.

pub use aion_abi::runtime::{Runtime, WithoutModel};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{DIGEST, SUBDOMAIN};

/// Which queue the agent's turns and calls wait in.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Something in the world waits: devices, alarms.
    Realtime,
    /// A person waits.
    #[default]
    Interactive,
    /// Nobody waits, but it should be done soon.
    Batch,
    /// Whatever is left over.
    Background,
}

impl Lane {
    /// What an agent may wait in where no policy says otherwise: nobody goes before the person who waits.
    pub const UNLESS_SAID_OTHERWISE: [Self; 3] = [Self::Interactive, Self::Batch, Self::Background];

    /// As it is written in YAML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Interactive => "interactive",
            Self::Batch => "batch",
            Self::Background => "background",
        }
    }
}

/// A signed bundle, named by content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleRef {
    /// The bundle's name in the registries and layouts that the node is configured with, such as
    /// analyst or team/analyst. No registry host and no tag: those are the node's business, so the same
    /// YAML serves everywhere.
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[a-z0-9]+([._/-][a-z0-9]+)*$")
    )]
    pub name: String,
    /// The digest of the bundle's manifest, sha256: and 64 hex digits. `aionctl bundle push` prints it.
    #[schemars(length(min = 71, max = 71), regex(pattern = DIGEST))]
    pub digest: String,
}

/// A Secret's key, by name; never its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name. In a cluster it is a Secret of the same namespace; on a machine standing alone
    /// a folder of that name under `config/secrets`.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub secret: String,
    /// The key within the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelPurpose {
    /// Answering.
    #[default]
    Chat,
    /// Turning text into vectors for recall.
    Embedding,
}
