//! `MemoryPool`: where agents remember.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::schema::{MODEL, said};

/// Where agents remember.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "MemoryPool",
    namespaced,
    status = "MemoryPoolStatus",
    shortname = "mp",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "Where agents remember. An embedded pool lives on one node, and the agents that use it are placed there. Deleting it erases it: the object stays until every node that held a part has erased it.",
    validation = Rule::new("size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(said("the name of a MemoryPool is at most 63 characters of a-z, 0-9 and -", "choose a shorter or simpler metadata.name")),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether it can be used."),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName", description = "The node that holds it."),
    printcolumn(name = "Retention", type_ = "integer", json_path = ".spec.retention.days", description = "Days until what was remembered is forgotten.", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Since when it is there.")
)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPoolSpec {
    /// Where each kind of memory is kept. One that is left out is kept where the node's config/memory.yaml
    /// says, which is embedded unless it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Tiers>,
    /// How long it remembers. Left out, until it is told to forget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// How much it holds in each tier, in MiB. Remembering more is refused. Left out, as much as the node has.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "quotaMiB")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub quota_mib: Option<i32>,
    /// The model that turns text into vectors, so that recall also finds what is said in other words.
    /// Left out, recall goes by words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingUse>,
    /// How it is kept on disk: none (as the disk keeps it; the default) or atRest (not done by this
    /// release, and refused).
    #[serde(default)]
    #[x_kube(validation = Rule::new("self != 'atRest'").message(said("encryption: atRest is not done by this release", "remove it, and encrypt the disk")))]
    pub encryption: Encryption,
}

/// Where each kind of memory is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tiers {
    /// What matters during a conversation. Nothing is kept there by this release, whose agents remember in long alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Tier>,
    /// What is known: recalled by words, and by meaning where there is an embedding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<Tier>,
    /// What happened. Nothing is kept there by this release, whose agents remember in long alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episodic: Option<Tier>,
}

/// A tier of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// Where it is kept: embedded (in the node agent's own store; the default). redis, qdrant and s3 are
    /// not run by this release, and refused.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == 'embedded'").message(said("this release keeps memory in the embedded store only", "say backend: embedded, or leave it out")))]
    pub backend: Backend,
}

/// Where a tier is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The node agent's own store.
    #[default]
    Embedded,
    /// Redis; refused by this release.
    Redis,
    /// Qdrant; refused by this release.
    Qdrant,
    /// S3 or MinIO; refused by this release.
    S3,
}

impl Backend {
    /// As it is written, here and in a node's `config/memory.yaml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis => "redis",
            Self::Qdrant => "qdrant",
            Self::S3 => "s3",
        }
    }
}

/// How a pool is kept on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Encryption {
    /// As the disk keeps it.
    #[default]
    None,
    /// Encrypted by AION-OS; refused by this release.
    AtRest,
}

/// How long a pool remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Days after which what was remembered is forgotten. Each time that the machine was
    /// off counts for a day at most, since its clock may be wrong after.
    #[schemars(range(min = 1, max = 36500))]
    pub days: i32,
}

/// The model that turns text into vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddingUse {
    /// ENDPOINT/MODEL of this namespace; the model's purpose must be embedding.
    #[serde(rename = "use")]
    #[schemars(length(min = 1, max = 253), regex(pattern = MODEL))]
    pub use_model: String,
}

/// What became of a pool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::schema::unseen()))]
pub struct MemoryPoolStatus {
    /// The generation of the spec that this status speaks of; -1 before anybody has looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Ready, and while it is deleted Erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The node that holds it. Set when the first agent that uses it is placed, and kept until that node is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,
    /// How often what it held was lost with a node that was forgotten.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    #[schemars(range(min = 0))]
    pub times_lost: i32,
    /// The last of these losses, the newest at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub losses: Vec<Loss>,
    /// What each node that held a part says about erasing it. Written by that node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["node"])
    )]
    pub erasures: Vec<Erasure>,
}

/// What a pool held on a node, lost when that node was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// The node.
    #[schemars(length(min = 1, max = 253))]
    pub node: String,
    /// When it was given up.
    pub time: Time,
}

/// The most losses that a pool names.
const NAMED_LOSSES: usize = 8;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
const fn is_none_yet(times: &i32) -> bool {
    *times == 0
}

impl MemoryPool {
    /// What nodes know it by: its uid, and how often what it held was lost. Memory of an earlier time that turns up again,
    /// as on a node that was forgotten and lives, is that of another pool.
    #[must_use]
    pub fn identity(&self) -> String {
        let times = self.status.as_ref().map_or(0, |status| status.times_lost);
        identity(self.metadata.uid.as_deref().unwrap_or_default(), times)
    }

    /// What it was known by before its losses.
    pub fn earlier_identities(&self) -> impl Iterator<Item = String> {
        let times = self.status.as_ref().map_or(0, |status| status.times_lost);
        let uid = self.metadata.uid.clone().unwrap_or_default();
        (0..times).map(move |times| identity(&uid, times))
    }
}

impl MemoryPoolStatus {
    /// The losses with one more, of `node`.
    #[must_use]
    pub fn losses_with(&self, node: &str, time: Time) -> Vec<Loss> {
        let mut losses = self.losses.clone();
        losses.push(Loss {
            node: node.to_owned(),
            time,
        });
        let surplus = losses.len().saturating_sub(NAMED_LOSSES);
        losses.split_off(surplus)
    }
}

fn identity(uid: &str, times_lost: i32) -> String {
    match times_lost {
        0 => uid.to_owned(),
        times => format!("{uid}.{times}"),
    }
}

/// What a node says about erasing its part of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// The node.
    #[schemars(length(min = 1, max = 253))]
    pub node: String,
    /// Erased (read back and gone) or NotErased (the message says why).
    pub state: ErasureState,
    /// What was erased, or why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// How erasing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ErasureState {
    /// It was erased, and reading back found nothing.
    Erased,
    /// It was not.
    NotErased,
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn a_back_end_has_one_spelling() {
        for backend in [
            Backend::Embedded,
            Backend::Redis,
            Backend::Qdrant,
            Backend::S3,
        ] {
            assert_eq!(serde_json::json!(backend), backend.as_str());
        }
    }

    #[test]
    fn memory_that_was_lost_is_never_that_of_the_pool_again() {
        let mut pool = MemoryPool::default();
        pool.metadata.uid = Some("u".to_owned());
        assert_eq!(pool.identity(), "u");
        pool.status.get_or_insert_default().times_lost = 2;
        assert_eq!(pool.identity(), "u.2");
        let earlier: Vec<String> = pool.earlier_identities().collect();
        assert_eq!(earlier, ["u", "u.1"]);
    }

    #[test]
    fn the_losses_that_are_named_are_bounded_and_the_newest() {
        let mut status = MemoryPoolStatus::default();
        for n in 0..20 {
            status.losses = status.losses_with(&format!("n{n}"), Time(Timestamp::UNIX_EPOCH));
        }
        assert_eq!(status.losses.len(), NAMED_LOSSES);
        assert_eq!(status.losses.last().map(|it| it.node.as_str()), Some("n19"));
    }
}
