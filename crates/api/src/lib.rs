//! The resources of AION-OS: group `aion.dev`, version `v1alpha1`, one kind a file.
//!
//! What a person writes ([`Agent`], [`MemoryPool`], [`ModelEndpoint`], [`Tool`], [`Device`] with its [`DeviceModel`] and
//! [`DeviceBroker`]), what an
//! administrator writes ([`AgentPolicy`], [`ClusterAgentPolicy`], [`TrustPolicy`]), what the operator
//! writes ([`AgentInstance`]) and what a node says of itself ([`KernelNode`]). The schemas, their bounds
//! and their CEL rules are made from these types by [`crd::all`]: an API server and a machine standing
//! alone judge by the same rules.
//!
//! What may not enter: a client, IO, a clock, and any decision. What follows from a resource is decided
//! in `aion-policy` and `aion-resolve`.

// The schema derive writes a copy of each struct, `pub`, into a function.
#![allow(unreachable_pub)]
// Clippy takes the parts of repeated `printcolumn`s for repetitions.
#![allow(clippy::duplicated_attributes)]

/// The table of kinds, handed to the macro `$then`, which makes of each row what it needs: the type, its plural in
/// addresses, what many of it are called in Rust, whether its objects belong to a namespace, and who writes them.
/// `$which` is `all`, or `people` for the kinds that people write.
#[macro_export]
macro_rules! kinds {
    ($then:ident $which:ident) => {
        $crate::kinds_of! { $then $which []
            Agent "agents" agents NAMESPACED PEOPLE;
            AgentInstance "agentinstances" instances NAMESPACED MACHINES;
            AgentPolicy "agentpolicies" agent_policies NAMESPACED PEOPLE;
            ClusterAgentPolicy "clusteragentpolicies" cluster_policies CLUSTER PEOPLE;
            Device "devices" devices NAMESPACED PEOPLE;
            DeviceBroker "devicebrokers" device_brokers NAMESPACED PEOPLE;
            DeviceModel "devicemodels" device_models NAMESPACED PEOPLE;
            KernelNode "kernelnodes" kernel_nodes CLUSTER MACHINES;
            MemoryPool "memorypools" pools NAMESPACED PEOPLE;
            ModelEndpoint "modelendpoints" endpoints NAMESPACED PEOPLE;
            Tool "tools" tools NAMESPACED PEOPLE;
            TrustPolicy "trustpolicies" trust_policies CLUSTER PEOPLE;
        }
    };
}

/// Keeps the rows of [`kinds!`] that `$which` names.
#[doc(hidden)]
#[macro_export]
macro_rules! kinds_of {
    ($then:ident $which:ident [$($kept:tt)*]) => {
        $then! { $($kept)* }
    };
    ($then:ident people [$($kept:tt)*]
        $kind:ident $plural:literal $many:ident $scope:ident MACHINES; $($rest:tt)*) => {
        $crate::kinds_of! { $then people [$($kept)*] $($rest)* }
    };
    ($then:ident $which:ident [$($kept:tt)*]
        $kind:ident $plural:literal $many:ident $scope:ident $writer:ident; $($rest:tt)*) => {
        $crate::kinds_of! { $then $which [$($kept)* $kind $plural $many $scope $writer;] $($rest)* }
    };
}

pub mod condition;
pub mod crd;
pub mod defaults;
pub mod metadata;
pub mod program;
pub mod sandbox;
pub mod schema;
pub mod selector;

mod agent;
mod agent_instance;
mod agent_policy;
mod agent_request;
mod cluster_agent_policy;
mod device;
mod device_broker;
mod device_model;
mod guardrail;
mod http;
mod instance_parts;
mod kernel_node;
mod memory_pool;
mod model_endpoint;
mod mqtt;
mod policy_rules;
mod readable;
mod required_attestation;
mod sparkplug;
mod tool;
mod trigger;
mod trust_policy;
mod violation;
mod watchdog;

pub use agent::{Agent, AgentSpec, AgentStatus};
pub use agent_instance::{
    AgentInstance, AgentInstanceSpec, AgentInstanceStatus, InstancePhase, LayerReport, LayerState,
};
pub use agent_policy::{AgentPolicy, AgentPolicySpec};
pub use agent_request::{
    FileMode, FileRequest, Limits, MemoryShare, MemoryUse, ModelUse, Permissions, TURN_MOUNTS,
    ToolUse,
};
pub use cluster_agent_policy::{ClusterAgentPolicy, ClusterAgentPolicySpec, MountGrant};
pub use device::{Device, DeviceBinding, DeviceMqtt, DeviceSpec, DeviceStatus};
pub use device_broker::{
    DeviceBroker, DeviceBrokerSpec, Discovery, HomeAssistantDiscovery, MqttVersion,
};
pub use device_model::{
    Access, Argument, DeviceCommand, DeviceModel, DeviceModelSpec, HistoryUse, Property, ValueType,
};
pub use guardrail::{
    Approval, Change, Day, DeviceGuardrails, DeviceSelector, Guardrail, Hours, Rate,
};
pub use http::{
    DeviceHttp, HttpAnswer, HttpBasic, HttpCommand, HttpDone, HttpHeader, HttpMapping, HttpMethod,
    HttpProperty, HttpRequest, HttpState,
};
pub use instance_parts::{
    AgentReference, Grant, GrantEffect, InlineProgram, InstanceLimits, Quotas, ResolvedAgent,
    ResolvedEndpoint, ResolvedMemory, ResolvedModel, ResolvedMount, ResolvedTool,
};
pub use kernel_node::{
    Hook, KernelNode, KernelNodeSpec, KernelNodeStatus, NodeApi, NodeCapacity, NodeHook, Scheduling,
};
pub use memory_pool::{
    Backend, EmbeddingUse, Encryption, Erasure, ErasureState, Loss, MemoryPool, MemoryPoolSpec,
    MemoryPoolStatus, Retention, Tier, Tiers,
};
pub use model_endpoint::{Model, ModelEndpoint, ModelEndpointSpec, Provider};
pub use mqtt::{
    Delivery, MqttAvailability, MqttCommand, MqttDone, MqttMapping, MqttProperty, MqttPublish,
    MqttState, MqttValue, Scale, Takes,
};
pub use policy_rules::PolicyQuotas;
pub use program::ModelPurpose;
pub use readable::{Placed, Readable, Unreadable};
pub use required_attestation::{
    ProvenanceRule, RequiredAttestation, SbomFormat, SbomRule, Severity, VulnerabilitiesRule,
};
pub use sparkplug::{
    DeviceSparkplug, Rebirth, SparkplugCommand, SparkplugDiscovery, SparkplugDone,
    SparkplugMapping, SparkplugProperty,
};
pub use tool::{
    AsksPeople, McpHttp, McpServer, McpStdio, RemoteAgent, Retry, Tool, ToolOperation, ToolSpec,
};
pub use trigger::{Busy, EventTrigger, Missed, Signed, Trigger, TriggerBudget, TurnEnds, Webhook};
pub use trust_policy::{
    KeyPurpose, OnRevoked, Revoked, RevokedIdentity, TrustPolicy, TrustPolicySpec, TrustRoot,
    TrustedIdentity, TrustedKey, Unsigned,
};
pub use violation::{
    OnViolation, ResolvedViolation, ResolvedViolations, ViolationRules, WithoutHooks,
};
pub use watchdog::{SafeStep, Watchdog};

/// The API group of every resource.
pub const GROUP: &str = "aion.dev";
/// The version of every resource.
pub const VERSION: &str = "v1alpha1";
/// What a manifest says under `apiVersion`.
pub const API_VERSION: &str = "aion.dev/v1alpha1";
