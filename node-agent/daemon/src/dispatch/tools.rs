//! `tool.list` and `tool.call`: an instance's tools as the driver takes them.

use std::time::Duration;

use aion_abi::{code::Code, problem::Problem};
use aion_api::{AgentInstanceSpec, GrantEffect, ResolvedTool};
use aion_drivers::{
    outbound::Endpoint,
    secrets::SecretRef,
    tool::{StdioCommand, ToolServer, Transport},
};

use crate::instance::Instance;

/// The right to call any operation of any tool; with `:tool.operation` behind it, that one.
const CALL: &str = "tool.call";

/// The tools of an instance.
pub(super) fn servers(instance: &Instance) -> Result<Vec<ToolServer>, Problem> {
    instance
        .spec()
        .tools
        .iter()
        .map(|it| server(instance, it))
        .collect()
}

fn server(instance: &Instance, tool: &ResolvedTool) -> Result<ToolServer, Problem> {
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
            return Err(Problem::new(
                Code::Internal,
                format!("tool {} was resolved to nothing", tool.name),
            ));
        }
    };
    Ok(ToolServer {
        tenant,
        name: tool.name.clone(),
        description: tool.description.clone(),
        transport,
        operations: tool.operations.iter().map(|it| it.name.clone()).collect(),
        max_concurrent: u32::try_from(tool.max_concurrent).unwrap_or(1),
        timeout: Duration::from_secs(u64::try_from(tool.timeout_seconds).unwrap_or(1)),
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
    use aion_api::Grant;

    use super::*;

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
