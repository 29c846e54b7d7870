//! `AgentPolicy`: how a namespace narrows what the cluster grants.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::guardrail::DeviceGuardrails;
use crate::policy_rules::PolicyQuotas;
use crate::program::Lane;
use crate::sandbox::SandboxRules;
use crate::schema::{CAPABILITY_PATTERN, MODEL_PATTERN, NAME, said};
use crate::selector::Selector;
use crate::violation::ViolationRules;

/// Narrows, for agents of one namespace, what ClusterAgentPolicy grants.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "AgentPolicy",
    plural = "agentpolicies",
    namespaced,
    shortname = "agp",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "Narrows, for agents of one namespace, what ClusterAgentPolicy grants. It never gives more. Without one, a namespace has what the cluster grants; where several select an agent, a right must stand in one of them and be denied by none.",
    printcolumn(
        name = "Allow",
        type_ = "string",
        json_path = ".spec.allow",
        description = "What it lets through."
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
pub struct AgentPolicySpec {
    /// The agents it is for, by label. Left out: every agent of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// Capabilities it lets through: FAMILY.VERB, FAMILY.VERB:TARGET, or with * for the rest, such as
    /// memory.*, tool.call:calendar.*, fs.read:notes. Left out, it narrows no capability; an empty list
    /// lets none through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 253), regex(pattern = CAPABILITY_PATTERN)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allow: Option<Vec<String>>,
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
    /// Models it lets through, such as local/* or *. Left out, it narrows no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253), regex(pattern = MODEL_PATTERN)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub models: Option<Vec<String>>,
    /// Lanes it lets through. Left out, it narrows no lane.
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

impl AgentPolicySpec {
    /// Whether it says something of devices and nothing of agents.
    #[must_use]
    pub fn guards_devices_alone(&self) -> bool {
        let others = || Self {
            guardrails: Vec::new(),
            ..self.clone()
        };
        !self.guardrails.is_empty() && others() == Self::default()
    }
}
