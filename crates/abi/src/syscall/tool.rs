//! `tool.list` and `tool.call`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::model::ToolSpec;

/// The longest `tool.operation`, in bytes.
pub const MAX_NAME: usize = 63 + 1 + 128;

/// `tool.list` takes an empty object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRequest {}

/// The operations the instance is granted, named `tool.operation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse {
    /// In the order of the agent's `tools`, then by name.
    pub tools: Vec<ToolSpec>,
    /// Tools that could not be reached, with the reason; their operations are not in `tools`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<Unavailable>,
}

/// A tool of the agent's that does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unavailable {
    /// The tool.
    pub tool: String,
    /// Why.
    pub reason: String,
}

/// Calls one operation of one tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallRequest {
    /// `tool.operation`, as `tool.list` names it, at most [`MAX_NAME`] bytes.
    pub name: String,
    /// The arguments, an object.
    pub arguments: Value,
}

/// What the tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallResponse {
    /// The answer's text parts, joined by blank lines.
    pub text: String,
    /// The structured answer, where the tool gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
    /// The tool ran and says that it failed.
    #[serde(default)]
    pub is_error: bool,
}
