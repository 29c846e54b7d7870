//! The layers of a sandbox, and what an agent or a policy requires of them.

pub use aion_abi::layer::Layer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}
