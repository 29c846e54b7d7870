//! Who called a turn, for those who read its record.

use serde::{Deserialize, Serialize};

/// The turn that called another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TurnCaller {
    /// Its id.
    pub turn: u64,
    /// `namespace/agent`.
    pub agent: String,
}
