//! All tools of an agent, whatever answers for them: MCP servers and agents elsewhere, each by its own driver. What may
//! not enter: how either is spoken to.

use std::sync::Arc;

use aion_abi::{
    problem::Problem,
    syscall::tool::{CallRequest, CallResponse, ListResponse},
};
use futures::future::{BoxFuture, try_join};
use tokio::time::Instant;

use super::{
    A2aTools, Attempt, Granted, McpTools, StdioServers, ToolDriver, ToolServer, Transport, Waits,
};
use crate::{outbound::Outbound, secrets::Secrets};

/// See the module.
pub struct Tools {
    mcp: McpTools,
    a2a: A2aTools,
}

impl Tools {
    /// Dials by `outbound`, with keys from `secrets`; servers that are processes are started by `stdio`.
    /// Needs a runtime when it is used, not when it is made. `proofs` is as [`A2aTools::new`] has it.
    pub fn new(
        outbound: Arc<Outbound>,
        secrets: Arc<dyn Secrets>,
        stdio: Arc<dyn StdioServers>,
        proofs: [u8; 32],
    ) -> Self {
        Self {
            mcp: McpTools::new(Arc::clone(&outbound), Arc::clone(&secrets), stdio),
            a2a: A2aTools::new(outbound, secrets, proofs),
        }
    }

    async fn list_all(
        &self,
        tools: &[ToolServer],
        granted: &Granted,
    ) -> Result<ListResponse, Problem> {
        let (agents, servers): (Vec<_>, Vec<_>) = tools.iter().cloned().partition(is_agent);
        if agents.is_empty() {
            return self.mcp.list(tools, granted).await;
        }
        // What agents offer is small and of a bounded size each: the servers have the whole bound for themselves.
        let listed = try_join(
            self.mcp.list(&servers, granted),
            self.a2a.list(&agents, granted),
        );
        let (mut all, agents) = listed.await?;
        all.tools.extend(agents.tools);
        all.unavailable.extend(agents.unavailable);
        all.tools.sort_by_key(|it| place(tools, &it.name));
        Ok(all)
    }
}

/// Where the tool of an operation stands among all.
fn place(tools: &[ToolServer], operation: &str) -> usize {
    let tool = operation.split('.').next().unwrap_or_default();
    let at = tools.iter().position(|it| it.name == tool);
    at.unwrap_or(usize::MAX)
}

fn is_agent(tool: &ToolServer) -> bool {
    matches!(tool.transport, Transport::A2a(_))
}

impl ToolDriver for Tools {
    fn list<'a>(
        &'a self,
        tools: &'a [ToolServer],
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>> {
        Box::pin(self.list_all(tools, granted))
    }

    fn call<'a>(
        &'a self,
        tools: &'a [ToolServer],
        request: CallRequest,
        attempt: &'a Attempt,
        deadline: Instant,
        waits: &'a Waits,
    ) -> BoxFuture<'a, Result<CallResponse, Problem>> {
        match tools.get(place(tools, &request.name)).is_some_and(is_agent) {
            true => self.a2a.call(tools, request, attempt, deadline, waits),
            false => self.mcp.call(tools, request, attempt, deadline, waits),
        }
    }
}
