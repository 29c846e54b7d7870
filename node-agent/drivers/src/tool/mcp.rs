//! The real driver: MCP servers.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::tool::{CallRequest, CallResponse, ListResponse, ToolSpec, Unavailable},
};
use futures::future::{BoxFuture, join_all};
use rmcp::model::CallToolRequestParams;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::{
    Attempt, Granted, StdioServers, ToolDriver, ToolServer, Waits, answer,
    asked::{self, NoAnswer},
    connection::{Connector, Line},
    connections::{Connections, Entry},
    failure::{failed, lost_answer, otherwise},
    known::{MAX_LISTED, NotListed, Old},
    listing::Listing,
    parsed,
};
use crate::{outbound::Outbound, secrets::Secrets};

/// How long listing waits for a tool that is connected to; the others are listed meanwhile.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

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

    /// What it offers, and what of it is left out.
    async fn list_one(
        &self,
        server: &ToolServer,
        granted: &Granted,
    ) -> (Vec<ToolSpec>, Vec<Unavailable>) {
        match self.listed(server).await {
            Ok(listing) => listing.offered(server, granted),
            Err(problem) => {
                let unavailable = Unavailable {
                    tool: server.name.clone(),
                    reason: problem.detail,
                };
                (Vec::new(), vec![unavailable])
            }
        }
    }

    /// Connecting has a bound of its own: a server that is slow to start is waited for.
    async fn listed(&self, server: &ToolServer) -> Result<Arc<Listing>, Problem> {
        let entry = self.connections.entry(server);
        let line = self.connections.line(&entry).await?;
        let listing = tokio::time::timeout(LIST_TIMEOUT, self.operations(&entry, &line)).await;
        listing.unwrap_or_else(|_| {
            Err(Problem::new(
                Code::Unreachable,
                format!(
                    "it did not list its tools within {} s",
                    LIST_TIMEOUT.as_secs()
                ),
            ))
        })
    }

    async fn operations(&self, entry: &Entry, line: &Line) -> Result<Arc<Listing>, Problem> {
        match line.known.listing(&line.peer, Old::WillNot).await {
            Ok(listing) => {
                entry.note_good();
                Ok(listing)
            }
            Err(NotListed::NoAnswer(error)) => Err(self.failed(entry, line, &error, false).await),
            Err(NotListed::Refused(why)) => Err(otherwise(entry.tool(), &why)),
        }
    }

    async fn call_one(
        &self,
        tools: &[ToolServer],
        request: CallRequest,
        deadline: Instant,
        waits: &Waits,
    ) -> Result<CallResponse, Problem> {
        let (server, operation, arguments) = parsed(tools, &request)?;
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
        if let Some(uri) = &request.link {
            entry.may_follow(operation, uri)?;
            // Dropped at its deadline or with its caller, it tells the server that it is cancelled, as a call does.
            return match timeout_at(deadline, asked::read(&line.peer, uri.clone())).await {
                Err(_) => Err(late("it was reading the resource; it was told to stop")),
                Ok(Ok(contents)) => Ok(answer::of_read(contents)),
                Ok(Err(error)) => Err(self.failed(&entry, &line, &error, false).await),
            };
        }
        // A server that does not list is asked all the same: it checks for itself.
        let listing = timeout_at(deadline, line.known.listing(&line.peer, Old::Will)).await;
        let listing = listing.map_err(|_| late("listing its operations"))?.ok();
        let arguments = fitted(server, operation, arguments, listing.as_deref())?;
        let params = CallToolRequestParams::new(operation.to_owned()).with_arguments(arguments);
        let measured = line.measure().await;
        let called = timeout_at(deadline, asked::call(&line, params, &request.name, waits)).await;
        let during = line.measured(measured).await;
        match called {
            Err(_) => Err(late("it was working; it was told to stop")),
            Ok(Ok(result)) => {
                entry.note_good();
                let mut response = answer::of_call(result);
                if let Some(most) = during.and_then(|it| it.out_of_memory) {
                    note_out_of_memory(&mut response.text, most);
                }
                entry.note_links(operation, &response.links);
                Ok(response)
            }
            Ok(Err(error)) => Err(self.failed(&entry, &line, &error, true).await),
        }
    }

    /// A request that failed; what it was made over is let go of where it is of no more use.
    async fn failed(&self, entry: &Entry, line: &Line, error: &NoAnswer, called: bool) -> Problem {
        let error = match error {
            NoAnswer::Failed(error) => error,
            NoAnswer::Otherwise(what) => return otherwise(entry.tool(), what),
            NoAnswer::Lost(what) => return lost_answer(entry.tool(), what, called),
        };
        let failed = failed(entry.tool(), error, called);
        if !failed.lost {
            return line.explained(failed.problem);
        }
        let problem = line.lost(failed.problem).await;
        entry.drop_connection(line);
        problem
    }
}

/// The server lives and answered; why what it gives may be less than it should is said beside it.
fn note_out_of_memory(text: &mut String, most: u64) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!(
        "(a process of this tool used more memory than the tool may, {} MiB, and was ended)",
        most >> 20
    ));
}

/// The arguments, where they are what the operation takes: before it is called, whoever called can mend them.
fn fitted(
    server: &ToolServer,
    operation: &str,
    arguments: Map<String, Value>,
    listing: Option<&Listing>,
) -> Result<Map<String, Value>, Problem> {
    let Some(listed) = listing.and_then(|it| it.get(operation)) else {
        return Ok(arguments);
    };
    listed.schema.fitted(arguments).map_err(|faults| {
        let text = format!(
            "{}.{operation}: the arguments are not what it takes: {faults}",
            server.name
        );
        Problem::new(Code::BadRequest, text)
            .remedy("mend them by the operation's parameters and call it again; it was not called")
    })
}

/// Bytes of what a tool offers.
pub(super) fn offered(specs: &[ToolSpec]) -> usize {
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
            for (server, (specs, unavailable)) in tools.iter().zip(listed) {
                response.unavailable.extend(unavailable);
                let size = offered(&specs);
                if bytes + size <= MAX_LISTED {
                    bytes += size;
                    response.tools.extend(specs);
                    continue;
                }
                response.unavailable.push(Unavailable {
                    tool: server.name.clone(),
                    reason: format!(
                        "the agent's tools together offer more than {MAX_LISTED} bytes: name fewer operations under spec.operations of the Tools"
                    ),
                });
            }
            Ok(response)
        })
    }

    fn call<'a>(
        &'a self,
        tools: &'a [ToolServer],
        request: CallRequest,
        _: &'a Attempt,
        deadline: Instant,
        waits: &'a Waits,
    ) -> BoxFuture<'a, Result<CallResponse, Problem>> {
        Box::pin(self.call_one(tools, request, deadline, waits))
    }
}
