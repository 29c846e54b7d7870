//! `AgentInstance`: one instance on one node, with nothing left to choose.

use aion_abi::tenant::Tenant;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::instance_parts::{
    AgentReference, Grant, InlineProgram, InstanceLimits, Quotas, ResolvedAgent, ResolvedMemory,
    ResolvedModel, ResolvedMount, ResolvedTool,
};
use crate::program::{BundleRef, Lane, Runtime};
use crate::sandbox::{Layer, SandboxRules};
use crate::schema::said;
use crate::trigger::Trigger;
use crate::violation::ResolvedViolations;

/// One instance of an Agent on one node.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "AgentInstance",
    namespaced,
    status = "AgentInstanceStatus",
    shortname = "agi",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "One instance of an Agent on one node, fully resolved: nothing is left to choose. The operator writes the spec, the node agent of that node the status; nobody else writes either. To change one, change its Agent.",
    printcolumn(
        name = "Agent",
        type_ = "string",
        json_path = ".spec.agent.name",
        description = "The Agent it belongs to."
    ),
    printcolumn(
        name = "Node",
        type_ = "string",
        json_path = ".spec.nodeName",
        description = "Where it is."
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "What it does."
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether it can be asked."
    ),
    printcolumn(
        name = "Verified",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Verified\")].reason",
        description = "Who signed it.",
        priority = 1
    ),
    printcolumn(
        name = "Sandbox",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"SandboxEnforced\")].reason",
        description = "How it is confined.",
        priority = 1
    ),
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".spec.revision",
        description = "The hash of what was resolved.",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it is there."
    ),
    selectable = ".spec.nodeName",
    selectable = ".spec.agent.name"
)]
#[serde(rename_all = "camelCase")]
// The lists and unions are compared in the admission policy: an API server estimates the cost of a rule by
// the largest object there could be, and comparing all of that is beyond its budget. The revision, which is
// the hash of all of it, is compared here.
#[x_kube(
    validation = Rule::new("self.runtime == 'external' ? !has(self.inline) && !has(self.bundle) : has(self.inline) != has(self.bundle)").message("an instance has either an inline program or a bundle, and neither where its program runs elsewhere"),
    validation = Rule::new("self.agent == oldSelf.agent && self.tenant == oldSelf.tenant && self.nodeName == oldSelf.nodeName && self.replica == oldSelf.replica && self.revision == oldSelf.revision && self.runtime == oldSelf.runtime && self.lane == oldSelf.lane && self.limits == oldSelf.limits && self.quotas == oldSelf.quotas").message(said("an instance is immutable but for policyRevision", "change its Agent, which makes a new instance"))
)]
pub struct AgentInstanceSpec {
    /// The Agent it belongs to.
    pub agent: AgentReference,
    /// Whose it is: the namespace, in a cluster and on a machine standing alone.
    #[schemars(length(min = 1, max = 63))]
    pub tenant: Tenant,
    /// The node it runs on.
    #[schemars(length(min = 1, max = 253))]
    pub node_name: String,
    /// Which replica it is, from 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 99))]
    pub replica: i32,
    /// The SHA-256, in hex, of everything here that decides what runs: all but node, replica and
    /// policyRevision.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[a-f0-9]{64}$"))]
    pub revision: String,
    /// The SHA-256, in hex, of the policies that were applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[a-f0-9]{64}$"))]
    pub policy_revision: Option<String>,
    /// What executes it.
    #[serde(default)]
    pub runtime: Runtime,
    /// Which queue it waits in.
    #[serde(default)]
    pub lane: Lane,
    /// Its program, where that stands in the Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineProgram>,
    /// Its program, where that is a bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleRef>,
    /// Keys and identities of TrustPolicies, by name, that the bundle must be signed by one of; left out: any that is
    /// trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub signers: Option<Vec<String>>,
    /// Secrets of the tenant with which its bundle is fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub pull_secrets: Vec<String>,
    /// The models it may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ResolvedModel>,
    /// The tools it is offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub tools: Vec<ResolvedTool>,
    /// The agents that it asks as tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub agents: Vec<ResolvedAgent>,
    /// The memory it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ResolvedMemory>,
    /// Mounts whose text files are indexed into its memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub knowledge: Vec<String>,
    /// The mounts it may open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub mounts: Vec<ResolvedMount>,
    /// Its rights. What is not here is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["capability"])
    )]
    pub grants: Vec<Grant>,
    /// What starts turns of it, each with its name. The first replica alone starts them by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub triggers: Vec<Trigger>,
    /// What it may use.
    pub quotas: Quotas,
    /// The bounds of its process.
    pub limits: InstanceLimits,
    /// What its sandbox must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxRules>,
    /// What is done where its program breaks a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_violation: Option<ResolvedViolations>,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum InstancePhase {
    /// Its node agent has not looked at it yet.
    #[default]
    Pending,
    /// Its bundle is fetched and verified.
    Preparing,
    /// It can be asked, whether it has a process at the moment or not.
    Ready,
    /// It takes no new turns and ends those it has.
    Draining,
    /// It cannot run; the conditions say why.
    Failed,
}

/// What became of an instance. Written by the node agent of its node. Changes with the instance's life,
/// not with its turns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentInstanceStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// What it does: Pending, Preparing, Ready, Draining or Failed.
    #[serde(default)]
    pub phase: InstancePhase,
    /// Verified, SandboxEnforced, ResolvedRefs and Ready, as the node found them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// What is enforced, layer by layer, as it was read back from the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Layer::ALL.len()),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["layer"])
    )]
    pub layers: Vec<LayerReport>,
}

/// A layer of a sandbox as it was read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerReport {
    /// The layer.
    pub layer: Layer,
    /// Enforced or Missing.
    pub state: LayerState,
    /// What was read back, or why it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub detail: Option<String>,
}

/// Whether a layer is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LayerState {
    /// The kernel says that it is.
    Enforced,
    /// It is not.
    Missing,
}
