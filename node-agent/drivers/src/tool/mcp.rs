//! The real driver: MCP servers.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::tool::{CallRequest, CallResponse, ListResponse, ToolSpec, Unavailable},
};
use futures::future::{BoxFuture, join_all};
use rmcp::{
    ServiceError,
    model::{CallToolRequestParams, ListToolsResult, PaginatedRequestParams, Tool},
};
use tokio::time::{Instant, timeout_at};

use super::{
    Granted, StdioServers, ToolDriver, ToolServer, answer,
    connection::{Connector, Line},
    connections::{Connections, Entry},
    failure::failed,
    listing, parsed,
};
use crate::{outbound::Outbound, secrets::Secrets};

/// How long listing waits for a tool; the others are listed meanwhile.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// The most operations of a tool, and the most pages they come in.
const MAX_OPERATIONS: usize = 256;
const MAX_PAGES: usize = 64;
/// The most bytes of all pages together, and of what all tools of an agent offer together.
const MAX_LISTED: usize = 4 * 1024 * 1024;

/// Tools behind MCP servers.
pub struct McpTools {
    connections: Arc<Connections>,
}

impl McpTools {
    /// Dials by `outbound`, with keys from `secrets`; servers that are processes are started by `stdio`.
    /// Needs a runtime when it is used, not when it is made.
    pub fn new(
        outbound: Arc<Outbound>,
        secrets: Arc<dyn Secrets>,
        stdio: Arc<dyn StdioServers>,
    ) -> Self {
        Self {
            connections: Connections::new(Connector {
                outbound,
                secrets,
                stdio,
            }),
        }
    }

    #[cfg(test)]
    pub(super) fn of(connections: Arc<Connections>) -> Self {
        Self { connections }
    }

    async fn list_one(
        &self,
        server: &ToolServer,
        granted: &Granted,
    ) -> Result<Vec<ToolSpec>, Unavailable> {
        let listed = tokio::time::timeout(LIST_TIMEOUT, self.operations(server)).await;
        let listed = listed.unwrap_or_else(|_| {
            Err(Problem::new(
                Code::Unreachable,
                format!("it did not answer within {} s", LIST_TIMEOUT.as_secs()),
            ))
        });
        match listed {
            Ok(listed) => Ok(listing::offered(server, listed, granted)),
            Err(problem) => Err(Unavailable {
                tool: server.name.clone(),
                reason: problem.detail,
            }),
        }
    }

    /// All pages. They are kept by the connection, until their time is over or the server says that its
    /// list has changed.
    async fn operations(&self, server: &ToolServer) -> Result<Vec<Tool>, Problem> {
        let entry = self.connections.entry(server);
        let line = self.connections.line(&entry).await?;
        let mut all = Vec::new();
        let mut bytes = 0;
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let params = cursor
                .take()
                .map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
            let page = match line.peer.list_tools(params).await {
                Ok(page) => page,
                Err(error) => {
                    return Err(self.failed(&entry, &line, &error, false).await);
                }
            };
            bytes += size(&page);
            all.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() || all.len() > MAX_OPERATIONS || bytes > MAX_LISTED {
                break;
            }
        }
        entry.note_good();
        if all.len() > MAX_OPERATIONS || bytes > MAX_LISTED || cursor.is_some() {
            return Err(Problem::new(
                Code::UpstreamFailed,
                format!(
                    "tool {}: it lists more than {MAX_OPERATIONS} operations, {MAX_PAGES} pages or {MAX_LISTED} bytes",
                    server.name
                ),
            ));
        }
        Ok(all)
    }

    async fn call_one(
        &self,
        tools: &[ToolServer],
        request: &CallRequest,
        deadline: Instant,
    ) -> Result<CallResponse, Problem> {
        let (server, operation, arguments) = parsed(tools, request)?;
        let deadline = deadline.min(Instant::now() + server.timeout);
        let late = |doing: &str| {
            Problem::new(
                Code::DeadlineExceeded,
                format!(
                    "tool {}: the call's time was over while {doing}",
                    server.name
                ),
            )
        };
        let entry = self.connections.entry(server);
        let line = timeout_at(deadline, self.connections.line(&entry))
            .await
            .map_err(|_| late("connecting to it"))??;
        let params = CallToolRequestParams::new(operation.to_owned()).with_arguments(arguments);
        // Dropped at its deadline or with its caller, it tells the server that it is cancelled.
        let called = timeout_at(deadline, line.peer.call_tool(params)).await;
        match called {
            Err(_) => Err(late("it was working; it was told to stop")),
            Ok(Ok(result)) => {
                entry.note_good();
                Ok(answer::response(result))
            }
            Ok(Err(error)) => Err(self.failed(&entry, &line, &error, true).await),
        }
    }

    /// A request that failed; what it was made over is let go of where it is of no more use.
    async fn failed(
        &self,
        entry: &Entry,
        line: &Line,
        error: &ServiceError,
        called: bool,
    ) -> Problem {
        let failed = failed(entry.tool(), error, called);
        if !failed.lost {
            return line.explained(failed.problem);
        }
        let problem = line.lost(failed.problem).await;
        entry.drop_connection(line);
        problem
    }
}

/// Bytes of a page, as far as a server can fill it.
fn size(page: &ListToolsResult) -> usize {
    let tools = page.tools.iter().map(|tool| {
        let text = serde_json::to_vec(tool);
        text.map_or(MAX_LISTED, |text| text.len())
    });
    tools.sum::<usize>() + page.next_cursor.as_ref().map_or(0, String::len)
}

/// Bytes of what a tool offers.
fn offered(specs: &[ToolSpec]) -> usize {
    let sizes = specs.iter().map(|spec| {
        let text = serde_json::to_vec(spec);
        text.map_or(MAX_LISTED, |text| text.len())
    });
    sizes.sum()
}

impl ToolDriver for McpTools {
    fn list<'a>(
        &'a self,
        tools: &'a [ToolServer],
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>> {
        Box::pin(async move {
            let mut response = ListResponse {
                tools: Vec::new(),
                unavailable: Vec::new(),
            };
            let listed = join_all(tools.iter().map(|server| self.list_one(server, granted))).await;
            let mut bytes = 0;
            for (server, listed) in tools.iter().zip(listed) {
                match listed {
                    Ok(specs) if bytes + offered(&specs) <= MAX_LISTED => {
                        bytes += offered(&specs);
                        response.tools.extend(specs);
                    }
                    Ok(_) => response.unavailable.push(Unavailable {
                        tool: server.name.clone(),
                        reason: format!(
                            "the agent's tools together offer more than {MAX_LISTED} bytes: name fewer operations under spec.operations of the Tools"
                        ),
                    }),
                    Err(unavailable) => response.unavailable.push(unavailable),
                }
            }
            Ok(response)
        })
    }

    fn call<'a>(
        &'a self,
        tools: &'a [ToolServer],
        request: CallRequest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<CallResponse, Problem>> {
        Box::pin(async move { self.call_one(tools, &request, deadline).await })
    }
}
