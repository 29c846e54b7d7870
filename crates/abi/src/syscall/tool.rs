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
    /// Tools that could not be reached and operations that cannot be offered, with the reason; they are not in `tools`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<Unavailable>,
}

/// A tool of the agent's that does not answer, or an operation that cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "UnavailableTool"))]
#[serde(rename_all = "camelCase")]
pub struct Unavailable {
    /// The tool, or `tool.operation`.
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
    #[serde(default)]
    pub arguments: Value,
    /// The address of a resource that an earlier answer of this operation linked to: it is read, and the operation
    /// is not called again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
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
    /// A part of what the tool answered was too long and is not here; the text says which.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// The resources that it links to; [`CallRequest::link`] reads one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A resource that an answer links to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Its address, as the server knows it.
    pub uri: String,
    /// Its name; may be empty.
    pub name: String,
    /// What it is, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its size in bytes, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}
