//! Step 3: reports the judgement. Everything else in the status is the node agent's.

use aion_api::condition::{find, write};
use aion_api::metadata::MANAGER_KERNEL_NODE;
use aion_api::{API_VERSION, KernelNode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::context::Context;
use crate::events::changes;
use crate::failure::Failure;

use super::validate::Validated;

/// Writes the condition Ready where it changed, and tells so.
///
/// # Errors
/// The API server did not take it.
pub(super) async fn update(
    context: &Context,
    validated: Validated,
    now: Timestamp,
) -> Result<(), Failure> {
    let node = &validated.node;
    let before = node
        .status
        .as_ref()
        .map(|status| status.conditions.clone())
        .unwrap_or_default();
    let generation = node.metadata.generation;
    let conditions = write(&before, &[validated.judgement], generation, &Time(now));
    let same = |a: &aion_api::condition::Condition| {
        find(&before, &a.type_).is_some_and(|b| (&a.status, &a.reason) == (&b.status, &b.reason))
    };
    if conditions.iter().all(same) {
        return Ok(());
    }
    let name = node.name_any();
    let nodes: Api<KernelNode> = Api::all(context.client.clone());
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "KernelNode",
        "metadata": {"name": name, "uid": node.metadata.uid},
        "status": {"conditions": conditions},
    });
    let params = PatchParams::apply(MANAGER_KERNEL_NODE).force();
    match nodes
        .patch_status(&name, &params, &Patch::Apply(&object))
        .await
    {
        Ok(_) => {}
        Err(kube::Error::Api(error)) if error.code == 404 => return Ok(()),
        Err(error) => {
            return Err(Failure::of(format!(
                "writing the status of KernelNode {name}"
            ))(error));
        }
    }
    context
        .announcer
        .tell(&node.object_ref(&()), changes(&before, &conditions))
        .await;
    Ok(())
}
