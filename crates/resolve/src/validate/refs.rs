//! Tools, memory and mounts: whether what an agent names is there.

use aion_api::condition::reason;
use aion_api::{ModelPurpose, ResolvedMemory, ResolvedMount, ResolvedTool, defaults};

use crate::dereference::Dereferenced;
use crate::problem::Problem;
use crate::universe::{NodeState, NodeView, Setting};

use super::{Findings, models};

pub(super) fn tools(input: &Dereferenced, findings: &mut Findings) -> Vec<ResolvedTool> {
    let mut resolved: Vec<ResolvedTool> = Vec::new();
    for (at, used) in input.agent.spec.tools.iter().enumerate() {
        let name = used.tool();
        let part = if used.mcp.is_some() { "mcp" } else { "name" };
        let field = format!("spec.tools[{at}].{part}");
        if resolved.iter().any(|tool| tool.name == name) {
            findings.invalid.push(Problem::new(
                field,
                format!("tool {name} is listed twice: remove one of them"),
            ));
            continue;
        }
        let Some(tool) = input.tools.get(name) else {
            let message = format!(
                "there is no Tool {name} in namespace {}: apply one, or name another",
                namespace(input)
            );
            findings
                .unresolved
                .push((reason::NOT_FOUND, Problem::new(field, message)));
            continue;
        };
        if tool.spec.mcp.stdio.is_some() && input.setting == Setting::Cluster {
            let message = format!(
                "Tool {name} is a program that is started over stdio, which a cluster does not do: run it as a server and give mcp.http.url"
            );
            findings
                .unresolved
                .push((reason::WRONG_KIND, Problem::new(field, message)));
            continue;
        }
        resolved.push(ResolvedTool {
            name: name.to_owned(),
            mcp: tool.spec.mcp.clone(),
            description: tool.spec.description.clone(),
            operations: tool.spec.operations.clone(),
            max_concurrent: tool.spec.max_concurrent.unwrap_or(defaults::MAX_CONCURRENT),
            timeout_seconds: tool
                .spec
                .timeout_seconds
                .unwrap_or(defaults::TIMEOUT_SECONDS),
        });
    }
    resolved
}

pub(super) fn memory(input: &Dereferenced, findings: &mut Findings) -> Option<ResolvedMemory> {
    let used = input.agent.spec.memory.as_ref()?;
    let field = "spec.memory.pool";
    let mut unresolved = |reason, message: String| {
        findings
            .unresolved
            .push((reason, Problem::new(field, message)))
    };
    let Some(pool) = &input.pool else {
        let message = format!(
            "there is no MemoryPool {} in namespace {}: apply one, or name another",
            used.pool,
            namespace(input)
        );
        unresolved(reason::NOT_FOUND, message);
        return None;
    };
    if pool.metadata.deletion_timestamp.is_some() {
        let message = format!(
            "MemoryPool {} is being deleted: name another, or apply it again when it is gone",
            used.pool
        );
        unresolved(reason::NOT_FOUND, message);
        return None;
    }
    let embedding = match &pool.spec.embedding {
        None => None,
        Some(embedding) => {
            match models::endpoint(input, &embedding.use_model, ModelPurpose::Embedding) {
                Ok(endpoint) => Some(endpoint),
                Err((reason, message)) => {
                    unresolved(
                        reason,
                        format!("MemoryPool {}: spec.embedding.use: {message}", used.pool),
                    );
                    return None;
                }
            }
        }
    };
    Some(ResolvedMemory {
        pool: used.pool.clone(),
        pool_uid: pool.identity(),
        share: used.share,
        retention_days: pool.spec.retention.as_ref().map(|retention| retention.days),
        quota_mib: pool.spec.quota_mib,
        embedding,
    })
}

/// A volume that no node maps to a folder is not there. Which of several nodes has it is placement's
/// question, and with no node at all, or one of which nothing is known, there is nothing to say yet.
pub(super) fn mounts_are_mapped(
    input: &Dereferenced,
    mounts: &[ResolvedMount],
    findings: &mut Findings,
) {
    let unknown = |node: &NodeView| matches!(node.state, NodeState::Unknown(_));
    if input.nodes.is_empty() || input.nodes.iter().any(unknown) {
        return;
    }
    for mount in mounts {
        if input
            .nodes
            .iter()
            .any(|node| node.volumes.contains(&mount.volume))
        {
            continue;
        }
        let field = format!("spec.permissions.files[{}]", mount.name);
        let message = match input.setting {
            Setting::Standalone if mount.volume == mount.name => format!(
                "the mount {name} is not mapped to a folder on this machine: aionctl mount add {name} FOLDER",
                name = mount.name
            ),
            Setting::Standalone => format!(
                "the mount {} is the volume {volume}, which is not mapped to a folder on this machine: aionctl mount add {volume} FOLDER",
                mount.name,
                volume = mount.volume
            ),
            Setting::Cluster => format!(
                "the mount {} is the volume {}, which no node has: map it on a node, or name another volume in the ClusterAgentPolicy",
                mount.name, mount.volume
            ),
        };
        findings
            .unresolved
            .push((reason::MOUNT_NOT_MAPPED, Problem::new(field, message)));
    }
}

fn namespace(input: &Dereferenced) -> &str {
    input
        .agent
        .metadata
        .namespace
        .as_deref()
        .unwrap_or_default()
}
