//! `ClusterAgentPolicy`: what agents may be granted at all.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent_request::FileMode;
use crate::guardrail::DeviceGuardrails;
use crate::policy_rules::PolicyQuotas;
use crate::program::Lane;
use crate::sandbox::SandboxRules;
use crate::schema::{CAPABILITY_PATTERN, HOST_PORT, MODEL_PATTERN, NAME, said};
use crate::selector::Selector;
use crate::violation::ViolationRules;

/// What agents may be granted at all.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "ClusterAgentPolicy",
    plural = "clusteragentpolicies",
    shortname = "cagp",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "What agents may be granted at all. An agent that no ClusterAgentPolicy selects is granted nothing but agent.message and agent.checkpoint. Where several select an agent, a right must stand in one of them and be denied by none.",
    printcolumn(
        name = "Allow",
        type_ = "string",
        json_path = ".spec.allow",
        description = "What it grants."
    ),
    printcolumn(
        name = "Models",
        type_ = "string",
        json_path = ".spec.models",
        description = "The models it grants.",
        priority = 1
    ),
    printcolumn(
        name = "Deny",
        type_ = "string",
        json_path = ".spec.deny",
        description = "What it refuses.",
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
#[x_kube(
    validation = Rule::new("!has(self.guardrails) || !has(self.selector)").message(said("guardrails hold for every agent, and this policy selects some", "put them into a policy of their own, without selector")).field_path(".guardrails")
)]
pub struct ClusterAgentPolicySpec {
    /// The namespaces it is for, by their labels; kubernetes.io/metadata.name is the name. Left out:
    /// every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<Selector>,
    /// The agents it is for, by label. Left out: every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// Capabilities it grants to agents that ask for them: FAMILY.VERB, FAMILY.VERB:TARGET, or with *
    /// for the rest, such as memory.*, tool.call:calendar.*. Files are granted by mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 253), regex(pattern = CAPABILITY_PATTERN)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allow: Vec<String>,
    /// Capabilities that become a question to a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 253), regex(pattern = CAPABILITY_PATTERN)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub ask: Vec<String>,
    /// Capabilities it refuses, whatever else allows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 253), regex(pattern = CAPABILITY_PATTERN)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub deny: Vec<String>,
    /// Models it grants: ENDPOINT/MODEL, ENDPOINT/* or *.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253), regex(pattern = MODEL_PATTERN)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub models: Vec<String>,
    /// Hosts it grants to agents that ask for them under permissions.network, as HOST:PORT: a name, *.NAME for
    /// every name one label below, or an address in numbers (IPv6 in brackets). A name leads to public addresses only: loopback,
    /// link-local and private ones, metadata services, nodes and the cluster's own are reached where they are written
    /// here in numbers. Denied are hosts by deny, as net.connect:HOST:PORT. Where models and tools are is said by
    /// ModelEndpoints and Tools, and is not judged by this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 3, max = 260), regex(pattern = HOST_PORT)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub network: Vec<String>,
    /// Mounts it grants, and the volume of the node that each of them is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mount"])
    )]
    pub mounts: Vec<MountGrant>,
    /// Lanes that its agents may wait in: realtime, interactive, batch, background. Left out, all but
    /// realtime, whose turns go before everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 4),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub lanes: Option<Vec<Lane>>,
    /// Bounds; the smallest of all that speak holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<PolicyQuotas>,
    /// What the sandbox must have, added to what the agent requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxRules>,
    /// What is done where a program breaks a rule that the kernel of the machine watches; the strictest of all that
    /// speak holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_violation: Option<ViolationRules>,
    /// What must hold of whatever is written to devices or commanded, by every agent: they only narrow. A policy that has some
    /// selects no agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub guardrails: Vec<DeviceGuardrails>,
    /// Keys and identities of TrustPolicies, by name, that a bundle must be signed by one of. Left out, any that is
    /// trusted will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 63), regex(pattern = NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub signers: Option<Vec<String>>,
}

impl ClusterAgentPolicySpec {
    /// Whether it says something of devices and nothing of agents: it then grants them nothing, and takes nothing from them.
    #[must_use]
    pub fn guards_devices_alone(&self) -> bool {
        let others = || Self {
            guardrails: Vec::new(),
            namespace_selector: None,
            ..self.clone()
        };
        !self.guardrails.is_empty() && others() == Self::default()
    }
}

/// A mount that is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MountGrant {
    /// The mount's name as agents write it, or * for every mount.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$")
    )]
    pub mount: String,
    /// What may be done with its files at most: read (the default) or readWrite.
    #[serde(default)]
    pub mode: FileMode,
    /// The volume it is: a name that the node's configuration maps to a folder. Left out, it is the
    /// mount's own name. Never a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub volume: Option<String>,
}
