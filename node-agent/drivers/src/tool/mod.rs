//! Tools: `tool.list` and `tool.call`, by MCP servers over HTTP or in a confined process, and by agents elsewhere that
//! are asked by A2A.
//!
//! The caller says which tools the agent has and which operations it is granted. What may not enter: a
//! program started by the daemon (a starter given from outside does that, confined), what a server asks of
//! its client but a yes or a no of a person, where its Tool has it ask (sampling, roots, other questions are declined), an answer without a bound.

mod a2a;
mod answer;
mod asked;
mod body;
mod bounded;
mod client;
mod connection;
mod connections;
mod every;
mod failure;
mod http;
mod known;
mod links;
mod listing;
mod mcp;
mod measured;
mod message;
mod pages;
mod pipes;
mod progress;
mod questions;
mod reader;
mod refused;
mod schema;
mod stdio;
mod stream;

#[cfg(test)]
mod bounded_tests;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(test)]
mod corpus_tests;
#[cfg(any(test, feature = "conformance"))]
mod fake;
#[cfg(test)]
mod mcp_tests;
#[cfg(test)]
mod paging_tests;
#[cfg(test)]
mod reconnect_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod test_server;

use std::{sync::Arc, time::Duration};

use aion_abi::layer::Layer;
use aion_abi::tenant::Tenant;
use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::tool::{CallRequest, CallResponse, ListResponse},
};
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::outbound::Endpoint;

pub use a2a::{A2aTools, Remote};
pub use every::Tools;
#[cfg(any(test, feature = "conformance"))]
pub use fake::FakeTools;
pub use mcp::McpTools;
pub use questions::{Asks, Question, Said, Waits};
pub use stdio::{
    NoStdioServers, OutOf, ProcessUse, StdioCommand, StdioGuard, StdioProcess, StdioServers,
};

/// A tool as it was resolved: what answers for it, and what of that may be offered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ToolServer {
    /// Whose it is. Tenants never share a connection or a process.
    pub tenant: Tenant,
    /// The Tool's name: what stands before the dot of an operation.
    pub name: String,
    /// What it does, for operations that do not say it themselves.
    pub description: Option<String>,
    /// How it is reached.
    pub transport: Transport,
    /// The operations that may be offered; empty for all that the server lists.
    pub operations: Vec<String>,
    /// Calls it is given at once; the kernel holds back the others.
    pub max_concurrent: u32,
    /// How long a call may take.
    pub timeout: Duration,
    /// Its server may have a person asked while a call of it runs.
    pub asks_people: bool,
    /// Layers that a process of it must be confined by, as the agent's policy requires.
    pub required_layers: Vec<Layer>,
}

/// What answers for a tool, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// An MCP server by streamable HTTP, at the endpoint's address; its secret is sent as a bearer token.
    Http(Endpoint),
    /// An MCP server by standard input and output of a confined process.
    Stdio(StdioCommand),
    /// An agent elsewhere, by A2A.
    A2a(Remote),
}

/// Whether `tool.operation` is granted.
pub type Granted = dyn Fn(&str) -> bool + Send + Sync;

/// Hears how far a call is, on one line. It may not block.
pub type Told = Arc<dyn Fn(String) + Send + Sync>;

/// Which try of a call it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The same for each try of one call of one instance, and for no other call; none where there is but one try.
    pub key: Option<String>,
    /// Whether the call is made again where its node went down.
    pub tries: Tries,
    /// Of the instance that calls: what a tool keeps for one is not another's.
    pub instance: String,
}

/// How often a call is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tries {
    /// Once, whatever becomes of it.
    #[default]
    Once,
    /// It is made again where the node goes down over it. This is the first.
    First,
    /// The same, and its node may have made it before it went down.
    Again,
}

/// Carries out the tool syscalls.
pub trait ToolDriver: Send + Sync {
    /// The granted operations of all tools that answer, and which tools do not.
    ///
    /// # Errors
    /// None because of a tool: one that does not answer is named in the response.
    fn list<'a>(
        &'a self,
        tools: &'a [ToolServer],
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>>;

    /// Calls one operation. What the server says of its progress, whoever waits hears, a part of it where it is much; and is asked what a person
    /// answers with yes or no.
    /// `attempt` says which try it is, for servers that know a call again.
    ///
    /// # Errors
    /// `bad-request`, `not-found` for a tool or operation that is none of these, `unreachable` where the
    /// call was not made, `upstream-failed` where the server refused it, `outcome-unknown` where it may have
    /// been carried out and its answer was lost, `deadline-exceeded`.
    fn call<'a>(
        &'a self,
        tools: &'a [ToolServer],
        request: CallRequest,
        attempt: &'a Attempt,
        deadline: Instant,
        waits: &'a Waits,
    ) -> BoxFuture<'a, Result<CallResponse, Problem>>;
}

/// The tool and the operation that a call names, and its arguments.
pub(crate) fn parsed<'a>(
    tools: &'a [ToolServer],
    request: &'a CallRequest,
) -> Result<
    (
        &'a ToolServer,
        &'a str,
        serde_json::Map<String, serde_json::Value>,
    ),
    Problem,
> {
    let Some((tool, operation)) = request
        .name
        .split_once('.')
        .filter(|(_, operation)| !operation.is_empty())
    else {
        let text = format!(
            "{:?} is not an operation: they are named tool.operation",
            request.name
        );
        return Err(Problem::new(Code::BadRequest, text));
    };
    let Some(server) = tools.iter().find(|server| server.name == tool) else {
        return Err(
            Problem::new(Code::NotFound, format!("the agent has no tool {tool}"))
                .remedy("list the tools, or name it under spec.tools of the agent"),
        );
    };
    if !server.offers(operation) {
        return Err(Problem::new(
            Code::NotFound,
            format!("tool {tool} does not offer {operation}"),
        )
        .remedy("list the tools, or name the operation under spec.operations of the Tool"));
    }
    let arguments = match &request.arguments {
        serde_json::Value::Object(arguments) => arguments.clone(),
        serde_json::Value::Null => serde_json::Map::new(),
        _ => {
            return Err(Problem::new(
                Code::BadRequest,
                "arguments: they must be an object",
            ));
        }
    };
    Ok((server, operation, arguments))
}

impl ToolServer {
    fn offers(&self, operation: &str) -> bool {
        self.operations.is_empty() || self.operations.iter().any(|offered| offered == operation)
    }
}
