//! The tools that an agent has, as people look at them: operations that its rights offer it, as its servers describe them.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET …/agents/{agent}/tools[?limit=&after=]` | → [`Tools`] |

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::syscall::tool::Unavailable;

/// The most bytes of the tools of a page; the first of a page is whole in any case.
pub const MAX_BYTES: usize = 1 << 20;

/// Some of an agent's tools.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "ToolList"))]
#[serde(rename_all = "camelCase")]
pub struct Tools {
    /// By name.
    pub items: Vec<Tool>,
    /// Tools that do not answer and operations that cannot be offered, with the reason; on the first page, 500 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<Unavailable>,
    /// Where there are more: the `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An operation of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// `tool.operation`, as the agent calls it.
    pub name: String,
    /// How its server is reached.
    pub source: Source,
    /// What it is for, as its server says.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// Whether a person is asked first.
    pub access: Access,
}

/// What is behind a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "ToolSource"))]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// An MCP server, by HTTP.
    Http,
    /// An MCP server that is a confined process of the node.
    Process,
    /// An agent elsewhere, by A2A.
    Agent,
}

/// What the agent's rights say of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "ToolAccess"))]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// It is granted.
    Granted,
    /// A person has to approve each time.
    Asked,
}
