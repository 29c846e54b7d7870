//! Step 5: reports the judgement. Everything else in the status is the node agent's.

use aion_api::KernelNode;
use aion_api::condition;
use aion_api::metadata::MANAGER_KERNEL_NODE;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Resource};
use serde_json::json;

use crate::context::Context;
use crate::failure::step_errors;
use crate::write;

use super::apply::Applied;

step_errors! {
    /// Why what was done is not told.
    Error {
        /// The API server did not take the status.
        WriteStatus,
    }
}

/// Writes the condition Ready where it changed, and tells so.
///
/// # Errors
/// The API server did not take it.
pub(super) async fn update(
    context: &Context,
    applied: Applied,
    now: Timestamp,
) -> Result<(), Error> {
    if applied.gone {
        return Ok(());
    }
    let node = &applied.node;
    let before = node
        .status
        .as_ref()
        .map(|status| status.conditions.clone())
        .unwrap_or_default();
    let generation = node.metadata.generation;
    let conditions = condition::write(&before, &[applied.judgement], generation, &Time(now));
    if conditions.iter().all(|it| before.contains(it)) {
        return Ok(());
    }
    let nodes: Api<KernelNode> = Api::all(context.client.clone());
    let said = json!({"conditions": conditions});
    let written = write::status(&nodes, node, MANAGER_KERNEL_NODE, &said).await;
    if !written.map_err(Error::WriteStatus)? {
        return Ok(());
    }
    let object = node.object_ref(&());
    context
        .announcer
        .tell_changes(&object, &before, &conditions);
    Ok(())
}
