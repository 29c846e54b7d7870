//! Tools, memory and mounts: whether what an agent names is there.

use aion_api::condition::reason;
use aion_api::{
    ModelPurpose, ResolvedAgent, ResolvedMemory, ResolvedMount, ResolvedTool, defaults,
};

use crate::dereference::Dereferenced;
use crate::problem::{Problem, Told};
use crate::universe::{NodeState, NodeView, Setting};

use super::{Findings, models};

pub(super) fn tools(input: &Dereferenced, findings: &mut Findings) -> Vec<ResolvedTool> {
    let mut resolved: Vec<ResolvedTool> = Vec::new();
    for (at, used) in input.agent.spec.tools.iter().enumerate() {
        if used.agent.is_some() {
            continue;
        }
        let name = used.tool();
        let part = if used.mcp.is_some() { "mcp" } else { "name" };
        let field = format!("spec.tools[{at}].{part}");
        if resolved.iter().any(|tool| tool.name == name) {
            findings.invalid.push(Problem::new(
                field,
                (format!("tool {name} is listed twice"), "remove one of them"),
            ));
            continue;
        }
        let Some(tool) = input.tools.get(name) else {
            let what = format!("there is no Tool {name} in namespace {}", namespace(input));
            let told = (what, "apply one, or name another");
            findings
                .unresolved
                .push((reason::NOT_FOUND, Problem::new(field, told)));
            continue;
        };
        if used.mcp.is_some() && tool.spec.mcp.is_none() {
            let what = format!("Tool {name} is not an MCP server");
            let told = (what, "name it under name, which takes a Tool of any kind");
            findings
                .unresolved
                .push((reason::WRONG_KIND, Problem::new(field, told)));
            continue;
        }
        let stdio = tool.spec.mcp.as_ref().and_then(|it| it.stdio.as_ref());
        if stdio.is_some() && input.setting == Setting::Cluster {
            let what = format!(
                "Tool {name} is a program that is started over stdio, which a cluster does not do"
            );
            let told = (what, "run it as a server and give mcp.http.url");
            findings
                .unresolved
                .push((reason::WRONG_KIND, Problem::new(field, told)));
            continue;
        }
        resolved.push(ResolvedTool {
            name: name.to_owned(),
            mcp: tool.spec.mcp.clone(),
            a2a: tool.spec.a2a.clone(),
            description: tool.spec.description.clone(),
            operations: tool.spec.operations.clone(),
            max_concurrent: tool.spec.max_concurrent.unwrap_or(defaults::MAX_CONCURRENT),
            timeout_seconds: tool
                .spec
                .timeout_seconds
                .unwrap_or(defaults::TIMEOUT_SECONDS),
            asks_people: tool.spec.asks_people,
        });
    }
    resolved
}

pub(super) fn agents(input: &Dereferenced, findings: &mut Findings) -> Vec<ResolvedAgent> {
    let mut resolved: Vec<ResolvedAgent> = Vec::new();
    for (at, used) in input.agent.spec.tools.iter().enumerate() {
        let Some(name) = &used.agent else { continue };
        let field = format!("spec.tools[{at}].agent");
        let mut invalid = |field: String, told: (String, &str)| {
            findings.invalid.push(Problem::new(field, told));
        };
        if input.agent.metadata.name.as_ref() == Some(name) {
            let what = "an agent cannot ask itself".to_owned();
            invalid(field, (what, "name another, or remove it"));
            continue;
        }
        if resolved.iter().any(|it| it.name == *name) {
            let what = format!("agent {name} is listed twice");
            invalid(field, (what, "remove one of them"));
            continue;
        }
        for (nth, right) in used.delegate.iter().flatten().enumerate() {
            if aion_policy::delegated(right).is_none() {
                let field = format!("spec.tools[{at}].delegate[{nth}]");
                let remedy = "write TOOL.OPERATION, TOOL.*, a syscall such as memory.recall, or one with its target such as fs.read:notes";
                invalid(field, (format!("{right} is not a right"), remedy));
            }
        }
        let Some(description) = input.agents.get(name) else {
            let what = format!("there is no Agent {name} in namespace {}", namespace(input));
            let told = (what, "apply it, or name another");
            findings
                .unresolved
                .push((reason::NOT_FOUND, Problem::new(field, told)));
            continue;
        };
        resolved.push(ResolvedAgent {
            name: name.clone(),
            description: description.clone(),
            delegate: used.delegate.clone(),
        });
    }
    resolved
}

pub(super) fn memory(input: &Dereferenced, findings: &mut Findings) -> Option<ResolvedMemory> {
    let used = input.agent.spec.memory.as_ref()?;
    let field = "spec.memory.pool";
    let mut unresolved = |reason, told: Told| {
        findings
            .unresolved
            .push((reason, Problem::new(field, told)))
    };
    let Some(pool) = &input.pool else {
        let namespace = namespace(input);
        let what = format!(
            "there is no MemoryPool {} in namespace {namespace}",
            used.pool
        );
        unresolved(
            reason::NOT_FOUND,
            (what, "apply one, or name another").into(),
        );
        return None;
    };
    if pool.metadata.deletion_timestamp.is_some() {
        let what = format!("MemoryPool {} is being deleted", used.pool);
        let remedy = "name another, or apply it again when it is gone";
        unresolved(reason::NOT_FOUND, (what, remedy).into());
        return None;
    }
    let embedding = match &pool.spec.embedding {
        None => None,
        Some(embedding) => {
            match models::endpoint(input, &embedding.use_model, ModelPurpose::Embedding) {
                Ok(endpoint) => Some(endpoint),
                Err((reason, mut told)) => {
                    told.what = format!(
                        "MemoryPool {}: spec.embedding.use: {}",
                        used.pool, told.what
                    );
                    unresolved(reason, told);
                    return None;
                }
            }
        }
    };
    Some(ResolvedMemory {
        pool: used.pool.clone(),
        pool_uid: pool.identity(),
        share: used.share,
        tiers: pool.spec.tiers.clone(),
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
        let (name, volume) = (&mount.name, &mount.volume);
        let told = match input.setting {
            Setting::Standalone if volume == name => (
                format!("the mount {name} is not mapped to a folder on this machine"),
                format!("aionctl mount add {name} FOLDER"),
            ),
            Setting::Standalone => (
                format!(
                    "the mount {name} is the volume {volume}, which is not mapped to a folder on this machine"
                ),
                format!("aionctl mount add {volume} FOLDER"),
            ),
            Setting::Cluster => (
                format!("the mount {name} is the volume {volume}, which no node has"),
                "map it on a node, or name another volume in the ClusterAgentPolicy".to_owned(),
            ),
        };
        findings
            .unresolved
            .push((reason::MOUNT_NOT_MAPPED, Problem::new(field, told)));
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
