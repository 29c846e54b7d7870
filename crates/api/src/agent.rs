//! `Agent`: what a person writes.

use aion_abi::steps::Step;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::agent_request::{Limits, MemoryUse, ModelUse, Permissions, ToolUse};
use crate::condition::Condition;
use crate::program::{BundleRef, Lane, Runtime, WithoutModel};
use crate::sandbox::SandboxRules;
use crate::schema::{SUBDOMAIN, said};
use crate::trigger::Trigger;

/// An agent: what it is for, what it may use, and how much of it.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "Agent",
    namespaced,
    status = "AgentStatus",
    shortname = "ag",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "An agent: what it is for, what it may use, and how much of it. Apply one, wait for the condition Ready, and ask it with `aionctl ask NAME`. It gets nothing that it does not ask for here, and of that only what ClusterAgentPolicy and AgentPolicy grant.",
    validation = Rule::new("size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(said("the name of an Agent is at most 40 characters of a-z, 0-9 and -", "choose a shorter or simpler metadata.name")),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether it can be asked."),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why it is, or is not."),
    printcolumn(name = "Instances", type_ = "string", json_path = ".status.summary", description = "Instances ready of those wanted."),
    printcolumn(name = "Lane", type_ = "string", json_path = ".spec.lane", description = "Which queue it waits in.", priority = 1),
    printcolumn(name = "Runtime", type_ = "string", json_path = ".spec.runtime", description = "What executes it.", priority = 1),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model.use", description = "The model it asks first.", priority = 1),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.nodes[*]", description = "Where its instances are.", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Since when it is there."),
    selectable = ".spec.runtime",
    selectable = ".spec.lane"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.runtime == 'external' || [has(self.instructions), has(self.steps), has(self.bundle)].exists_one(given, given)").message(said("say what the agent is", "exactly one of instructions (written here), steps (a workflow, written here) and bundle (signed, by digest)")).reason(Reason::FieldValueInvalid),
    validation = Rule::new("self.runtime != 'external' || !(has(self.instructions) || has(self.steps) || has(self.bundle))").message(said("runtime external is a program that runs elsewhere and registers", "remove instructions, steps and bundle")).field_path(".runtime"),
    validation = Rule::new("!has(self.steps) || self.runtime == 'declarative'").message(said("steps are done by the runtime declarative", "leave runtime out, or use a bundle")).field_path(".runtime"),
    validation = Rule::new("!has(self.steps) || !(has(self.memory) || has(self.knowledge))").message(said("steps remember nothing and look nothing up", "remove memory and knowledge, and let a step ask an agent that has them")).field_path(".steps"),
    validation = Rule::new("!has(self.steps) || !has(self.withoutModel)").message(said("a step whose model does not answer fails", "remove withoutModel")).field_path(".withoutModel"),
    validation = Rule::new("self.runtime != 'external' || !has(self.sandbox)").message(said("nothing confines an external program", "remove sandbox")).field_path(".sandbox"),
    validation = Rule::new("self.runtime != 'external' || !has(self.limits) || !(has(self.limits.memoryMiB) || has(self.limits.cpuMillis) || has(self.limits.profile))").message(said("an external program uses nothing of the node's", "remove memoryMiB, cpuMillis and profile from limits")).field_path(".limits"),
    validation = Rule::new("self.runtime != 'wasm' || has(self.bundle)").message(said("runtime wasm runs a module from a bundle", "add bundle {name, digest}, or leave runtime out for a declarative agent")).field_path(".runtime"),
    validation = Rule::new("self.runtime != 'process' || has(self.bundle)").message(said("runtime process runs a container image", "add bundle {name, digest}, or leave runtime out for a declarative agent")).field_path(".runtime"),
    validation = Rule::new("!has(self.pullSecrets) || has(self.bundle)").message(said("pullSecrets are for fetching a bundle", "add bundle {name, digest}, or remove them")).field_path(".pullSecrets"),
    validation = Rule::new("!has(self.limits) || !has(self.limits.tmpMiB) || self.runtime == 'process'").message(said("tmpMiB is for process agents", "remove it, no other runtime has a /tmp")).field_path(".limits.tmpMiB"),
    validation = Rule::new("!has(self.limits) || !has(self.limits.tmpMiB) || self.limits.tmpMiB < (has(self.limits.memoryMiB) ? self.limits.memoryMiB : 256)").message(said("tmpMiB is a part of memoryMiB, so a full /tmp would end the agent", "ask for less than memoryMiB (256 unless said otherwise), or for more of that")).field_path(".limits.tmpMiB"),
    validation = Rule::new("!has(self.limits) || !has(self.limits.pids) || self.runtime == 'process'").message(said("pids is for process agents", "remove it, no other runtime makes processes or threads")).field_path(".limits.pids"),
    validation = Rule::new("!has(self.withoutModel) || self.runtime == 'declarative'").message(said("withoutModel is for declarative agents", "remove it, a program decides itself what it does without a model")).field_path(".withoutModel"),
    validation = Rule::new("!has(self.withoutModel) || self.withoutModel != 'quote' || has(self.memory)").message(said("withoutModel: quote answers with passages from memory", "add memory {pool}, or say withoutModel: refuse")).field_path(".withoutModel"),
    validation = Rule::new("!has(self.knowledge) || has(self.memory)").message(said("knowledge is indexed into memory", "add memory {pool}")).field_path(".knowledge"),
    validation = Rule::new("!has(self.knowledge) || (has(self.permissions) && has(self.permissions.files) && self.knowledge.all(k, self.permissions.files.exists(f, f.mount == k)))").message(said("knowledge is read from mounts", "list each of them under permissions.files with mode read")).field_path(".knowledge"),
    validation = Rule::new("!has(self.triggers) || self.triggers.all(t, !has(t.name) || self.triggers.exists_one(u, has(u.name) && u.name == t.name))").message(said("two triggers have one name", "give each trigger a name of its own")).field_path(".triggers")
)]
pub struct AgentSpec {
    /// What the agent is for, in a line. Shown wherever agents are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
    /// What a declarative agent is told before anything else: who it is, how it answers, what it must
    /// not do. Either this, steps or bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub instructions: Option<String>,
    /// A workflow, in the place of instructions: what is done for each question, step by step, by tools, other agents and
    /// the model. The answer is the result of its last step. A turn that was interrupted goes on at the last step that
    /// ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "aion_abi::steps::workflow")]
    pub steps: Vec<Step>,
    /// The signed bundle that the agent is made of: a WASM module, a container image, or a declarative definition.
    /// Verified before it is unpacked. Either this, instructions or steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleRef>,
    /// Secrets of the agent's namespace with which its bundle is fetched, of type kubernetes.io/dockerconfigjson; each goes
    /// before the next, and all before what the node has. One that cannot be used is named in Verified. On a machine
    /// standing alone each is a folder under `config/secrets` with the file `.dockerconfigjson`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253), regex(pattern = SUBDOMAIN)), extend("x-kubernetes-list-type" = "atomic"))]
    pub pull_secrets: Vec<String>,
    /// What executes the agent: declarative (a loop of model, tools and memory; the default), wasm (a
    /// WASI core module from the bundle), process (a program in any language, from a container image), or external (a program
    /// that runs elsewhere and registers; neither verified nor confined, so a TrustPolicy has to say external: allow).
    #[serde(default)]
    pub runtime: Runtime,
    /// The model it asks, and those it falls back to. Left out, the agent has no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelUse>,
    /// What a declarative agent does where it has no model or none answers: refuse (says so, and how to
    /// get one; the default) or quote (answers with the passages it recalls, word for word, with their
    /// places).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_model: Option<WithoutModel>,
    /// The tools it is offered. To call one it also needs permission: tool calendar, operation read is
    /// calendar.read under permissions.allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub tools: Vec<ToolUse>,
    /// Where it remembers. Left out, it forgets everything between turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryUse>,
    /// Mounts whose text files are indexed into memory before the agent answers, and again when they
    /// change. Each must stand under permissions.files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub knowledge: Vec<String>,
    /// What starts a turn besides being asked: times, deliveries from outside, ends of other agents' turns. Its policy's
    /// grants and quotas hold as for any other turn. `aionctl trigger list` shows what each did last and does next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub triggers: Vec<Trigger>,
    /// What it asks for. Policy decides what it gets; `aionctl explain FILE` says both in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// How much it may use. Policies can only lower these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Which queue its turns wait in: realtime, interactive (the default), batch or background. Policy says
    /// which of them it may wait in.
    #[serde(default)]
    pub lane: Lane,
    /// What its sandbox must have. Policies can only add to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxRules>,
    /// How many instances there are, 1 unless said otherwise. 0 keeps the agent without running it. An
    /// idle instance has no process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// Labels that a node must carry to be chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::selector::label_map")]
    pub node_selector: BTreeMap<String, String>,
    /// Questions that show what it can do; the console and `aionctl describe` offer them.
    #[serde(default, rename = "try", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "atomic"))]
    pub try_asking: Vec<String>,
}

/// What became of an Agent. Written by the operator (standalone: by the daemon).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = crate::schema::unseen()))]
pub struct AgentStatus {
    /// The generation of the spec that this status speaks of; -1 before anybody has looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Verified, SandboxEnforced, Ready, Progressing, Degraded, FieldsInEffect,
    /// and for tools that wait Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The revision of what was resolved: it changes when an instance would be another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Instances that there should be.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub replicas: i32,
    /// Instances of the newest revision that are ready.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub ready_replicas: i32,
    /// Both, for a table: ready/wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub summary: Option<String>,
    /// The nodes its instances are on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub nodes: Vec<String>,
    /// What was granted, as capabilities. What was asked for and not granted is in the message of the
    /// condition Accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 512)), extend("x-kubernetes-list-type" = "set"))]
    pub granted: Vec<String>,
}
