//! REST: agents, and their turns. Shapes are those of `aion_abi::admin`, refusals are problems (RFC 9457).

pub(crate) mod agents;
pub(crate) mod ask;
pub(crate) mod programs;
mod tagged;
pub(crate) mod turns;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::gateway::Gateway;

/// In which namespace the named agent is.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Within {
    namespace: Option<String>,
}

impl Within {
    fn or<'a>(&'a self, gateway: &'a Gateway) -> &'a str {
        self.namespace.as_deref().unwrap_or(&gateway.namespace)
    }
}
