//! An instance's tools as their driver takes them.

use std::time::Duration;

use aion_abi::syscall::tool::Unavailable;
use aion_api::ResolvedTool;
use aion_drivers::{
    outbound::Endpoint,
    secrets::SecretRef,
    tool::{StdioCommand, ToolServer, Transport},
};
use aion_policy::count;

use super::Instance;

impl Instance {
    /// The tools of an instance, and those that this node cannot reach, which takes nothing from the others.
    pub(crate) fn tool_servers(&self) -> (Vec<ToolServer>, Vec<Unavailable>) {
        let (mut servers, mut unavailable) = (Vec::new(), Vec::new());
        for tool in &self.spec().tools {
            match server(self, tool) {
                Ok(server) => servers.push(server),
                Err(reason) => unavailable.push(Unavailable {
                    tool: tool.name.clone(),
                    reason,
                }),
            }
        }
        (servers, unavailable)
    }
}

fn server(instance: &Instance, tool: &ResolvedTool) -> Result<ToolServer, String> {
    let tenant = instance.spec().tenant.clone();
    let transport = match (&tool.mcp.http, &tool.mcp.stdio) {
        (Some(http), _) => Transport::Http(Endpoint {
            name: tool.name.clone(),
            tenant: tenant.clone(),
            url: http.url.clone(),
            secret: http.token.as_ref().map(|key| SecretRef {
                secret: key.secret.clone(),
                key: key.key.clone(),
            }),
        }),
        (None, Some(stdio)) => Transport::Stdio(StdioCommand {
            command: stdio.command.clone(),
            args: stdio.args.clone(),
            env: stdio.env.clone(),
            mounts: stdio.mounts.clone(),
        }),
        (None, None) => {
            return Err(
                "its server is of a kind that this node does not know: update the node".to_owned(),
            );
        }
    };
    Ok(ToolServer {
        tenant,
        name: tool.name.clone(),
        description: tool.description.clone(),
        transport,
        operations: tool.operations.iter().map(|it| it.name.clone()).collect(),
        max_concurrent: count(tool.max_concurrent),
        timeout: Duration::from_secs(count(tool.timeout_seconds).into()),
        asks_people: tool.asks_people,
        required_layers: instance.required_layers(),
    })
}

#[cfg(test)]
mod tests {
    use aion_api::{AgentInstanceSpec, McpHttp, McpServer};

    use super::*;

    #[test]
    fn a_tool_of_an_unknown_kind_takes_nothing_from_the_others() {
        let tool = |name: &str, mcp| ResolvedTool {
            name: name.to_owned(),
            mcp,
            ..ResolvedTool::default()
        };
        let http = McpServer {
            http: Some(McpHttp::default()),
            ..McpServer::default()
        };
        let spec = AgentInstanceSpec {
            tools: vec![tool("newer", McpServer::default()), tool("calendar", http)],
            ..AgentInstanceSpec::default()
        };
        let instance = Instance::of("a", spec);
        let (servers, unavailable) = instance.tool_servers();
        assert_eq!(servers.len(), 1);
        assert_eq!(servers[0].name, "calendar");
        assert_eq!(unavailable[0].tool, "newer");
    }
}
