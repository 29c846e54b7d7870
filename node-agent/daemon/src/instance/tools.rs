//! An instance's tools as their driver takes them.

use std::time::Duration;

use aion_abi::syscall::tool::Unavailable;
use aion_api::{ResolvedTool, Retry, program::SecretKey};
use aion_drivers::{
    outbound::Endpoint,
    secrets::SecretRef,
    tool::{Remote, StdioCommand, ToolServer, Transport},
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

    /// Whether a call of `tool.operation` is made again where the node went down over it.
    pub(crate) fn repeats(&self, name: &str) -> bool {
        let Some((tool, operation)) = name.split_once('.') else {
            return false;
        };
        let known = self.spec().tools.iter().find(|it| it.name == tool);
        let mut operations = known.into_iter().flat_map(|it| &it.operations);
        operations.any(|it| it.name == operation && it.retry == Retry::Safe)
    }
}

fn server(instance: &Instance, tool: &ResolvedTool) -> Result<ToolServer, String> {
    let tenant = instance.spec().tenant.clone();
    let endpoint = |url: &str, token: Option<&SecretKey>| Endpoint {
        name: tool.name.clone(),
        tenant: tenant.clone(),
        url: url.to_owned(),
        secret: token.map(|key| SecretRef {
            secret: key.secret.clone(),
            key: key.key.clone(),
        }),
    };
    let mcp = tool.mcp.as_ref();
    let http = mcp.and_then(|it| it.http.as_ref());
    let transport = match (http, tool.stdio(), &tool.a2a) {
        (Some(http), _, _) => Transport::Http(endpoint(&http.url, http.token.as_ref())),
        (None, Some(stdio), _) => Transport::Stdio(StdioCommand {
            command: stdio.command.clone(),
            args: stdio.args.clone(),
            env: stdio.env.clone(),
            mounts: stdio.mounts.clone(),
        }),
        (None, None, Some(agent)) => Transport::A2a(Remote {
            endpoint: endpoint(&agent.url, agent.token.as_ref()),
            card_url: agent.card_url.clone(),
        }),
        (None, None, None) => {
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
        asks_people: !tool.asks_people.is_never(),
        required_layers: instance.required_layers(),
    })
}

#[cfg(test)]
mod tests {
    use aion_api::{AgentInstanceSpec, McpHttp, McpServer, RemoteAgent};

    use super::*;

    #[test]
    fn a_tool_of_an_unknown_kind_takes_nothing_from_the_others() {
        let tool = |name: &str, mcp| ResolvedTool {
            name: name.to_owned(),
            mcp: Some(mcp),
            ..ResolvedTool::default()
        };
        let agent = ResolvedTool {
            name: "travel".to_owned(),
            a2a: Some(RemoteAgent::default()),
            ..ResolvedTool::default()
        };
        let http = McpServer {
            http: Some(McpHttp::default()),
            ..McpServer::default()
        };
        let spec = AgentInstanceSpec {
            tools: vec![
                tool("newer", McpServer::default()),
                tool("calendar", http),
                agent,
            ],
            ..AgentInstanceSpec::default()
        };
        let instance = Instance::of("a", spec);
        let (servers, unavailable) = instance.tool_servers();
        assert_eq!(servers.len(), 2);
        assert_eq!(servers[0].name, "calendar");
        assert!(matches!(servers[1].transport, Transport::A2a(_)));
        assert_eq!(unavailable[0].tool, "newer");
    }
}
