//! `GET /api/v1/status`.

use std::sync::Arc;

use aion_abi::admin::{Layer, NodeStatus};
use aion_api::condition::{self, READY};
use aion_serve::Json;
use axum::extract::State;

use super::{Admin, answer::Refused};

pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Result<Json<NodeStatus>, Refused> {
    let load = admin.shell.look(aion_kernel::Kernel::load).await;
    let load = load.ok_or_else(|| Refused::internal("the kernel has stopped"))?;
    let features = admin.features.borrow().clone();
    let (agents, ready) = agents(&admin);
    Ok(Json(NodeStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: admin.node.clone(),
        mode: match &admin.folder {
            Some(_) => "standalone",
            None => "kubernetes",
        }
        .to_owned(),
        started_at_ms: admin.clock.started(),
        offline: admin.offline,
        agents,
        agents_ready: ready,
        turns_waiting: u32::try_from(load.waiting_turns).unwrap_or(u32::MAX),
        turns_running: u32::try_from(load.running_turns).unwrap_or(u32::MAX),
        approvals_pending: u32::try_from(load.pending_approvals).unwrap_or(u32::MAX),
        launcher: match &features {
            Some(_) => "ready",
            None => "unreachable",
        }
        .to_owned(),
        layers: features.unwrap_or_default().iter().map(layer).collect(),
        hooks: admin.kernel_traces.hooks(),
        home: admin.home.display().to_string(),
    }))
}

/// Agents, and those that are ready. In a cluster: those with an instance here.
fn agents(admin: &Admin) -> (u32, u32) {
    let standings = admin.standings.all();
    let is_ready =
        |it: &crate::instances::Standing| condition::is_true(&it.status.conditions, READY);
    let names = |ready: bool| {
        let mut names: Vec<_> = standings
            .iter()
            .filter(|it| !ready || is_ready(it))
            .map(|it| {
                (
                    &it.instance.metadata.namespace,
                    &it.instance.spec.agent.name,
                )
            })
            .collect();
        names.sort();
        names.dedup();
        u32::try_from(names.len()).unwrap_or(u32::MAX)
    };
    let known = match &admin.folder {
        Some(folder) => u32::try_from(folder.agents()).unwrap_or(u32::MAX),
        None => names(false),
    };
    (known, names(true))
}

pub(super) fn layer(layer: &aion_sandbox::LayerReading) -> Layer {
    let evidence = match &layer.state {
        aion_sandbox::LayerState::Missing { why } => why.clone(),
        aion_sandbox::LayerState::NotRequested => "not asked for".to_owned(),
        aion_sandbox::LayerState::Enforced => layer.evidence.clone(),
    };
    Layer {
        name: layer.name.as_str().to_owned(),
        enforced: layer.is_enforced(),
        evidence,
    }
}
