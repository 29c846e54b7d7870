//! `KernelNode`: what a node can do.

use std::collections::BTreeMap;

pub use aion_abi::kernel_event::Hook;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::program::Runtime;
use crate::sandbox::Layer;

/// What a node can do.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "KernelNode",
    status = "KernelNodeStatus",
    shortname = "kn",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "A node that runs agents, written by its node agent: what was proven there and how much there is. Whether it is alive is a Lease in aion-system; the operator turns that into the condition Ready. Whether the node agent dials anything for agents, and whether its certificate is in order, is the condition Degraded.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether its node agent is alive."
    ),
    printcolumn(
        name = "Capacity",
        type_ = "integer",
        json_path = ".status.capacity.instances",
        description = "Instances it takes."
    ),
    printcolumn(
        name = "MemoryMiB",
        type_ = "integer",
        json_path = ".status.capacity.memoryMiB",
        description = "Memory for instances that run."
    ),
    printcolumn(
        name = "Layers",
        type_ = "string",
        json_path = ".status.layers",
        description = "Sandbox layers proven there.",
        priority = 1
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        description = "Version of its node agent.",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it is there."
    )
)]
#[serde(rename_all = "camelCase")]
pub struct KernelNodeSpec {
    /// Whether new instances are placed here: allow (the default) or pause. Those that are here stay.
    #[serde(default)]
    pub scheduling: Scheduling,
}

/// Whether new instances are placed on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheduling {
    /// They are.
    #[default]
    Allow,
    /// They are not.
    Pause,
}

/// What a node agent says of its node; of the conditions Ready is the operator's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KernelNodeStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Ready (the operator's judgement of the node agent's Lease) and Degraded (whether the node agent dials for agents and its certificate is in order).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// What it takes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<NodeCapacity>,
    /// Sandbox layers that a trial worker had, read back from the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = Layer::ALL.len()), extend("x-kubernetes-list-type" = "set"))]
    pub layers: Vec<Layer>,
    /// What its node agent can use of the kernel to follow agents and to hold them to onViolation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Hook::ALL.len()),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub hooks: Vec<NodeHook>,
    /// Runtimes it can start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = Runtime::ALL.len()), extend("x-kubernetes-list-type" = "set"))]
    pub runtimes: Vec<Runtime>,
    /// Volumes that its configuration maps to folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub volumes: Vec<String>,
    /// Labels that node selectors are compared with: those of the Node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: BTreeMap<String, String>,
    /// Where its API for asking agents is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<NodeApi>,
    /// Version of the node agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Version of the Linux kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub kernel_version: Option<String>,
    /// Processor architecture, as `uname -m` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub architecture: Option<String>,
}

/// Something that a node agent can use of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeHook {
    /// tracepoints, which agents are followed by; lsm, which refuses; cgroup.
    pub name: Hook,
    /// Why it is not used there; left out where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub lacking: Option<String>,
}

/// What a node takes at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCapacity {
    /// Instances, idle ones counted.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub instances: i32,
    /// Memory for instances that run, in MiB.
    #[serde(rename = "memoryMiB")]
    #[schemars(range(min = 0))]
    pub memory_mib: i64,
    /// CPU for instances that run, in thousandths of a core.
    #[schemars(range(min = 0))]
    pub cpu_millis: i64,
}

/// Where a node agent's API is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeApi {
    /// Its address, such as https://10.0.0.7:7443.
    #[schemars(length(min = 8, max = 1024), regex(pattern = crate::schema::URL))]
    pub url: String,
    /// The certificate authority that its certificate is checked against, in PEM form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub ca_bundle: Option<String>,
}

fn labels(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 256,
        "additionalProperties": {"type": "string", "maxLength": 63}
    })
}
