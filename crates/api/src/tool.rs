//! `Tool`: what agents can have done.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::program::SecretKey;
use crate::schema::{URL, said};

/// What agents can have done: an MCP server, or an agent elsewhere that is asked by A2A.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "Tool",
    namespaced,
    shortname = "tl",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "What agents can have done: an MCP server, over HTTP, or on a machine standing alone as a confined process over stdio; or an agent elsewhere that is asked by A2A 1.0. An agent lists it under tools and asks for TOOL.OPERATION, or TOOL.* for all that it offers, under permissions.allow.",
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.mcp.http.url",
        description = "Where it is."
    ),
    printcolumn(
        name = "Command",
        type_ = "string",
        json_path = ".spec.mcp.stdio.command",
        description = "What is started."
    ),
    printcolumn(
        name = "Agent",
        type_ = "string",
        json_path = ".spec.a2a.url",
        description = "Where the agent is that is asked by A2A."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it is there."
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.mcp) != has(self.a2a)").message(said("a tool is an MCP server (mcp) or an agent elsewhere (a2a)", "write exactly one of them")))]
pub struct ToolSpec {
    /// What it does, for people and for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// The MCP server that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpServer>,
    /// The agent elsewhere that it is. Its one operation is ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a2a: Option<RemoteAgent>,
    /// The operations agents may be offered. Left out: all that the server lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 128),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub operations: Vec<ToolOperation>,
    /// Calls it is given at once by each node, 4 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub max_concurrent: Option<i32>,
    /// Seconds a call may take, 120 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,
    /// Whether the server may have a person asked while a call of it runs, as whoever approves what the agent asks: never (the default: its
    /// question is declined) or yesOrNo.
    #[serde(default, skip_serializing_if = "AsksPeople::is_never")]
    pub asks_people: AsksPeople,
}

/// An MCP server: exactly one of `http` and `stdio`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.http) != has(self.stdio)").message(said("an MCP server is reached over http or started over stdio", "write exactly one of them")))]
pub struct McpServer {
    /// A server that is reached over streamable HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<McpHttp>,
    /// A program that is started in a sandbox and spoken to over its standard input and output: it has no
    /// network, sees the machine's programs and libraries and its mounts, and may write to /tmp, which is
    /// its own and empty. On a machine standing alone only; in a cluster it is refused, since a node has
    /// no programs of users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdio: Option<McpStdio>,
}

/// An MCP server over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpHttp {
    /// Its address, such as https://mcp.example.org/mcp.
    #[schemars(length(min = 8, max = 1024), regex(pattern = URL))]
    pub url: String,
    /// The key that is sent as a bearer token, as a reference to a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretKey>,
}

/// An MCP server as a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpStdio {
    /// The program, as an absolute path. What it needs beside itself outside of /usr must be in a mount.
    #[schemars(length(min = 2, max = 1024), regex(pattern = "^/"))]
    pub command: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub args: Vec<String>,
    /// Its environment; it inherits none. Values are plain text: no secrets here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "environment")]
    pub env: BTreeMap<String, String>,
    /// Mounts it may read, by name: each is visible at /mnt/NAME and at its path on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub mounts: Vec<String>,
}

/// An agent elsewhere, asked by A2A 1.0 over JSON-RPC or HTTP+JSON, as its card says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteAgent {
    /// Its address, such as https://agents.example.org/travel. The address in its card must have the same scheme, host and
    /// port: the card says which path is asked, and never another machine.
    #[schemars(length(min = 8, max = 1024), regex(pattern = URL))]
    pub url: String,
    /// Where its card is. Left out: at /.well-known/agent-card.json below url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = URL))]
    pub card_url: Option<String>,
    /// The key that is sent as the card wants it, as a bearer token or in a header of its own, as a reference to a Secret.
    /// It is sent to the machine of url alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretKey>,
}

/// An operation of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolOperation {
    /// Its name as the server lists it.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[^\x00-\x1f\x7f]+$"))]
    pub name: String,
    /// What happens to a call that was under way when the node went down: never (it ends as
    /// outcome-unknown; the default) or safe (it is made again, since doing it twice changes nothing; an agent elsewhere is
    /// asked for the task that it has of the call first).
    #[serde(default)]
    pub retry: Retry,
}

/// What a tool's server may have a person asked while a call of it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AsksPeople {
    /// Nothing: what it asks is declined.
    #[default]
    Never,
    /// A yes or a no.
    YesOrNo,
}

impl AsksPeople {
    /// Whether nobody is asked.
    #[must_use]
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

/// Whether a call may be made a second time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    /// No: the outcome is unknown.
    #[default]
    Never,
    /// Yes: it is idempotent.
    Safe,
}

impl Retry {
    /// Whether it may not.
    #[must_use]
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

fn environment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 4096}
    })
}
