//! The layers of a sandbox, and what an agent or a policy requires of them.

pub use aion_abi::layer::Layer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::NAME;

/// What is required of the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxRules {
    /// Layers without which no instruction of the agent runs. A node that cannot enforce one of them is
    /// not chosen. Layers that are not required are used where the node has them, and a missing one is
    /// named in the condition SandboxEnforced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = Layer::ALL.len()), extend("x-kubernetes-list-type" = "set"))]
    pub require: Vec<Layer>,
    /// Stricter variants of the system call filter that hold beside it, by name: no-processes leaves the program of an
    /// image its own threads alone, no-threads not even these. Those of agent, profile and policies hold together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(length(min = 1, max = 63), regex(pattern = NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub seccomp: Vec<String>,
}
