//! `tool.list` and `tool.call`: an instance's tools as the driver takes them.

use std::time::Duration;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::{
        Syscall,
        tool::{CallRequest, Unavailable},
    },
};
use aion_api::{AgentInstanceSpec, GrantEffect, ResolvedTool};
use aion_drivers::{
    outbound::Endpoint,
    secrets::SecretRef,
    tool::{StdioCommand, ToolServer, Transport},
};
use aion_policy::count;

use crate::instance::Instance;

/// The right to call any operation of any tool; with `:tool.operation` behind it, that one.
const CALL: &str = Syscall::ToolCall.name();

/// The tools of an instance, and those that this node cannot reach, which takes nothing from the others.
pub(super) fn servers(instance: &Instance) -> (Vec<ToolServer>, Vec<Unavailable>) {
    let (mut servers, mut unavailable) = (Vec::new(), Vec::new());
    for tool in &instance.spec().tools {
        match server(instance, tool) {
            Ok(server) => servers.push(server),
            Err(reason) => unavailable.push(Unavailable {
                tool: tool.name.clone(),
                reason,
            }),
        }
    }
    (servers, unavailable)
}

/// Why a call is not made, where it is of a tool that cannot be reached.
pub(super) fn reached(call: &CallRequest, unavailable: &[Unavailable]) -> Result<(), Problem> {
    let tool = call.name.split('.').next().unwrap_or_default();
    match unavailable.iter().find(|it| it.tool == tool) {
        Some(found) => Err(Problem::new(
            Code::Unreachable,
            format!("tool {tool}: {}", found.reason),
        )),
        None => Ok(()),
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
        required_layers: instance.required_layers(),
    })
}

/// Whether an operation is offered: what would be refused, or need a person's word, is not.
pub(super) fn granted(spec: &AgentInstanceSpec, operation: &str) -> bool {
    let rights = spec
        .grants
        .iter()
        .filter(|grant| grant.effect == GrantEffect::Allow);
    let mut targets = rights.filter_map(|grant| grant.capability.strip_prefix(CALL));
    targets.any(|target| target.is_empty() || target.strip_prefix(':') == Some(operation))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aion_api::{Grant, McpHttp, McpServer};

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
        let (servers, unavailable) = servers(&instance);
        assert_eq!(servers.len(), 1);
        assert_eq!(servers[0].name, "calendar");
        assert_eq!(unavailable[0].tool, "newer");
        let call = |name: &str| CallRequest {
            name: name.to_owned(),
            arguments: serde_json::Value::Null,
        };
        assert!(reached(&call("calendar.read"), &unavailable).is_ok());
        let refused = reached(&call("newer.read"), &unavailable).unwrap_err();
        assert_eq!(refused.code, Code::Unreachable);
    }

    #[test]
    fn only_what_is_allowed_outright_is_offered() {
        let right = |capability: &str, effect| Grant {
            capability: capability.into(),
            effect,
        };
        let mut spec = AgentInstanceSpec {
            grants: vec![
                right("tool.call:calendar.read", GrantEffect::Allow),
                right("tool.call:calendar.write", GrantEffect::Ask),
                right("tool.list", GrantEffect::Allow),
            ],
            ..AgentInstanceSpec::default()
        };
        assert!(granted(&spec, "calendar.read"));
        assert!(!granted(&spec, "calendar.write"));
        assert!(!granted(&spec, "calendar.rea"));
        spec.grants.push(right("tool.call", GrantEffect::Allow));
        assert!(granted(&spec, "mail.send"));
    }
}
